/**
 * Brings the meta.properties of all data directories into line: one node, one cluster, a directory id
 * each. A directory of another node or cluster is refused before anything in it is touched.
 */

import { MillraceError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { randomUuid } from '../base/uuid.js';
import type { LogDir } from './log-dir.js';

export interface SettleMetaOptions {
  readonly random: Random;
  readonly nodeId: number;
  /** Null: whatever the directories say, or a new one. */
  readonly clusterId: string | null;
}

/** Answers the cluster id. Rejects with INCONSISTENT_META_PROPERTIES. */
export async function settleMeta(
  dirs: readonly LogDir[],
  { random, nodeId, clusterId: wanted }: SettleMetaOptions,
): Promise<string> {
  let clusterId = wanted;
  for (const { meta, path } of dirs) {
    if (meta === null) continue;
    if (meta.nodeId !== null && meta.nodeId !== nodeId) {
      throw inconsistent(`${path} belongs to node ${meta.nodeId}, this is node ${nodeId}`);
    }
    if (meta.clusterId === null) continue;
    if (clusterId !== null && clusterId !== meta.clusterId) {
      throw inconsistent(`${path} belongs to cluster ${meta.clusterId}, this is ${clusterId}`);
    }
    clusterId = meta.clusterId;
  }
  const settled = clusterId ?? randomUuid(random);
  for (const dir of dirs) {
    const { meta } = dir;
    const isWhole = meta?.nodeId === nodeId && meta.clusterId === settled;
    if (isWhole && meta.directoryId !== null) continue;
    const directoryId = meta?.directoryId ?? randomUuid(random);
    await dir.writeMeta({ nodeId, clusterId: settled, directoryId });
  }
  return settled;
}

function inconsistent(message: string): MillraceError {
  return new MillraceError(message, { code: 'INCONSISTENT_META_PROPERTIES' });
}

/**
 * `millrace log snapshot`: a copy of a data directory, or of one partition, that opens as a log of its
 * own, also while a broker writes to the source. Sealed logs get a second name (a hard link), only the
 * active one of each partition is copied, and the small files that are written in place.
 *
 *     .log of a sealed segment, .snapshot, .checksum   linked: nobody writes them again
 *     .log of the active segment, indexes              copied
 *     checkpoints, meta.properties                     copied; recovery points made anew
 *
 * A partition whose files changed names meanwhile (retention, compaction) is begun again. The copy has
 * no clean-shutdown marker: opening it checks the active segments, and cuts an append that was under way.
 * Everything copied is synced, and so are the directories; what the source has not synced is not, as
 * long as it has not.
 */

import { join } from 'node:path';
import { MillraceError } from '../../base/errors.js';
import type { Offset } from '../../base/offset.js';
import { METADATA_BACKUP_FILE, METADATA_FILE } from '../../cluster/metadata-store.js';
import { copyFile, hardLink } from '../../file/hard-link.js';
import { formatOffsetCheckpoint, RECOVERY_POINT_FILE } from '../../log/checkpoints.js';
import { parsePartitionDir } from '../../log/partition-dir.js';
import { findTargets } from '../../log/verify.js';
import { parseFileName } from '../../segment/names.js';
import { formatBytes } from '../progress.js';
import type { ToolIo } from './log-verify.js';

const ATTEMPTS_MAX = 10;
const LINKED = ['log', 'snapshot', 'checksum'];
/** In the data directory; recovery points are made anew. */
const KEPT = [
  ...['meta.properties', 'log-start-offset-checkpoint', 'replication-offset-checkpoint'],
  ...['bootstrap.checkpoint', METADATA_FILE, METADATA_BACKUP_FILE],
];

interface Totals {
  linked: number;
  copied: number;
  linkedBytes: number;
  copiedBytes: number;
}

/** Answers 0; throws if `destination` is there and not empty, or if a file cannot be made. */
export async function runSnapshot(
  source: string,
  destination: string,
  { json }: { readonly json: boolean },
  { env, clock, out }: ToolIo,
): Promise<0> {
  const startMs = clock.monotonicMs();
  if (env.exists(destination) && env.readdir(destination).length > 0) {
    throw new MillraceError(`${destination} is not empty`, { code: 'ALREADY_EXISTS' });
  }
  const targets = findTargets(env, source);
  const isPartition = targets.length === 1 && targets[0]?.dir === source;
  const totals: Totals = { linked: 0, copied: 0, linkedBytes: 0, copiedBytes: 0 };
  const recoveryPoints = new Map<string, Offset>();
  env.mkdir(destination);
  for (const target of targets) {
    const to = isPartition ? destination : join(destination, target.name);
    const active = await snapshotPartition(env, target.dir, to, totals);
    if (active !== null && parsePartitionDir(target.name) !== null) {
      recoveryPoints.set(target.name, active);
    }
  }
  if (!isPartition) {
    for (const name of KEPT) {
      if (env.exists(join(source, name))) await copyWhole(env, source, destination, name, totals);
    }
    const points = Buffer.from(formatOffsetCheckpoint(recoveryPoints));
    await env.writeFileAtomic(join(destination, RECOVERY_POINT_FILE), points);
  }
  await env.syncDir(destination);
  const elapsedMs = Math.round(clock.monotonicMs() - startMs);
  const { linked, copied, linkedBytes, copiedBytes } = totals;
  if (json) {
    const summary = { type: 'summary', partitions: targets.length, ...totals, elapsedMs };
    out(JSON.stringify(summary));
  } else {
    const links = `${linked} files linked (${formatBytes(linkedBytes)})`;
    out(`${links}, ${copied} copied (${formatBytes(copiedBytes)}) in ${elapsedMs} ms`);
  }
  return 0;
}

/** Answers the base offset of its active segment. */
async function snapshotPartition(
  env: ToolIo['env'],
  from: string,
  to: string,
  totals: Totals,
): Promise<Offset | null> {
  for (let attempt = 1; ; attempt++) {
    const attempted: Totals = { linked: 0, copied: 0, linkedBytes: 0, copiedBytes: 0 };
    try {
      const active = await tryPartition(env, from, to, attempted);
      for (const key of Object.keys(attempted) as (keyof Totals)[]) totals[key] += attempted[key];
      return active;
    } catch (error) {
      const moved = error instanceof MillraceError && error.code === 'NOT_FOUND';
      if (!moved || attempt === ATTEMPTS_MAX) throw error;
      for (const name of env.readdir(to)) env.unlink(join(to, name));
    }
  }
}

async function tryPartition(
  env: ToolIo['env'],
  from: string,
  to: string,
  totals: Totals,
): Promise<Offset | null> {
  env.mkdir(to);
  const names = env.readdir(from);
  let active = -1;
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed?.kind === 'log' && parsed.state === 'live') {
      active = Math.max(active, parsed.baseOffset);
    }
  }
  for (const name of names) {
    const parsed = parseFileName(name);
    const other = name === 'leader-epoch-checkpoint' || name === 'partition.metadata';
    if (parsed === null ? !other : parsed.state !== 'live') continue;
    const isSealed = parsed !== null && (parsed.kind !== 'log' || parsed.baseOffset < active);
    const linked =
      isSealed && LINKED.includes(parsed.kind) && hardLink(join(from, name), join(to, name));
    if (linked) {
      totals.linked++;
      totals.linkedBytes += env.stat(join(to, name))?.size ?? 0;
    } else {
      await copyWhole(env, from, to, name, totals);
    }
  }
  await env.syncDir(to);
  return active < 0 ? null : (active as Offset);
}

async function copyWhole(
  env: ToolIo['env'],
  from: string,
  to: string,
  name: string,
  totals: Totals,
): Promise<void> {
  copyFile(join(from, name), join(to, name));
  const file = env.open(join(to, name), 'update');
  try {
    totals.copied++;
    totals.copiedBytes += file.size();
    await file.datasync();
  } finally {
    file.close();
  }
}

/**
 * The metadata store of one node: the image and the next producer id, in two files of the first data
 * directory. Each is replaced whole (temporary file, fsync, rename, fsync of the directory); the
 * backup is written after the file itself, so that at any moment one of them is whole.
 *
 *     DIR/millrace.metadata         the newer one, if it is good
 *     DIR/millrace.metadata.backup
 *
 * At open: the good copy with the higher revision is taken, and the other one repaired by the next
 * write. If files are there and none is good, the image starts empty and says so (`lost`): the caller
 * takes topics from the directories and must not let retention delete what an override had kept.
 *
 * A write is on disk before the image changes. Calls of `commit` are one at a time: the controller's
 * mutex sees to that.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Env } from '../file/env.js';
import {
  decodeMetadataDocument,
  encodeMetadataDocument,
  type MetadataDocument,
} from './metadata-document.js';
import {
  type ClientQuota,
  MetadataImage,
  quotaEntityKey,
  type ResourceConfigs,
  resourceKey,
  type Topic,
} from './metadata-image.js';

export const METADATA_FILE = 'millrace.metadata';
export const METADATA_BACKUP_FILE = 'millrace.metadata.backup';

/** What a commit changes; the rest stays. */
export interface MetadataChange {
  readonly put?: readonly Topic[];
  readonly remove?: readonly string[];
  readonly nextProducerId?: number;
  /** Each replaces what there was of its resource. */
  readonly configs?: readonly ResourceConfigs[];
  /** Each replaces what there was for its entity. */
  readonly quotas?: readonly ClientQuota[];
}

export interface MetadataStoreOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The first data directory; it exists and is locked. */
  readonly dir: string;
}

export class MetadataStore {
  readonly image: MetadataImage;
  /** Files were there and none could be read: overrides and deletions are not known. */
  readonly lost: boolean;
  readonly #env: Env;
  readonly #paths: readonly string[];
  #revision: number;
  #nextProducerId: number;

  private constructor(
    env: Env,
    paths: readonly string[],
    document: MetadataDocument,
    lost: boolean,
  ) {
    this.#env = env;
    this.#paths = paths;
    this.#revision = document.revision;
    this.#nextProducerId = document.nextProducerId;
    this.image = new MetadataImage(document.topics, document.configs, document.quotas);
    this.lost = lost;
  }

  /** Reads only. */
  static open({ env, clock, logger, dir }: MetadataStoreOptions): MetadataStore {
    const paths = [join(dir, METADATA_FILE), join(dir, METADATA_BACKUP_FILE)];
    const good: MetadataDocument[] = [];
    let bad = 0;
    for (const path of paths) {
      if (!env.exists(path)) continue;
      const decoded = decodeMetadataDocument(env.readFile(path));
      if (decoded.ok) {
        good.push(decoded.document);
      } else {
        bad++;
        logger.error('metadata file is damaged and not used', { path, problem: decoded.problem });
      }
    }
    const newest = good.sort((a, b) => b.revision - a.revision)[0];
    if (newest !== undefined) return new MetadataStore(env, paths, newest, false);
    // Producer ids are never used twice. When the counter is lost the wall clock stands in: it is
    // above every id that was counted from 0, and below 2^53 for the next 200 years.
    const nextProducerId = bad > 0 ? clock.nowMs() * 1000 : 0;
    return new MetadataStore(env, paths, { revision: 0, nextProducerId, topics: [] }, bad > 0);
  }

  /** First producer id that was never handed out. */
  get nextProducerId(): number {
    return this.#nextProducerId;
  }

  /**
   * Durable when it resolves, and then seen in the image. Rejects with a MillraceError IO_ERROR or
   * NO_SPACE and changes nothing in memory; on disk the change may then be there or not.
   */
  async commit(change: MetadataChange): Promise<void> {
    await this.write(change);
    for (const name of change.remove ?? []) this.image.remove(name);
    for (const topic of change.put ?? []) this.image.put(topic);
    for (const entry of change.configs ?? []) this.image.putConfigs(entry);
    for (const quota of change.quotas ?? []) this.image.putQuota(quota);
  }

  /** As `commit`, but the image does not change: the file then holds an intent. */
  async write(change: MetadataChange): Promise<void> {
    const removed = new Set(change.remove);
    for (const topic of change.put ?? []) removed.add(topic.name);
    const kept = [...this.image.entries()].filter((topic) => !removed.has(topic.name));
    const document: MetadataDocument = {
      revision: this.#revision + 1,
      nextProducerId: change.nextProducerId ?? this.#nextProducerId,
      topics: [...kept, ...(change.put ?? [])],
      configs: this.#configsAfter(change),
      quotas: this.#quotasAfter(change),
    };
    assert(Number.isSafeInteger(document.nextProducerId), 'producer ids are counted exactly');
    const bytes = encodeMetadataDocument(document);
    // A failed write may have got through: the revision is not used again.
    this.#revision = document.revision;
    for (const path of this.#paths) await this.#env.writeFileAtomic(path, bytes);
    this.#nextProducerId = document.nextProducerId;
  }

  #configsAfter({ configs = [] }: MetadataChange): ResourceConfigs[] {
    const replaced = new Set(configs.map(({ type, name }) => resourceKey(type, name)));
    const kept = [...this.image.configResources()].filter(
      ({ type, name }) => !replaced.has(resourceKey(type, name)),
    );
    return [...kept, ...configs.filter((entry) => Object.keys(entry.configs).length > 0)];
  }

  #quotasAfter({ quotas = [] }: MetadataChange): ClientQuota[] {
    const replaced = new Set(quotas.map(({ entity }) => quotaEntityKey(entity)));
    const kept = [...this.image.quotas()].filter(
      ({ entity }) => !replaced.has(quotaEntityKey(entity)),
    );
    return [...kept, ...quotas.filter(({ values }) => Object.keys(values).length > 0)];
  }
}

/**
 * The files of a partition directory that are not its segments: producer snapshots, the leader epoch
 * checkpoint, partition.metadata. All are hints that can be rebuilt or done without: reading one that
 * is missing or corrupt answers null.
 */

import { join } from 'node:path';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { type FileKind, formatFileName, parseFileName } from '../segment/names.js';
import {
  formatLeaderEpochs,
  formatPartitionMetadata,
  LEADER_EPOCH_FILE,
  PARTITION_METADATA_FILE,
  parseLeaderEpochs,
  parsePartitionMetadata,
} from './checkpoints.js';
import { KeptFile } from './kept-file.js';
import type { EpochEntry } from './leader-epoch-cache.js';
import { decodeProducerSnapshot } from './producer-snapshot.js';
import type { ProducerEntry } from './producer-state.js';

export interface LogFilesOptions {
  readonly env: Env;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
}

export class LogFiles {
  readonly #env: Env;
  readonly #logger: Logger;
  readonly #dir: string;
  readonly #epochFile: KeptFile;
  readonly #topicIdFile: KeptFile;
  /** Epochs that wait to be written, and the writing of them. */
  #epochs: readonly EpochEntry[] | null = null;
  #epochWriter: Promise<void> | null = null;
  #epochsStale = false;

  constructor({ env, logger, dir }: LogFilesOptions) {
    this.#env = env;
    this.#logger = logger;
    this.#dir = dir;
    this.#epochFile = new KeptFile({ env, logger, path: join(dir, LEADER_EPOCH_FILE) });
    this.#topicIdFile = new KeptFile({ env, logger, path: join(dir, PARTITION_METADATA_FILE) });
  }

  pathOf(baseOffset: Offset, kind: FileKind): string {
    return join(this.#dir, formatFileName(baseOffset, kind));
  }

  /** Base offsets of live files of `kind`, ascending. */
  list(kind: FileKind): Offset[] {
    const found: Offset[] = [];
    for (const name of this.#env.readdir(this.#dir)) {
      const parsed = parseFileName(name);
      if (parsed !== null && parsed.kind === kind && parsed.state === 'live') {
        found.push(parsed.baseOffset);
      }
    }
    return found.sort((a, b) => a - b);
  }

  readSnapshot(offset: Offset): readonly ProducerEntry[] | null {
    const bytes = this.#read(this.pathOf(offset, 'snapshot'));
    const entries = bytes === null ? null : decodeProducerSnapshot(bytes);
    if (entries === null)
      this.#logger.warn('producer snapshot ignored', { dir: this.#dir, offset });
    return entries;
  }

  writeSnapshot(offset: Offset, bytes: Uint8Array): Promise<void> {
    return this.#env.writeFileAtomic(this.pathOf(offset, 'snapshot'), bytes);
  }

  /**
   * The snapshot of a log that is being closed. Those of earlier closes, which no segment begins at, go
   * once it is durable: a log that is opened often would gather them.
   */
  async writeEndSnapshot(end: Offset, bytes: Uint8Array): Promise<void> {
    await this.writeSnapshot(end, bytes);
    const bases = new Set(this.list('log'));
    for (const offset of this.list('snapshot')) {
      if (offset < end && !bases.has(offset)) this.removeSnapshot(offset);
    }
  }

  removeSnapshot(offset: Offset): void {
    this.remove(formatFileName(offset, 'snapshot'));
  }

  /** What `readEpochs` answered is what was written here last, for sure. */
  get epochsVerified(): boolean {
    return this.#epochFile.verified;
  }

  /** Null: missing or corrupt. */
  readEpochs(): readonly EpochEntry[] | null {
    const bytes = this.#epochFile.read();
    this.#epochFile.settle();
    if (bytes === null) return null;
    const entries = parseLeaderEpochs(bytes.toString('utf8'));
    if (entries === null) this.#logger.warn('leader epoch checkpoint ignored', { dir: this.#dir });
    return entries;
  }

  /**
   * Writes the epochs in the background, the newest state only: every batch carries its epoch, so the
   * file may lag until `epochsWritten`.
   */
  writeEpochs(entries: readonly EpochEntry[]): void {
    this.#epochs = entries.slice();
    this.#epochWriter ??= this.#writeEpochs();
  }

  /** Waits for the file; false: its last write failed. */
  async epochsWritten(): Promise<boolean> {
    while (this.#epochWriter !== null) await this.#epochWriter;
    return !this.#epochsStale;
  }

  async #writeEpochs(): Promise<void> {
    try {
      while (this.#epochs !== null) {
        const bytes = Buffer.from(formatLeaderEpochs(this.#epochs));
        this.#epochs = null;
        await this.#epochFile.write(bytes);
        this.#epochsStale = false;
      }
    } catch (error) {
      const reason = String(error);
      this.#epochsStale = true;
      this.#logger.warn('leader epoch checkpoint not written', { dir: this.#dir, reason });
    } finally {
      this.#epochWriter = null;
    }
  }

  readTopicId(): string | null {
    const bytes = this.#topicIdFile.read();
    this.#topicIdFile.settle();
    return bytes === null ? null : parsePartitionMetadata(bytes.toString('utf8'));
  }

  writeTopicId(topicId: string): Promise<void> {
    return this.#topicIdFile.write(Buffer.from(formatPartitionMetadata(topicId)));
  }

  /** Removes a file of the directory; one that cannot be removed is only reported. */
  remove(name: string): void {
    try {
      this.#env.unlink(join(this.#dir, name));
    } catch (error) {
      this.#logger.warn('file not removed', { dir: this.#dir, name, reason: String(error) });
    }
  }

  #read(path: string): Buffer | null {
    try {
      return this.#env.exists(path) ? this.#env.readFile(path) : null;
    } catch (error) {
      this.#logger.warn('file not read', { path, reason: String(error) });
      return null;
    }
  }
}

/**
 * LogCleaner: which logs of a process are compacted, and when. Goes through those that are due, the
 * dirtiest first, one at a time, so that one offset map is in memory; notes in each data directory's
 * cleaner-offset-checkpoint how far it came.
 *
 * A log that cannot be compacted (damaged, or records that cannot be read) is left alone until the next
 * start, with one error in the log.
 */

import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { IoError } from '../file/io-error.js';
import type { CleanResult } from './compaction/clean-log.js';
import type { Cleanable } from './compaction/cleanable.js';
import type { LogDir } from './log-dir.js';
import type { PartitionLog } from './partition-log.js';

/** The settings log.cleaner.* */
export interface CleanerSettings {
  readonly enable: boolean;
  /** log.cleaner.backoff.ms: pause between two rounds. */
  readonly backoffMs: number;
  /** log.cleaner.dedupe.buffer.size: most memory for keys; a log with more takes several passes. */
  readonly dedupeBytesMax: number;
  /** log.cleaner.io.buffer.load.factor: how full the buffer may become. */
  readonly loadFactor: number;
}

export const DEFAULT_CLEANER: CleanerSettings = {
  enable: true,
  backoffMs: 15_000,
  dedupeBytesMax: 16 * 1024 * 1024,
  loadFactor: 0.9,
};

/** A log and where it is. */
export interface CleanedLog {
  /** `TOPIC-PARTITION`. */
  readonly name: string;
  readonly log: PartitionLog;
  readonly dir: LogDir;
}

export interface CompactionOptions {
  /** Also what is not due: whatever can be cleaned is. */
  readonly force?: boolean;
}

/** Of one round. */
export interface CompactionSummary {
  readonly logs: number;
  readonly passes: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly bytesRead: number;
  readonly bytesKept: number;
}

export class LogCleaner {
  readonly #logger: Logger;
  readonly #settings: CleanerSettings;
  readonly #uncleanable = new WeakSet<PartitionLog>();

  constructor(logger: Logger, settings: CleanerSettings) {
    this.#logger = logger;
    this.#settings = settings;
  }

  /** One round over `logs`; never rejects. Not for two calls at a time. */
  async run(
    logs: readonly CleanedLog[],
    { force = false }: CompactionOptions = {},
  ): Promise<CompactionSummary> {
    const results: CleanResult[] = [];
    let cleanedLogs = 0;
    const due = logs
      .map((entry) => ({ entry, cleanable: this.#cleanable(entry, force) }))
      .filter((candidate) => candidate.cleanable !== null)
      .sort((a, b) => (b.cleanable?.dirtyRatio ?? 0) - (a.cleanable?.dirtyRatio ?? 0));
    for (const { entry } of due) {
      const passes = await this.#clean(entry, force);
      if (passes.length > 0) cleanedLogs++;
      results.push(...passes);
    }
    const sum = (field: keyof CleanResult): number =>
      results.reduce((total, result) => total + result[field], 0);
    return {
      logs: cleanedLogs,
      passes: results.length,
      recordsRead: sum('recordsRead'),
      recordsKept: sum('recordsKept'),
      bytesRead: sum('bytesRead'),
      bytesKept: sum('bytesKept'),
    };
  }

  /** Passes over one log until nothing cleanable is left. */
  async #clean(entry: CleanedLog, force: boolean): Promise<CleanResult[]> {
    const { name, log, dir } = entry;
    const passes: CleanResult[] = [];
    try {
      let cleanable = this.#cleanable(entry, force);
      // Whoever finds gaps in it is to know of it, also if this is the last that it does.
      if (cleanable !== null && !dir.cleanerOffsets.has(name)) {
        await dir.writeCleanerOffset(name, cleanable.firstDirtyOffset);
      }
      while (cleanable !== null) {
        const { dedupeBytesMax, loadFactor } = this.#settings;
        const result = await log.compact({ cleanable, dedupeBytesMax, loadFactor });
        passes.push(result);
        await dir.writeCleanerOffset(name, result.endOffset);
        const { recordsRead, recordsKept, bytesRead, bytesKept, endOffset } = result;
        const counts = { recordsRead, recordsKept, bytesRead, bytesKept };
        this.#logger.info('log compacted', { dir: log.path, endOffset, ...counts });
        if (result.endOffset >= cleanable.firstUncleanableOffset) break;
        cleanable = this.#cleanable(entry, true);
      }
    } catch (error) {
      this.#failed(entry, error);
    }
    return passes;
  }

  #cleanable(entry: CleanedLog, force: boolean): Cleanable | null {
    const { name, log, dir } = entry;
    if (this.#uncleanable.has(log)) return null;
    try {
      const cleanable = log.cleanable(dir.cleanerOffsets.get(name) ?? null);
      if (cleanable === null || cleanable.cleanableBytes === 0) return null;
      return force || cleanable.due ? cleanable : null;
    } catch (error) {
      this.#failed(entry, error);
      return null;
    }
  }

  #failed({ log }: CleanedLog, error: unknown): void {
    const code = error instanceof MillraceError ? error.code : '';
    if (code === 'COMPACTION_ABORTED' || log.offline) return;
    const fields = { dir: log.path, reason: String(error) };
    if (error instanceof IoError) {
      this.#logger.warn('compaction failed', fields);
      return;
    }
    this.#uncleanable.add(log);
    this.#logger.error('this log is not compacted until the next start', fields);
  }
}

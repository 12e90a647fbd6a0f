/**
 * Durability of one partition: which offsets are on disk for sure (the recovery point), and the syncs
 * that move it.
 *
 *     sealed segments, oldest first: fdatasync(.log) -> write snapshot -> fsync(directory)
 *     active segment:                fdatasync(.log)
 *
 * One chain at a time, so the recovery point never passes a segment that is not durable. An error
 * leaves the bytes in doubt for good: `flush` rejects, and its caller takes the log offline (R3).
 */

import type { Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import type { Segment } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { LogFiles } from './log-files.js';
import type { TransactionLog } from './transaction-log.js';

interface SealedSegment {
  /** Null once deleted. */
  segment: Segment | null;
  /** Base offset of the segment after it. */
  readonly endOffset: Offset;
  /** Producer state of all batches below `endOffset`; null: of an earlier run, not known. */
  readonly snapshot: Uint8Array | null;
}

export interface LogFlusherOptions {
  readonly env: Env;
  readonly logger: Logger;
  readonly dir: string;
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly transactions: TransactionLog;
  readonly recoveryPoint: Offset;
  /** A segment that gets no more appends is durable; must not throw. */
  readonly onSealed?: (segment: Segment) => void;
}

export class LogFlusher {
  readonly #options: LogFlusherOptions;
  readonly #mutex = new Mutex();
  #recoveryPoint: Offset;
  #sealed: SealedSegment[] = [];

  constructor(options: LogFlusherOptions) {
    this.#options = options;
    this.#recoveryPoint = options.recoveryPoint;
    // What a process that was killed had written is read here, and may still not be on disk; a name
    // made by it is not either.
    for (const segment of options.segments) {
      const next = options.segments.higher(segment.baseOffset);
      if (next === null || next.baseOffset < options.recoveryPoint) continue;
      this.#sealed.push({ segment, endOffset: next.baseOffset, snapshot: null });
    }
  }

  /** Every offset below it is durable. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
  }

  /** Takes note of a roll; the next `flush` or `flushSealed` makes it durable. */
  sealed(segment: Segment, endOffset: Offset, snapshot: Uint8Array): void {
    this.#sealed.push({ segment, endOffset, snapshot });
  }

  /** A segment was deleted: it needs no sync any more. */
  forget(segment: Segment): void {
    for (const entry of this.#sealed) if (entry.segment === segment) entry.segment = null;
  }

  /** Before the log is cut at or above `offset`: nothing beyond it is durable any more. */
  truncateTo(offset: Offset): void {
    if (offset < this.#recoveryPoint) this.#recoveryPoint = offset;
    this.#sealed = this.#sealed.filter((entry) => entry.endOffset <= offset);
  }

  flushSealed(): Promise<void> {
    return this.#mutex.run(() => this.#flushSealed());
  }

  /** Everything below `logEndOffset`, which the caller has written, is durable when it resolves. */
  flush(logEndOffset: Offset): Promise<void> {
    return this.#mutex.run(() => this.#flush(logEndOffset, false));
  }

  /**
   * As `flush`, and what the active segment has beyond its end is given back for sure: before another
   * follows it (R4), or a clean shutdown says that its size is its end.
   */
  flushTrimmed(logEndOffset: Offset): Promise<void> {
    return this.#mutex.run(() => {
      const cut = this.#options.segments.last?.trim() ?? false;
      return this.#flush(logEndOffset, cut);
    });
  }

  async #flush(logEndOffset: Offset, always: boolean): Promise<void> {
    await this.#flushSealed();
    await this.#options.transactions.sync();
    if (this.#recoveryPoint >= logEndOffset && !always) return;
    await this.#options.segments.last?.flush();
    this.#advance(logEndOffset);
  }

  /**
   * As `flush`, on this thread, for a log without transactions. What is left to do for segments sealed
   * meanwhile, their snapshots, is left to the next `flushSealed`.
   */
  flushSync(logEndOffset: Offset): void {
    const { env, dir, segments } = this.#options;
    for (const { segment } of this.#sealed) segment?.flushSync();
    if (this.#sealed.length > 0) env.syncDirSync(dir);
    segments.last?.flushSync();
    if (this.#sealed.length === 0) this.#advance(logEndOffset);
  }

  /** Settles when no sync is under way. */
  idle(): Promise<void> {
    return this.#mutex.run(() => {});
  }

  async #flushSealed(): Promise<void> {
    const { env, dir, files, logger, transactions } = this.#options;
    for (;;) {
      const entry = this.#sealed[0];
      if (entry === undefined) return;
      await entry.segment?.flush();
      await transactions.sync();
      try {
        const { endOffset, snapshot } = entry;
        if (snapshot !== null) await files.writeSnapshot(endOffset, snapshot);
      } catch (error) {
        // Without it the next start scans further back.
        logger.warn('producer snapshot not written', { dir, reason: String(error) });
      }
      await env.syncDir(dir);
      this.#sealed.shift();
      this.#advance(entry.endOffset);
      if (entry.segment !== null) this.#options.onSealed?.(entry.segment);
    }
  }

  #advance(offset: Offset): void {
    if (offset > this.#recoveryPoint) this.#recoveryPoint = offset;
  }
}

/**
 * LogWriter: the append side of one partition.
 *
 *     append    validate, assign offsets, patch, queue                 in the call, in call order
 *     tick end  one write per partition and segment, then offsets move, then answers
 *     durable   with flush.messages set, answers wait for the fdatasync that is due
 *
 *     queued ----write----> written ----(sync)----> answered
 *        \                     \
 *         no space: refused,    I/O error: the log is offline for good (R3)
 *         the log goes on
 *
 * State changes after the write, but for two things that later appends of the tick must see: the next
 * offset and producer state. A write that fails takes both back, and refuses everything queued with
 * it. Offsets become visible when they are answered.
 *
 * A roll in durable mode waits for the old segment to be on disk before the new one is made (R4), and
 * the queue waits with it; else the old segment is synced in the background and the recovery point
 * stays below it until then.
 */

import { assert } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import { LONG_MAX } from '../base/config-table.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { Random } from '../base/random.js';
import type { Subscribers } from '../base/subscribers.js';
import { atTickEnd } from '../base/tick.js';
import type { Env } from '../file/env.js';
import { patchAppendTime, patchMaxTimestamp, patchOffsetAndEpoch } from '../record/batch-patch.js';
import { buildEndTxnMarker } from '../record/control-record.js';
import { Segment, type SegmentConfig } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import { AppendArena } from './append-arena.js';
import type { AppendOptions, EndTxnMarkerAppend } from './append-options.js';
import { AppendValidator, type Rejection } from './append-validator.js';
import { BatchNotes } from './batch-notes.js';
import type { LogFlusher } from './flusher.js';
import type { LeaderEpochCache } from './leader-epoch-cache.js';
import type { LogFiles } from './log-files.js';
import { PENDING_BYTES_MAX } from './log-limits.js';
import type { LogOffsets } from './offsets.js';
import {
  entriesWithout,
  gatherBuffers,
  PendingAppend,
  type PendingAppendFields,
} from './pending-append.js';
import { encodeProducerSnapshot } from './producer-snapshot.js';
import type { KeptBatch, ProducerState } from './producer-state.js';
import type { AppendResult } from './results.js';
import { countUntilRoll } from './roll-point.js';
import { storedForm } from './stored-form.js';
import type { LogConfig } from './topic-config.js';
import type { TransactionLog } from './transaction-log.js';

export interface LogWriterOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
  readonly config: LogConfig;
  /** Shared with the segments; follows `config`. */
  readonly segmentConfig: SegmentConfig;
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochCache;
  readonly offsets: LogOffsets;
  readonly flusher: LogFlusher;
  readonly transactions: TransactionLog;
  /** Told when the high watermark has moved. */
  readonly subscribers: Subscribers;
  /** The log is about to go offline, and its disk is to blame. */
  readonly onOffline?: (error: Error) => void;
}

/** Errors after which the same append may succeed later, if the file could be cut back. */
const PASSING_ERRORS: readonly string[] = ['NO_SPACE', 'TOO_MANY_FILES'];

const arena = new AppendArena();
const validator = new AppendValidator();

export class LogWriter {
  readonly #options: LogWriterOptions;
  // Of `#options`: what every append needs. V8 finds a field of this faster than one of an object that
  // was spread together, which is of a shape of its own for every log.
  readonly #clock: Clock;
  readonly #transactions: TransactionLog;
  readonly #subscribers: Subscribers;
  readonly #notes: BatchNotes;
  readonly #segments: SegmentList<Segment>;
  readonly #producers: ProducerState;
  readonly #offsets: LogOffsets;
  #config: LogConfig;
  /** Why nothing is written any more; null while all is well. */
  #stopped: string | null = null;
  #readable = true;
  /** What is queued is still written, but nothing more is taken. */
  #closing = false;
  /** Nothing is taken until `resume`. */
  #paused = false;
  /** Offset of the next append: the log end, and what is queued. */
  #nextOffset: Offset;
  /** Accepted, not written. */
  #queue: PendingAppend[] = [];
  #queueBytes = 0;
  #tickQueued = false;
  /** Set while a durable roll is under way: the queue waits for it. */
  #rolling: Promise<void> | null = null;
  /** Written, waiting for a sync. */
  #unsynced: PendingAppend[] = [];
  #syncing: Promise<void> | null = null;
  /** Records since the last sync began. */
  #unflushedCount = 0;
  #flushTimer: Timer | null = null;
  #jitterMs = 0;

  constructor(options: LogWriterOptions) {
    const { epochs, files, transactions } = options;
    this.#options = options;
    this.#clock = options.clock;
    this.#transactions = transactions;
    this.#subscribers = options.subscribers;
    this.#notes = new BatchNotes(epochs, files, transactions);
    this.#segments = options.segments;
    this.#producers = options.producers;
    this.#offsets = options.offsets;
    this.#config = options.config;
    this.#nextOffset = options.offsets.logEndOffset;
    this.#drawJitter();
  }

  /** Why appends are refused, null while they are not. */
  get stopped(): string | null {
    return this.#stopped;
  }

  /** Also after a write or a sync failed, but not once it is closed, deleted, or its files are in doubt. */
  get readable(): boolean {
    return this.#readable;
  }

  set config(config: LogConfig) {
    this.#config = config;
  }

  append(records: Uint8Array, options: AppendOptions): Promise<AppendResult> {
    const { leaderEpoch, owned, transactional = false, coordinator = false } = options;
    const refused = this.#refusal();
    if (refused !== null) return Promise.resolve(this.#storageError(refused));
    const nowMs = this.#clock.nowMs();
    const leave = { transactional, coordinator };
    const rejection = validator.validate(records, this.#config, nowMs, leave);
    if (rejection !== null) return Promise.resolve(this.#failure(rejection));
    const isAppendTime = this.#config.messageTimestampType === 'LogAppendTime';
    const { producerId, maxTimestampMs } = validator;
    if (producerId > -1) {
      const check = this.#producers.check(validator, options.beginsAtZero);
      if (check.status === 'duplicate') return this.#repeat(check.batch, isAppendTime);
      if (check.status === 'error') {
        const { error, message } = check;
        return Promise.resolve(this.#failure({ error, message, recordErrors: [] }));
      }
    }
    const stored = storedForm(records, this.#config);
    if (!(stored instanceof Uint8Array)) return Promise.resolve(this.#failure(stored));
    const baseOffset = this.#nextOffset;
    const lastOffset = (baseOffset + validator.lastOffsetDelta) as Offset;
    assert(Number.isSafeInteger(lastOffset), 'offsets are exact');
    const chunk = owned || stored !== records ? null : arena.copy(stored);
    const bytes = chunk === null ? stored : chunk.bytes;
    const start = chunk === null ? 0 : chunk.end - stored.length;
    patchOffsetAndEpoch(bytes, start, baseOffset, leaderEpoch);
    if (isAppendTime) patchAppendTime(bytes, start, nowMs);
    else if (validator.maxTimestampIsWrong) patchMaxTimestamp(bytes, start, maxTimestampMs);
    const begins =
      validator.isTransactional && this.#producers.transactionFirstOffset(producerId) < 0;
    const producerBefore =
      producerId > -1 ? this.#producers.append(validator, lastOffset, maxTimestampMs) : undefined;
    return this.#enqueue({
      bytes,
      start,
      end: start + stored.length,
      chunk,
      baseOffset,
      lastOffset,
      maxTimestampMs,
      logAppendTimeMs: isAppendTime ? nowMs : -1,
      leaderEpoch,
      producerId,
      producerBefore,
      transaction: begins ? 'begin' : 'none',
    });
  }

  /** As `append`, for the marker that ends a transaction. */
  appendMarker(marker: EndTxnMarkerAppend): Promise<AppendResult> {
    const refused = this.#refusal();
    if (refused !== null) return Promise.resolve(this.#storageError(refused));
    const check = this.#producers.checkMarker(marker, marker.epochRises ?? false);
    if (check.status === 'error') {
      const { error, message } = check;
      return Promise.resolve(this.#failure({ error, message, recordErrors: [] }));
    }
    const nowMs = this.#clock.nowMs();
    const baseOffset = this.#nextOffset;
    const bytes = buildEndTxnMarker({ ...marker, timestamp: nowMs });
    const isAppendTime = this.#config.messageTimestampType === 'LogAppendTime';
    patchOffsetAndEpoch(bytes, 0, baseOffset, marker.leaderEpoch);
    if (isAppendTime) patchAppendTime(bytes, 0, nowMs);
    return this.#enqueue({
      bytes,
      start: 0,
      end: bytes.length,
      chunk: null,
      baseOffset,
      lastOffset: baseOffset,
      maxTimestampMs: nowMs,
      logAppendTimeMs: isAppendTime ? nowMs : -1,
      leaderEpoch: marker.leaderEpoch,
      producerId: marker.producerId,
      producerBefore: this.#producers.endTransaction(marker, nowMs),
      transaction: marker.type,
    });
  }

  /** Writes the queue now, a run per segment. */
  write(): void {
    while (this.#queue.length > 0 && this.#rolling === null && this.#stopped === null) {
      const count = countUntilRoll(this.#queue, this.#active, {
        config: this.#config,
        nowMs: this.#clock.nowMs(),
        jitterMs: this.#jitterMs,
      });
      if (count === 0) this.#beginRoll();
      else this.#writeRun(this.#queue.splice(0, count));
    }
  }

  /** Makes everything appended so far durable. Rejects, and stops the writer, if that fails. */
  async flush(): Promise<void> {
    this.write();
    await this.#rolling;
    this.#unflushedCount = 0;
    this.#cancelFlushTimer();
    if (this.#stopped !== null) {
      throw new MillraceError(this.#stopped, { code: 'LOG_OFFLINE' });
    }
    const { flusher } = this.#options;
    const { logEndOffset } = this.#offsets;
    try {
      await (this.#closing ? flusher.flushTrimmed(logEndOffset) : flusher.flush(logEndOffset));
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** Seals the active segment, unless it is empty. Resolves when appends go to the next one. */
  async roll(): Promise<void> {
    this.write();
    await this.#rolling;
    if (this.#stopped !== null || this.#active.size === 0) return;
    this.#beginRoll();
    await this.#rolling;
  }

  /** Refuses appends until `resume`; resolves when what was taken before is answered. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.write();
    while (this.#rolling !== null || this.#syncing !== null) {
      await this.#rolling;
      await this.#syncing;
    }
    this.#cancelFlushTimer();
  }

  /** Goes on at the log end, wherever it is by now. */
  resume(): void {
    assert(this.#queue.length === 0, 'a paused writer has nothing queued');
    this.#nextOffset = this.#offsets.logEndOffset;
    this.#paused = false;
  }

  /** What was done to the files went wrong: nothing more is written. */
  fail(error: unknown): void {
    this.failed(error);
    this.#readable = false;
  }

  /** A write or a sync went wrong: nothing more is written, reads go on. One error is logged. */
  failed(error: unknown): void {
    if (this.#stopped !== null) return;
    const { dir, logger, onOffline } = this.#options;
    const poisoned = [...this.#segments].some((segment) => segment.poisoned);
    if (poisoned && error instanceof Error) onOffline?.(error);
    // The whole directory is offline, and said so.
    if (this.#stopped !== null) return;
    logger.error('the log is offline', { dir, reason: String(error) });
    this.takeOffline(`${dir} is offline after an I/O error: ${String(error)}`);
  }

  /** Refuses appends from now on; reads go on. Idempotent. */
  takeOffline(reason: string): void {
    if (this.#stopped !== null) return;
    this.stop(reason);
    this.#readable = true;
  }

  #refusal(): string | null {
    if (this.#stopped !== null) return this.#stopped;
    if (this.#closing) return 'the log is being closed';
    return this.#paused ? 'the log is being truncated' : null;
  }

  /** Refuses appends from now on, and makes durable what was taken before. Rejects as `flush`. */
  async close(): Promise<void> {
    this.#closing = true;
    this.write();
    while (this.#rolling !== null || this.#syncing !== null) {
      await this.#rolling;
      await this.#syncing;
    }
    await this.flush();
  }

  /** Refuses what is not answered, and everything from now on. Idempotent. */
  stop(reason: string): void {
    this.#cancelFlushTimer();
    if (this.#stopped === null) this.#stopped = reason;
    this.#readable = false;
    const refused = [...this.#unsynced, ...this.#queue];
    for (const pending of this.#queue) pending.chunk?.release();
    this.#unsynced = [];
    this.#queue = [];
    this.#queueBytes = 0;
    this.#refuse(refused, reason);
  }

  #refuse(refused: readonly PendingAppend[], reason: string): void {
    for (const pending of refused) pending.resolve(this.#storageError(reason));
  }

  get #active(): Segment {
    const active = this.#segments.last;
    assert(active !== null, 'a log has an active segment');
    return active;
  }

  #enqueue(fields: PendingAppendFields): Promise<AppendResult> {
    return new Promise((resolve) => {
      const pending = new PendingAppend(fields, resolve);
      this.#queue.push(pending);
      this.#queueBytes += pending.size;
      if (pending.bytes !== null) this.#nextOffset = (pending.lastOffset + 1) as Offset;
      if (this.#queueBytes > PENDING_BYTES_MAX) {
        this.write();
      } else if (!this.#tickQueued) {
        this.#tickQueued = true;
        atTickEnd('append', this.#onTick);
      }
    });
  }

  readonly #onTick = (): void => {
    this.#tickQueued = false;
    this.write();
  };

  /** Answers a repeated batch as it was answered before, once that answer is certain. */
  #repeat(batch: KeptBatch, isAppendTime: boolean): Promise<AppendResult> {
    const repeated: PendingAppendFields = {
      bytes: null,
      start: 0,
      end: 0,
      chunk: null,
      baseOffset: (batch.lastOffset - batch.offsetDelta) as Offset,
      lastOffset: batch.lastOffset,
      maxTimestampMs: batch.timestampMs,
      logAppendTimeMs: isAppendTime ? batch.timestampMs : -1,
      leaderEpoch: -1,
      producerId: -1,
      producerBefore: undefined,
      transaction: 'none',
    };
    return batch.lastOffset < this.#offsets.highWatermark
      ? Promise.resolve(this.#success(repeated))
      : this.#enqueue(repeated);
  }

  #writeRun(run: readonly PendingAppend[]): void {
    for (const pending of run) this.#queueBytes -= pending.size;
    try {
      const buffers = gatherBuffers(run);
      if (buffers.length > 0) this.#active.append(buffers);
    } catch (error) {
      this.#writeFailed(error, run);
      return;
    }
    let logEnd = this.#offsets.logEndOffset;
    for (const pending of run) {
      pending.chunk?.release();
      if (pending.bytes === null) continue;
      assert(pending.baseOffset === logEnd, 'appends are written in order');
      logEnd = (pending.lastOffset + 1) as Offset;
      this.#unflushedCount += pending.recordsCount;
    }
    this.#note(run);
    const { logStartOffset, lastStableOffset, highWatermark } = this.#offsets;
    this.#offsets.move(logStartOffset, lastStableOffset, highWatermark, logEnd);
    if (this.#stopped !== null) {
      // A file beside the log has failed, and everything else was answered.
      this.#refuse(run, this.#stopped);
    } else if (this.#syncing !== null || this.#unflushedCount >= this.#config.flushMessages) {
      for (const pending of run) this.#unsynced.push(pending);
      this.#syncing ??= this.#sync();
    } else {
      this.#armFlushTimer();
      this.#answer(run, logEnd);
    }
  }

  /** An index of an earlier run may be unreadable. */
  #note(run: readonly PendingAppend[]): void {
    try {
      this.#notes.add(run, this.#active);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.failed(error);
    }
  }

  /** Offsets below `end` become visible, and their appends are answered. */
  #answer(run: readonly PendingAppend[], end: Offset): void {
    const { logStartOffset, highWatermark, logEndOffset } = this.#offsets;
    const moved = end > highWatermark;
    if (moved) {
      const lastStable = this.#transactions.lastStableOffset(logStartOffset, end);
      this.#offsets.move(logStartOffset, lastStable, end, logEndOffset);
    }
    for (const pending of run) pending.resolve(this.#success(pending));
    if (moved) this.#subscribers.notify();
  }

  /** Takes back what the queue assumed and refuses all of it: its offsets followed the failed ones. */
  #writeFailed(error: unknown, run: readonly PendingAppend[]): void {
    const refused = [...run, ...this.#queue];
    this.#queue = [];
    this.#queueBytes = 0;
    for (const pending of refused.toReversed()) {
      pending.chunk?.release();
      if (pending.producerId < 0) continue;
      this.#producers.restore(pending.producerId, pending.producerBefore);
    }
    this.#nextOffset = this.#offsets.logEndOffset;
    const passes = error instanceof MillraceError && PASSING_ERRORS.includes(error.code);
    if (passes && !this.#active.poisoned) {
      const { dir, logger } = this.#options;
      logger.warn('appends refused', { dir, count: refused.length, reason: String(error) });
    } else {
      this.failed(error);
    }
    this.#refuse(refused, `the write failed: ${String(error)}`);
  }

  /** Syncs until nothing waits; what is written meanwhile shares the next sync. */
  async #sync(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const end = this.#offsets.logEndOffset;
      const count = this.#unsynced.length;
      this.#unflushedCount = 0;
      try {
        await this.#options.flusher.flush(end);
      } catch (error) {
        this.failed(error);
      }
      // A stop meanwhile has answered them.
      if (this.#stopped !== null) break;
      this.#answer(this.#unsynced.splice(0, count), end);
    }
    this.#syncing = null;
  }

  /** Begins a roll at the log end; done when it returns, or when `#rolling` settles. */
  #beginRoll(): void {
    if (this.#config.flushMessages === LONG_MAX) {
      try {
        this.#switchSegment();
      } catch (error) {
        this.#writeFailed(error, []);
        return;
      }
      this.#options.flusher.flushSealed().catch((error: unknown) => this.#sealFailed(error));
      return;
    }
    this.#rolling = this.#rollDurably().then(() => {
      this.#rolling = null;
      this.write();
    });
  }

  /** The sealed segment could not be made durable: without descriptors, the next flush tries again. */
  #sealFailed(error: unknown): void {
    if (!(error instanceof MillraceError && error.code === 'TOO_MANY_FILES')) {
      this.failed(error);
      return;
    }
    const { dir, logger } = this.#options;
    logger.warn('sealed segment not synced yet', { dir, reason: String(error) });
  }

  async #rollDurably(): Promise<void> {
    const { flusher } = this.#options;
    try {
      await flusher.flushTrimmed(this.#offsets.logEndOffset);
    } catch (error) {
      this.failed(error);
    }
    if (this.#stopped !== null) return;
    try {
      this.#switchSegment();
      await flusher.flushSealed();
    } catch (error) {
      this.#writeFailed(error, []);
    }
  }

  /** Makes the next segment, then seals the active one. Throws if the files cannot be made. */
  #switchSegment(): void {
    const { env, clock, logger, dir, segmentConfig, flusher } = this.#options;
    const sealed = this.#active;
    const baseOffset = this.#offsets.logEndOffset;
    assert(baseOffset > sealed.baseOffset, 'a segment is rolled above its base offset');
    const snapshot = encodeProducerSnapshot(entriesWithout(this.#queue, this.#producers));
    const config = segmentConfig;
    // With a successor on the disk, zeros at its end would be damage.
    if (sealed.trim()) sealed.flushSync();
    this.#segments.add(Segment.create({ env, clock, logger, dir, config, baseOffset }));
    try {
      sealed.seal();
    } catch (error) {
      // Only its indexes are behind, and those are hints (R8).
      logger.warn('segment not sealed', { dir, reason: String(error) });
    }
    this.#transactions.sealed(sealed.baseOffset);
    flusher.sealed(sealed, baseOffset, snapshot);
    this.#drawJitter();
  }

  #armFlushTimer(): void {
    const { flushMs } = this.#config;
    if (flushMs === LONG_MAX || this.#flushTimer !== null) return;
    this.#flushTimer = this.#clock.setTimer(flushMs, () => {
      this.#flushTimer = null;
      // A failure has stopped the writer and was reported there.
      this.flush().catch(() => {});
    });
  }

  #cancelFlushTimer(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = null;
  }

  #drawJitter(): void {
    const { segmentJitterMs } = this.#config;
    this.#jitterMs = segmentJitterMs > 0 ? this.#options.random.below(segmentJitterMs) : 0;
  }

  #success(pending: PendingAppendFields): AppendResult {
    return {
      ok: true,
      baseOffset: pending.baseOffset,
      lastOffset: pending.lastOffset,
      logAppendTimeMs: pending.logAppendTimeMs,
      logStartOffset: this.#offsets.logStartOffset,
      duplicate: pending.bytes === null,
    };
  }

  #failure({ error, message, recordErrors }: Rejection): AppendResult {
    const { logStartOffset } = this.#offsets;
    return { ok: false, error, message, recordErrors, logStartOffset };
  }

  #storageError(message: string): AppendResult {
    return this.#failure({ error: 'KAFKA_STORAGE_ERROR', message, recordErrors: [] });
  }
}

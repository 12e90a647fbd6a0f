/**
 * PartitionLog: the log of one partition, a list of segments in one directory. The face of the room:
 * it ties together the append side (log-writer.ts), reads (log-reader.ts), durability (flusher.ts) and
 * retention (segment-retention.ts) over shared offsets.
 *
 * One owner on one thread; appends and reads are synchronous up to their answer, so they need no lock.
 * What is slow and rare (roll, retention, close) takes turns.
 */

import type { Clock } from '../base/clock.js';
import { LONG_MAX } from '../base/config-table.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import type { Offset } from '../base/offset.js';
import type { Random } from '../base/random.js';
import { Subscribers, type Subscription } from '../base/subscribers.js';
import type { Env } from '../file/env.js';
import type { Segment, SegmentConfig } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { AppendOptions, EndTxnMarkerAppend } from './append-options.js';
import type { CleanResult } from './compaction/clean-log.js';
import type { Cleanable } from './compaction/cleanable.js';
import { type CompactOptions, LogCompaction } from './compaction/log-compaction.js';
import type { FileReaper } from './file-reaper.js';
import { LogFlusher } from './flusher.js';
import type { EpochEnd, LeaderEpochCache } from './leader-epoch-cache.js';
import type { LogFiles } from './log-files.js';
import { PRODUCER_ID_EXPIRATION_MS } from './log-limits.js';
import { type LoadedLog, loadLog } from './log-loader.js';
import { LogReader } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import { LogOffsets } from './offsets.js';
import { encodeProducerSnapshot } from './producer-snapshot.js';
import type { ProducerEntry, ProducerState } from './producer-state.js';
import type {
  AppendResult,
  DeleteRecordsResult,
  IsolationLevel,
  ReadOptions,
  ReadResult,
  TimestampOffset,
} from './results.js';
import { planRetention } from './segment-retention.js';
import type { LogConfig } from './topic-config.js';
import type { TransactionLog } from './transaction-log.js';
import { type TruncateLogOptions, truncateLog } from './truncation.js';

export type { AppendOptions, CompactOptions, EndTxnMarkerAppend };

export interface PartitionLogOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly reaper: FileReaper;
  /** The partition's directory; it exists. */
  readonly dir: string;
  readonly topic: string;
  readonly partition: number;
  readonly config: LogConfig;
  readonly producerIdExpirationMs?: number | undefined;
  /** The data directory was closed cleanly: nothing is checked. */
  readonly clean: boolean;
  /** From the checkpoint, 0 if it has none. */
  readonly recoveryPoint: Offset;
  /** From the checkpoint, 0 if it has none. */
  readonly logStartOffset: Offset;
  /** See LoadLogOptions. */
  readonly neverCompacted?: boolean;
  /**
   * Makes the log start offset and the recovery point durable, as they are when it is called. Called
   * when the one has risen or the other has fallen, because the log is about to be cut at
   * `truncatedTo`. Not given: they are not kept.
   */
  readonly checkpoint?: (truncatedTo?: Offset) => Promise<void>;
  /** The log is about to go offline, and its disk is to blame; must not throw. */
  readonly onOffline?: (error: Error) => void;
  /** A segment gets no more appends and is durable; must not throw. */
  readonly onSealed?: (segment: Segment) => void;
}

export class PartitionLog implements AsyncDisposable {
  readonly topic: string;
  readonly partition: number;
  /** The partition's directory. */
  readonly path: string;
  /** Base64url, 22 characters; null in a directory without partition.metadata. */
  readonly topicId: string | null;

  readonly #options: PartitionLogOptions;
  readonly #files: LogFiles;
  readonly #segments: SegmentList<Segment>;
  /** Read by the segments at each use. */
  readonly #segmentConfig: SegmentConfig;
  readonly #producers: ProducerState;
  readonly #epochs: LeaderEpochCache;
  readonly #transactions: TransactionLog;
  readonly #offsets: LogOffsets;
  readonly #reader: LogReader;
  readonly #flusher: LogFlusher;
  readonly #writer: LogWriter;
  readonly #maintenance = new Mutex();
  readonly #compaction: LogCompaction;
  readonly #subscribers = new Subscribers();
  /** Where the producer snapshot was that the log was opened with; -1: there is none. */
  readonly #openedSnapshot: number;
  #config: LogConfig;
  /** How often the log was cut: what was planned before is void. */
  #truncations = 0;
  #closing: Promise<boolean> | null = null;

  /** Opens what is in the directory; a directory without segments becomes an empty log. */
  static async open(options: PartitionLogOptions): Promise<PartitionLog> {
    const config = segmentConfigOf(options.config);
    return new PartitionLog(options, config, await loadLog({ ...options, config }));
  }

  private constructor(
    options: PartitionLogOptions,
    segmentConfig: SegmentConfig,
    loaded: LoadedLog,
  ) {
    const { topic, partition, dir } = options;
    const { files, segments, transactions, logStartOffset, logEndOffset, recoveryPoint } = loaded;
    this.topic = topic;
    this.partition = partition;
    this.path = dir;
    this.topicId = files.readTopicId();
    this.#options = options;
    this.#config = options.config;
    this.#files = files;
    this.#segments = segments;
    this.#segmentConfig = segmentConfig;
    this.#producers = loaded.producers;
    this.#epochs = loaded.epochs;
    this.#openedSnapshot = loaded.snapshotOffset;
    this.#transactions = transactions;
    const lastStable = transactions.lastStableOffset(logStartOffset, logEndOffset);
    this.#offsets = new LogOffsets(logStartOffset, logEndOffset, lastStable);
    this.#reader = new LogReader(segments, this.#offsets, (from, upperBound) =>
      transactions.aborted(from, upperBound),
    );
    const kept = { files, segments, transactions };
    this.#flusher = new LogFlusher({ ...options, ...kept, recoveryPoint });
    this.#writer = new LogWriter({
      ...options,
      ...kept,
      segmentConfig,
      producers: loaded.producers,
      epochs: loaded.epochs,
      offsets: this.#offsets,
      flusher: this.#flusher,
      subscribers: this.#subscribers,
    });
    this.#compaction = new LogCompaction({
      ...options,
      ...kept,
      segmentConfig,
      producers: loaded.producers,
      offsets: this.#offsets,
      flusher: this.#flusher,
      config: () => this.#config,
      // Whatever was planned before the log was cut is void.
      generation: () => (this.offline || this.#closing !== null ? -1 : this.#truncations),
      exclusively: (task) => this.#maintenance.run(task),
      onReplaced: (segment) => this.#unlinkLater(segment),
      onError: (error) => this.#writer.fail(error),
    });
  }

  get config(): LogConfig {
    return this.#config;
  }

  /** First offset that may be read. */
  get logStartOffset(): Offset {
    return this.#offsets.logStartOffset;
  }

  /** No undecided transaction begins below it; the high watermark if there is none. */
  get lastStableOffset(): Offset {
    return this.#offsets.lastStableOffset;
  }

  /** Offsets below it are visible to consumers. */
  get highWatermark(): Offset {
    return this.#offsets.highWatermark;
  }

  /** The next offset to be written; moves with the write, not with the call of `append`. */
  get logEndOffset(): Offset {
    return this.#offsets.logEndOffset;
  }

  /** Offsets below it are durable. */
  get recoveryPoint(): Offset {
    return this.#flusher.recoveryPoint;
  }

  /** Of all .log files. */
  get sizeInBytes(): number {
    let size = 0;
    for (const segment of this.#segments) size += segment.size;
    return size;
  }

  get segmentCount(): number {
    return this.#segments.count;
  }

  /** In order; the last one is active. */
  get segments(): readonly Segment[] {
    return [...this.#segments];
  }

  /** Gives back memory and descriptors of sealed segments that were not read since the last call. */
  unloadIdle(): void {
    for (const segment of this.#segments) segment.unloadIfIdle();
  }

  /** Below it offsets are in sealed segments. */
  get activeSegmentOffset(): Offset {
    return this.#segments.last?.baseOffset ?? this.#offsets.logEndOffset;
  }

  /** Of the idempotent producers that the log remembers, -1 if none. */
  get largestProducerId(): number {
    return this.#producers.largestProducerId;
  }

  /** The idempotent producers that the log remembers, as of what is queued. */
  activeProducers(): ProducerEntry[] {
    return this.#producers.entries();
  }

  /** -1 in a log without epochs. */
  get latestLeaderEpoch(): number {
    return this.#epochs.latestEpoch;
  }

  /** A write or a sync failed (R3), or the log is closed: appends answer an error, reads if closed. */
  get offline(): boolean {
    return this.#writer.stopped !== null;
  }

  /** Reads are answered: also when the log is offline, but not when it is closed. */
  get readable(): boolean {
    return this.#writer.readable;
  }

  /** The log directory is offline: appends are refused from now on, reads go on. */
  takeOffline(reason: string): void {
    this.#writer.takeOffline(reason);
  }

  /**
   * Validates one record batch, assigns its offsets (both now, in the order of the calls) and queues
   * it; settles after the write at the end of this tick, or at once when much is pending. Never
   * rejects. A crash before it settles leaves the batch whole or absent.
   */
  append(records: Uint8Array, options: AppendOptions): Promise<AppendResult> {
    return this.#writer.append(records, options);
  }

  /**
   * Ends a transaction of a producer on this partition: what it appended is decided once the marker is
   * visible. Answers as `append`; INVALID_PRODUCER_EPOCH and TRANSACTION_COORDINATOR_FENCED for a
   * marker that comes too late. A producer without an open transaction is taken too.
   */
  appendEndTxnMarker(marker: EndTxnMarkerAppend): Promise<AppendResult> {
    return this.#writer.appendMarker(marker);
  }

  /** Synchronous: an index lookup and at most a few header reads. */
  read(offset: number, options: ReadOptions): ReadResult {
    const { readable, stopped } = this.#writer;
    if (!readable) return this.#reader.failure('KAFKA_STORAGE_ERROR', stopped ?? 'offline');
    return this.#reader.read(offset, options);
  }

  /** Whether a read from `offset` would answer that there is nothing yet; costs nothing. */
  endsAt(offset: number, isolation: IsolationLevel): boolean {
    return this.#writer.readable && this.#reader.endsAt(offset, isolation);
  }

  /** The earliest visible record at or after `timestampMs`, or null. May throw an IoError. */
  offsetForTimestamp(timestampMs: number): TimestampOffset | null {
    return this.#writer.readable ? this.#reader.offsetForTimestamp(timestampMs) : null;
  }

  /** The visible record with the largest timestamp, or null. May throw an IoError. */
  maxTimestampOffset(): TimestampOffset | null {
    return this.#writer.readable ? this.#reader.maxTimestampOffset() : null;
  }

  /** The leader epoch in which `offset` was written, -1 if not known. */
  leaderEpochFor(offset: number): number {
    return this.#epochs.epochFor(offset);
  }

  /** Where the largest known epoch <= `epoch` ends, null if there is none to tell. */
  endOffsetForEpoch(epoch: number): EpochEnd | null {
    return this.#epochs.endOffsetFor(epoch, this.#offsets.logEndOffset);
  }

  /** `listener` runs with `key` after the high watermark moved; it must not throw. */
  subscribe(listener: (key: number) => void, key = 0): Subscription {
    return this.#subscribers.add(listener, key);
  }

  /** Takes effect with the next append, roll or retention pass. */
  updateConfig(config: LogConfig): void {
    this.#config = config;
    this.#writer.config = config;
    Object.assign(this.#segmentConfig, segmentConfigOf(config));
  }

  /** Makes everything appended so far durable. Rejects, and the log is offline, if that fails. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Writes what is queued now instead of at the end of the tick, unless a roll must end before. */
  writeQueued(): void {
    this.#writer.write();
  }

  /** As `flush`, on this thread. Throws, and the log is offline, if it fails. */
  flushSync(): void {
    this.#writer.write();
    const { stopped } = this.#writer;
    if (stopped !== null) throw new MillraceError(stopped, { code: 'LOG_OFFLINE' });
    try {
      this.#flusher.flushSync(this.#offsets.logEndOffset);
    } catch (error) {
      this.#writer.failed(error);
      throw error;
    }
  }

  /** Nothing is cut or deleted while the task runs. */
  whileUncut(task: () => Promise<void>): Promise<void> {
    return this.#maintenance.run(task);
  }

  /** Seals the active segment, unless it is empty. */
  roll(): Promise<void> {
    return this.#maintenance.run(() => this.#writer.roll());
  }

  /** One retention pass; answers the count of segments deleted. May reject with an IoError. */
  async applyRetention(): Promise<number> {
    return this.#maintenance.run(async () => {
      const { env, dir, clock } = this.#options;
      const nowMs = clock.nowMs();
      const { producerIdExpirationMs = PRODUCER_ID_EXPIRATION_MS } = this.#options;
      this.#producers.expire(nowMs, producerIdExpirationMs);
      if (this.offline) return 0;
      const [segments, offsets, config] = [this.#segments, this.#offsets, this.#config];
      const plannedEnd = offsets.logEndOffset;
      const pass = { env, dir, segments, offsets, config, nowMs };
      let { count, rollActive } = await planRetention(pass);
      if (rollActive) {
        await this.#writer.roll();
        // What was appended since the plan was made is in the segment that it condemned.
        if (segments.last?.baseOffset !== plannedEnd) count--;
      }
      return this.offline ? 0 : this.#deleteOldest(count);
    });
  }

  /**
   * Moves the log start offset up to `offset`, at most to the high watermark, and answers once that is
   * durable. Segments that lie below it go with the next retention pass. A crash before the answer
   * leaves the old log start offset or the new one.
   */
  deleteRecordsBefore(offset: number): Promise<DeleteRecordsResult> {
    return this.#maintenance.run(async (): Promise<DeleteRecordsResult> => {
      const { stopped } = this.#writer;
      if (stopped !== null) return this.#reader.deletionFailure('KAFKA_STORAGE_ERROR', stopped);
      const { highWatermark } = this.#offsets;
      if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= highWatermark)) {
        const range = `offset ${offset} is outside [0, ${highWatermark}]`;
        return this.#reader.deletionFailure('OFFSET_OUT_OF_RANGE', range);
      }
      this.#moveLogStart(offset as Offset);
      try {
        await this.#options.checkpoint?.();
      } catch (error) {
        return this.#reader.deletionFailure('KAFKA_STORAGE_ERROR', String(error));
      }
      return { ok: true, logStartOffset: this.#offsets.logStartOffset };
    });
  }

  /**
   * What compaction may work on; `checkpoint` is where it came to, null if that is not known. Null if
   * the topic is not compacted or the log is offline. May throw an IoError.
   */
  cleanable(checkpoint: Offset | null): Cleanable | null {
    return this.offline || this.#closing !== null ? null : this.#compaction.cleanable(checkpoint);
  }

  /**
   * One pass of compaction; answers where the next one begins. Reads, appends and slices go on beside
   * it. One at a time. Rejects with COMPACTION_ABORTED when the log is closed or cut meanwhile, with
   * LOG_DAMAGED, or with an I/O error; then the log is as it was, or offline if it cannot be told. A
   * crash inside leaves each segment as it was or replaced.
   */
  compact(options: CompactOptions): Promise<CleanResult> {
    return this.#compaction.run(options);
  }

  /**
   * Removes every batch that reaches `offset`, and answers the new log end: where the first of them
   * began. Appends are refused meanwhile. Slices of what is cut fall short. Rejects with
   * OFFSET_OUT_OF_RANGE below the log start offset, with LOG_OFFLINE, or with an I/O error, and then
   * the log is offline. A crash inside leaves the log cut somewhere between its old end and the new.
   */
  truncateTo(offset: number): Promise<Offset> {
    return this.#maintenance.run(() => this.#truncateTo(offset));
  }

  async #truncateTo(offset: number): Promise<Offset> {
    const { logStartOffset, logEndOffset } = this.#offsets;
    if (!(Number.isSafeInteger(offset) && offset >= logStartOffset)) {
      const message = `offset ${offset} is below the log start offset ${logStartOffset}`;
      throw new MillraceError(message, { code: 'OFFSET_OUT_OF_RANGE' });
    }
    if (offset >= logEndOffset) return logEndOffset;
    await this.#writer.pause();
    let touched = false;
    try {
      const { stopped } = this.#writer;
      if (stopped !== null) throw new MillraceError(stopped, { code: 'LOG_OFFLINE' });
      this.#truncations++;
      const touches = (): void => {
        touched = true;
      };
      const end = await truncateLog({ ...this.#truncateOptions(), touches }, offset as Offset);
      const highWatermark = Math.min(this.#offsets.highWatermark, end) as Offset;
      // A batch goes as a whole, also where the log started in the middle of it.
      const start = Math.min(logStartOffset, end) as Offset;
      const lastStable = this.#transactions.lastStableOffset(start, highWatermark);
      this.#offsets.move(start, lastStable, highWatermark, end);
      return end;
    } catch (error) {
      if (touched) this.#writer.fail(error);
      else this.#writer.failed(error);
      throw error;
    } finally {
      this.#writer.resume();
    }
  }

  #truncateOptions(): Omit<TruncateLogOptions, 'touches'> {
    const { env, dir, checkpoint } = this.#options;
    return {
      env,
      dir,
      files: this.#files,
      segments: this.#segments,
      producers: this.#producers,
      epochs: this.#epochs,
      transactions: this.#transactions,
      flusher: this.#flusher,
      checkpoint: (truncatedTo) => checkpoint?.(truncatedTo) ?? Promise.resolve(),
      onDeleted: (segment) => this.#unlinkLater(segment),
    };
  }

  /** Whether the epoch file holds what the log does; only then may a recovery point be recorded. */
  epochsWritten(): Promise<boolean> {
    return this.#files.epochsWritten();
  }

  /**
   * Answers or refuses what is queued, syncs, leaves a producer snapshot and closes the files. Slices
   * stay valid. Answers whether the next start may trust the directory. Idempotent.
   */
  close(): Promise<boolean> {
    this.#closing ??= this.#closeInTurn();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Refuses everything at once, without a write or a sync: the directory is about to be deleted.
   * Resolves when nothing writes into it any more. Slices stay valid. Idempotent.
   */
  async discard(): Promise<void> {
    this.#closing ??= Promise.resolve(false);
    this.#writer.stop(`${this.path} was deleted`);
    // Whoever waits for records is to see that there will be none.
    this.#subscribers.notify();
    await this.#maintenance.run(async () => {
      await this.#flusher.idle();
      await this.#files.epochsWritten();
      this.#closeFiles();
    });
    await this.#compaction.idle();
  }

  async #closeInTurn(): Promise<boolean> {
    // Compaction looks at #closing, which is set by now, before each step.
    const clean = await this.#maintenance.run(() => this.#close());
    await this.#compaction.idle();
    return clean;
  }

  async #close(): Promise<boolean> {
    const wasOffline = this.offline;
    try {
      await this.#writer.close();
      const last = this.#segments.last;
      if (last !== null) this.#transactions.sealed(last.baseOffset);
      const { logEndOffset } = this.#offsets;
      if (this.#openedSnapshot !== logEndOffset && logEndOffset > 0) {
        const snapshot = encodeProducerSnapshot(this.#producers.entries());
        await this.#files.writeEndSnapshot(logEndOffset, snapshot);
      }
      return await this.#files.epochsWritten();
    } catch (error) {
      const { logger, dir } = this.#options;
      const fields = { dir, reason: String(error) };
      if (!wasOffline) logger.error('the log was not closed cleanly', fields);
      return false;
    } finally {
      this.#writer.stop(`${this.path} is closed`);
      this.#closeFiles();
    }
  }

  #closeFiles(): void {
    this.#transactions.close();
    for (const segment of this.#segments) {
      try {
        segment.close();
      } catch (error) {
        const { logger, dir } = this.#options;
        logger.warn('segment not closed', { dir, reason: String(error) });
      }
    }
  }

  /** Renames the `count` oldest segments; they are unlinked later. The active one always stays. */
  #deleteOldest(count: number): number {
    const { logger, dir } = this.#options;
    let deleted = 0;
    while (deleted < count && this.#segments.count > 1) {
      const segment = this.#segments.first;
      const next = this.#segments.at(1);
      if (segment === null || next === null) break;
      this.#moveLogStart(next.baseOffset);
      segment.renameDeleted();
      this.#segments.remove(segment);
      this.#flusher.forget(segment);
      this.#transactions.drop(segment.baseOffset);
      this.#unlinkLater(segment, () => this.#files.removeSnapshot(segment.baseOffset));
      deleted++;
    }
    if (deleted > 0) {
      const { logStartOffset } = this.#offsets;
      logger.info('segments deleted', { dir, count: deleted, logStartOffset });
    }
    return deleted;
  }

  #unlinkLater(segment: Segment, then: () => void = () => {}): void {
    this.#options.reaper.schedule(this.#config.fileDeleteDelayMs, async () => {
      await segment.unlinkDeleted();
      then();
    });
  }

  /** The log start only rises; it carries the offsets above it along. */
  #moveLogStart(offset: Offset): void {
    const { logStartOffset, highWatermark, logEndOffset } = this.#offsets;
    if (offset <= logStartOffset) return;
    const lastStable = this.#transactions.lastStableOffset(offset, highWatermark);
    this.#offsets.move(offset, lastStable, highWatermark, logEndOffset);
    if (this.#epochs.trimTo(offset)) this.#files.writeEpochs(this.#epochs.entries);
  }
}

function segmentConfigOf(config: LogConfig): SegmentConfig {
  const { indexIntervalBytes, segmentIndexBytes, segmentBytes, flushMs } = config;
  // With syncs by a timer nobody waits for one.
  const zerosAhead = flushMs === LONG_MAX;
  return { indexIntervalBytes, indexBytesMax: segmentIndexBytes, segmentBytes, zerosAhead };
}

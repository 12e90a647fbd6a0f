/**
 * PartitionLog: the log of one partition, a list of segments in one directory. The face of the room:
 * it ties together the append side (log-writer.ts), reads (log-reader.ts), durability (flusher.ts) and
 * retention (segment-retention.ts) over shared offsets.
 *
 * One owner on one thread; appends and reads are synchronous up to their answer, so they need no lock.
 * What is slow and rare (roll, retention, close) takes turns.
 */

import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import type { Offset } from '../base/offset.js';
import type { Random } from '../base/random.js';
import type { Env } from '../file/env.js';
import type { Segment, SegmentConfig } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { FileReaper } from './file-reaper.js';
import { LogFlusher } from './flusher.js';
import type { EpochEnd, LeaderEpochCache } from './leader-epoch-cache.js';
import type { LogFiles } from './log-files.js';
import { PRODUCER_ID_EXPIRATION_MS } from './log-limits.js';
import { type LoadedLog, loadLog } from './log-loader.js';
import { LogReader } from './log-reader.js';
import { type AppendOptions, type EndTxnMarkerAppend, LogWriter } from './log-writer.js';
import { LogOffsets } from './offsets.js';
import { encodeProducerSnapshot } from './producer-snapshot.js';
import type { ProducerState } from './producer-state.js';
import type { AppendResult, ReadOptions, ReadResult, TimestampOffset } from './results.js';
import { planRetention } from './segment-retention.js';
import type { LogConfig } from './topic-config.js';
import type { TransactionLog } from './transaction-log.js';

export type { AppendOptions, EndTxnMarkerAppend };

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
  /** The data directory was closed cleanly: nothing is checked. */
  readonly clean: boolean;
  /** From the checkpoint, 0 if it has none. */
  readonly recoveryPoint: Offset;
  /** From the checkpoint, 0 if it has none. */
  readonly logStartOffset: Offset;
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
  readonly #listeners = new Set<() => void>();
  /** Where the producer snapshot was that the log was opened with; -1: there is none. */
  readonly #openedSnapshot: number;
  #config: LogConfig;
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
    const { topic, partition, dir, env, logger } = options;
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
    const lastStable = transactions.state.lastStableOffset(logStartOffset, logEndOffset) as Offset;
    this.#offsets = new LogOffsets(logStartOffset, logEndOffset, lastStable);
    this.#reader = new LogReader(segments, this.#offsets, (from, upperBound) =>
      transactions.aborted(from, upperBound),
    );
    const kept = { files, segments, transactions };
    this.#flusher = new LogFlusher({ env, logger, dir, ...kept, recoveryPoint });
    this.#writer = new LogWriter({
      ...options,
      ...kept,
      segmentConfig,
      producers: loaded.producers,
      epochs: loaded.epochs,
      offsets: this.#offsets,
      flusher: this.#flusher,
      onVisible: () => this.#notify(),
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

  /** Base offset of the oldest segment; may be below the log start offset. */
  get firstSegmentOffset(): Offset {
    return this.#segments.first?.baseOffset ?? this.#offsets.logStartOffset;
  }

  /** Below it offsets are in sealed segments. */
  get activeSegmentOffset(): Offset {
    return this.#segments.last?.baseOffset ?? this.#offsets.logEndOffset;
  }

  /** Of the idempotent producers that the log remembers, -1 if none. */
  get largestProducerId(): number {
    return this.#producers.largestProducerId;
  }

  /** -1 in a log without epochs. */
  get latestLeaderEpoch(): number {
    return this.#epochs.latestEpoch;
  }

  /** A write or a sync failed (R3), or the log is closed: appends answer an error, reads if closed. */
  get offline(): boolean {
    return this.#writer.stopped !== null;
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

  /** `listener` runs after the high watermark moved; it must not throw. Answers unsubscribe. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
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
      this.#options.logger.error('the log is offline', { dir: this.path, reason: String(error) });
      this.#writer.stop(`${this.path} is offline after an I/O error: ${String(error)}`);
      throw error;
    }
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
      this.#producers.expire(nowMs, PRODUCER_ID_EXPIRATION_MS);
      if (this.offline) return 0;
      const [segments, offsets, config] = [this.#segments, this.#offsets, this.#config];
      const plannedEnd = offsets.logEndOffset;
      let { count, rollActive } = await planRetention({
        env,
        dir,
        segments,
        offsets,
        config,
        nowMs,
      });
      if (rollActive) {
        await this.#writer.roll();
        // What was appended since the plan was made is in the segment that it condemned.
        if (segments.last?.baseOffset !== plannedEnd) count--;
      }
      return this.offline ? 0 : this.#deleteOldest(count);
    });
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
    this.#closing ??= this.#maintenance.run(() => this.#close());
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
    await this.#maintenance.run(async () => {
      await this.#flusher.idle();
      await this.#files.epochsWritten();
      this.#closeFiles();
    });
  }

  async #close(): Promise<boolean> {
    try {
      await this.#writer.close();
      const last = this.#segments.last;
      if (last !== null) this.#transactions.sealed(last.baseOffset);
      const { logEndOffset } = this.#offsets;
      if (this.#openedSnapshot !== logEndOffset && logEndOffset > 0) {
        const snapshot = encodeProducerSnapshot(this.#producers.entries());
        await this.#files.writeSnapshot(logEndOffset, snapshot);
      }
      return await this.#files.epochsWritten();
    } catch (error) {
      const { logger, dir } = this.#options;
      logger.error('the log was not closed cleanly', { dir, reason: String(error) });
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
    const { reaper, logger, dir } = this.#options;
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
      reaper.schedule(this.#config.fileDeleteDelayMs, async () => {
        await segment.unlinkDeleted();
        this.#files.removeSnapshot(segment.baseOffset);
      });
      deleted++;
    }
    if (deleted > 0) {
      const { logStartOffset } = this.#offsets;
      logger.info('segments deleted', { dir, count: deleted, logStartOffset });
    }
    return deleted;
  }

  /** The log start only rises; it carries the offsets above it along. */
  #moveLogStart(offset: Offset): void {
    const { logStartOffset, highWatermark, logEndOffset } = this.#offsets;
    if (offset <= logStartOffset) return;
    const { state } = this.#transactions;
    const lastStable = state.lastStableOffset(offset, highWatermark) as Offset;
    this.#offsets.move(offset, lastStable, highWatermark, logEndOffset);
    if (this.#epochs.trimTo(offset)) this.#files.writeEpochs(this.#epochs.entries);
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

function segmentConfigOf(config: LogConfig): SegmentConfig {
  const { indexIntervalBytes, segmentIndexBytes, segmentBytes } = config;
  return { indexIntervalBytes, indexBytesMax: segmentIndexBytes, segmentBytes };
}

/**
 * Log: one partition as a library, without sockets. Appends batch by themselves (batch-queue.ts), reads
 * are passes over batches (batch-reader.ts); the files are those of a broker (log/partition-log.ts).
 *
 * One thread owns a log, as one process owns its data directory.
 */

import { EventEmitter } from 'node:events';
import type { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { Subscription } from '../base/subscribers.js';
import type { Durability } from '../log/durability.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { TimestampOffset } from '../log/results.js';
import { answerError } from './answer-error.js';
import type { Appended } from './appended.js';
import { BatchQueue, type RecordInput } from './batch-queue.js';
import { BatchReader, type ReadOptions } from './batch-reader.js';
import { type RawMessage, rawMessages } from './raw-messages.js';
import type { LogSettings } from './storage-options.js';
import type { StoredBatch } from './stored-batch.js';

/** What a log tells; with `on`, `once`, `off`. */
export interface LogEvents {
  /** More is visible to readers: up to this offset, exclusive. */
  visible: [highWatermark: Offset];
  /** The disk failed: appends answer errors until the log is opened anew, reads go on. Once. */
  offline: [error: MillraceError];
  close: [];
}

export interface LogStats {
  readonly logStartOffset: Offset;
  readonly lastStableOffset: Offset;
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
  /** Offsets below it are on the disk. */
  readonly recoveryPoint: Offset;
  /** Of all .log files. */
  readonly sizeInBytes: number;
  readonly segmentCount: number;
  /** Batches appended and not answered. */
  readonly pendingBatchCount: number;
  /** Their bytes; bounded by `pendingBytesMax` where answers wait for a sync. */
  readonly pendingBytes: number;
  /** Passes that are not over. */
  readonly readerCount: number;
  readonly offline: boolean;
  readonly durability: Durability;
}

export interface LogOptions extends LogSettings {
  readonly partition: PartitionLog;
  /** Closes the files, after everything that was taken is written. */
  readonly closeFiles: () => Promise<void>;
}

export class Log extends EventEmitter<LogEvents> implements AsyncDisposable {
  readonly topic: string;
  readonly partition: number;
  /** The partition's directory. */
  readonly path: string;
  readonly #options: LogOptions;
  readonly #partition: PartitionLog;
  readonly #queue: BatchQueue;
  readonly #readers = new Set<BatchReader>();
  readonly #subscription: Subscription;
  /** While the log is cut: a map of what is cut would end the process. */
  #cutting = 0;
  #offlineSaid = false;
  #closing: Promise<void> | null = null;

  constructor(options: LogOptions) {
    super();
    const { partition, clock, batchBytesMax, pendingBytesMax, compression, durability } = options;
    this.#options = options;
    this.#partition = partition;
    this.topic = partition.topic;
    this.partition = partition.partition;
    this.path = partition.path;
    this.#queue = new BatchQueue({
      partition,
      clock,
      batchBytesMax,
      pendingBytesMax,
      compression,
      each: durability === 'each',
      onFailure: (error) => this.#failed(error),
    });
    this.#subscription = partition.subscribe(() => {
      if (this.listenerCount('visible') > 0) this.emit('visible', partition.highWatermark);
    });
  }

  /**
   * Appends a record, or several in a row; await it for the offset of the first, once they are as safe
   * as `durability` says. Rejects with the name of Kafka's error as code (MESSAGE_TOO_LARGE,
   * KAFKA_STORAGE_ERROR, ...); a failure that nobody awaits comes out of the next `flush`. Bytes are
   * copied in the call. Throws CLOSED, or QUEUE_FULL where too much waits for a sync: see `ready`.
   */
  append(records: RecordInput | readonly RecordInput[]): Appended {
    return isList(records) ? this.#queue.appendAll(records) : this.#queue.append(records);
  }

  /** Appends whole v2 batches as they are, but for their offsets: a producer's, or another log's. */
  appendBatch(bytes: Uint8Array): Appended {
    return this.#queue.appendBatches(bytes);
  }

  /** Appends a payload alone: a record without key, headers and meaning. */
  appendRaw(payload: Uint8Array): Appended {
    return this.#queue.append({ value: payload });
  }

  /**
   * Resolves when an append is taken: at once, or when less than `pendingBytesMax` waits for a sync. To
   * append without awaiting each answer: `await log.ready(signal)` first. Rejects with the signal's reason.
   */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#queue.ready(signal);
  }

  /**
   * As `append`, on this thread: written when it returns, and with durability `each` synced. Throws
   * what `append` rejects with. Not with durability `group`, whose answers come from another thread.
   */
  appendSync(records: RecordInput | readonly RecordInput[]): Offset {
    if (this.#options.durability === 'group') {
      throw answerError('NOT_SUPPORTED', "appendSync needs durability 'os', interval or 'each'");
    }
    try {
      return this.#queue.appendSync(isList(records) ? records : [records]);
    } finally {
      this.#maybeOffline();
    }
  }

  /**
   * A pass over the batches from an offset on, in order; the first may begin below it, its records do
   * not. A batch is valid until the next step: `copy()` it to keep it. Rejects with OFFSET_OUT_OF_RANGE,
   * CORRUPT_MESSAGE or KAFKA_STORAGE_ERROR, or the reason of the signal. Done when the log is closed.
   */
  read(options: ReadOptions = {}): BatchReader {
    return this.#reader(options);
  }

  /** As `read`, for `for ... of`: never waits, `live` or not. */
  readSync(options: ReadOptions = {}): Generator<StoredBatch, undefined> {
    return this.#reader({ ...options, live: false }).sync();
  }

  /** A pass over the payloads of `appendRaw`, each a view that is valid until the next step. */
  readRaw(options: ReadOptions = {}): AsyncGenerator<RawMessage, undefined> {
    return rawMessages(this.#reader(options));
  }

  /** The earliest record at or after `timestampMs`, or null. May throw an IO_ERROR. */
  offsetForTimestamp(timestampMs: number): TimestampOffset | null {
    return this.#partition.offsetForTimestamp(timestampMs);
  }

  /** Makes all that was appended durable, whatever `durability` says. */
  async flush(): Promise<void> {
    try {
      await this.#queue.flush();
    } finally {
      this.#maybeOffline();
    }
  }

  /**
   * Removes the records from `offset` on, and whole batches: answers the new log end, which may be
   * lower than asked for. Views that readers gave out are dead. Appends are refused meanwhile.
   */
  async truncateTo(offset: number): Promise<Offset> {
    this.#queue.write();
    this.#cutting++;
    try {
      for (const reader of this.#readers) reader.dropWindow();
      return await this.#partition.truncateTo(offset);
    } finally {
      this.#cutting--;
      this.#maybeOffline();
    }
  }

  /** Removes the records below `offset`; answers the new log start. Files go when they are empty. */
  async deleteRecordsBefore(offset: number): Promise<Offset> {
    this.#queue.write();
    const result = await this.#partition.deleteRecordsBefore(offset);
    if (!result.ok) throw answerError(result.error, result.message);
    return result.logStartOffset;
  }

  get stats(): LogStats {
    const partition = this.#partition;
    return {
      logStartOffset: partition.logStartOffset,
      lastStableOffset: partition.lastStableOffset,
      highWatermark: partition.highWatermark,
      logEndOffset: partition.logEndOffset,
      recoveryPoint: partition.recoveryPoint,
      sizeInBytes: partition.sizeInBytes,
      segmentCount: partition.segmentCount,
      pendingBatchCount: this.#queue.pendingCount,
      pendingBytes: this.#queue.pendingBytes,
      readerCount: this.#readers.size,
      offline: partition.offline,
      durability: this.#options.durability,
    };
  }

  /** Writes and syncs what was taken, ends the readers, closes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#queue.close();
    this.#subscription.end();
    for (const reader of this.#readers) reader.close();
    await this.#options.closeFiles();
    this.emit('close');
  }

  #reader(options: ReadOptions): BatchReader {
    if (this.#closing !== null) throw answerError('CLOSED', 'the log is closed');
    const reader = new BatchReader({
      ...options,
      partition: this.#partition,
      mmap: () => this.#options.mmap && this.#cutting === 0,
      onClose: (closed) => this.#readers.delete(closed),
    });
    this.#readers.add(reader);
    return reader;
  }

  /** The log directory is offline: says so, if it was not said. */
  noteOffline({ message }: MillraceError): void {
    this.#maybeOffline(answerError('KAFKA_STORAGE_ERROR', message));
  }

  #failed(error: MillraceError): void {
    this.#maybeOffline(error);
  }

  #maybeOffline(cause?: MillraceError): void {
    if (this.#offlineSaid || this.#closing !== null || !this.#partition.offline) return;
    this.#offlineSaid = true;
    const error = cause ?? answerError('KAFKA_STORAGE_ERROR', `${this.path} is offline`);
    this.emit('offline', error);
  }
}

function isList(records: RecordInput | readonly RecordInput[]): records is readonly RecordInput[] {
  return Array.isArray(records);
}

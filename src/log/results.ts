/**
 * What a partition log answers. Expected outcomes are values: an error here is the name of a Kafka
 * protocol error (protocol/error-codes), so that a handler maps it without knowing the log.
 */

import type { FileSlice } from '../base/chunk.js';
import type { Offset } from '../base/offset.js';

export type AppendError =
  | 'CORRUPT_MESSAGE'
  | 'DUPLICATE_SEQUENCE_NUMBER'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_RECORD'
  | 'INVALID_TIMESTAMP'
  | 'INVALID_TXN_STATE'
  | 'KAFKA_STORAGE_ERROR'
  | 'MESSAGE_TOO_LARGE'
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'TRANSACTION_COORDINATOR_FENCED'
  | 'UNKNOWN_PRODUCER_ID'
  | 'UNSUPPORTED_COMPRESSION_TYPE'
  | 'UNSUPPORTED_FOR_MESSAGE_FORMAT';

/** Why one record of a refused batch was refused; `batchIndex` counts records from 0. */
export interface RecordError {
  readonly batchIndex: number;
  readonly message: string;
}

export interface AppendSuccess {
  readonly ok: true;
  /** Of the first record; a repeated batch of an idempotent producer gets its first answer again. */
  readonly baseOffset: Offset;
  /** Of the last record, inclusive. */
  readonly lastOffset: Offset;
  /** -1 when the topic keeps the producer's timestamps (CreateTime). */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: Offset;
  /** True when the batch was already in the log and nothing was written. */
  readonly duplicate: boolean;
}

export interface AppendFailure {
  readonly ok: false;
  readonly error: AppendError;
  readonly message: string;
  /** Empty unless single records are to blame. */
  readonly recordErrors: readonly RecordError[];
  readonly logStartOffset: Offset;
}

export type AppendResult = AppendSuccess | AppendFailure;

/** Answer of deleteRecordsBefore. */
export type DeleteRecordsResult =
  /** The log start offset, durable. */
  | { readonly ok: true; readonly logStartOffset: Offset }
  | {
      readonly ok: false;
      readonly error: 'OFFSET_OUT_OF_RANGE' | 'KAFKA_STORAGE_ERROR';
      readonly message: string;
      readonly logStartOffset: Offset;
    };

export type IsolationLevel = 'read_uncommitted' | 'read_committed';

export interface ReadOptions {
  /** Upper bound of the slice in bytes; may cut the last batch. */
  readonly maxBytes: number;
  /** When true the first batch is whole, however large. */
  readonly minOneMessage: boolean;
  /** read_uncommitted ends at the high watermark, read_committed at the last stable offset. */
  readonly isolation: IsolationLevel;
  /** Bytes that must be looked at first are answered with `looking`, not looked at inside the call. */
  readonly mayWait?: boolean;
}

/** The four offsets at the moment of the read. */
export interface OffsetsSnapshot {
  readonly logStartOffset: Offset;
  readonly lastStableOffset: Offset;
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: Offset;
}

export interface ReadSuccess extends OffsetsSnapshot {
  readonly ok: true;
  /**
   * Whole batches from the one that holds the offset (so it may begin below it); the last one may
   * be cut by maxBytes. Null: nothing to read now. Retained: whoever receives it releases it once.
   */
  readonly slice: FileSlice | null;
  /**
   * With `mayWait`, and then `slice` is null: what comes next was written by an earlier run and is looked at
   * for the first time; read again when it settles. It never rejects. Else null.
   */
  readonly looking: Promise<void> | null;
  /** Null under read_uncommitted. */
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
}

export interface ReadFailure extends OffsetsSnapshot {
  readonly ok: false;
  readonly error: 'OFFSET_OUT_OF_RANGE' | 'KAFKA_STORAGE_ERROR' | 'CORRUPT_MESSAGE';
  readonly message: string;
}

export type ReadResult = ReadSuccess | ReadFailure;

/** Answer of a lookup by time. */
export interface TimestampOffset {
  readonly offset: Offset;
  readonly timestampMs: number;
  /** -1 when the batch carries none. */
  readonly leaderEpoch: number;
}

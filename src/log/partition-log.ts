/**
 * PartitionLog: the log of one partition, a list of segments in one directory.
 */

import type { Offset } from '../base/offset.js';
import type { AppendResult, ReadOptions, ReadResult, TimestampOffset } from './results.js';
import type { LogConfig } from './topic-config.js';

export interface AppendOptions {
  /** Written into the batch; the epoch of this broker as leader of the partition. */
  readonly leaderEpoch: number;
  /**
   * false: `records` is borrowed until `append` returns (the log copies it). true: the log may keep
   * and patch it in place until the promise settles; the caller does not touch it meanwhile.
   */
  readonly owned: boolean;
}

export interface PartitionLog {
  readonly topic: string;
  readonly partition: number;
  /** Base64url, 22 characters; null in a directory without partition.metadata. */
  readonly topicId: string | null;
  /** The partition's directory. */
  readonly path: string;
  readonly config: LogConfig;

  /** First offset that may be read. */
  readonly logStartOffset: Offset;
  /** Offsets below it have no undecided transaction before them. Equal to highWatermark for now. */
  readonly lastStableOffset: Offset;
  /** Offsets below it are visible to consumers. */
  readonly highWatermark: Offset;
  /** The next offset to be written; moves when the write is made, not when `append` is called. */
  readonly logEndOffset: Offset;
  /** Of all segments, in bytes. */
  readonly sizeInBytes: number;
  readonly segmentCount: number;
  /** Of the last batch, -1 in an empty log. */
  readonly latestLeaderEpoch: number;
  /** Set once a write or an fsync failed (R3): every append and read answers KAFKA_STORAGE_ERROR. */
  readonly offline: boolean;

  /**
   * Validates one record batch, assigns its offsets (both synchronously, in the order of the calls)
   * and queues it; the promise settles after the write made at the end of this tick, or at once when
   * more than 1 MiB is pending. Never rejects. A crash before it settles leaves the batch whole or
   * absent.
   */
  append(records: Uint8Array, options: AppendOptions): Promise<AppendResult>;

  /** Synchronous: index lookup and at most a few header reads. */
  read(offset: number, options: ReadOptions): ReadResult;

  /** Earliest record at or after `timestampMs` below the high watermark, or null. May throw IO_ERROR. */
  offsetForTimestamp(timestampMs: number): TimestampOffset | null;
  /** The record with the largest timestamp (ListOffsets -3), or null in an empty log. */
  maxTimestampOffset(): TimestampOffset | null;
  /** The leader epoch that wrote `offset`, -1 if not known. */
  leaderEpochFor(offset: number): number;
  /** OffsetForLeaderEpoch: the end of the largest known epoch <= `epoch`; null when none is known. */
  endOffsetForEpoch(epoch: number): { readonly epoch: number; readonly endOffset: Offset } | null;

  /** `listener` runs after the high watermark moved. It must not throw. Answers unsubscribe. */
  subscribe(listener: () => void): () => void;

  /** Takes effect with the next append, roll or retention run. */
  updateConfig(config: LogConfig): void;

  /** Makes everything appended so far durable. Rejects with a MillraceError and takes the log offline. */
  flush(): Promise<void>;
}

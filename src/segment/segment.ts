import type { FileSlice } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';

/** What a segment needs to know of a topic's configuration; read at each use, so it may change. */
export interface SegmentConfig {
  /** index.interval.bytes */
  readonly indexIntervalBytes: number;
  /** segment.index.bytes: size of a full index file. */
  readonly indexBytesMax: number;
  /** segment.bytes: blocks are reserved ahead of the end up to here, where it is large. */
  readonly segmentBytes: number;
}

export interface SegmentOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
  readonly baseOffset: Offset;
  readonly config: SegmentConfig;
}

export interface SegmentOpenOptions extends SegmentOptions {
  /** The last segment of its partition: it is opened for appends. */
  readonly active: boolean;
  /**
   * True after a clean shutdown (and for segments below the recovery point's): sizes are trusted,
   * nothing is scanned. False: every batch is checked and the indexes are rebuilt if they differ.
   */
  readonly clean: boolean;
  /** Offsets below it are durable: damage below it is rot, never a torn tail. */
  readonly recoveryPoint: Offset;
  /** Base offset of the next segment; null if this is the last one. */
  readonly nextBaseOffset: Offset | null;
  /**
   * Called for runs of good batches in order while an unclean segment is scanned: `batches` as
   * walkBatches fills it, `count` of them. Borrowed until it returns.
   */
  readonly onBatches?: (batches: Float64Array, count: number) => void;
}

/** A range of a segment that is damaged and is followed by what is not; never cut, never served. */
export interface DamagedRange {
  readonly position: number;
  /** Exclusive, in bytes. */
  readonly endPosition: number;
  /** First offset that may be inside. */
  readonly offset: Offset;
  /** Exclusive: the first offset served again; Infinity if the damage reaches the segment's end. */
  readonly endOffset: number;
}

/** What opening found and did. */
export interface SegmentRecovery {
  /** Bytes of a torn tail that were cut off, and synced. */
  readonly truncatedBytes: number;
  readonly damaged: readonly DamagedRange[];
  readonly indexesRebuilt: boolean;
}

export interface BatchPosition {
  readonly position: number;
  /** Whole batch in bytes. */
  readonly size: number;
  readonly baseOffset: Offset;
  /** Inclusive. */
  readonly lastOffset: Offset;
}

export interface SegmentReadOptions {
  /** The first batch is answered whole, however large. */
  readonly minOneMessage: boolean;
  /** Exclusive bound in bytes (the high watermark's position); default: the segment's size. */
  readonly endPosition?: number;
}

export type SegmentRead =
  /**
   * The slice begins at the batch that contains `offset`, or at the first one after it; it has one
   * holder, the caller. Null if maxBytes allows not a byte. The last batch may be cut.
   */
  | {
      readonly status: 'ok';
      readonly slice: FileSlice | null;
      readonly firstBatch: BatchPosition;
    }
  /** No batch at or after `offset` before the end position: go on with the next segment. */
  | { readonly status: 'end' }
  /** `offset` is inside a damaged range: answer CORRUPT_MESSAGE. */
  | { readonly status: 'damaged'; readonly range: DamagedRange };

export interface TimestampOffset {
  readonly timestampMs: number;
  readonly offset: Offset;
  readonly leaderEpoch: number;
}

/**
 * One .log with its .index and .timeindex. Synchronous but for open, flush and what waits for a
 * disk. One owner: the partition's log, on one thread. I/O errors are thrown as IoError.
 */
export declare class Segment implements AsyncDisposable {
  private constructor();

  /**
   * Creates the files of an empty active segment; ALREADY_EXISTS if there is one. The caller syncs the
   * directory before it acknowledges what it appends in durable mode (R4).
   */
  static create(options: SegmentOptions): Segment;

  /**
   * Opens a segment and, if it is not clean, checks it whole. A torn tail of the last segment is cut
   * and synced before this settles (R2); a crash inside leaves it to be cut again. Damage that is
   * followed by a good batch is kept and marked (R1).
   */
  static open(options: SegmentOpenOptions): Promise<Segment>;

  readonly baseOffset: Offset;
  readonly recovery: SegmentRecovery;
  /** In bytes: position of the next append. */
  get size(): number;
  /** The offset after the last batch; the base offset if empty. Of a sealed segment: may read. */
  get nextOffset(): Offset;
  /** Largest batch timestamp, -1 if none. Of a segment from before a clean start: may read. */
  get maxTimestampMs(): number;
  /** Max timestamp of the first batch, as time-based rolling takes it; -1 if none. */
  get firstTimestampMs(): number;
  /** Wall clock when it was created, or the file's modification time if opened. */
  get createdMs(): number;
  /** False once sealed, after a failed write that could not be undone, or with a damaged tail: roll. */
  get appendable(): boolean;
  /** Whether an index has no room for another entry: roll. */
  get indexFull(): boolean;
  /** Sizes of .log, .index and .timeindex together, in bytes. */
  get diskSize(): number;
  get damaged(): readonly DamagedRange[];

  /** Whether `offset` fits the 31 bits of a relative offset: if not, roll. */
  canHold(offset: number): boolean;

  /**
   * Appends `chunks`, each one or more whole checked batches with their final offsets, by one write;
   * index entries follow the write. Borrowed until it returns. On an error the file is truncated back
   * to its last good end and nothing was appended; if that fails too the segment is not appendable
   * any more (`poisoned`).
   */
  append(chunks: readonly Uint8Array[]): void;
  /** True after a failed write or sync that left the file's bytes in doubt (R3). */
  get poisoned(): boolean;

  /**
   * Bytes from the batch that contains `offset`, at most `maxBytes`, never beyond a damaged range.
   * `offset` >= base offset.
   */
  read(offset: number, maxBytes: number, options: SegmentReadOptions): SegmentRead;
  /** The first batch whose last offset is >= `offset`; null if there is none. */
  positionFor(offset: number): BatchPosition | null;
  /** The first record with a timestamp >= `timestampMs` and an offset >= `startOffset`; null if none. */
  offsetForTimestamp(timestampMs: number, startOffset: number): TimestampOffset | null;
  /** The first record that has the largest timestamp; null if no batch has one. */
  maxTimestampOffset(): TimestampOffset | null;
  /** Reads every batch header and answers the largest timestamp (R8: before retention deletes). */
  confirmMaxTimestampMs(): Promise<number>;

  /** Cuts all batches whose last offset is >= `offset`; answers the bytes cut. Not synced. */
  truncateTo(offset: number): number;

  /** Makes what was appended before the call durable. An error poisons the segment (R3). */
  flush(): Promise<void>;
  flushSync(): void;
  /** On roll: last time index entry, reserved blocks given back; no append after it. Not synced. */
  seal(): void;
  /** Writes the last time index entry and closes the files; slices stay valid. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;

  /** Renames the files to `.deleted`; slices and reads under way stay valid. */
  renameDeleted(): void;
  /**
   * After renameDeleted: closes, waits until no slice is held, unlinks. A missing file is no error.
   */
  unlinkDeleted(): Promise<void>;
}

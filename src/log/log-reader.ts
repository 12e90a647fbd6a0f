/**
 * Reads and lookups over the segments of a partition. Synchronous; nothing is written. What lies at
 * or above the high watermark is never answered.
 */

import { assert } from '../base/assert.js';
import type { FileSlice } from '../base/chunk.js';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { Segment } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { LogOffsets } from './offsets.js';
import type {
  AbortedTransaction,
  DeleteRecordsResult,
  IsolationLevel,
  ReadFailure,
  ReadOptions,
  ReadResult,
  TimestampOffset,
} from './results.js';

const NO_ABORTED: readonly AbortedTransaction[] = [];

/** Aborted transactions that touch a range of offsets. */
export type AbortedLookup = (from: number, upperBound: number) => readonly AbortedTransaction[];

export class LogReader {
  readonly #segments: SegmentList<Segment>;
  readonly #offsets: LogOffsets;

  readonly #aborted: AbortedLookup;

  constructor(segments: SegmentList<Segment>, offsets: LogOffsets, aborted: AbortedLookup) {
    this.#segments = segments;
    this.#offsets = offsets;
    this.#aborted = aborted;
  }

  read(offset: number, options: ReadOptions): ReadResult {
    const { logStartOffset, highWatermark, lastStableOffset, logEndOffset } = this.#offsets;
    if (!(offset >= logStartOffset && offset <= logEndOffset)) {
      return this.failure(
        'OFFSET_OUT_OF_RANGE',
        `offset ${offset} is outside [${logStartOffset}, ${logEndOffset}]`,
      );
    }
    const committed = options.isolation === 'read_committed';
    const bound = committed ? lastStableOffset : highWatermark;
    const none = committed ? NO_ABORTED : null;
    if (offset >= bound) return this.#success(null, none);
    try {
      return this.#readBelow(offset, bound, options, committed);
    } catch (error) {
      // A sector that cannot be read spoils this range, not the log.
      if (!(error instanceof MillraceError)) throw error;
      return this.failure('KAFKA_STORAGE_ERROR', error.message);
    }
  }

  /** See PartitionLog.endsAt. */
  endsAt(offset: number, isolation: IsolationLevel): boolean {
    const { logStartOffset, highWatermark, lastStableOffset, logEndOffset } = this.#offsets;
    const bound = isolation === 'read_committed' ? lastStableOffset : highWatermark;
    return offset >= bound && offset >= logStartOffset && offset <= logEndOffset;
  }

  #readBelow(offset: number, bound: Offset, options: ReadOptions, committed: boolean): ReadResult {
    const { maxBytes, minOneMessage, mayWait = false } = options;
    for (let index = Math.max(0, this.#segments.floorIndex(offset)); ; index++) {
      const segment = this.#segments.at(index);
      if (segment === null || segment.baseOffset >= bound) {
        return this.#success(null, committed ? NO_ABORTED : null);
      }
      const from = Math.max(offset, segment.baseOffset);
      const endPosition = this.#endPosition(segment, bound);
      const read = segment.read(
        from,
        maxBytes,
        endPosition === null ? { minOneMessage, mayWait } : { minOneMessage, mayWait, endPosition },
      );
      if (read.status === 'ok') {
        const { slice } = read;
        if (!committed) return this.#success(slice, null);
        if (slice === null) return this.#success(null, NO_ABORTED);
        try {
          return this.#success(
            slice,
            this.#aborted(offset, this.#upperBound(segment, slice, bound)),
          );
        } catch (error) {
          slice.release();
          throw error;
        }
      }
      if (read.status === 'looking') {
        return this.#success(null, committed ? NO_ABORTED : null, read.looked);
      }
      if (read.status === 'damaged') {
        return this.failure('CORRUPT_MESSAGE', `the log is damaged at offset ${read.range.offset}`);
      }
    }
  }

  /** An offset that no record of the slice reaches. */
  #upperBound(segment: Segment, slice: FileSlice, bound: Offset): number {
    const indexed = segment.offsetBeyond(slice.position + slice.length);
    const next = this.#segments.higher(segment.baseOffset)?.baseOffset ?? bound;
    return Math.min(bound, next, indexed ?? bound);
  }

  /** Where `bound` begins in the segment; null: the segment lies wholly below it. */
  #endPosition(segment: Segment, bound: Offset): number | null {
    // Nearly always everything written is visible.
    if (bound === this.#offsets.logEndOffset) return null;
    const next = this.#segments.higher(segment.baseOffset);
    if (next !== null && next.baseOffset <= bound) return null;
    return segment.positionFor(bound)?.position ?? null;
  }

  /** The earliest visible record at or after `timestampMs`. */
  offsetForTimestamp(timestampMs: number): TimestampOffset | null {
    const { logStartOffset, highWatermark } = this.#offsets;
    for (const segment of this.#segments) {
      if (segment.maxTimestampMs < timestampMs) continue;
      const found = segment.offsetForTimestamp(timestampMs, logStartOffset);
      if (found !== null) return found.offset < highWatermark ? found : null;
    }
    return null;
  }

  /** The visible record with the largest timestamp. */
  maxTimestampOffset(): TimestampOffset | null {
    let newest: Segment | null = null;
    for (const segment of this.#segments) {
      if (newest === null || segment.maxTimestampMs > newest.maxTimestampMs) newest = segment;
    }
    const found = newest?.maxTimestampOffset() ?? null;
    const { logStartOffset, highWatermark } = this.#offsets;
    if (found === null || found.offset < logStartOffset) return null;
    return found.offset < highWatermark ? found : null;
  }

  failure(error: ReadFailure['error'], message: string): ReadFailure {
    return { ok: false, error, message, ...this.#offsets.snapshot() };
  }

  deletionFailure(
    error: 'OFFSET_OUT_OF_RANGE' | 'KAFKA_STORAGE_ERROR',
    message: string,
  ): DeleteRecordsResult {
    return { ok: false, error, message, logStartOffset: this.#offsets.logStartOffset };
  }

  #success(
    slice: FileSlice | null,
    abortedTransactions: readonly AbortedTransaction[] | null,
    looking: Promise<void> | null = null,
  ): ReadResult {
    const offsets = this.#offsets;
    assert(slice === null || slice.length > 0, 'a slice has bytes');
    return {
      ok: true,
      slice,
      looking,
      abortedTransactions,
      logStartOffset: offsets.logStartOffset,
      lastStableOffset: offsets.lastStableOffset,
      highWatermark: offsets.highWatermark,
      logEndOffset: offsets.logEndOffset,
    };
  }
}

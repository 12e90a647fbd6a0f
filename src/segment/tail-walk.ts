/**
 * Finds the next offset and the largest timestamp of a segment that is taken to be whole: what the
 * last time index entry says, if its batch says so too, then the headers from there to the end. So
 * indexes that were cut short cost a longer walk, and nothing else: what they lack is made on the way.
 */

import type { BatchLocator } from './batch-locator.js';
import type { SegmentIndexes } from './segment-indexes.js';
import type { TailCache } from './tail-cache.js';

export interface TailWalkOptions {
  readonly baseOffset: number;
  /** Exclusive bound of the segment's offsets. */
  readonly endOffset: number;
  /** Bytes of the log. */
  readonly size: number;
  readonly locator: BatchLocator;
  /** Loaded. */
  readonly indexes: SegmentIndexes;
  /** Gets the batches on the way; null if that is of no use. */
  readonly tail: TailCache | null;
  readonly indexIntervalBytes: number;
}

/** The next offset; the fold has the largest timestamp. Null if anything does not add up. */
export function walkTail(options: TailWalkOptions): number | null {
  const { baseOffset, endOffset, locator, indexes, tail, indexIntervalBytes } = options;
  const { offset: offsetIndex, time: timeIndex, fold } = indexes;
  const lastSlot = offsetIndex.count - 1;
  if (lastSlot >= 0 && locator.atOffsetEntry(lastSlot) === null) return null;
  const indexedEnd = lastSlot < 0 ? -1 : offsetIndex.positionAt(lastSlot);
  const cursor = locator.walk();
  if (timeIndex.count > 0) {
    const entry = locator.atTimeEntry(timeIndex.count - 1);
    if (entry === null) return null;
    cursor.seek(entry.position, options.size);
  }
  fold.setMaxTimestamp(-1, -1, -1, 0);
  let nextOffset = baseOffset;
  while (cursor.next()) {
    const { position, size, lastOffset, maxTimestamp } = cursor;
    if (cursor.baseOffset < nextOffset || lastOffset >= endOffset) return null;
    const relative = lastOffset - baseOffset;
    fold.raise(maxTimestamp, cursor.maxTimestampHigh, cursor.maxTimestampLow, relative);
    if (position > indexedEnd) fold.add(position, relative, indexIntervalBytes);
    tail?.push(position, size, cursor.baseOffset, lastOffset);
    nextOffset = lastOffset + 1;
  }
  return cursor.malformed ? null : nextOffset;
}

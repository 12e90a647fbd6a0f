/**
 * What is about to be appended, held against what is there (assertions on the log, which made it), and
 * taken note of once it is written.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import {
  baseOffsetOf,
  lastOffsetOf,
  maxTimestampOf,
  readInt32,
  sizeOf,
} from '../record/batch-view.js';
import { HEADER_SIZE, MAX_TIMESTAMP } from '../record/layout.js';
import type { IndexFold } from './index-fold.js';
import type { TailCache } from './tail-cache.js';

/** Size and last offset of `chunks`, whose batches are whole and follow each other and `nextOffset`. */
export function measureChain(
  chunks: readonly Uint8Array[],
  nextOffset: number,
): { size: number; lastOffset: number } {
  let size = 0;
  let next = nextOffset;
  for (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      assert(at + HEADER_SIZE <= chunk.length, 'whole batches');
      assert(baseOffsetOf(chunk, at) >= next, 'offsets rise');
      next = lastOffsetOf(chunk, at) + 1;
      at += sizeOf(chunk, at);
    }
    assert(at === chunk.length, 'whole batches');
    size += chunk.length;
  }
  assert(size > 0, 'something to append');
  return { size, lastOffset: next - 1 };
}

/** What takes note of appended batches. */
export interface AppendNotes {
  readonly baseOffset: number;
  readonly fold: IndexFold;
  readonly tail: TailCache;
  readonly indexIntervalBytes: number;
}

/** Takes note of the batches of `chunks`, which were written at `position`. */
export function noteAppended(chunks: readonly Uint8Array[], position: number, notes: AppendNotes) {
  const { baseOffset, fold, tail, indexIntervalBytes } = notes;
  let endPosition = position;
  let nextOffset = 0;
  let firstTimestampMs = -1;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const size = sizeOf(chunk, at);
      const lastOffset = lastOffsetOf(chunk, at);
      const timestamp = maxTimestampOf(chunk, at);
      const high = readInt32(chunk, at + MAX_TIMESTAMP);
      const low = readInt32(chunk, at + MAX_TIMESTAMP + 4);
      if (endPosition === position) firstTimestampMs = timestamp;
      fold.raise(timestamp, high, low, lastOffset - baseOffset);
      fold.add(endPosition, lastOffset - baseOffset, indexIntervalBytes);
      tail.push(endPosition, size, baseOffsetOf(chunk, at), lastOffset);
      nextOffset = lastOffset + 1;
      endPosition += size;
      at += size;
    }
  }
  return { endPosition, nextOffset: nextOffset as Offset, firstTimestampMs };
}

/** What is about to be appended, held against what is there: assertions on the log, which made it. */

import { assert } from '../base/assert.js';
import { baseOffsetOf, lastOffsetOf, sizeOf } from '../record/batch-view.js';
import { HEADER_SIZE } from '../record/layout.js';

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

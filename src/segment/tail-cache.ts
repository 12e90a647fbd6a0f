/**
 * The positions of the last batches of the active segment, so that a fetch near the end, which nearly
 * every fetch is, reads nothing to find its batch. A ring of numbers, made with the first batch.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import type { BatchPosition } from './segment-types.js';

const COUNT_MAX = 128;
const POSITION = 0;
const SIZE = 1;
const BASE_OFFSET = 2;
const LAST_OFFSET = 3;
const STRIDE = 4;

export class TailCache {
  #numbers: Float64Array | null = null;
  /** Batches ever pushed since `clear`; the ring holds the last COUNT_MAX of them. */
  #pushed = 0;

  push(position: number, size: number, baseOffset: number, lastOffset: number): void {
    this.#numbers ??= new Float64Array(COUNT_MAX * STRIDE);
    const at = (this.#pushed % COUNT_MAX) * STRIDE;
    this.#numbers[at + POSITION] = position;
    this.#numbers[at + SIZE] = size;
    this.#numbers[at + BASE_OFFSET] = baseOffset;
    this.#numbers[at + LAST_OFFSET] = lastOffset;
    this.#pushed++;
  }

  clear(): void {
    this.#numbers = null;
    this.#pushed = 0;
  }

  /**
   * Handle of the first batch with a last offset >= `offset`; -1 if that may be before the oldest
   * batch here, or if there is none.
   */
  find(offset: number): number {
    let low = Math.max(0, this.#pushed - COUNT_MAX);
    let high = this.#pushed - 1;
    // The batch before the oldest one is not known, so the oldest one must reach down to `offset`.
    if (high < 0 || offset < this.baseOffsetOf(low) || offset > this.lastOffsetOf(high)) return -1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.lastOffsetOf(middle) >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  batchOf(handle: number): BatchPosition {
    return {
      position: this.#at(handle, POSITION),
      size: this.#at(handle, SIZE),
      baseOffset: this.baseOffsetOf(handle) as Offset,
      lastOffset: this.lastOffsetOf(handle) as Offset,
    };
  }

  baseOffsetOf(handle: number): number {
    return this.#at(handle, BASE_OFFSET);
  }

  lastOffsetOf(handle: number): number {
    return this.#at(handle, LAST_OFFSET);
  }

  #at(handle: number, field: number): number {
    assert(this.#numbers !== null, 'a handle of a batch in the cache');
    return this.#numbers[(handle % COUNT_MAX) * STRIDE + field] as number;
  }
}

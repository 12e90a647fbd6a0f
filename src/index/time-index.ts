/**
 * The time index of a segment: from a timestamp to an offset at which to begin reading.
 *
 *     offset  size  field, big-endian, signed
 *          0     8  timestamp: the largest one of any batch up to here
 *          8     4  last offset of the first batch that has it, relative to the base offset
 *
 * Timestamps rise strictly, offsets rise. So every batch before that of an entry has smaller
 * timestamps than the entry. Timestamps are kept as the raw 64 bits of the batch header: they are
 * compared as the nearest doubles, which beyond 2^53 (nanoseconds) makes an entry less, never a
 * wrong one. The last slot is kept free for the entry that seal and close add.
 */

import { assert } from '../base/assert.js';
import { floorSlot } from './search.js';
import { SparseIndex, type SparseIndexOptions } from './sparse-index.js';

const ENTRY_SIZE = 12;
const INT32_MAX = 2 ** 31 - 1;

export class TimeIndex extends SparseIndex {
  constructor(options: SparseIndexOptions) {
    super(options, ENTRY_SIZE);
  }

  /** But for the entry of seal and close. */
  get isFull(): boolean {
    return this.count >= this.countMax - 1;
  }

  /**
   * Adds an entry if its timestamp (high 32 bits signed, low 32 bits) is above the last one's; else
   * it would say nothing new. False if it was not added.
   */
  maybeAppend(timestampHigh: number, timestampLow: number, relativeOffset: number): boolean {
    assert(relativeOffset >= 0 && relativeOffset <= INT32_MAX, 'relative offset of 31 bits');
    const last = this.count - 1;
    const timestamp = timestampHigh * 2 ** 32 + (timestampLow >>> 0);
    if (timestamp < 0 || (last >= 0 && timestamp <= this.keyAt(last))) return false;
    assert(last < 0 || relativeOffset >= this.relativeOffsetAt(last), 'entries rise');
    const at = this.push();
    this.view.setInt32(at, timestampHigh);
    this.view.setInt32(at + 4, timestampLow);
    this.view.setInt32(at + 8, relativeOffset);
    return true;
  }

  /** Timestamp of an entry, rounded to a double beyond 2^53. */
  override keyAt(slot: number): number {
    const at = slot * ENTRY_SIZE;
    return this.view.getInt32(at) * 2 ** 32 + this.view.getUint32(at + 4);
  }

  relativeOffsetAt(slot: number): number {
    return this.view.getInt32(slot * ENTRY_SIZE + 8);
  }

  /** Slot of the last entry with a timestamp <= `timestampMs`; -1: begin at the start. */
  floor(timestampMs: number): number {
    return floorSlot(this, timestampMs);
  }

  /** Removes the entries of batches whose last offset is >= `relativeOffset`. */
  truncateTo(relativeOffset: number): void {
    let count = this.count;
    while (count > 0 && this.relativeOffsetAt(count - 1) >= relativeOffset) count--;
    this.truncateCount(count);
  }

  protected override follows(slot: number, previous: number): boolean {
    if (this.relativeOffsetAt(slot) < 0) return false;
    if (previous < 0) return true;
    return (
      this.keyAt(slot) > this.keyAt(previous) &&
      this.relativeOffsetAt(slot) >= this.relativeOffsetAt(previous)
    );
  }
}

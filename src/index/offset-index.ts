/**
 * The offset index of a segment: from an offset to a position at which to begin reading.
 *
 *     offset  size  field, big-endian, signed
 *          0     4  last offset of a batch, relative to the segment's base offset
 *          4     4  position of that batch in the log file
 *
 * Entries rise strictly in both fields. The entry is for the first batch that begins more than
 * index.interval.bytes after the batch of the entry before, as Kafka makes it, so that the whole file
 * is a function of the log.
 */

import { assert } from '../base/assert.js';
import { floorSlot } from './search.js';
import { SparseIndex, type SparseIndexOptions } from './sparse-index.js';

const ENTRY_SIZE = 8;
const INT32_MAX = 2 ** 31 - 1;

export class OffsetIndex extends SparseIndex {
  constructor(options: SparseIndexOptions) {
    super(options, ENTRY_SIZE);
  }

  get isFull(): boolean {
    return this.count >= this.countMax;
  }

  /** `relativeOffset` and `position` above those of the last entry. */
  append(relativeOffset: number, position: number): void {
    assert(relativeOffset >= 0 && relativeOffset <= INT32_MAX, 'relative offset of 31 bits');
    assert(position >= 0 && position <= INT32_MAX, 'position of 31 bits');
    const last = this.count - 1;
    assert(
      last < 0 || (relativeOffset > this.keyAt(last) && position > this.positionAt(last)),
      'entries rise',
    );
    const at = this.push();
    this.view.setInt32(at, relativeOffset);
    this.view.setInt32(at + 4, position);
  }

  /** Relative last offset of the batch of an entry. */
  override keyAt(slot: number): number {
    return this.view.getInt32(slot * ENTRY_SIZE);
  }

  positionAt(slot: number): number {
    return this.view.getInt32(slot * ENTRY_SIZE + 4);
  }

  /** Slot of the last entry with a relative offset <= `relativeOffset`; -1: begin at the start. */
  floor(relativeOffset: number): number {
    return floorSlot(this, relativeOffset);
  }

  /** Slot of the first entry with a position >= `position`; null if there is none. */
  slotBeyond(position: number): number | null {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positionAt(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low === this.count ? null : low;
  }

  /** Removes the entries of batches at or after `position`. */
  truncateTo(position: number): void {
    let count = this.count;
    while (count > 0 && this.positionAt(count - 1) >= position) count--;
    this.truncateCount(count);
  }

  protected override follows(slot: number, previous: number): boolean {
    if (this.keyAt(slot) < 0 || this.positionAt(slot) < 0) return false;
    if (previous < 0) return true;
    return (
      this.keyAt(slot) > this.keyAt(previous) && this.positionAt(slot) > this.positionAt(previous)
    );
  }
}

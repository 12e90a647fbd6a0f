/**
 * From batches to index entries: the one rule by which both indexes are made, in append and in
 * recovery, so that a rebuilt file equals the one that was appended.
 *
 *     for each batch, in order:
 *         its max timestamp raises the largest one so far, if it is larger
 *         if it begins more than index.interval.bytes after the batch of the last entry:
 *             offset index gets (its last offset, its position)
 *             time index gets (largest timestamp, last offset of the first batch with it), if new
 *
 * Kafka decides by append, where a producer's append is one batch; and it forgets the bytes since the
 * last entry when it opens a segment, which moves the next entry and harms nothing.
 */

import { assert } from '../base/assert.js';
import type { OffsetIndex } from '../index/offset-index.js';
import type { TimeIndex } from '../index/time-index.js';

export class IndexFold {
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  /** Largest batch timestamp so far, as a double; -1 if none. */
  maxTimestamp = -1;
  maxTimestampHigh = -1;
  maxTimestampLow = -1;
  /** Relative last offset of the first batch that has it. */
  maxTimestampOffset = 0;
  #lastEntryPosition = 0;

  constructor(offsetIndex: OffsetIndex, timeIndex: TimeIndex) {
    this.offsetIndex = offsetIndex;
    this.timeIndex = timeIndex;
    this.restart();
  }

  /** After the offset index was loaded or truncated. */
  restart(): void {
    const last = this.offsetIndex.count - 1;
    this.#lastEntryPosition = last < 0 ? 0 : this.offsetIndex.positionAt(last);
  }

  /** Sets the largest timestamp, from the time index or nothing. */
  setMaxTimestamp(timestamp: number, high: number, low: number, relativeOffset: number): void {
    this.maxTimestamp = timestamp;
    this.maxTimestampHigh = high;
    this.maxTimestampLow = low;
    this.maxTimestampOffset = relativeOffset;
  }

  /** Takes the timestamp of the next batch. */
  raise(timestamp: number, high: number, low: number, relativeLastOffset: number): void {
    if (timestamp > this.maxTimestamp) {
      this.setMaxTimestamp(timestamp, high, low, relativeLastOffset);
    }
  }

  /** After `raise`, for the same batch. */
  add(position: number, relativeLastOffset: number, intervalBytes: number): void {
    assert(position >= this.#lastEntryPosition, 'batches come in order');
    if (position - this.#lastEntryPosition <= intervalBytes) return;
    if (this.offsetIndex.isFull) return;
    this.offsetIndex.append(relativeLastOffset, position);
    this.#lastEntryPosition = position;
    if (!this.timeIndex.isFull) this.#addTime();
  }

  /** On seal and close: the time index ends with the largest timestamp. */
  finish(): void {
    if (this.timeIndex.count < this.timeIndex.countMax) this.#addTime();
  }

  #addTime(): void {
    const { maxTimestampHigh, maxTimestampLow, maxTimestampOffset } = this;
    if (this.maxTimestamp < 0) return;
    this.timeIndex.maybeAppend(maxTimestampHigh, maxTimestampLow, maxTimestampOffset);
  }
}

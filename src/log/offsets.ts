/**
 * The four offsets of a partition, and the one place that moves them:
 *
 *     log start  <=  last stable  <=  high watermark  <=  log end
 *
 * Offsets below the high watermark are visible, below the last stable offset visible to
 * read_committed. The log end is the next offset to be written.
 */

import { AssertionError, assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import type { OffsetsSnapshot } from './results.js';

export class LogOffsets implements OffsetsSnapshot {
  #logStart: Offset;
  #lastStable: Offset;
  #highWatermark: Offset;
  #logEnd: Offset;

  /** A log of which everything up to its end is visible, and decided below `lastStable`. */
  constructor(logStart: Offset, logEnd: Offset, lastStable: Offset = logEnd) {
    assert(logStart <= lastStable && lastStable <= logEnd, 'a log starts before it ends');
    this.#logStart = logStart;
    this.#lastStable = lastStable;
    this.#highWatermark = logEnd;
    this.#logEnd = logEnd;
  }

  get logStartOffset(): Offset {
    return this.#logStart;
  }

  get lastStableOffset(): Offset {
    return this.#lastStable;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  get logEndOffset(): Offset {
    return this.#logEnd;
  }

  /** Sets all four; asserts their order. */
  move(logStart: Offset, lastStable: Offset, highWatermark: Offset, logEnd: Offset): void {
    if (logStart > lastStable || lastStable > highWatermark || highWatermark > logEnd) {
      const all = [logStart, lastStable, highWatermark, logEnd];
      throw new AssertionError(`offsets out of order: ${all.join(' ')}`);
    }
    this.#logStart = logStart;
    this.#lastStable = lastStable;
    this.#highWatermark = highWatermark;
    this.#logEnd = logEnd;
  }

  snapshot(): OffsetsSnapshot {
    return {
      logStartOffset: this.#logStart,
      lastStableOffset: this.#lastStable,
      highWatermark: this.#highWatermark,
      logEndOffset: this.#logEnd,
    };
  }
}

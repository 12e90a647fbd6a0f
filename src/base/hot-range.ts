/**
 * Which range of a file is taken to be in the page cache without asking the kernel: the one that was
 * seen there last, for ten seconds.
 *
 *     file   |-----------[ seen resident or sent since T ]--------------|
 *                         start                        end
 *
 * A reader that follows the tail or streams through a file extends the range as it goes, so a second
 * reader behind it pays nothing. Two readers far apart in one file displace each other's range and
 * pay the look: about 1 us per 64 KiB. A wrong answer costs a blocked event loop of some milliseconds,
 * never a wrong byte. It belongs to the open file, not to its descriptor, whose number the next file gets.
 */

import { HOT_MS_MAX } from './limits.js';

export class HotRange {
  #start = 0;
  #end = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  /** Whether bytes [start, end) count as resident. */
  covers(start: number, end: number, nowMs: number): boolean {
    return this.#start <= start && end <= this.#end && nowMs - this.#sinceMs <= HOT_MS_MAX;
  }

  /** Bytes [start, end) are to leave the page cache: of what is left of the range the end that is further on counts. */
  forget(start: number, end: number): void {
    if (end <= this.#start || this.#end <= start) return;
    if (end < this.#end) this.#start = end;
    else this.#end = Math.max(start, this.#start);
  }

  /** Bytes [start, end) were found in the page cache, or sent, just now. */
  mark(start: number, end: number, nowMs: number): void {
    const touches = start <= this.#end && this.#start <= end;
    if (touches && nowMs - this.#sinceMs <= HOT_MS_MAX) {
      // The whole range keeps the age of its oldest part.
      this.#start = Math.min(this.#start, start);
      this.#end = Math.max(this.#end, end);
    } else {
      this.#start = start;
      this.#end = end;
      this.#sinceMs = nowMs;
    }
  }
}

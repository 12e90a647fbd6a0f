/**
 * Which file ranges are taken to be in the page cache without asking the kernel: one range per file,
 * the one that was seen there last, for ten seconds.
 *
 *     file   |-----------[ seen resident or sent since T ]--------------|
 *                         start                        end
 *
 * A reader that follows the tail or streams through a file extends the range as it goes, so a second
 * reader behind it pays nothing. Two readers far apart in one file displace each other's range and
 * pay the look: about 1 us per 64 KiB. A wrong answer costs a blocked event loop of a millisecond,
 * never a wrong byte; so descriptors, which may be reused, are good enough as keys.
 */

import type { Clock } from '../base/clock.js';
import { HOT_FILES_MAX, HOT_MS_MAX } from '../base/limits.js';

interface HotRange {
  start: number;
  end: number;
  sinceMs: number;
}

export class HotRanges {
  readonly #clock: Clock;
  readonly #ranges: Map<number, HotRange>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ranges = new Map();
  }

  /** Whether bytes [start, end) of `fd` count as resident. */
  covers(fd: number, start: number, end: number): boolean {
    const range = this.#ranges.get(fd);
    return (
      range !== undefined &&
      range.start <= start &&
      end <= range.end &&
      this.#clock.monotonicMs() - range.sinceMs <= HOT_MS_MAX
    );
  }

  /** Bytes [start, end) of `fd` were found in the page cache, or sent, just now. */
  mark(fd: number, start: number, end: number): void {
    const nowMs = this.#clock.monotonicMs();
    const range = this.#ranges.get(fd);
    if (range === undefined) {
      if (this.#ranges.size >= HOT_FILES_MAX) this.#ranges.clear();
      this.#ranges.set(fd, { start, end, sinceMs: nowMs });
      return;
    }
    const touches = start <= range.end && range.start <= end;
    if (touches && nowMs - range.sinceMs <= HOT_MS_MAX) {
      // The whole range keeps the age of its oldest part.
      range.start = Math.min(range.start, start);
      range.end = Math.max(range.end, end);
    } else {
      range.start = start;
      range.end = end;
      range.sinceMs = nowMs;
    }
  }
}

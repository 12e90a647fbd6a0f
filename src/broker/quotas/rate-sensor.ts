/**
 * A rate over the last seconds, as Kafka measures it for quotas: a sum per window, over the time that
 * the windows cover. A young sensor counts as if it had been there for all windows but one, so that
 * a first burst may use up what the windows together allow.
 */

import { assert } from '../../base/assert.js';

export interface RateWindows {
  readonly count: number;
  readonly sizeMs: number;
}

export class RateSensor {
  readonly #windows: RateWindows;
  /** Start and sum of each window that is not over for good, oldest first. */
  readonly #starts: number[] = [];
  readonly #sums: number[] = [];

  constructor(windows: RateWindows) {
    assert(windows.count >= 1 && windows.sizeMs >= 1, 'a rate has windows');
    this.#windows = windows;
  }

  /** `nowMs` never goes back. */
  record(value: number, nowMs: number): void {
    this.#drop(nowMs);
    const last = this.#starts.length - 1;
    if (last < 0 || nowMs - (this.#starts[last] as number) >= this.#windows.sizeMs) {
      this.#starts.push(nowMs);
      this.#sums.push(value);
    } else {
      this.#sums[last] = (this.#sums[last] as number) + value;
    }
  }

  /** How long to wait until the rate is down to `boundPerSecond`; 0 if it is not above it. */
  throttleMs(boundPerSecond: number, nowMs: number): number {
    this.#drop(nowMs);
    if (this.#starts.length === 0) return 0;
    const coveredMs = this.#coveredMs(nowMs);
    let sum = 0;
    for (const one of this.#sums) sum += one;
    const rate = (sum * 1000) / coveredMs;
    if (rate <= boundPerSecond) return 0;
    return Math.round(((rate - boundPerSecond) / boundPerSecond) * coveredMs);
  }

  #coveredMs(nowMs: number): number {
    const { count, sizeMs } = this.#windows;
    const elapsedMs = nowMs - (this.#starts[0] as number);
    const missing = count - 1 - Math.floor(elapsedMs / sizeMs);
    const coveredMs = elapsedMs + Math.max(0, missing) * sizeMs;
    // With a single window the first moment would be no time at all.
    return Math.max(coveredMs, sizeMs);
  }

  #drop(nowMs: number): void {
    const { count, sizeMs } = this.#windows;
    while (this.#starts.length > 0 && nowMs - (this.#starts[0] as number) >= count * sizeMs) {
      this.#starts.shift();
      this.#sums.shift();
    }
  }
}

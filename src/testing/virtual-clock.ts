/**
 * A clock that stands still but for `resume` and `advance`, which goes from one due timer to the next and lets the
 * broker finish, between two of them, what the first one began:
 *
 *     settled -> run the timer that is due next -> settled -> ... -> none is due -> the end -> settled
 *
 * `settled` is counted, not guessed: no work in the thread pool, none that waits for the end of a tick or
 * for its next turn (base/tick.ts). What clients send meanwhile is not part of it: whoever needs a certain
 * order of timers and requests awaits the one before the other.
 *
 * Checks that come again and again (retention, cleaner, checkpoints: Clock.setCheckTimer) run
 * CHECKS_PER_ADVANCE times within one advance, evenly spread, the last time at its very end: a week has 60,000 of
 * them and their answer depends on what there is then, not on how often they asked.
 */

import { assert } from '../base/assert.js';
import { type Clock, ManualClock, systemClock, type Timer } from '../base/clock.js';

const CHECKS_PER_ADVANCE = 16;
/** Between two advances of a clock that runs. */
const RESUMED_MS = 5;

interface Advance {
  readonly fromMs: number;
  readonly endMs: number;
}

export class VirtualClock implements Clock {
  readonly #clock: ManualClock;
  readonly #settled: () => Promise<void>;
  #advance: Advance | null = null;
  /** A turn is asked for. */
  #dueNow = false;
  #last: Promise<unknown> = Promise.resolve();
  /** Since when, on the system's clock, time was not passed on; null: it stands still. */
  #passedMs: number | null = null;
  #passTimer: Timer | null = null;

  constructor(nowMs: number, settled: () => Promise<void>) {
    this.#clock = new ManualClock(nowMs);
    this.#settled = settled;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** One that is due at once does not wait for an advance: it runs in the next turn of the loop. */
  setTimer(delayMs: number, callback: () => void): Timer {
    if (delayMs <= 0 && !this.#dueNow) {
      this.#dueNow = true;
      setImmediate(() => this.#runDue());
    }
    return this.#clock.setTimer(delayMs, callback);
  }

  setCheckTimer(delayMs: number, callback: () => void): Timer {
    return this.#clock.setTimer(this.#spread(delayMs), callback);
  }

  /** Timers that wait. */
  get timerCount(): number {
    return this.#clock.timerCount;
  }

  /** Answers the time at the end. Calls are one after the other. A throw of a timer rejects it. */
  advance(ms: number): Promise<number> {
    assert(ms >= 0, 'time does not go back');
    const advanced = this.#last.then(() => this.#run(ms));
    this.#last = advanced.catch(() => {});
    return advanced;
  }

  /** Passes the system's time on from now. Idempotent. */
  resume(): void {
    if (this.#passedMs !== null) return;
    this.#passTimer?.cancel();
    this.#passedMs = systemClock.monotonicMs();
    this.#passLater();
  }

  /** Answers the time at which it stands. Idempotent. */
  pause(): Promise<number> {
    const passed = this.#pass();
    this.#passedMs = null;
    this.#passTimer?.cancel();
    return passed;
  }

  #passLater(): void {
    this.#passTimer = systemClock.setTimer(RESUMED_MS, () => {
      void this.#pass().then(() => {
        if (this.#passedMs !== null) this.#passLater();
      });
    });
  }

  /** Whole milliseconds; the rest is passed on the next time. */
  #pass(): Promise<number> {
    if (this.#passedMs === null) return this.advance(0);
    const elapsedMs = Math.floor(systemClock.monotonicMs() - this.#passedMs);
    this.#passedMs += elapsedMs;
    return this.advance(elapsedMs);
  }

  async #run(ms: number): Promise<number> {
    const clock = this.#clock;
    const fromMs = clock.monotonicMs();
    const endMs = fromMs + ms;
    this.#advance = { fromMs, endMs };
    try {
      do await this.#settled();
      while (clock.runNext(endMs));
      clock.advance(endMs - clock.monotonicMs());
      return clock.nowMs();
    } finally {
      this.#advance = null;
    }
  }

  #runDue(): void {
    this.#dueNow = false;
    while (this.#clock.runNext(this.#clock.monotonicMs()));
  }

  /** The delay after which a check runs that asked for `delayMs`. */
  #spread(delayMs: number): number {
    if (this.#advance === null) return delayMs;
    const { fromMs, endMs } = this.#advance;
    const nowMs = this.#clock.monotonicMs();
    const stepMs = (endMs - fromMs) / CHECKS_PER_ADVANCE;
    const dueMs = nowMs + delayMs;
    if (delayMs >= stepMs || dueMs > endMs) return delayMs;
    const step = Math.ceil((dueMs - fromMs) / stepMs);
    return Math.min(endMs, fromMs + step * stepMs) - nowMs;
  }
}

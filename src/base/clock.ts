/**
 * Time, behind an interface: the only file that reads a clock or sets a timer. Tests pass a
 * ManualClock; nothing waits for real time in a test.
 */

import { assert } from './assert.js';

export interface Timer {
  /** Idempotent; after it the callback will not run. */
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. For timestamps only. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary start. For deadlines and durations. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`. Keeps the process alive only if `keepAlive`. */
  setTimer(delayMs: number, callback: () => void, keepAlive?: boolean): Timer;
}

const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback, keepAlive = false) {
    // A longer delay than setTimeout can hold is waited for in steps.
    let remainingMs = delayMs;
    let handle: NodeJS.Timeout;
    const step = (): void => {
      const waitMs = Math.min(remainingMs, TIMEOUT_MAX_MS);
      remainingMs -= waitMs;
      handle = setTimeout(() => (remainingMs > 0 ? step() : callback()), waitMs);
      if (!keepAlive) handle.unref();
    };
    step();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** A clock that moves only by `advance`. Timers that fall due run in order of their due time. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #sequence = 0;
  #timers: { dueMs: number; sequence: number; callback: () => void }[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#monotonicMs + delayMs, sequence: this.#sequence++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves both clocks and runs what falls due, in order. */
  advance(ms: number): void {
    assert(ms >= 0, 'a monotonic clock does not go back');
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence)[0];
      if (due === undefined) break;
      this.#move(Math.max(due.dueMs, this.#monotonicMs));
      this.#timers = this.#timers.filter((other) => other !== due);
      due.callback();
    }
    this.#move(endMs);
  }

  /** Moves the wall clock alone, forwards or back, as an administrator or NTP does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  #move(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

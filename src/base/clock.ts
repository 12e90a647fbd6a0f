/**
 * Time, behind an interface: the only file that reads a clock or sets a timer. Tests pass a
 * ManualClock; nothing waits for real time in a test.
 */

import { assert } from './assert.js';
import { TimerQueue } from './timer-queue.js';

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
  /**
   * As setTimer, for a check of how things are that comes again and again: a clock that is moved by days
   * runs it less often than it says, and once more at the end. Not there: setTimer.
   */
  setCheckTimer?(delayMs: number, callback: () => void): Timer;
}

/** See Clock.setCheckTimer. */
export function setCheckTimer(clock: Clock, delayMs: number, callback: () => void): Timer {
  return clock.setCheckTimer?.(delayMs, callback) ?? clock.setTimer(delayMs, callback);
}

const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback, keepAlive = false) => new SystemTimer(delayMs, callback, keepAlive),
};

/**
 * A class, not an object literal: V8 may come to believe that the objects of a literal live long, and make
 * them in the old part of the heap, where each keeps its callback, and the waiting request behind that,
 * until all of the heap is collected.
 */
class SystemTimer implements Timer {
  readonly #callback: () => void;
  readonly #keepAlive: boolean;
  #remainingMs: number;
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void, keepAlive: boolean) {
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#remainingMs = delayMs;
    this.#handle = this.#step();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  /** A longer delay than setTimeout can hold is waited for in steps. */
  #step(): NodeJS.Timeout {
    const waitMs = Math.min(this.#remainingMs, TIMEOUT_MAX_MS);
    this.#remainingMs -= waitMs;
    const handle = setTimeout(() => this.#passed(), waitMs);
    if (!this.#keepAlive) handle.unref();
    return handle;
  }

  #passed(): void {
    if (this.#remainingMs > 0) this.#handle = this.#step();
    else this.#callback();
  }
}

/** A clock that moves only by `advance`. Timers that fall due run in order of their due time. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #timers = new TimerQueue();

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
    const timer = this.#timers.add(this.#monotonicMs + delayMs, callback);
    return { cancel: () => this.#timers.cancel(timer) };
  }

  /** When the next timer is due, on the monotonic clock; null: none waits. */
  get nextDueMs(): number | null {
    return this.#timers.nextDueMs;
  }

  /** Moves both clocks and runs what falls due, in order. */
  advance(ms: number): void {
    assert(ms >= 0, 'a monotonic clock does not go back');
    const endMs = this.#monotonicMs + ms;
    while (this.runNext(endMs));
    this.#move(endMs);
  }

  /**
   * Moves both clocks to the next timer that is due at `endMs` or before, and runs it. False: there is
   * none, and the clocks stay.
   */
  runNext(endMs: number): boolean {
    const dueMs = this.#timers.nextDueMs;
    if (dueMs === null || dueMs > endMs) return false;
    this.#move(Math.max(dueMs, this.#monotonicMs));
    this.#timers.take()?.();
    return true;
  }

  /** Moves the wall clock alone, forwards or back, as an administrator or NTP does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  get timerCount(): number {
    return this.#timers.count;
  }

  #move(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

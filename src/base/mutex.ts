/**
 * Mutex: one holder at a time, waiters in the order of their calls. For the slow, rare operations of
 * a partition or a directory (roll, truncate, delete); the append and read paths are synchronous and
 * need none.
 */

import { assert } from './assert.js';

export class Mutex {
  #held = false;
  #waiters: (() => void)[] = [];

  get held(): boolean {
    return this.#held;
  }

  /**
   * Runs `task` alone and answers its result. A throw or rejection of the task releases the mutex and
   * passes on. Not re-entrant: a task that calls `run` of the same mutex and waits for it never ends.
   */
  async run<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#held) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    // A released mutex is handed over still held, so that nobody slips in between.
    else this.#held = true;
    assert(this.#held, 'a mutex is held while its task runs');
    try {
      return await task();
    } finally {
      const next = this.#waiters.shift();
      if (next === undefined) this.#held = false;
      else next();
    }
  }
}

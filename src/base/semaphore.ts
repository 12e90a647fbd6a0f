/** Lets so many tasks run at a time; the others wait their turn, in the order of their calls. */

import { assert } from './assert.js';

export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    assert(Number.isInteger(count) && count > 0, 'at least one at a time');
    this.#free = count;
  }

  /** Settles as the task does, which begins when it is its turn. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      // The place is handed on, or free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

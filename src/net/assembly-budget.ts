/**
 * One bound on the request bytes that a listener keeps for frames which are not whole yet. When it
 * is reached, the connection that has waited longest for its next byte is given up: a peer that
 * sends is served, one that dawdles with half a frame pays. Nobody waits for the budget, so there is
 * no way to lock up.
 */

import { assert } from '../base/assert.js';

export interface AssemblyHolder {
  /** Must give back all that it holds, at once. */
  giveUp(): void;
}

export class AssemblyBudget {
  readonly #bytesMax: number;
  /** Bytes by holder; the one that made progress longest ago comes first. */
  readonly #held: Map<AssemblyHolder, number>;
  #bytes: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#held = new Map();
    this.#bytes = 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * `holder` has made progress and holds `bytes` now, 0 for nothing. Gives up other holders while
   * the bound is passed; a single holder is always let in (a frame has a bound of its own).
   */
  set(holder: AssemblyHolder, bytes: number): void {
    assert(bytes >= 0, 'a holder holds no less than nothing');
    const before = this.#held.get(holder) ?? 0;
    if (before > 0) this.#held.delete(holder);
    if (bytes > 0) this.#held.set(holder, bytes);
    this.#bytes += bytes - before;
    if (bytes > before && this.#bytes > this.#bytesMax) this.#shed(holder);
  }

  #shed(keep: AssemblyHolder): void {
    for (const holder of this.#held.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      if (holder === keep) continue;
      holder.giveUp();
      assert(!this.#held.has(holder), 'who is given up holds nothing');
    }
  }
}

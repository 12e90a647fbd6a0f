/**
 * Producer ids, taken from the store in blocks, so that a crash skips at most one block and none is
 * given twice.
 */

import type { MetadataStore } from './metadata-store.js';

export const PRODUCER_ID_BLOCK = 1000;

export class ProducerIds {
  readonly #store: MetadataStore;
  /** Runs a commit alone; the controller's mutex. */
  readonly #alone: (task: () => Promise<void>) => Promise<void>;
  #next = 0;
  /** Exclusive; equal to `#next` when the block is used up. */
  #end = 0;

  constructor(store: MetadataStore, alone: (task: () => Promise<void>) => Promise<void>) {
    this.#store = store;
    this.#alone = alone;
  }

  /** An id that nobody has or had. Rejects with a MillraceError if a new block cannot be stored. */
  async next(): Promise<number> {
    while (this.#next === this.#end) await this.#alone(() => this.#takeBlock());
    return this.#next++;
  }

  async #takeBlock(): Promise<void> {
    // Another caller may have taken one while this one waited.
    if (this.#next < this.#end) return;
    const first = this.#store.nextProducerId;
    await this.#store.commit({ nextProducerId: first + PRODUCER_ID_BLOCK });
    this.#next = first;
    this.#end = first + PRODUCER_ID_BLOCK;
  }
}

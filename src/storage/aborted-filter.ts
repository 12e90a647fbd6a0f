/**
 * What a read_committed pass leaves out. The log says which transactions of a window were aborted, by
 * producer and first offset; each reaches to the next marker of its producer.
 */

import type { AbortedTransaction } from '../log/results.js';

export class AbortedFilter {
  /** Not begun yet, by first offset, the last one first. */
  #coming: AbortedTransaction[] = [];
  /** Producers inside an aborted transaction. */
  readonly #inside = new Set<number>();

  /** Begins a window: `transactions` are all that touch it, also those that began before. */
  reset(transactions: readonly AbortedTransaction[]): void {
    this.#coming = transactions.toSorted((a, b) => b.firstOffset - a.firstOffset);
    this.#inside.clear();
  }

  /** Whether a transactional batch of the producer was aborted. Batches come in order. */
  has(producerId: number, baseOffset: number): boolean {
    for (;;) {
      const next = this.#coming.at(-1);
      if (next === undefined || next.firstOffset > baseOffset) break;
      this.#inside.add(next.producerId);
      this.#coming.pop();
    }
    return this.#inside.has(producerId);
  }

  /** A transaction of the producer ends. */
  marker(producerId: number, baseOffset: number): void {
    this.has(producerId, baseOffset);
    this.#inside.delete(producerId);
  }
}

/**
 * Which transactions of a partition are undecided, and so where reads of committed records end:
 *
 *     first offset   6        20                 40
 *     producer       10 ...   9 ...   commit 9   10 ...   high watermark
 *                    ^ first unstable: until the marker of producer 10
 *
 * A transaction is undecided from its first batch until its marker is below the high watermark: a
 * marker that is written but not yet visible ends nothing. Takes what was written, so nothing is ever
 * taken back.
 */

import { assert } from '../base/assert.js';
import type { ProducerEntry } from './producer-state.js';

export interface EndedTransaction {
  readonly firstOffset: number;
  /** Of the transactions that were still open, the first offset; if there was none, after the marker. */
  readonly lastStableOffset: number;
}

export class TransactionState {
  /** First offsets by producer id: they rise, for each transaction begins after those before it. */
  #open = new Map<number, number>();
  /** Ended by a marker that was not visible yet; in order of their markers. */
  #ending: { readonly firstOffset: number; readonly lastOffset: number }[] = [];

  /** As of the end of a log whose markers are all visible. */
  static from(entries: readonly ProducerEntry[]): TransactionState {
    const state = new TransactionState();
    const open = entries.filter((entry) => entry.transactionFirstOffset >= 0);
    open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset);
    for (const { producerId, transactionFirstOffset } of open) {
      state.begin(producerId, transactionFirstOffset);
    }
    return state;
  }

  /** Transactions without a marker. */
  get openCount(): number {
    return this.#open.size;
  }

  /** The first batch of a transaction was written. */
  begin(producerId: number, firstOffset: number): void {
    assert(!this.#open.has(producerId), 'a producer has one transaction at a time');
    this.#open.set(producerId, firstOffset);
  }

  isOpen(producerId: number): boolean {
    return this.#open.has(producerId);
  }

  /** The marker of a transaction was written at `offset`; null if no batch of it was. */
  end(producerId: number, offset: number): EndedTransaction | null {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return null;
    this.#open.delete(producerId);
    this.#ending.push({ firstOffset, lastOffset: offset });
    return { firstOffset, lastStableOffset: this.#firstOpen() ?? offset + 1 };
  }

  /** The last stable offset for these bounds; forgets the markers below the high watermark. */
  lastStableOffset(logStartOffset: number, highWatermark: number): number {
    while ((this.#ending[0]?.lastOffset ?? highWatermark) < highWatermark) this.#ending.shift();
    let first = this.#firstOpen() ?? highWatermark;
    for (const { firstOffset } of this.#ending) first = Math.min(first, firstOffset);
    return Math.max(logStartOffset, Math.min(first, highWatermark));
  }

  #firstOpen(): number | undefined {
    return this.#open.values().next().value;
  }
}

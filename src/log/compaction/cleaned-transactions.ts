/**
 * Which batches of transactions compaction drops, while it goes through the log in order:
 *
 *     batch of an aborted transaction     its records go
 *     marker of a transaction of which    kept: it decides what the batches are
 *       some batch was met
 *     marker of one of which none was     goes, delete.retention.ms after that was first seen: a
 *                                         reader in the middle of the transaction still gets it
 *
 * An index entry is kept as long as its abort marker is needed.
 */

import type { AbortedEntry } from '../../index/transaction-index.js';
import type { ControlType } from '../../record/control-record.js';

interface OngoingAborted {
  readonly entry: AbortedEntry;
  /** A batch of it was met. */
  seen: boolean;
}

export class CleanedTransactions {
  /** Producers of which a committed transaction has a batch that was met. */
  readonly #committed = new Set<number>();
  readonly #aborted = new Map<number, OngoingAborted>();
  /** By first offset, those not yet reached. */
  #pending: AbortedEntry[] = [];
  /** Of the aborted transactions whose marker is kept. */
  readonly kept: AbortedEntry[] = [];

  /** Aborted transactions of the stretch of log that comes next. */
  add(entries: readonly AbortedEntry[]): void {
    if (entries.length === 0) return;
    const known = new Set(this.#pending.map(({ lastOffset }) => lastOffset));
    for (const { entry } of this.#aborted.values()) known.add(entry.lastOffset);
    const added = entries.filter(({ lastOffset }) => !known.has(lastOffset));
    this.#pending = [...this.#pending, ...added].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** A data batch; true: it was aborted. */
  onBatch(producerId: number, lastOffset: number, isTransactional: boolean): boolean {
    this.#reach(lastOffset);
    if (!isTransactional) return false;
    const aborted = this.#aborted.get(producerId);
    if (aborted === undefined) {
      this.#committed.add(producerId);
      return false;
    }
    aborted.seen = true;
    return true;
  }

  /** A control batch, `type` null if it is empty; true: nothing in the log needs it any more. */
  onMarker(producerId: number, lastOffset: number, type: ControlType | 'unknown' | null): boolean {
    this.#reach(lastOffset);
    if (type === null) return true;
    if (type === 'commit') return !this.#committed.delete(producerId);
    if (type !== 'abort') return false;
    const aborted = this.#aborted.get(producerId);
    this.#aborted.delete(producerId);
    if (aborted === undefined || !aborted.seen) return true;
    this.kept.push(aborted.entry);
    return false;
  }

  #reach(offset: number): void {
    while ((this.#pending[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= offset) {
      const entry = this.#pending.shift() as AbortedEntry;
      // Of two of one producer the first ends before the second begins: it is ongoing until then.
      if (!this.#aborted.has(entry.producerId)) {
        this.#aborted.set(entry.producerId, { entry, seen: false });
      }
    }
  }
}

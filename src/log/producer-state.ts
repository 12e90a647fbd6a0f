/**
 * Producer state of a partition: per producer id its epoch and the last five batches, so that a
 * repeated batch of an idempotent producer is answered again and a gap is refused.
 *
 *     last batches of producer 7, epoch 0:   [0..2]@100  [3..3]@103  [4..9]@104
 *     comes 3..3     duplicate: base offset 103 again
 *     comes 10..12   in order
 *     comes 12..14   OUT_OF_ORDER_SEQUENCE_NUMBER
 *
 * An entry is replaced, not changed, by an append: whoever holds the old one can put it back when the
 * write fails (`restore`). Rebuilt from a snapshot and the batches after it when a log is opened.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import { addSequence } from '../record/batch-view.js';
import { PRODUCER_IDS_MAX } from './log-limits.js';

/** Batches that can be told as repeated: what a producer may have in flight. */
export const BATCHES_KEPT = 5;

const NO_SEQUENCE = -1;
const SEQUENCE_MAX = 0x7fffffff;

export interface KeptBatch {
  readonly lastSequence: number;
  readonly lastOffset: Offset;
  /** Last offset less first offset. */
  readonly offsetDelta: number;
  readonly timestampMs: number;
}

export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  /** Of the last transaction marker, -1 if none. */
  readonly coordinatorEpoch: number;
  readonly lastTimestampMs: number;
  /** First offset of the open transaction, -1 if none. */
  readonly transactionFirstOffset: number;
  /** Oldest first, at most BATCHES_KEPT. */
  readonly batches: readonly KeptBatch[];
}

export interface LastBatch {
  /** Last offset of the last data batch; null: the last was a marker, of `epoch`. */
  readonly dataOffset: Offset | null;
  readonly epoch: number;
}

/** What producer state needs to know of a batch with its final offsets. */
export interface ProducerBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1: a coordinator's batch, which has an epoch alone. */
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
  readonly isTransactional?: boolean;
}

/** What producer state needs to know of a transaction marker. */
export interface ProducerMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
}

export type MarkerCheck =
  | { readonly status: 'ok' }
  | {
      readonly status: 'error';
      readonly error: 'INVALID_PRODUCER_EPOCH' | 'TRANSACTION_COORDINATOR_FENCED';
      readonly message: string;
    };

export type SequenceCheck =
  | { readonly status: 'ok' }
  | { readonly status: 'duplicate'; readonly batch: KeptBatch }
  | {
      readonly status: 'error';
      readonly error:
        | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
        | 'INVALID_PRODUCER_EPOCH'
        | 'INVALID_TXN_STATE';
      readonly message: string;
    };

const OK: { readonly status: 'ok' } = { status: 'ok' };

export class ProducerState {
  /** In order of their last append. */
  #entries = new Map<number, ProducerEntry>();

  get count(): number {
    return this.#entries.size;
  }

  /** -1 if there is none. */
  get largestProducerId(): number {
    let largest = -1;
    for (const producerId of this.#entries.keys()) largest = Math.max(largest, producerId);
    return largest;
  }

  entries(): ProducerEntry[] {
    return [...this.#entries.values()];
  }

  /**
   * The entries as they were before some appends: `before` tells each producer's entry then, the
   * producers that it does not name are as they are now.
   */
  entriesBefore(before: ReadonlyMap<number, ProducerEntry | undefined>): ProducerEntry[] {
    const entries: ProducerEntry[] = [];
    for (const [producerId, entry] of this.#entries) {
      const then = before.has(producerId) ? before.get(producerId) : entry;
      if (then !== undefined) entries.push(then);
    }
    return entries;
  }

  /** What compaction keeps of each producer, so that its state can be made from the log. */
  lastBatches(): ReadonlyMap<number, LastBatch> {
    const last = new Map<number, LastBatch>();
    for (const [producerId, { batches, epoch }] of this.#entries) {
      last.set(producerId, { dataOffset: batches[batches.length - 1]?.lastOffset ?? null, epoch });
    }
    return last;
  }

  /**
   * Whether a batch from a client follows what was appended; pending appends count. Of a producer that
   * is not known any sequence does, unless it `beginsAtZero`.
   */
  check(batch: ProducerBatch, beginsAtZero = false): SequenceCheck {
    const entry = this.#entries.get(batch.producerId);
    if (entry === undefined) {
      return beginsAtZero && batch.baseSequence > 0 ? outOfOrder(batch, NO_SEQUENCE) : OK;
    }
    const { producerId, producerEpoch, baseSequence } = batch;
    if (producerEpoch < entry.epoch) {
      const message = `Producer ${producerId} has epoch ${producerEpoch}, the last one seen is ${entry.epoch}`;
      return { status: 'error', error: 'INVALID_PRODUCER_EPOCH', message };
    }
    if (entry.transactionFirstOffset >= 0 && batch.isTransactional !== true) {
      const message = `Producer ${producerId} has an open transaction, and the batch is not part of it`;
      return { status: 'error', error: 'INVALID_TXN_STATE', message };
    }
    if (baseSequence === NO_SEQUENCE) return OK;
    if (producerEpoch > entry.epoch) {
      return baseSequence === 0 || entry.epoch === -1 ? OK : outOfOrder(batch, NO_SEQUENCE);
    }
    const lastSequence = addSequence(baseSequence, batch.lastOffsetDelta);
    const repeated = entry.batches.find(
      (kept) => kept.lastSequence === lastSequence && kept.offsetDelta === batch.lastOffsetDelta,
    );
    if (repeated !== undefined) return { status: 'duplicate', batch: repeated };
    const last = entry.batches[entry.batches.length - 1]?.lastSequence ?? NO_SEQUENCE;
    const next = last === SEQUENCE_MAX ? 0 : last + 1;
    return baseSequence === next ? OK : outOfOrder(batch, last);
  }

  /**
   * Whether a coordinator may end a transaction: by an epoch not below the producer's, or above it
   * where each transaction has an epoch of its own (version 2); a repeated marker is harmless.
   */
  checkMarker(
    { producerId, producerEpoch, coordinatorEpoch }: ProducerMarker,
    epochRises: boolean,
  ): MarkerCheck {
    const entry = this.#entries.get(producerId);
    if (entry === undefined) return OK;
    const isRepeated = producerEpoch === entry.epoch && entry.transactionFirstOffset < 0;
    if (
      producerEpoch < entry.epoch ||
      (epochRises && producerEpoch === entry.epoch && !isRepeated)
    ) {
      const message = `A marker of producer ${producerId} has epoch ${producerEpoch}, the last one seen is ${entry.epoch}`;
      return { status: 'error', error: 'INVALID_PRODUCER_EPOCH', message };
    }
    if (coordinatorEpoch < entry.coordinatorEpoch) {
      const message = `A marker of producer ${producerId} has coordinator epoch ${coordinatorEpoch}, the last one seen is ${entry.coordinatorEpoch}`;
      return { status: 'error', error: 'TRANSACTION_COORDINATOR_FENCED', message };
    }
    return OK;
  }

  /** First offset of the producer's open transaction, -1 if it has none; pending appends count. */
  transactionFirstOffset(producerId: number): number {
    return this.#entries.get(producerId)?.transactionFirstOffset ?? -1;
  }

  /** Takes an appended batch. Answers the entry before it, for `restore`. */
  append(batch: ProducerBatch, lastOffset: Offset, timestampMs: number): ProducerEntry | undefined {
    const before = this.#entries.get(batch.producerId);
    const sameEpoch = before !== undefined && before.epoch === batch.producerEpoch;
    const kept: KeptBatch = {
      lastSequence:
        batch.baseSequence === NO_SEQUENCE
          ? NO_SEQUENCE
          : addSequence(batch.baseSequence, batch.lastOffsetDelta),
      lastOffset,
      offsetDelta: batch.lastOffsetDelta,
      timestampMs,
    };
    const batches = sameEpoch ? before.batches.slice(1 - BATCHES_KEPT) : [];
    batches.push(kept);
    this.#put({
      producerId: batch.producerId,
      epoch: batch.producerEpoch,
      coordinatorEpoch: before?.coordinatorEpoch ?? -1,
      lastTimestampMs: timestampMs,
      transactionFirstOffset: this.#transactionOf(batch, before, lastOffset),
      batches,
    });
    return before;
  }

  #transactionOf(
    batch: ProducerBatch,
    before: ProducerEntry | undefined,
    lastOffset: number,
  ): number {
    const firstOffset = before?.transactionFirstOffset ?? -1;
    if (firstOffset >= 0 || batch.isTransactional !== true) return firstOffset;
    return lastOffset - batch.lastOffsetDelta;
  }

  /** Takes a transaction marker. Answers the entry before it, for `restore`. */
  endTransaction(
    { producerId, producerEpoch: epoch, coordinatorEpoch }: ProducerMarker,
    timestampMs: number,
  ): ProducerEntry | undefined {
    const before = this.#entries.get(producerId);
    this.#put({
      producerId,
      epoch,
      coordinatorEpoch,
      lastTimestampMs: timestampMs,
      transactionFirstOffset: -1,
      batches: before !== undefined && before.epoch === epoch ? before.batches : [],
    });
    return before;
  }

  /** Undoes an `append`; the latest one first. */
  restore(producerId: number, before: ProducerEntry | undefined): void {
    if (before === undefined) this.#entries.delete(producerId);
    else this.#entries.set(producerId, before);
  }

  /** From a snapshot. */
  load(entry: ProducerEntry): void {
    assert(entry.batches.length <= BATCHES_KEPT, 'a bounded entry');
    this.#put(entry);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Forgets producers that were silent for `expirationMs`, unless a transaction is open. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [producerId, entry] of this.#entries) {
      const isOpen = entry.transactionFirstOffset >= 0;
      if (!isOpen && nowMs - entry.lastTimestampMs >= expirationMs) {
        this.#entries.delete(producerId);
      }
    }
  }

  #put(entry: ProducerEntry): void {
    // Delete and set: the map stays in order of last use.
    this.#entries.delete(entry.producerId);
    this.#entries.set(entry.producerId, entry);
    if (this.#entries.size <= PRODUCER_IDS_MAX) return;
    for (const [producerId, oldest] of this.#entries) {
      // An open transaction holds back the last stable offset: it is not forgotten.
      if (oldest.transactionFirstOffset >= 0) continue;
      this.#entries.delete(producerId);
      return;
    }
  }
}

function outOfOrder(batch: ProducerBatch, last: number): SequenceCheck {
  const message =
    last === NO_SEQUENCE
      ? `Producer ${batch.producerId} epoch ${batch.producerEpoch} must begin with sequence 0, came ${batch.baseSequence}`
      : `Producer ${batch.producerId} has last sequence ${last}, came ${batch.baseSequence}`;
  return { status: 'error', error: 'OUT_OF_ORDER_SEQUENCE_NUMBER', message };
}

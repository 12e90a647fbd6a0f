/**
 * StoredBatch: one record batch as it lies in the log. A view: its bytes, and the keys and values of
 * its records, are valid until the reader takes its next step, unless they were copied.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import {
  baseOffsetOf,
  codecIdOf,
  isControlBatch,
  isTransactional,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
  producerIdOf,
  recordsCountOf,
  type TimestampType,
  timestampTypeOf,
} from '../record/batch-view.js';
import type { CompressionName } from '../record/compression/codec.js';
import { codecById } from '../record/compression/codecs.js';
import { decodeBatch } from '../record/decode-batch.js';
import type { RecordView } from '../record/record.js';

export class StoredBatch implements Iterable<RecordView> {
  /** The window that the batch lies in, and where. */
  #window: Uint8Array;
  readonly #position: number;
  readonly #size: number;
  /** Records outside [from, to) were not asked for. */
  readonly #from: number;
  readonly #to: number;
  #valid = true;

  constructor(window: Uint8Array, position: number, size: number, from: number, to: number) {
    this.#window = window;
    this.#position = position;
    this.#size = size;
    this.#from = from;
    this.#to = to;
  }

  /** Until its reader takes the next step or is closed; a copy for ever. */
  get isValid(): boolean {
    return this.#valid;
  }

  /** The whole batch as it is on the disk and on the wire. A view. */
  get bytes(): Uint8Array {
    return this.#bytes().subarray(this.#position, this.#position + this.#size);
  }

  get sizeInBytes(): number {
    return this.#size;
  }

  get baseOffset(): Offset {
    return baseOffsetOf(this.#bytes(), this.#position);
  }

  /** Inclusive. */
  get lastOffset(): Offset {
    return lastOffsetOf(this.#bytes(), this.#position);
  }

  /** Of the whole batch, also where only a part of it was asked for. */
  get recordsCount(): number {
    return recordsCountOf(this.#bytes(), this.#position);
  }

  get maxTimestamp(): number {
    return maxTimestampOf(this.#bytes(), this.#position);
  }

  get timestampType(): TimestampType {
    return timestampTypeOf(this.#bytes(), this.#position);
  }

  get leaderEpoch(): number {
    return leaderEpochOf(this.#bytes(), this.#position);
  }

  /** -1: not from an idempotent producer. */
  get producerId(): number {
    return producerIdOf(this.#bytes(), this.#position);
  }

  get isTransactional(): boolean {
    return isTransactional(this.#bytes(), this.#position);
  }

  /** Holds markers of transactions, not records. */
  get isControl(): boolean {
    return isControlBatch(this.#bytes(), this.#position);
  }

  get compression(): CompressionName {
    const id = codecIdOf(this.#bytes(), this.#position);
    return id === 0 ? 'none' : codecById(id).name;
  }

  /** Parses a record when it is asked for. Throws a RecordError or CompressionError. */
  [Symbol.iterator](): Iterator<RecordView, void> {
    const cursor = decodeBatch(this.#bytes(), this.#position);
    const { baseOffset, lastOffset } = this;
    if (this.#from <= baseOffset && lastOffset < this.#to) return cursor[Symbol.iterator]();
    return between(cursor, this.#from, this.#to);
  }

  /** The values alone, for those who append nothing else. */
  *values(): Generator<Uint8Array | null, undefined> {
    for (const record of this) yield record.value;
  }

  /** The same batch over memory of its own. */
  copy(): StoredBatch {
    const bytes = Buffer.from(this.bytes);
    return new StoredBatch(bytes, 0, bytes.length, this.#from, this.#to);
  }

  /** For the reader, when it goes on: a view that is kept too long fails instead of lying. */
  invalidate(): void {
    this.#valid = false;
    this.#window = EMPTY;
  }

  #bytes(): Uint8Array {
    assert(this.#valid, 'a batch is valid until the next step of its reader: copy() it to keep it');
    return this.#window;
  }
}

const EMPTY = new Uint8Array(0);

function* between(
  records: Iterable<RecordView>,
  from: number,
  to: number,
): Generator<RecordView, void> {
  for (const record of records) {
    if (record.offset >= to) return;
    if (record.offset >= from) yield record;
  }
}

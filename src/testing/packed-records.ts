/**
 * Records on their way to the test: their bytes in one piece, so that a copy to another thread copies
 * each byte once and nothing beside it.
 */

import { assert } from '../base/assert.js';
import type { RecordView } from '../record/record.js';
import type { ConsumedRecord } from './types.js';

/** Sizes are in the order of the bytes: key, value, then each header's value. -1: null. */
interface PackedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly headers: readonly { readonly key: string; readonly size: number }[];
}

export interface PackedRecords {
  readonly bytes: Uint8Array;
  readonly records: readonly PackedRecord[];
}

export class RecordPacker {
  readonly #records: PackedRecord[] = [];
  readonly #parts: Uint8Array[] = [];

  get count(): number {
    return this.#records.length;
  }

  /** Copies the record's bytes. */
  add(partition: number, record: RecordView): void {
    const { offset, timestamp } = record;
    const keySize = this.#take(record.key);
    const valueSize = this.#take(record.value);
    const headers = record.headers.map(({ key, value }) => ({ key, size: this.#take(value) }));
    this.#records.push({ partition, offset, timestamp, keySize, valueSize, headers });
  }

  packed(): PackedRecords {
    return { bytes: new Uint8Array(Buffer.concat(this.#parts)), records: this.#records };
  }

  #take(bytes: Uint8Array | null): number {
    if (bytes === null) return -1;
    this.#parts.push(Buffer.from(bytes));
    return bytes.length;
  }
}

/** Keys and values are views into one piece of memory. */
export function unpackRecords(topic: string, packed: PackedRecords): ConsumedRecord[] {
  const all = Buffer.from(packed.bytes.buffer, packed.bytes.byteOffset, packed.bytes.byteLength);
  let at = 0;
  const take = (size: number): Buffer | null => {
    if (size < 0) return null;
    at += size;
    return all.subarray(at - size, at);
  };
  const records = packed.records.map(
    ({ partition, offset, timestamp, keySize, valueSize, headers }) => ({
      ...{ topic, partition, offset, timestamp },
      key: take(keySize),
      value: take(valueSize),
      headers: headers.map(({ key, size }) => ({ key, value: take(size) })),
    }),
  );
  assert(at === all.length, 'the sizes are those of the bytes');
  return records;
}

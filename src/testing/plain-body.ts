/** Messages as plain values: every field of the version, records and bytes by their size alone. */

import type { Chunk } from '../base/chunk.js';
import { type Field, type Fields, inRange } from '../protocol/schema.js';
import { BASE_OFFSET, HEADER_SIZE, LENGTH, RECORDS_COUNT } from '../record/layout.js';
import type { RecordsSummary } from './recorded.js';

export interface PlainBody {
  readonly body: Record<string, unknown>;
  /** How many values are in it, for bounds on memory. */
  readonly weight: number;
}

export interface PlainBodyOptions {
  readonly version: number;
  /** Keeps records and bytes, in base64. */
  readonly whole: boolean;
}

/** `value` as decoded, or as a handler answers it. File slices are read, not released. */
export function plainBody(
  fields: Fields,
  value: Readonly<Record<string, unknown>>,
  options: PlainBodyOptions,
): PlainBody {
  const counter = { weight: 0 };
  return {
    body: plainStruct(fields, value, options, counter),
    get weight() {
      return counter.weight;
    },
  };
}

interface Counter {
  weight: number;
}

function plainStruct(
  fields: Fields,
  value: Readonly<Record<string, unknown>>,
  options: PlainBodyOptions,
  counter: Counter,
): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!inRange(field.versions, options.version)) continue;
    const given = value[name] === undefined ? field.default : value[name];
    plain[name] = plainValue(field, given, options, counter);
  }
  return plain;
}

function plainValue(
  field: Field,
  value: unknown,
  options: PlainBodyOptions,
  counter: Counter,
): unknown {
  counter.weight++;
  if (value === null || value === undefined) return null;
  switch (field.kind) {
    case 'array':
      return (value as readonly unknown[]).map((one) =>
        plainValue(field.element as Field, one, options, counter),
      );
    case 'struct':
      return plainStruct(field.fields as Fields, value as never, options, counter);
    case 'bytes': {
      const { length } = value as Uint8Array;
      if (!options.whole) return { bytes: length };
      counter.weight += length >> 3;
      return { bytes: length, base64: Buffer.from(value as Uint8Array).toString('base64') };
    }
    case 'records':
      return plainRecords(value as Chunk | readonly Chunk[], options, counter);
    case 'string':
      counter.weight += (value as string).length >> 3;
      return value;
    default:
      return value;
  }
}

function plainRecords(
  records: Chunk | readonly Chunk[],
  { whole }: PlainBodyOptions,
  counter: Counter,
): RecordsSummary {
  const chunks = Array.isArray(records) ? (records as readonly Chunk[]) : [records as Chunk];
  let batches = 0;
  let count = 0;
  let bytes = 0;
  const kept: Uint8Array[] = [];
  for (const chunk of chunks) {
    bytes += chunk.length;
    for (let at = 0; at + HEADER_SIZE <= chunk.length; ) {
      const header = readAt(chunk, at, HEADER_SIZE);
      const view = new DataView(header.buffer, header.byteOffset, header.length);
      const size = view.getInt32(BASE_OFFSET + LENGTH) + 12;
      if (size < HEADER_SIZE || at + size > chunk.length) break;
      batches++;
      count += view.getInt32(RECORDS_COUNT);
      at += size;
    }
    if (whole) kept.push(readAt(chunk, 0, chunk.length));
  }
  if (!whole) return { batches, records: count, bytes };
  counter.weight += bytes >> 3;
  return { batches, records: count, bytes, base64: Buffer.concat(kept).toString('base64') };
}

function readAt(chunk: Chunk, position: number, length: number): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk.subarray(position, position + length);
  const target = new Uint8Array(length);
  chunk.copyTo(target, 0, position, length);
  return target;
}

/** The golden batches that Kafka's Java classes wrote, and what the same classes read from them. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as view from '#src/record/batch-view.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { decodeBatch } from '#src/record/decode-batch.js';

const directory = join(import.meta.dirname, '../../../test/golden/record');

export interface GoldenRecord {
  readonly offset: number;
  readonly timestamp: string;
  readonly sequence: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

export interface GoldenBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly size: number;
  readonly count: number;
  readonly compression: string;
  readonly crc: number;
  readonly records: readonly GoldenRecord[];
}

export interface Golden {
  readonly name: string;
  readonly batches: readonly GoldenBatch[];
}

export const golden = JSON.parse(
  readFileSync(join(directory, 'golden.json'), 'utf8'),
) as readonly Golden[];

export function goldenBytes(name: string): Buffer {
  return readFileSync(join(directory, `${name}.bin`));
}

export function goldenDump(name: string): string {
  return readFileSync(join(directory, 'dump', `${name}.txt`), 'utf8');
}

/** What we read, in the words of golden.json. */
export function describeBatches(bytes: Uint8Array): unknown[] {
  const batches: unknown[] = [];
  for (let at = 0; at < bytes.length; at += view.sizeOf(bytes, at)) {
    batches.push(describeBatch(bytes, at));
  }
  return batches;
}

function describeBatch(bytes: Uint8Array, at: number): unknown {
  const records: unknown[] = [];
  const base = view.baseSequenceOf(bytes, at);
  for (const record of decodeBatch(bytes, at)) {
    const delta = record.offset - view.baseOffsetOf(bytes, at);
    records.push({
      offset: record.offset,
      timestamp: int64Text(record.timestamp),
      sequence: base === -1 ? -1 : view.addSequence(base, delta),
      key: hex(record.key),
      value: hex(record.value),
      headers: record.headers.map(({ key, value }) => [hex(Buffer.from(key)), hex(value)]),
    });
  }
  return {
    baseOffset: view.baseOffsetOf(bytes, at),
    lastOffset: view.lastOffsetOf(bytes, at),
    size: view.sizeOf(bytes, at),
    leaderEpoch: view.leaderEpochOf(bytes, at),
    crc: view.crcOf(bytes, at),
    compression: compressionNames[view.codecIdOf(bytes, at)],
    timestampType: view.timestampTypeOf(bytes, at),
    isTransactional: view.isTransactional(bytes, at),
    isControl: view.isControlBatch(bytes, at),
    deleteHorizon: view.hasDeleteHorizon(bytes, at) ? view.baseTimestampOf(bytes, at) : null,
    baseTimestamp: int64Text(view.baseTimestampOf(bytes, at)),
    maxTimestamp: int64Text(view.maxTimestampOf(bytes, at)),
    producerId: int64Text(view.producerIdOf(bytes, at)),
    producerEpoch: view.producerEpochOf(bytes, at),
    baseSequence: base,
    lastSequence: view.lastSequenceOf(bytes, at),
    count: view.recordsCountOf(bytes, at),
    records,
  };
}

/** A number beyond 2^53 in all its digits. */
export function int64Text(value: number): string {
  return BigInt(value).toString();
}

/** Hexadecimal; a long one as its size and SHA-256. */
function hex(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  if (bytes.length <= 64) return Buffer.from(bytes).toString('hex');
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Rounds the 64-bit texts of golden.json to doubles, which is what we promise beyond 2^53. */
export function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, field) =>
    /[tT]imestamp$|^producerId$/.test(key) && typeof field === 'string'
      ? int64Text(Number(field))
      : field,
  );
}

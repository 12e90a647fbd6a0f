/**
 * Batches of 100 records of 100 bytes (lines of JSON): encode (append and build) and decode in every
 * codec, the walk that ingress does, native and TypeScript, and the codecs alone in GB/s of
 * uncompressed bytes (the numbers of ADR 0003).
 */

import { native } from '#src/native/binding.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { WALK_CRC, WALK_RECORDS, walkBatchesTwin, walkOut } from '#src/record/batch-walk.js';
import { type CompressionName, compressionNames } from '#src/record/compression/codec.js';
import { codecByName } from '#src/record/compression/codecs.js';
import { compressWasm, decompressWasm } from '#src/record/compression/zstd-wasm.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';
import { batchOfSize } from './harness/broker-log.js';
import { microCase } from './harness/micro.js';
import type { Case, Suite } from './harness/suite.js';

const COUNT = 100;
const key = Buffer.from('user-1234567');

/** Log lines as JSON: text that a codec can do something with. */
const lines = Array.from({ length: 15_000 }, (_, i) =>
  Buffer.from(
    JSON.stringify({
      id: i,
      name: `user${(i * 7919) % 1000}`,
      ts: 1_700_000_000_000 + i * 37,
      v: Math.sin(i).toFixed(6),
      tag: ['a', 'bb', 'ccc'][i % 3],
      pad: 'x'.repeat(12),
    }).slice(0, 100),
  ),
);

function build(compression: CompressionName): Uint8Array {
  const builder = new BatchBuilder({ compression, sizeExpected: 16_384 });
  for (let i = 0; i < COUNT; i++) {
    builder.append({ timestamp: 1_700_000_000_000 + i, key, value: lines[i] as Buffer });
  }
  return builder.build();
}

/** Touches what a consumer touches. */
function decode(batch: Uint8Array): number {
  const cursor = decodeBatch(batch, 0);
  let size = 0;
  for (let record = cursor.next(); record !== null; record = cursor.next()) {
    size += (record.key as Uint8Array).length + (record.value as Uint8Array).length;
  }
  return size;
}

function skip(batch: Uint8Array): number {
  const cursor = decodeBatch(batch, 0);
  let count = 0;
  while (cursor.skip()) count++;
  return count;
}

function perRecord(name: string, work: () => number, baseline?: string): Case {
  const shape = { name, unit: 'records', perCall: COUNT, work };
  return microCase(baseline === undefined ? shape : { ...shape, baseline });
}

function perByte(name: string, size: number, work: () => number): Case {
  return microCase({ name, unit: 'GB', perCall: size / 1e9, work });
}

function cases(): Case[] {
  const all: Case[] = [];
  for (const compression of compressionNames) {
    const batch = build(compression);
    const plain = compression === 'none';
    all.push(
      perRecord(
        `encode ${compression}`,
        () => build(compression).length,
        plain ? undefined : 'encode none',
      ),
      perRecord(`decode ${compression}`, () => decode(batch), plain ? undefined : 'decode none'),
    );
    if (plain) {
      all.push(perRecord('skip none', () => skip(batch), 'decode none'));
    } else {
      const validate = (): number => {
        validateCompressedRecords(batch, 0);
        return 1;
      };
      all.push(perRecord(`validate ${compression}`, validate, `decode ${compression}`));
    }
  }
  const plain = build('none');
  const out = walkOut(1);
  const flags = WALK_CRC | WALK_RECORDS;
  all.push(
    perRecord('walk, TypeScript', () => walkBatchesTwin(plain, 0, plain.length, out, flags)),
  );
  if (native !== null) {
    const { walkBatches } = native;
    const walk = (): number => walkBatches(plain, 0, plain.length, out, flags);
    all.push(perRecord('walk, native', walk, 'walk, TypeScript'));
  }
  if (native !== null) {
    const { walkBatches } = native;
    const large = batchOfSize(16 << 10).bytes;
    const check = (what: number) => () => walkBatches(large, 0, large.length, out, what);
    all.push(perByte('check 16 KiB of 1 kB records', large.length, check(flags)));
    all.push(perByte('check 16 KiB, CRC and header', large.length, check(WALK_CRC)));
  }
  const text = Buffer.concat(lines).subarray(0, 16_384);
  for (const name of compressionNames.filter((one) => one !== 'none')) {
    const codec = codecByName(name);
    const packed = codec.compress(text);
    const unpack = (): number => codec.decompress(packed, { sizeMax: text.length }).length;
    all.push(perByte(`${name} compress`, text.length, () => codec.compress(text).length));
    all.push(perByte(`${name} decompress`, text.length, unpack));
  }
  const packed = compressWasm(text, 3);
  const unpack = (): number => decompressWasm(packed, text.length, text.length).length;
  all.push(perByte('zstd wasm compress', text.length, () => compressWasm(text, 3).length));
  all.push(perByte('zstd wasm decompress', text.length, unpack));
  return all;
}

export const suite: Suite = {
  name: 'record-batch',
  title: 'Record batches',
  question: 'How many records a second are built, read and checked, in every codec?',
  targets: [{ id: 'validate', case: 'check 16 KiB of 1 kB records', against: null, atLeast: 20 }],
  open: () => Promise.resolve({ cases: cases() }),
};

/**
 * How many records a second are built and read? Batches of 100 records of 100 bytes, encode (append
 * and build) and decode, in every codec; the walk that ingress does, native and TypeScript; and the
 * codecs alone, in MB/s of uncompressed bytes (the numbers of ADR 0003). The second number counts CPU
 * time, user and system, of the whole process: on a busy machine it is the one to compare.
 *
 *     node dist-test/bench/record-batch.bench.js [seconds per case]
 */

import Benchmark from 'benchmark';
import { native } from '#src/native/binding.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { WALK_CRC, WALK_RECORDS, walkBatchesTwin, walkOut } from '#src/record/batch-walk.js';
import { type CompressionName, compressionNames } from '#src/record/compression/codec.js';
import { codecByName } from '#src/record/compression/codecs.js';
import { compressWasm, decompressWasm } from '#src/record/compression/zstd-wasm.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';

const COUNT = 100;
const secondsMax = Number(process.argv[2] ?? 1);
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

function skip(batch: Uint8Array): void {
  const cursor = decodeBatch(batch, 0);
  while (cursor.skip());
}

/** One case: `unit` records or bytes a call. */
interface Case {
  readonly name: string;
  readonly unit: number;
  readonly what: 'records' | 'bytes';
  calls: number;
  start: NodeJS.CpuUsage | undefined;
}

const cases: Case[] = [];

function add(name: string, unit: number, what: Case['what'], work: () => unknown): void {
  const one: Case = { name, unit, what, calls: 0, start: undefined };
  cases.push(one);
  const counted = (): void => {
    one.start ??= process.cpuUsage();
    one.calls++;
    work();
  };
  suite.add(String(cases.length - 1), counted, { maxTime: secondsMax });
}

function rate(perSecond: number, what: Case['what']): string {
  const millions = perSecond / 1e6;
  return what === 'records' ? `${millions.toFixed(2)} M/s` : `${millions.toFixed(0)} MB/s`;
}

const suite = new Benchmark.Suite();
for (const compression of compressionNames) {
  const batch = build(compression);
  add(`encode ${compression}`, COUNT, 'records', () => build(compression));
  add(`decode ${compression}`, COUNT, 'records', () => decode(batch));
  if (compression === 'none') {
    add('skip none', COUNT, 'records', () => skip(batch));
  } else {
    add(`validate ${compression}`, COUNT, 'records', () => validateCompressedRecords(batch, 0));
  }
}

const plain = build('none');
const out = walkOut(1);
const flags = WALK_CRC | WALK_RECORDS;
add('walk, TypeScript', COUNT, 'records', () => {
  walkBatchesTwin(plain, 0, plain.length, out, flags);
});
if (native !== null) {
  const { walkBatches } = native;
  add('walk, native', COUNT, 'records', () => walkBatches(plain, 0, plain.length, out, flags));
}

const text = Buffer.concat(lines);
for (const bytes of [text.subarray(0, 16_384), text]) {
  const size = `${bytes.length >> 10} KiB`;
  for (const name of compressionNames.filter((one) => one !== 'none')) {
    const codec = codecByName(name);
    const packed = codec.compress(bytes);
    add(`${name} compress ${size}`, bytes.length, 'bytes', () => codec.compress(bytes));
    add(`${name} decompress ${size}`, bytes.length, 'bytes', () =>
      codec.decompress(packed, { sizeMax: bytes.length }),
    );
  }
  const packed = compressWasm(bytes, 3);
  add(`zstd wasm compress ${size}`, bytes.length, 'bytes', () => compressWasm(bytes, 3));
  add(`zstd wasm decompress ${size}`, bytes.length, 'bytes', () =>
    decompressWasm(packed, bytes.length, bytes.length),
  );
}

console.log(`Node ${process.version}; records or bytes a second of the clock, and of CPU time`);
suite
  .on('cycle', (event: Benchmark.Event) => {
    const { name, unit, what, calls, start } = cases[Number(event.target.name)] as Case;
    const { user, system } = process.cpuUsage(start);
    const byClock = rate((event.target.hz as number) * unit, what);
    const byCpu = rate((calls * unit * 1e6) / (user + system), what);
    console.log(`${name.padEnd(30)} ${byClock.padStart(12)} ${byCpu.padStart(12)}`);
  })
  .run();

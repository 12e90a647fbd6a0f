import t from 'tap';
import { offset } from '#src/base/offset.js';
import {
  patchAppendTime,
  patchMaxTimestamp,
  patchOffsetAndEpoch,
  writeInt16,
  writeInt32,
  writeInt64,
} from '#src/record/batch-patch.js';
import * as view from '#src/record/batch-view.js';
import { WALK_CRC, walkBatches, walkOut } from '#src/record/batch-walk.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { goldenBytes } from './golden.js';

/** Positions at which the two differ. */
function differences(a: Uint8Array, b: Uint8Array): number[] {
  return [...a.keys()].filter((at) => a[at] !== b[at]);
}

function isWhole(bytes: Uint8Array, position: number): boolean {
  return walkBatches(bytes, position, bytes.length, walkOut(2), WALK_CRC) > 0;
}

t.test('an append touches base offset and leader epoch, and nothing that the CRC covers', (t) => {
  const before = Buffer.concat([Buffer.from('front'), goldenBytes('gzip')]);
  const after = Buffer.from(before);
  patchOffsetAndEpoch(after, 5, offset(0x1f020304050607), 0x7a7b7c7d);
  t.equal(view.baseOffsetOf(after, 5), 0x1f020304050607);
  t.equal(view.leaderEpochOf(after, 5), 0x7a7b7c7d);
  const allowed = new Set([0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15].map((at) => at + 5));
  t.ok(differences(before, after).every((at) => allowed.has(at)));
  t.ok(isWhole(after, 5));
  t.end();
});

t.test('LogAppendTime: type bit, max timestamp and CRC change; every record has the time', (t) => {
  for (const name of ['plain', 'lz4']) {
    const before = goldenBytes(name);
    const after = Buffer.from(before);
    patchAppendTime(after, 0, 1800000000123);
    t.equal(view.timestampTypeOf(after, 0), 'LogAppendTime');
    t.equal(view.codecIdOf(after, 0), view.codecIdOf(before, 0));
    t.equal(view.maxTimestampOf(after, 0), 1800000000123);
    t.ok(isWhole(after, 0), 'the CRC is the new one');
    t.ok(differences(before, after).every((at) => (at >= 17 && at < 23) || (at >= 35 && at < 43)));
    for (const record of decodeBatch(after, 0)) t.equal(record.timestamp, 1800000000123);
  }
  t.end();
});

t.test('a max timestamp is put right, with the CRC', (t) => {
  const batch = goldenBytes('negative-deltas');
  patchMaxTimestamp(batch, 0, -1);
  t.equal(view.maxTimestampOf(batch, 0), -1);
  t.ok(isWhole(batch, 0));
  t.end();
});

t.test('refuses what is no batch, no offset', (t) => {
  const batch = goldenBytes('plain');
  t.throws(() => patchOffsetAndEpoch(batch, 0, (2 ** 53) as never, 0));
  t.throws(() => patchOffsetAndEpoch(batch, 0, -1 as never, 0));
  t.throws(() => patchOffsetAndEpoch(batch, batch.length - 60, offset(0), 0));
  t.throws(() => patchAppendTime(batch, 1, 0));
  t.throws(() => patchMaxTimestamp(batch.subarray(0, batch.length - 1), 0, 0));
  t.throws(() => patchMaxTimestamp(batch, 0, 1.5));
  t.end();
});

t.test('integers are written big-endian and read back', (t) => {
  const bytes = Buffer.alloc(8);
  const edges = [
    0,
    1,
    -1,
    127,
    -128,
    255,
    2 ** 31,
    -(2 ** 31),
    2 ** 32,
    -(2 ** 32) - 1,
    2 ** 48 + 5,
  ];
  for (const value of [...edges, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    writeInt64(bytes, 0, value);
    t.equal(bytes.readBigInt64BE(), BigInt(value));
    t.equal(view.readInt64(bytes, 0), value);
    writeInt32(bytes, 0, value);
    t.equal(view.readInt32(bytes, 0), value | 0);
    writeInt16(bytes, 0, value);
    t.equal(view.readInt16(bytes, 0), (value << 16) >> 16);
  }
  t.end();
});

t.test('an offset beyond 2^53 reads as no number, a timestamp as the nearest', (t) => {
  const batch = goldenBytes('plain');
  batch.writeBigInt64BE(2n ** 53n, 0);
  t.ok(Number.isNaN(view.baseOffsetOf(batch, 0)));
  batch.writeBigInt64BE(2n ** 53n - 1n, 0);
  t.equal(view.baseOffsetOf(batch, 0), Number.MAX_SAFE_INTEGER);
  for (const value of [2n ** 53n + 1n, 1700000000123456789n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    batch.writeBigInt64BE(value, 35);
    t.equal(view.maxTimestampOf(batch, 0), Number(value));
  }
  t.end();
});

t.test('sequences wrap from 2^31 - 1 to 0', (t) => {
  t.equal(view.addSequence(0x7fffffff, 0), 0x7fffffff);
  t.equal(view.addSequence(0x7fffffff, 1), 0);
  t.equal(view.addSequence(0x7ffffffe, 5), 3);
  t.equal(view.lastSequenceOf(goldenBytes('idempotent'), 0), 1);
  t.equal(view.nextOffsetOf(goldenBytes('plain'), 0), 1239);
  t.end();
});

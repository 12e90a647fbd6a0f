import { deepStrictEqual } from 'node:assert';
import t from 'tap';
import { type Random, seededRandom } from '#src/base/random.js';
import { native } from '#src/native/binding.js';
import { crc32c } from '#src/native/crc32c.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { writeInt32, writeInt64 } from '#src/record/batch-patch.js';
import * as walk from '#src/record/batch-walk.js';
import * as layout from '#src/record/layout.js';
import { golden, goldenBytes } from './golden.js';

const { walkBatchesTwin, walkOut, WALK_FIRST, WALK_STRIDE } = walk;
const ALL = walk.WALK_CRC | walk.WALK_RECORDS;

interface Walked {
  count: number;
  position: number;
  reason: number;
  fields: number[];
}

/** By the twin, and by the addon if it is there: they must agree. */
function walkBoth(bytes: Uint8Array, flags: number, start = 0, countMax = 8): Walked {
  const twin = walkBy(walkBatchesTwin, bytes, flags, start, countMax);
  if (native !== null) {
    const { walkBatches } = native;
    deepStrictEqual(walkBy(walkBatches, bytes, flags, start, countMax), twin);
  }
  return twin;
}

function walkBy(
  by: typeof walkBatchesTwin,
  bytes: Uint8Array,
  flags: number,
  start: number,
  countMax: number,
): Walked {
  const out = walkOut(countMax);
  const count = by(bytes, start, bytes.length, out, flags);
  return {
    count,
    position: out[0] as number,
    reason: out[1] as number,
    fields: [...out.subarray(WALK_FIRST, WALK_FIRST + count * WALK_STRIDE)],
  };
}

function sample(): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1000, key: Buffer.from('a'), value: Buffer.from('one') });
  const headers = [{ key: 'h', value: null }];
  builder.append({ timestamp: 900, key: null, value: null, headers });
  builder.append({ timestamp: 2 ** 40, key: Buffer.from('c'), value: Buffer.from('three') });
  return builder.build({ baseOffset: 70, leaderEpoch: 3 });
}

/** Makes the CRC right again, so that what is behind it is looked at. */
function resealed(bytes: Uint8Array): Uint8Array {
  writeInt32(bytes, layout.CRC, crc32c(bytes, 21, bytes.length - 21));
  return bytes;
}

t.test('tells the fields of each batch', (t) => {
  const batch = sample();
  const two = Buffer.concat([batch, batch]);
  const walked = walkBoth(two, ALL);
  t.equal(walked.count, 2);
  t.equal(walked.reason, walk.WALK_END);
  t.equal(walked.position, two.length);
  const tail = [70, 2, 3, 0, 1000, 2 ** 40, -1, -1, -1, 3, 900, 2 ** 40, 1, 0];
  t.same(walked.fields, [0, batch.length, ...tail, batch.length, batch.length, ...tail]);
  const shallow = walkBoth(two, walk.WALK_CRC, batch.length);
  t.same(shallow.fields.slice(12, 15), [Number.NaN, Number.NaN, Number.NaN]);
  t.equal(shallow.count, 1);
  t.end();
});

t.test('stops when `out` is full, and goes on from there', (t) => {
  const batch = sample();
  const three = Buffer.concat([batch, batch, batch]);
  const first = walkBoth(three, ALL, 0, 2);
  t.match(first, { count: 2, reason: walk.WALK_OUT_FULL, position: 2 * batch.length });
  t.match(walkBoth(three, ALL, first.position, 2), { count: 1, reason: walk.WALK_END });
  t.match(walkBoth(three, ALL, three.length, 0), { count: 0, reason: walk.WALK_END });
  t.end();
});

t.test('every cut is incomplete at the last whole batch', (t) => {
  const batch = sample();
  const two = Buffer.concat([batch, batch]);
  for (let size = 1; size < two.length; size++) {
    if (size === batch.length) continue;
    const whole = size > batch.length ? 1 : 0;
    t.match(walkBoth(two.subarray(0, size), ALL), {
      count: whole,
      position: whole * batch.length,
      reason: walk.WALK_INCOMPLETE,
    });
  }
  t.end();
});

t.test('says the first thing that is wrong', (t) => {
  const cases: [string, number, number, (bytes: Uint8Array) => void][] = [
    ['magic', walk.WALK_BAD_MAGIC, ALL, (b) => b.fill(1, 16, 17)],
    ['length below 49', walk.WALK_BAD_LENGTH, ALL, (b) => writeInt32(b, 8, 48)],
    ['negative length', walk.WALK_BAD_LENGTH, ALL, (b) => writeInt32(b, 8, -1)],
    ['length past the end', walk.WALK_INCOMPLETE, ALL, (b) => writeInt32(b, 8, 0x7fffffff)],
    ['a flipped value', walk.WALK_BAD_CRC, ALL, (b) => b.fill(0, 80, 81)],
    ['negative offset', walk.WALK_BAD_OFFSETS, ALL, (b) => writeInt64(b, 0, -1)],
    ['offset at 2^53', walk.WALK_BAD_OFFSETS, ALL, (b) => writeInt64(b, 0, 2 ** 53)],
    ['last offset at 2^53', walk.WALK_BAD_OFFSETS, ALL, (b) => writeInt64(b, 0, 2 ** 53 - 2)],
  ];
  const sealed: [string, number, number, (bytes: Uint8Array) => void][] = [
    ['no records', walk.WALK_BAD_COUNT, ALL, (b) => writeInt32(b, layout.RECORDS_COUNT, 0)],
    ['negative count', walk.WALK_BAD_COUNT, 5, (b) => writeInt32(b, layout.RECORDS_COUNT, -1)],
    ['2^31 - 1 records', walk.WALK_BAD_COUNT, ALL, (b) => setCount(b, 0x7fffffff)],
    ['delta not count - 1', walk.WALK_BAD_COUNT, ALL, (b) => writeInt32(b, 23, 3)],
    ['delta below count - 1', walk.WALK_BAD_COUNT, 7, (b) => writeInt32(b, 23, 1)],
    ['negative delta', walk.WALK_BAD_OFFSETS, 7, (b) => writeInt32(b, 23, -1)],
    ['fewer than there are', walk.WALK_BAD_RECORDS, ALL, (b) => setCount(b, 2)],
    ['more than there are', walk.WALK_BAD_RECORDS, ALL, (b) => setCount(b, 4)],
    ['record length past the end', walk.WALK_BAD_RECORDS, ALL, (b) => b.fill(0x7e, 61, 62)],
    ['offset delta of another', walk.WALK_BAD_RECORDS, ALL, (b) => b.fill(2, 64, 65)],
    ['key length -2', walk.WALK_BAD_RECORDS, ALL, (b) => b.fill(3, 65, 66)],
  ];
  for (const [name, reason, flags, damage] of cases) {
    const bytes = sample();
    damage(bytes);
    t.match(walkBoth(bytes, flags), { count: 0, position: 0, reason }, name);
  }
  for (const [name, reason, flags, damage] of sealed) {
    const bytes = sample();
    damage(bytes);
    t.match(walkBoth(resealed(bytes), flags), { count: 0, position: 0, reason }, name);
  }
  t.end();
});

function setCount(bytes: Uint8Array, count: number): void {
  writeInt32(bytes, layout.RECORDS_COUNT, count);
  writeInt32(bytes, layout.LAST_OFFSET_DELTA, count - 1);
}

t.test('a compressed batch with a lying count costs nothing here', (t) => {
  const bytes = goldenBytes('gzip');
  setCount(bytes, 0x7fffffff);
  t.match(walkBoth(resealed(bytes), ALL), { count: 1, reason: walk.WALK_END });
  t.end();
});

t.test('sparse offsets: gaps and empty batches pass, disorder does not', (t) => {
  const flags = ALL | walk.WALK_SPARSE_OFFSETS;
  for (const name of ['compacted', 'delete-horizon', 'empty']) {
    t.match(walkBoth(goldenBytes(name), flags), { count: 1, reason: walk.WALK_END }, name);
  }
  const batch = sample();
  batch[64] = 4; // The first record's offset delta: 2, the third's.
  t.match(walkBoth(resealed(batch), flags), { reason: walk.WALK_BAD_RECORDS });
  t.end();
});

t.test('int64 timestamps: rounded beyond 2^53, refused beyond 64 bits', (t) => {
  const nanoseconds = walkBoth(goldenBytes('nanoseconds'), ALL);
  t.equal(nanoseconds.count, 1);
  t.equal(nanoseconds.fields[walk.WALK_MIN_RECORD_TIMESTAMP], 5);
  t.equal(nanoseconds.fields[walk.WALK_MAX_RECORD_TIMESTAMP], Number(1700000000370370367n));
  const batch = goldenBytes('nanoseconds');
  batch.writeBigInt64BE(0x7fffffffffffffffn, layout.BASE_TIMESTAMP);
  t.match(
    walkBoth(resealed(batch), ALL),
    { reason: walk.WALK_BAD_RECORDS },
    'base + delta > int64',
  );
  batch.writeBigInt64BE(-0x8000000000000000n, layout.BASE_TIMESTAMP);
  t.match(
    walkBoth(resealed(batch), ALL),
    { reason: walk.WALK_BAD_RECORDS },
    'base + delta < int64',
  );
  t.end();
});

t.test('a flipped bit is told, unless it is in the framing that the CRC does not cover', (t) => {
  const batch = sample();
  const silent: number[] = [];
  for (let bit = 0; bit < batch.length * 8; bit++) {
    const bad = Uint8Array.from(batch);
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (0x80 >> (bit & 7));
    const { count, reason, position } = walkBoth(bad, ALL);
    if (count === 1 && reason === walk.WALK_END && position === bad.length) silent.push(bit);
  }
  // Base offset: all bits but those that make it negative or pass 2^53 (the highest 11); leader
  // epoch: all 32. The 32 bits of the length, the magic and the CRC itself are told.
  const expected = [...range(11, 64), ...range(96, 128)];
  t.same(silent, expected);
  t.end();
});

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

t.test('native and twin agree on mutated batches', (t) => {
  const seed = Number(process.env['SEED'] ?? 20240817);
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const sources = golden.map(({ name }) => goldenBytes(name)).filter(({ length }) => length < 5000);
  sources.push(Buffer.from(sample()));
  const seen = new Set<number>();
  for (let round = 0; round < 20_000; round++) {
    const bytes = mutate(random, sources[random.below(sources.length)] as Buffer);
    seen.add(walkBoth(bytes, random.below(8), 0, random.below(3)).reason);
  }
  t.same([...seen].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8], 'every stop reason was met');
  t.end();
});

t.test('native and twin agree on random bytes behind a good header', (t) => {
  const seed = Number(process.env['SEED'] ?? 99);
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const seen = new Set<number>();
  for (let round = 0; round < 20_000; round++) {
    const size = 61 + random.below(60);
    const bytes = random.fill(new Uint8Array(size));
    // Small bytes make more varints end, and so more records.
    for (let at = 61; at < size; at++) {
      if (random.below(4) > 0) bytes[at] = (bytes[at] as number) & 0x0f;
    }
    writeInt64(bytes, 0, random.below(1000));
    writeInt32(bytes, 8, size - 12);
    bytes[16] = 2;
    bytes[22] = 0;
    setCount(bytes, 1 + random.below(2));
    seen.add(walkBoth(resealed(bytes), walk.WALK_RECORDS + 4 * random.below(2)).reason);
  }
  t.ok(seen.has(walk.WALK_BAD_RECORDS));
  t.end();
});

function mutate(random: Random, source: Buffer): Buffer {
  const bytes = Buffer.from(source);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(random.below(2) === 0 ? Math.min(bytes.length, 80) : bytes.length);
    const interesting = [0, 1, 2, 0x7f, 0x80, 0xff];
    bytes[at] = interesting[random.below(6)] ?? 0;
    if (random.below(3) === 0) bytes[at] = random.below(256);
  }
  if (random.below(3) > 0 && bytes.length > 61) resealed(bytes);
  return random.below(6) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

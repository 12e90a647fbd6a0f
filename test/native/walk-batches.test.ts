import t from 'tap';
import { type Random, seededRandom } from '#src/base/random.js';
import { systemRandom } from '#src/file/system-random.js';
import { crc32cPortable } from '#src/native/crc32c.js';
import { walkBatchesTwin } from '#src/record/batch-walk.js';
import { addon, needsNative, unpooled } from './support.js';
import { walkReference } from './walk-reference.js';

const CHECK_CRC = 1;
const RECORDS = 2;
const SPARSE = 4;
const ALL_FLAGS = 7;

interface Batch {
  baseOffset?: bigint;
  attributes?: number;
  baseTimestamp?: bigint;
  recordsCount?: number;
  lastOffsetDelta?: number;
  records: number[][];
}

/** Zigzag, as Kafka writes it. */
function varint(value: number | bigint): number[] {
  const wide = BigInt(value);
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

function field(bytes: string | null): number[] {
  return bytes === null ? varint(-1) : [...varint(bytes.length), ...Buffer.from(bytes)];
}

interface RecordParts {
  timestampDelta?: number | bigint;
  key?: string | null;
  value?: string | null;
  headers?: [string, string | null][];
}

function record(offsetDelta: number, parts: RecordParts = {}): number[] {
  const { timestampDelta = 0, key = null, value = 'value', headers = [] } = parts;
  const body = [0, ...varint(timestampDelta), ...varint(offsetDelta), ...field(key)];
  body.push(...field(value), ...varint(headers.length));
  for (const [name, content] of headers) body.push(...field(name), ...field(content));
  return [...varint(body.length), ...body];
}

function batch(parts: Batch): Buffer {
  const records = parts.records.flat();
  const bytes = Buffer.alloc(61 + records.length);
  bytes.writeBigInt64BE(parts.baseOffset ?? 100n, 0);
  bytes.writeInt32BE(49 + records.length, 8);
  bytes.writeInt32BE(3, 12);
  bytes[16] = 2;
  bytes.writeInt16BE(parts.attributes ?? 0, 21);
  bytes.writeInt32BE(parts.lastOffsetDelta ?? parts.records.length - 1, 23);
  bytes.writeBigInt64BE(parts.baseTimestamp ?? 1_700_000_000_000n, 27);
  bytes.writeBigInt64BE((parts.baseTimestamp ?? 1_700_000_000_000n) + 5n, 35);
  bytes.writeBigInt64BE(-1n, 43);
  bytes.writeInt16BE(-1, 51);
  bytes.writeInt32BE(-1, 53);
  bytes.writeInt32BE(parts.recordsCount ?? parts.records.length, 57);
  bytes.set(records, 61);
  return sign(bytes);
}

/** Puts the CRC right, in place. */
function sign(bytes: Buffer): Buffer {
  if (bytes.length >= 21) {
    bytes.writeUInt32BE(crc32cPortable(bytes, 21, bytes.length - 21, 0), 17);
  }
  return bytes;
}

type Walk = typeof walkBatchesTwin;

const walks: [string, Walk, typeof needsNative][] = [
  ['native', (...args) => addon().walkBatches(...args), needsNative],
  ['TypeScript', walkBatchesTwin, {}],
];

const UNTOUCHED = 4711;

/** Runs `walk`; the answer as the reference gives it, or what it wrote where it must not. */
function run(walk: Walk, bytes: Uint8Array, capacity: number, flags: number, offset = 0) {
  const out = new Float64Array(2 + 16 * capacity + 5).fill(UNTOUCHED);
  const inner = out.subarray(0, 2 + 16 * capacity);
  const count = walk(bytes, offset, bytes.length, inner, flags);
  const used = 2 + 16 * count;
  const beyond = out.subarray(used + 16).every((value) => value === UNTOUCHED);
  return { count, out: [...out.subarray(0, used)], beyond };
}

const plain = batch({
  records: [
    record(0, {
      key: 'k',
      headers: [
        ['h', 'v'],
        ['h', null],
        ['', ''],
      ],
    }),
    record(1, { timestampDelta: -7 }),
    record(2, { timestampDelta: 300, value: null, key: '' }),
  ],
});

for (const [name, walk, options] of walks) {
  t.test(`${name}: a good batch gives its row`, options, async (t) => {
    const bytes = unpooled(Buffer.concat([plain, plain]));
    const { count, out } = run(walk, bytes, 4, CHECK_CRC | RECORDS);
    t.equal(count, 2);
    t.same(out.slice(0, 2), [bytes.length, 0]);
    const time = 1_700_000_000_000;
    const row = [
      plain.length,
      100,
      2,
      3,
      0,
      time,
      time + 5,
      -1,
      -1,
      -1,
      3,
      time - 7,
      time + 300,
      1,
      0,
    ];
    t.same(out.slice(2, 18), [0, ...row]);
    t.same(out.slice(18), [plain.length, ...row]);
    const unwalked = run(walk, bytes, 1, CHECK_CRC);
    t.same(unwalked.out.slice(0, 2), [plain.length, 1], 'no room for the second');
    t.same(unwalked.out.slice(14, 17), [Number.NaN, Number.NaN, Number.NaN]);
    t.same(run(walk, bytes, 0, 0).out, [0, 1], 'no room at all');
    t.same(run(walk, unpooled(''), 0, 0).out, [0, 0], 'nothing to walk');
    t.same(run(walk, bytes, 4, RECORDS, plain.length).out.slice(2, 3), [plain.length], 'an offset');
  });

  t.test(`${name}: every reason to stop`, options, async (t) => {
    const changed = (change: (bytes: Buffer) => void, resign = true): Buffer => {
      const bytes = unpooled(plain);
      change(bytes);
      return resign ? sign(bytes) : bytes;
    };
    const one = (records: number[][], parts: Partial<Batch> = {}): Buffer =>
      batch({ records, lastOffsetDelta: 0, recordsCount: 1, ...parts });
    const cases: [string, Buffer, number, number][] = [
      ['16 bytes', plain.subarray(0, 16), ALL_FLAGS, 2],
      ['the header alone', plain.subarray(0, 61), ALL_FLAGS, 2],
      ['a byte short', plain.subarray(0, -1), ALL_FLAGS, 2],
      ['magic 1', changed((b) => b.fill(1, 16, 17)), ALL_FLAGS, 3],
      ['magic 1 and short', changed((b) => b.fill(1, 16, 17)).subarray(0, 17), ALL_FLAGS, 3],
      ['length 48', changed((b) => b.writeInt32BE(48, 8)), ALL_FLAGS, 4],
      ['length -1', changed((b) => b.writeInt32BE(-1, 8)), ALL_FLAGS, 4],
      ['length 2^31 - 1', changed((b) => b.writeInt32BE(2 ** 31 - 1, 8)), ALL_FLAGS, 2],
      ['a flipped bit', changed((b) => b.writeUInt8(1, 70), false), CHECK_CRC, 5],
      ['offset -1', changed((b) => b.writeBigInt64BE(-1n)), ALL_FLAGS, 8],
      ['last offset 2^53', changed((b) => b.writeBigInt64BE(2n ** 53n - 2n)), ALL_FLAGS, 8],
      ['last offset delta -1', changed((b) => b.writeInt32BE(-1, 23)), ALL_FLAGS, 8],
      ['count -1', changed((b) => b.writeInt32BE(-1, 57)), ALL_FLAGS, 6],
      ['count 2^31 - 1', changed((b) => b.writeInt32BE(2 ** 31 - 1, 57)), ALL_FLAGS, 6],
      ['count 0', changed((b) => b.writeInt32BE(0, 57)), CHECK_CRC, 6],
      ['count 2 for 3', changed((b) => b.writeInt32BE(2, 57)), CHECK_CRC, 6],
      ['count 4 for 3, sparse', changed((b) => b.writeInt32BE(4, 57)), SPARSE, 6],
      ['count 2 for 3, sparse', changed((b) => b.writeInt32BE(2, 57)), ALL_FLAGS, 7],
      ['second offset delta 2', batch({ records: [record(0), record(2)] }), RECORDS, 7],
      ['offset delta too great', one([record(1)]), ALL_FLAGS, 7],
      ['offset delta falls', batch({ records: [record(1), record(0)] }), ALL_FLAGS, 7],
      ['a byte too many', one([record(0), [0]]), RECORDS, 7],
      ['record length 5', one([[10, 0, 0, 0, 1, 1, 0]]), RECORDS, 7],
      ['record longer than the batch', one([[120, 0, 0, 0, 1, 1, 0]]), RECORDS, 7],
      ['record shorter than its content', one([[12, 0, 0, 0, 1, 2, 65, 0]]), RECORDS, 7],
      ['key length -2', one([[12, 0, 0, 0, 3, 1, 0]]), RECORDS, 7],
      ['header count -1', one([[12, 0, 0, 0, 1, 1, 1]]), RECORDS, 7],
      ['header count 1 and none', one([[12, 0, 0, 0, 1, 1, 2]]), RECORDS, 7],
      ['header key null', one([[16, 0, 0, 0, 1, 1, 2, 1, 1]]), RECORDS, 7],
      ['varint of 6 bytes', one([[0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0]]), RECORDS, 7],
      ['varint of 33 bits', one([[0x8c, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 1, 1, 0]]), RECORDS, 7],
      [
        'varlong of 65 bits',
        one([[30, 0, ...new Array<number>(9).fill(0x80), 2, 0, 1, 1, 0]]),
        RECORDS,
        7,
      ],
      ['timestamp beyond int64', one([record(0, { timestampDelta: 2n ** 63n - 1n })]), RECORDS, 7],
    ];
    for (const [what, bytes, flags, reason] of cases) {
      t.same(run(walk, unpooled(bytes), 4, flags).out, [0, reason], what);
      const after = unpooled(Buffer.concat([plain, bytes]));
      t.same(run(walk, after, 4, flags).out.slice(0, 2), [plain.length, reason], `${what}, second`);
    }
  });

  t.test(`${name}: what is unusual and good`, options, async (t) => {
    const good: [string, Buffer, number][] = [
      ['no records, compacted', batch({ records: [], lastOffsetDelta: 9 }), ALL_FLAGS],
      [
        'gaps, compacted',
        batch({ records: [record(3), record(9)], lastOffsetDelta: 9 }),
        ALL_FLAGS,
      ],
      ['compressed', batch({ records: [[1, 2, 3]], attributes: 4 }), 3],
      [
        'compressed, any count',
        batch({ records: [[1]], attributes: 1, recordsCount: 9, lastOffsetDelta: 8 }),
        3,
      ],
      ['the greatest offset', batch({ records: [record(0)], baseOffset: 2n ** 53n - 1n }), 3],
      ['padded varint', batch({ records: [[0x8c, 0x80, 0, 0, 0, 0, 1, 1, 0]] }), 3],
      [
        'varlong of 64 bits',
        batch({ records: [[30, 0, ...new Array<number>(9).fill(0x80), 0, 0, 1, 1, 0]] }),
        3,
      ],
      [
        'nanoseconds',
        batch({
          records: [record(0, { timestampDelta: 1 })],
          baseTimestamp: 1_700_000_000_123_456_789n,
        }),
        3,
      ],
      [
        'the least timestamp',
        batch({ records: [record(0, { timestampDelta: -(2n ** 63n) })], baseTimestamp: 0n }),
        3,
      ],
    ];
    for (const [what, bytes, flags] of good) {
      const expected = walkReference(bytes, 0, bytes.length, 4, flags);
      t.equal(expected.count, 1, `${what}: by the reference`);
      t.same(run(walk, unpooled(bytes), 4, flags).out, expected.out, what);
    }
  });

  t.test(`${name}: equals the reference on mutated input`, options, async (t) => {
    const seed = systemRandom.below(2 ** 32);
    t.comment(`seed ${seed}`);
    const random = seededRandom(seed);
    const reasons = new Map<number, number>();
    for (let round = 0; round < 6000; round++) {
      const bytes = mutated(random);
      const flags = random.below(8);
      const capacity = random.below(5);
      const expected = walkReference(bytes, 0, bytes.length, capacity, flags);
      const { beyond, ...actual } = run(walk, bytes, capacity, flags);
      const reason = expected.out[1] as number;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (!Object.is(JSON.stringify(actual), JSON.stringify(expected)) || !beyond) {
        t.same(actual, expected, `seed ${seed}, round ${round}, flags ${flags}`);
        t.comment(bytes.toString('hex'));
        return;
      }
    }
    for (let reason = 0; reason <= 8; reason++) {
      t.ok((reasons.get(reason) ?? 0) >= 5, `reason ${reason}: ${reasons.get(reason)} times`);
    }
  });
}

/** One to four batches, of which one is damaged as often as not, in memory of exactly their size. */
function mutated(random: Random): Buffer {
  const batches = Array.from({ length: 1 + random.below(4) }, () => randomBatch(random));
  if (random.below(4) > 0) {
    const at = random.below(batches.length);
    const damaged = unpooled(batches[at] as Buffer);
    for (let times = 1 + random.below(2); times > 0; times--) damage(damaged, random);
    // Signed again, the damage comes through the CRC to the checks behind it.
    batches[at] = random.below(5) > 0 ? sign(damaged) : damaged;
  }
  const whole = Buffer.concat(batches);
  const cut = random.below(6) === 0 ? random.below(whole.length + 1) : whole.length;
  return unpooled(whole.subarray(0, cut));
}

function randomBatch(random: Random): Buffer {
  const count = 1 + random.below(5);
  const step = random.below(4) === 0 ? 2 : 1;
  const records = Array.from({ length: count }, (_, index) =>
    record(index * step, {
      timestampDelta: random.below(3) === 0 ? random.below(2 ** 40) - 2 ** 39 : random.below(50),
      key: random.below(2) === 0 ? null : 'k'.repeat(random.below(90)),
      value: random.below(5) === 0 ? null : 'v'.repeat(random.below(200)),
      headers: Array.from({ length: random.below(3) }, () => [
        'name',
        random.below(2) ? 'x' : null,
      ]),
    }),
  );
  const lastOffsetDelta = (count - 1) * step;
  return batch({ records, lastOffsetDelta, attributes: random.below(6) === 0 ? 8 + 3 : 0 });
}

const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff];

function damage(bytes: Buffer, random: Random): void {
  const inHeader = random.below(2) === 0;
  const at = inHeader ? random.below(61) : 61 + random.below(Math.max(1, bytes.length - 61));
  if (at >= bytes.length) return;
  switch (random.below(4)) {
    case 2:
      // The length, rather often: few changes of its bytes leave it small.
      if (random.below(3) === 0) bytes.writeInt32BE(random.below(100), 8);
      break;
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      break;
    case 1:
      bytes[at] = INTERESTING[random.below(INTERESTING.length)] as number;
      break;
    default: {
      // A small step of a field of the header, or of a length.
      const fields = [3, 7, 11, 16, 26, 60, at];
      const field = fields[random.below(fields.length)] as number;
      bytes[field] = ((bytes[field] as number) + random.below(5) - 2) & 0xff;
    }
  }
}

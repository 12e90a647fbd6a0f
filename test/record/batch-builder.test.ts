import fc from 'fast-check';
import t from 'tap';
import { BatchBuilder, type NewRecord } from '#src/record/batch-builder.js';
import * as view from '#src/record/batch-view.js';
import { WALK_CRC, WALK_RECORDS, walkBatches, walkOut } from '#src/record/batch-walk.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';

const seed = Number(process.env['SEED'] ?? 4711);

function isAccepted(batch: Uint8Array): boolean {
  const out = walkOut(1);
  return walkBatches(batch, 0, batch.length, out, WALK_CRC | WALK_RECORDS) === 1 && out[1] === 0;
}

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }));
const record = fc.record({
  timestamp: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    fc.integer({ min: -1, max: 2 ** 52 }),
  ),
  key: bytes,
  value: bytes,
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: bytes }), {
    maxLength: 3,
  }),
});

t.test('what is appended is what is read, in every codec', (t) => {
  t.comment(`seed ${seed}`);
  const records = fc.array(record, { minLength: 1, maxLength: 40 });
  const property = fc.property(records, fc.constantFrom(...compressionNames), (appended, codec) => {
    const builder = new BatchBuilder({ compression: codec });
    for (const one of appended) if (!builder.append(one)) return false;
    const batch = builder.build({ baseOffset: 1000 });
    if (!isAccepted(batch)) return false;
    if (codec !== 'none' && !validateCompressedRecords(batch, 0).ok) return false;
    const read = [...decodeBatch(batch, 0)].map(({ timestamp, key, value, headers }) => {
      const copies = headers.map((header) => ({ key: header.key, value: copy(header.value) }));
      return { timestamp, key: copy(key), value: copy(value), headers: copies };
    });
    t.same(read, appended);
    return view.maxTimestampOf(batch, 0) === Math.max(...appended.map((one) => one.timestamp));
  });
  fc.assert(property, { seed, numRuns: 300 });
  t.end();
});

function copy(view: Uint8Array | null): Uint8Array | null {
  return view === null ? null : Uint8Array.from(view);
}

t.test('takes records up to its size limit, exactly, and always the first', (t) => {
  const one: NewRecord = { timestamp: 5, key: null, value: Buffer.alloc(100) };
  const size = 61 + 2 + 107;
  for (const [sizeMax, count] of [
    [size + 109, 2],
    [size + 108, 1],
    [size, 1],
    [10, 1],
  ] as const) {
    const builder = new BatchBuilder({ sizeMax });
    let taken = 0;
    while (builder.append(one)) taken++;
    t.equal(taken, count, `sizeMax ${sizeMax}`);
    t.equal(builder.count, count);
    const expected = builder.size;
    t.equal(builder.build().length, expected, 'size tells the size of the uncompressed batch');
  }
  t.end();
});

t.test('a producer’s batch has its id, epoch and sequence; a marker its bits', (t) => {
  const builder = new BatchBuilder({
    producerId: 2 ** 52,
    producerEpoch: 32767,
    baseSequence: 0x7fffffff,
    isTransactional: true,
    compression: 'zstd',
  });
  builder.append({ timestamp: 1 });
  builder.append({ timestamp: 2 });
  const batch = builder.build({ leaderEpoch: 12, appendTime: 99 });
  t.equal(view.producerIdOf(batch, 0), 2 ** 52);
  t.equal(view.producerEpochOf(batch, 0), 32767);
  t.equal(view.baseSequenceOf(batch, 0), 0x7fffffff);
  t.equal(view.lastSequenceOf(batch, 0), 0);
  t.equal(view.attributesOf(batch, 0), 4 | 8 | 16);
  t.equal(view.leaderEpochOf(batch, 0), 12);
  t.equal(view.maxTimestampOf(batch, 0), 99);
  t.same(
    [...decodeBatch(batch, 0)].map((one) => one.timestamp),
    [99, 99],
  );
  t.throws(() => new BatchBuilder({ producerId: 1 }));
  t.throws(() => new BatchBuilder({ sizeMax: 0 }));
  t.end();
});

t.test('is built once, of something', (t) => {
  const builder = new BatchBuilder();
  t.throws(() => builder.build());
  t.throws(() => builder.append({ timestamp: Number.NaN }));
  builder.append({ timestamp: 0 });
  builder.build();
  t.throws(() => builder.build());
  t.throws(() => builder.append({ timestamp: 0 }));
  t.end();
});

t.test('borrows what it is given', (t) => {
  const value = Buffer.from('before');
  const builder = new BatchBuilder();
  builder.append({ timestamp: 0, value });
  value.write('after!');
  const batch = builder.build();
  t.equal(Buffer.from(decodeBatch(batch, 0).next()?.value ?? []).toString(), 'before');
  t.end();
});

import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { writeInt32 } from '#src/record/batch-patch.js';
import {
  WALK_RECORDS,
  WALK_SPARSE_OFFSETS,
  walkBatchesTwin,
  walkOut,
} from '#src/record/batch-walk.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { LAST_OFFSET_DELTA, RECORDS_COUNT } from '#src/record/layout.js';
import { RecordError } from '#src/record/record.js';
import { golden, goldenBytes } from './golden.js';

t.test('keys and values are views, null is not empty, headers keep order and repeats', (t) => {
  const bytes = goldenBytes('nulls');
  const records = [...decodeBatch(bytes, 0)];
  t.equal(records.length, 16);
  t.equal(records[0]?.key, null);
  t.equal(records[0]?.keySize, -1);
  t.equal(records[4]?.key?.length, 0);
  t.equal(records[4]?.keySize, 0);
  t.equal(records[15]?.value?.buffer, bytes.buffer);
  const [first, second] = decodeBatch(goldenBytes('headers'), 0);
  const keys = first?.headers.map((header) => header.key);
  t.same(keys, ['trace', 'trace', 'null', 'empty', '', 'grüße \u{1f680}']);
  t.same(second?.headers, []);
  t.equal(second?.headerCount, 0);
  t.end();
});

t.test('control records are flagged', (t) => {
  t.equal(decodeBatch(goldenBytes('control-abort'), 0).next()?.isControl, true);
  t.equal(decodeBatch(goldenBytes('plain'), 0).next()?.isControl, false);
  t.end();
});

t.test('the cursor steps, skips and ends', (t) => {
  const cursor = decodeBatch(goldenBytes('plain'), 0);
  t.equal(cursor.recordsCount, 5);
  t.equal(cursor.position, 0);
  t.equal(cursor.skip(), true);
  t.equal(cursor.next()?.offset, 1235);
  t.same(
    [...cursor].map((record) => record.offset),
    [1236, 1237, 1238],
  );
  t.equal(cursor.next(), null);
  t.equal(cursor.skip(), false);
  t.end();
});

t.test('a malformed record is a typed error with its position, and the cursor stays', (t) => {
  const bytes = goldenBytes('plain');
  bytes[61 + 31 + 4] = 3; // Key length of the second record: -2.
  const cursor = decodeBatch(bytes, 0);
  t.equal(cursor.next()?.offset, 1234);
  const expected = { name: 'RecordError', code: 'CORRUPT_RECORD', position: 31 };
  t.throws(() => cursor.next(), expected);
  t.throws(() => cursor.next(), expected);
  t.equal(cursor.position, 31);
  t.end();
});

t.test('2^31 - 1 declared records end where the bytes do', (t) => {
  const bytes = goldenBytes('plain');
  writeInt32(bytes, RECORDS_COUNT, 0x7fffffff);
  writeInt32(bytes, LAST_OFFSET_DELTA, 0x7ffffffe);
  let count = 0;
  t.throws(() => {
    for (const _ of decodeBatch(bytes, 0)) count++;
  }, RecordError);
  t.equal(count, 5);
  const headers = goldenBytes('headers');
  const many = Buffer.from('fdffffff1f', 'hex'); // -2^30 or so, then 2^31 - 1 as a header count.
  many.copy(headers, 61 + 10);
  t.throws(() => [...decodeBatch(headers, 0)], RecordError);
  t.end();
});

t.test('reads exactly the records that the walk accepts, on mutated input', (t) => {
  const seed = Number(process.env['SEED'] ?? 31337);
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const sources = golden
    .filter(({ batches }) => batches[0]?.compression === 'none' && (batches[0]?.size ?? 0) < 2000)
    .map(({ name, batches }) => goldenBytes(name).subarray(0, batches[0]?.size));
  const out = walkOut(1);
  let agreed = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(sources[random.below(sources.length)] as Buffer);
    const at = 61 + random.below(Math.max(1, bytes.length - 61));
    if (at < bytes.length) bytes[at] = random.below(256);
    const flags = WALK_RECORDS | WALK_SPARSE_OFFSETS;
    const accepted = walkBatchesTwin(bytes, 0, bytes.length, out, flags) === 1;
    if (reads(bytes) === accepted) agreed++;
    else t.fail(`round ${round}: byte ${at} of ${bytes.toString('hex')}`);
  }
  t.equal(agreed, 20_000);
  t.end();
});

function reads(bytes: Uint8Array): boolean {
  try {
    for (const record of decodeBatch(bytes, 0)) record.headers.length;
    return true;
  } catch (error) {
    if (error instanceof RecordError) return false;
    throw error;
  }
}

t.test('a batch whose header keys are not UTF-8 is read all the same', (t) => {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 0, headers: [{ key: 'ab', value: null }] });
  const batch = builder.build();
  batch[batch.indexOf(0x61)] = 0xff;
  t.same(decodeBatch(batch, 0).next()?.headers, [{ key: '\ufffdb', value: null }]);
  t.end();
});

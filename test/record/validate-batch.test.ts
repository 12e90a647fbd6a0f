import t from 'tap';
import { crc32c } from '#src/native/crc32c.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { writeInt16, writeInt32 } from '#src/record/batch-patch.js';
import { WALK_CRC, walkBatches, walkOut } from '#src/record/batch-walk.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { codecById } from '#src/record/compression/codecs.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import * as layout from '#src/record/layout.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';

const MIB = 1024 * 1024;
const codecIds = [1, 2, 3, 4];

/** A batch with a good CRC around `block`, whatever that is. */
function batchOf(codecId: number, block: Uint8Array, count: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1000 });
  const batch = Buffer.concat([builder.build().subarray(0, layout.HEADER_SIZE), block]);
  writeInt32(batch, layout.LENGTH, batch.length - 12);
  writeInt16(batch, layout.ATTRIBUTES, codecId);
  writeInt32(batch, layout.RECORDS_COUNT, count);
  writeInt32(batch, layout.LAST_OFFSET_DELTA, count - 1);
  writeInt32(batch, layout.CRC, crc32c(batch, 21, batch.length - 21));
  t.equal(walkBatches(batch, 0, batch.length, walkOut(1), WALK_CRC), 1, 'the walk cannot tell');
  return batch;
}

/** Some records, not compressed. */
function records(count: number): Uint8Array {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) {
    const key = i % 2 === 0 ? null : Buffer.from('k');
    builder.append({ timestamp: 1000 + ((i * 7) % 5), key, value: Buffer.from(`value ${i}`) });
  }
  return builder.build().subarray(layout.HEADER_SIZE);
}

t.test('tells what the log wants to know of compressed records', (t) => {
  for (const id of codecIds) {
    const block = records(11);
    const batch = batchOf(id, codecById(id).compress(block), 11);
    t.same(validateCompressedRecords(batch, 0), {
      ok: true,
      minTimestamp: 1000,
      maxTimestamp: 1004,
      nullKeyCount: 6,
      recordsSize: block.length,
    });
    const shifted = Buffer.concat([Buffer.alloc(3), batch]);
    t.ok(validateCompressedRecords(shifted, 3).ok, 'at another position');
  }
  t.end();
});

t.test('a count that lies is told, in every codec', (t) => {
  for (const id of codecIds) {
    const block = codecById(id).compress(records(11));
    for (const count of [1, 10, 12, 0x7fffffff]) {
      const batch = batchOf(id, block, count);
      const result = validateCompressedRecords(batch, 0);
      t.match(result, { ok: false, reason: 'CORRUPT_RECORD' }, `${compressionNames[id]} ${count}`);
      t.throws(() => [...decodeBatch(batch, 0)], { code: 'CORRUPT_RECORD' });
    }
  }
  t.end();
});

t.test('offset gaps, bytes left over and broken blocks are told', (t) => {
  for (const id of codecIds) {
    const codec = codecById(id);
    const block = Buffer.from(records(3));
    const gap = Buffer.from(block);
    gap[3] = 2;
    const cases: [string, string, Uint8Array][] = [
      ['gap', 'CORRUPT_RECORD', codec.compress(gap)],
      ['left over', 'CORRUPT_RECORD', codec.compress(Buffer.concat([block, Buffer.alloc(1)]))],
      ['nothing in it', 'CORRUPT_RECORD', codec.compress(new Uint8Array(0))],
      ['not compressed', 'CORRUPT_COMPRESSION', Buffer.alloc(40, 0xfe)],
    ];
    for (const [name, reason, bytes] of cases) {
      const result = validateCompressedRecords(batchOf(id, bytes, 3), 0);
      t.match(result, { ok: false, reason }, `${compressionNames[id]}: ${name}`);
    }
  }
  const result = validateCompressedRecords(batchOf(5, records(3), 3), 0);
  t.match(result, { ok: false, reason: 'UNSUPPORTED_COMPRESSION_TYPE' });
  t.end();
});

t.test('bombs end at the absolute and at the ratio bound', (t) => {
  const zeros = Buffer.alloc(20 * MIB);
  for (const id of codecIds) {
    const block = codecById(id).compress(zeros);
    const batch = batchOf(id, block, 1);
    const tooLarge = { ok: false, reason: 'DECOMPRESSED_TOO_LARGE' };
    t.match(validateCompressedRecords(batch, 0, { sizeMax: MIB }), tooLarge);
    t.match(validateCompressedRecords(batch, 0, { ratioMax: 5 }), tooLarge);
    t.throws(() => decodeBatch(batch, 0, { sizeMax: MIB }), { code: 'DECOMPRESSED_TOO_LARGE' });
    const large = validateCompressedRecords(batch, 0, { ratioMax: 100_000 });
    t.match(large, { ok: false, reason: 'CORRUPT_RECORD' }, 'within the bounds it is looked at');
  }
  t.end();
});

import t from 'tap';
import { AppendValidator } from '#src/log/append-validator.js';
import type { LogConfig } from '#src/log/topic-config.js';
import { crc32c } from '#src/native/crc32c.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { codecByName } from '#src/record/compression/codecs.js';
import { batch, config, NOW_MS } from './log-fixture.js';

const validator = new AppendValidator();

function check(records: Uint8Array, overrides: Partial<LogConfig> = {}): string | null {
  return validator.validate(records, config(overrides), NOW_MS)?.error ?? null;
}

/** The batch with `change` made to it, and a CRC that fits again. */
function forged(records: Uint8Array, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(records);
  change(bytes);
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

/** A gzip batch of `count` records whose block is `block`. */
function compressed(codec: 'gzip' | 'zstd', block: Uint8Array, count: number): Buffer {
  const inner = codecByName(codec).compress(block);
  const bytes = Buffer.concat([batch(1).subarray(0, 61), inner]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(codec === 'gzip' ? 1 : 4, 21);
  bytes.writeInt32BE(count - 1, 23);
  bytes.writeInt32BE(count, 57);
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

t.test('good batches of every codec are accepted', async (t) => {
  for (const compression of compressionNames) {
    t.equal(check(batch(10, { compression, timestamp: NOW_MS - 5 })), null, compression);
    t.equal(validator.lastOffsetDelta, 9);
    t.equal(validator.maxTimestampMs, NOW_MS - 5);
    t.equal(validator.maxTimestampIsWrong, false);
  }
  t.equal(check(batch(1, { producerId: 9, producerEpoch: 2, baseSequence: 7 })), null);
  t.match(validator, { producerId: 9, producerEpoch: 2, baseSequence: 7 });
});

t.test('hostile batches are refused with the error of Kafka', async (t) => {
  const good = batch(3);
  const plain = good.subarray(61);
  const table: readonly [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'INVALID_RECORD'],
    ['a few bytes', good.subarray(0, 16), 'CORRUPT_MESSAGE'],
    ['a batch that is cut', good.subarray(0, good.length - 1), 'CORRUPT_MESSAGE'],
    ['length beyond the bytes', forged(good, (b) => b.writeInt32BE(1e6, 8)), 'CORRUPT_MESSAGE'],
    ['length too small', forged(good, (b) => b.writeInt32BE(48, 8)), 'CORRUPT_MESSAGE'],
    ['negative length', forged(good, (b) => b.writeInt32BE(-1, 8)), 'CORRUPT_MESSAGE'],
    ['magic 0', forged(good, (b) => b.writeInt8(0, 16)), 'INVALID_RECORD'],
    ['magic 1', forged(good, (b) => b.writeInt8(1, 16)), 'INVALID_RECORD'],
    ['magic 3', forged(good, (b) => b.writeInt8(3, 16)), 'INVALID_RECORD'],
    ['a flipped bit', flipped(good, good.length - 1), 'CORRUPT_MESSAGE'],
    ['a flipped CRC', flipped(good, 18), 'CORRUPT_MESSAGE'],
    ['two batches', Buffer.concat([good, good]), 'INVALID_RECORD'],
    ['bytes left over', Buffer.concat([good, Buffer.alloc(3)]), 'INVALID_RECORD'],
    ['base offset', forged(good, (b) => b.writeBigInt64BE(5n, 0)), 'INVALID_RECORD'],
    ['negative base offset', forged(good, (b) => b.writeBigInt64BE(-5n, 0)), 'INVALID_RECORD'],
    ['no records', forged(good, (b) => b.writeInt32BE(0, 57)), 'INVALID_RECORD'],
    ['a lying count', forged(good, (b) => b.writeInt32BE(2 ** 31 - 1, 57)), 'INVALID_RECORD'],
    ['count above delta', forged(good, (b) => b.writeInt32BE(4, 57)), 'INVALID_RECORD'],
    ['delta above count', forged(good, (b) => b.writeInt32BE(3, 23)), 'INVALID_RECORD'],
    ['negative delta', forged(good, (b) => b.writeInt32BE(-1, 23)), 'INVALID_RECORD'],
    ['a record too long', forged(good, (b) => b.writeInt8(0x7e, 61)), 'INVALID_RECORD'],
    ['a control batch', forged(good, (b) => b.writeInt16BE(0x20, 21)), 'INVALID_RECORD'],
    ['a delete horizon', forged(good, (b) => b.writeInt16BE(0x40, 21)), 'INVALID_RECORD'],
    ['a transaction', forged(good, (b) => b.writeInt16BE(0x10, 21)), 'INVALID_TXN_STATE'],
    ['LogAppendTime', forged(good, (b) => b.writeInt16BE(0x08, 21)), 'INVALID_TIMESTAMP'],
    ['codec 5', forged(good, (b) => b.writeInt16BE(5, 21)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['no gzip', forged(good, (b) => b.writeInt16BE(1, 21)), 'INVALID_RECORD'],
    ['no snappy', forged(good, (b) => b.writeInt16BE(2, 21)), 'INVALID_RECORD'],
    ['no lz4', forged(good, (b) => b.writeInt16BE(3, 21)), 'INVALID_RECORD'],
    ['no zstd', forged(good, (b) => b.writeInt16BE(4, 21)), 'INVALID_RECORD'],
    ['producer without sequence', forged(good, (b) => b.writeBigInt64BE(5n, 43)), 'INVALID_RECORD'],
    ['fewer records inside', compressed('gzip', plain, 4), 'INVALID_RECORD'],
    ['more records inside', compressed('gzip', plain, 2), 'INVALID_RECORD'],
    ['a lying count inside', compressed('zstd', plain, 2 ** 31 - 1), 'INVALID_RECORD'],
    ['a bomb', compressed('gzip', Buffer.alloc(100_000_000), 1), 'MESSAGE_TOO_LARGE'],
  ];
  for (const [name, records, error] of table) t.equal(check(records), error, name);
  t.equal(check(compressed('gzip', plain, 3)), null, 'the forger is able');
});

t.test('no flipped bit under the CRC is accepted', async (t) => {
  const good = batch(2);
  const accepted: number[] = [];
  for (let bit = 16 * 8; bit < good.length * 8; bit++) {
    const bytes = Buffer.from(good);
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    if (check(bytes) === null) accepted.push(bit);
  }
  t.same(accepted, []);
});

t.test('a batch above max.message.bytes is refused, one as large is not', async (t) => {
  const records = batch(1, { valueSize: 1000 });
  t.equal(check(records, { messageBytesMax: records.length }), null);
  t.equal(check(records, { messageBytesMax: records.length - 1 }), 'MESSAGE_TOO_LARGE');
});

t.test('keyless records of a compacted topic are named', async (t) => {
  const compacted = config({ cleanupCompact: true, cleanupDelete: false });
  for (const compression of ['none', 'snappy'] as const) {
    const records = batch(3, { nullKeys: true, compression });
    t.equal(check(records), null);
    const rejection = validator.validate(records, compacted, NOW_MS);
    t.equal(rejection?.error, 'INVALID_RECORD');
    t.same(
      rejection?.recordErrors.map(({ batchIndex }) => batchIndex),
      [0, 1, 2],
    );
    t.equal(validator.validate(batch(3, { compression }), compacted, NOW_MS), null);
  }
});

t.test('timestamps out of range are named, bounds belong to the range', async (t) => {
  const limits = { timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 500 };
  const at = (...deltas: number[]): Uint8Array =>
    batch(deltas.length, { timestamps: deltas.map((delta) => NOW_MS + delta) });
  t.equal(check(at(-1000, 500), limits), null);
  t.equal(check(at(-1001), limits), 'INVALID_TIMESTAMP');
  t.equal(check(at(501), limits), 'INVALID_TIMESTAMP');
  const rejection = validator.validate(at(0, 501, 0, -1001), config(limits), NOW_MS);
  t.same(
    rejection?.recordErrors.map(({ batchIndex }) => batchIndex),
    [1, 3],
  );
  t.equal(check(at(-1001, 501), { ...limits, messageTimestampType: 'LogAppendTime' }), null);
  t.equal(check(at(3_600_000)), null);
  t.equal(check(at(3_600_001)), 'INVALID_TIMESTAMP', 'an hour ahead is the default bound');
  t.equal(check(batch(2, { timestamp: -1 }), limits), null, 'no timestamp is always taken');
});

t.test('errors of many records are counted and the list is bounded', async (t) => {
  const rejection = validator.validate(batch(1000, { timestamp: NOW_MS + 1e9 }), config(), NOW_MS);
  t.ok((rejection?.recordErrors.length ?? 0) < 100);
  t.match(rejection?.message, /1000 of 1000/);
});

function flipped(records: Uint8Array, at: number): Buffer {
  const bytes = Buffer.from(records);
  bytes[at] = (bytes[at] as number) ^ 1;
  return bytes;
}

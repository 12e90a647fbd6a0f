import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { attributesOf, codecIdOf, producerIdOf, sizeOf } from '#src/record/batch-view.js';
import {
  WALK_CRC,
  WALK_END,
  WALK_STOP_REASON,
  walkBatches,
  walkOut,
} from '#src/record/batch-walk.js';
import { compressionNames } from '#src/record/compression/codec.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { HEADER_SIZE } from '#src/record/layout.js';
import { recompressBatch } from '#src/record/recompress-batch.js';

const out = walkOut(1);

function recordsOf(batch: Uint8Array) {
  return [...decodeBatch(batch, 0)].map((record) => ({
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key === null ? null : Buffer.from(record.key).toString(),
    value: record.value === null ? null : Buffer.from(record.value).toString(),
    headers: record.headers.map(({ key }) => key),
  }));
}

t.test('every codec to every other: the records and the rest of the header stay', async (t) => {
  for (const from of compressionNames) {
    const builder = new BatchBuilder({
      compression: from,
      producerId: 77,
      producerEpoch: 3,
      baseSequence: 9,
      isTransactional: true,
    });
    for (let i = 0; i < 50; i++) {
      const value = i === 7 ? null : Buffer.from(`value ${i} `.repeat(20));
      const headers = i % 3 === 0 ? [{ key: 'h', value: Buffer.from('x') }] : [];
      builder.append({ timestamp: 1000 + i, key: Buffer.from(`k${i}`), value, headers });
    }
    const batch = builder.build();
    for (const to of compressionNames) {
      const rewritten = recompressBatch(batch, { codec: to, level: null });
      const what = `${from} to ${to}`;
      if (from === to) {
        t.equal(rewritten, batch, `${what}: as it was`);
        continue;
      }
      t.equal(compressionNames[codecIdOf(rewritten, 0)], to, what);
      t.equal(sizeOf(rewritten, 0), rewritten.length);
      t.equal(walkBatches(rewritten, 0, rewritten.length, out, WALK_CRC), 1, `${what}: CRC`);
      t.equal(out[WALK_STOP_REASON], WALK_END);
      t.equal(attributesOf(rewritten, 0) & ~7, attributesOf(batch, 0) & ~7, 'other attributes');
      t.same(
        Buffer.from(rewritten.subarray(23, HEADER_SIZE)).toString('hex'),
        Buffer.from(batch.subarray(23, HEADER_SIZE)).toString('hex'),
        'deltas, timestamps, producer, sequence and count',
      );
      t.equal(producerIdOf(rewritten, 0), 77);
      t.same(recordsOf(rewritten), recordsOf(batch), what);
    }
  }
});

t.test('the level is the codec’s', async (t) => {
  const builder = new BatchBuilder({});
  const random = seededRandom(5);
  const words = Array.from({ length: 4000 }, () => `word${random.below(300)}`);
  const value = Buffer.from(words.join(' '));
  builder.append({ timestamp: 1, key: null, value, headers: [] });
  const batch = builder.build();
  for (const codec of ['gzip', 'zstd'] as const) {
    const quick = recompressBatch(batch, { codec, level: 1 });
    const dense = recompressBatch(batch, { codec, level: 9 });
    t.not(quick.length, dense.length, codec);
    t.same(recordsOf(quick), recordsOf(dense));
  }
});

import t from 'tap';
import { BatchBuilder } from '#src/record/batch-builder.js';
import * as view from '#src/record/batch-view.js';
import {
  WALK_CRC,
  WALK_RECORDS,
  WALK_SPARSE_OFFSETS,
  walkBatches,
  walkBatchesTwin,
  walkOut,
} from '#src/record/batch-walk.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { validateCompressedRecords } from '#src/record/validate-batch.js';
import { describeBatches, golden, goldenBytes, rounded } from './golden.js';

t.test('every batch that Kafka wrote reads to the fields and records that Kafka reads', (t) => {
  for (const { name, batches } of golden) {
    t.same(describeBatches(goldenBytes(name)), rounded(batches), name);
  }
  t.ok(golden.length >= 28);
  t.end();
});

t.test('the walk accepts every batch that Kafka wrote, CRC and records included', (t) => {
  for (const { name, batches } of golden) {
    const bytes = goldenBytes(name);
    const flags = WALK_CRC | WALK_RECORDS | WALK_SPARSE_OFFSETS;
    for (const walk of [walkBatches, walkBatchesTwin]) {
      const out = walkOut(4);
      t.equal(walk(bytes, 0, bytes.length, out, flags), batches.length, name);
      t.equal(out[0], bytes.length, name);
      t.equal(out[1], 0, name);
    }
  }
  t.end();
});

t.test('without the sparse flag only what compaction left is refused', (t) => {
  const out = walkOut(4);
  const refused = golden.filter(({ name }) => {
    const bytes = goldenBytes(name);
    walkBatches(bytes, 0, bytes.length, out, WALK_CRC | WALK_RECORDS);
    return out[0] !== bytes.length;
  });
  t.same(
    refused.map(({ name }) => name),
    ['empty', 'compacted', 'compacted-gzip', 'delete-horizon'],
  );
  t.end();
});

t.test('compressed batches that Kafka wrote pass ingress validation', (t) => {
  for (const { name, batches } of golden) {
    const [batch] = batches;
    if (batch === undefined || batch.compression === 'none' || name === 'compacted-gzip') continue;
    const result = validateCompressedRecords(goldenBytes(name), 0);
    t.ok(result.ok, name);
    if (!result.ok) continue;
    const times = batch.records.map((record) => Number(record.timestamp));
    if (!name.startsWith('append-time')) {
      t.equal(result.minTimestamp, Math.min(...times), name);
      t.equal(result.maxTimestamp, Math.max(...times), name);
    }
    t.equal(result.nullKeyCount, batch.records.filter(({ key }) => key === null).length, name);
  }
  t.match(validateCompressedRecords(goldenBytes('compacted-gzip'), 0), {
    ok: false,
    reason: 'CORRUPT_RECORD',
  });
  t.end();
});

t.test('built from the same records, an uncompressed batch has the same bytes as Kafka’s', (t) => {
  const names = ['plain', 'headers', 'nulls', 'big-varints', 'negative-deltas', 'idempotent'];
  for (const name of [...names, 'transactional', 'control-commit', 'append-time']) {
    const theirs = goldenBytes(name);
    t.same(rebuild(theirs), theirs, name);
  }
  t.end();
});

function rebuild(bytes: Buffer): Uint8Array {
  const producerId = view.producerIdOf(bytes, 0);
  const producer =
    producerId === -1
      ? {}
      : {
          producerId,
          producerEpoch: view.producerEpochOf(bytes, 0),
          baseSequence: view.baseSequenceOf(bytes, 0),
        };
  const builder = new BatchBuilder({
    ...producer,
    isTransactional: view.isTransactional(bytes, 0),
    isControl: view.isControlBatch(bytes, 0),
  });
  const isAppendTime = view.timestampTypeOf(bytes, 0) === 'LogAppendTime';
  let index = 0;
  for (const record of decodeBatch(bytes, 0)) {
    const { key, value, headers } = record;
    // The times that the producer gave are not in a batch of the log's time: the generator's are.
    const timestamp = isAppendTime ? view.baseTimestampOf(bytes, 0) + index : record.timestamp;
    t.ok(builder.append({ timestamp, key, value, headers }));
    index++;
  }
  return builder.build({
    baseOffset: view.baseOffsetOf(bytes, 0),
    leaderEpoch: view.leaderEpochOf(bytes, 0),
    ...(isAppendTime ? { appendTime: view.maxTimestampOf(bytes, 0) } : {}),
  });
}

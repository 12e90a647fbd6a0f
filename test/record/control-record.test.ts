import t from 'tap';
import { patchOffsetAndEpoch } from '#src/record/batch-patch.js';
import { buildEndTxnMarker, parseControlRecord } from '#src/record/control-record.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { goldenBytes } from './golden.js';

function parseFirst(name: string): unknown {
  const record = decodeBatch(goldenBytes(name), 0).next();
  return parseControlRecord(record?.key ?? null, record?.value ?? null);
}

t.test('reads the control records that Kafka writes', (t) => {
  t.same(parseFirst('control-commit'), { type: 'commit', version: 0, coordinatorEpoch: 17 });
  t.same(parseFirst('control-abort'), { type: 'abort', version: 0, coordinatorEpoch: 17 });
  t.same(parseFirst('control-leader-change'), { type: 'leader-change', version: 0 });
  t.end();
});

t.test('writes the bytes that Kafka writes', (t) => {
  for (const type of ['commit', 'abort'] as const) {
    const batch = buildEndTxnMarker({
      type,
      coordinatorEpoch: 17,
      producerId: 4321,
      producerEpoch: 9,
      timestamp: 1700000000000,
    });
    patchOffsetAndEpoch(batch, 0, 88 as never, 6);
    t.same(batch, goldenBytes(`control-${type}`));
  }
  t.end();
});

t.test('passes over later types, and says no to what is malformed', (t) => {
  const key = (version: number, type: number) => Buffer.from([0, version, 0, type]);
  t.same(parseControlRecord(key(0, 99), null), { type: 'unknown', version: 0, id: 99 });
  t.same(parseControlRecord(key(3, 5), null), { type: 'kraft-version', version: 3 });
  const value = Buffer.from([0, 0, 0, 0, 0, 5]);
  t.same(parseControlRecord(key(1, 1), Buffer.concat([value, Buffer.from('later')])), {
    type: 'commit',
    version: 1,
    coordinatorEpoch: 5,
  });
  t.equal(parseControlRecord(null, value), null);
  t.equal(parseControlRecord(Buffer.from([0, 0, 0]), value), null);
  t.equal(parseControlRecord(Buffer.from([0xff, 0xff, 0, 1]), value), null);
  t.equal(parseControlRecord(key(0, 1), null), null);
  t.equal(parseControlRecord(key(0, 0), value.subarray(0, 5)), null);
  t.end();
});

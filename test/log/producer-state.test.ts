import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { OFFSET_ZERO, type Offset } from '#src/base/offset.js';
import { PRODUCER_IDS_MAX } from '#src/log/log-limits.js';
import { decodeProducerSnapshot, encodeProducerSnapshot } from '#src/log/producer-snapshot.js';
import { ProducerState } from '#src/log/producer-state.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  NOW_MS,
  openLog,
  produced,
  readAll,
  tempDir,
} from './log-fixture.js';

t.test('a repeated batch gets its first answer again, within five batches', async (t) => {
  const log = await openLog(t, tempDir(t));
  for (let i = 0; i < 6; i++) await appended(log, produced(7, i * 2, 2));
  for (let i = 1; i < 6; i++) {
    t.match(await append(log, produced(7, i * 2, 2)), {
      ok: true,
      duplicate: true,
      baseOffset: i * 2,
      lastOffset: i * 2 + 1,
    });
  }
  t.match(await append(log, produced(7, 0, 2)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  t.equal(readAll(log).length, 12);
});

t.test('gaps, other lengths and old epochs are refused, a new epoch begins at 0', async (t) => {
  const log = await openLog(t, tempDir(t));
  t.match(
    await append(log, produced(7, 5)),
    { ok: true },
    'an unknown producer may begin anywhere',
  );
  t.match(await append(log, produced(7, 7)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  t.match(await append(log, produced(7, 5, 2)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  t.match(await append(log, produced(7, 3, 1, 1)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  t.match(await append(log, produced(7, 0, 1, 1)), { ok: true, baseOffset: 1 });
  t.match(await append(log, produced(7, 6)), { error: 'INVALID_PRODUCER_EPOCH' });
  t.match(await append(log, produced(7, 1, 1, 1)), { ok: true, baseOffset: 2 });
  t.match(await append(log, produced(8, 0, 2)), { ok: true, baseOffset: 3 });
  t.match(await append(log, produced(8, 1)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  t.match(await append(log, produced(8, 0, 2)), { ok: true, duplicate: true });
});

t.test('sequences wrap from 2^31 - 1 to 0', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, produced(7, 2 ** 31 - 2, 3));
  t.match(await append(log, produced(7, 2 ** 31 - 2, 3)), { duplicate: true, baseOffset: 0 });
  t.match(await append(log, produced(7, 1)), { ok: true, duplicate: false, baseOffset: 3 });
  await appended(log, produced(7, 2));
});

t.test('batches of one tick are checked against each other', async (t) => {
  const log = await openLog(t, tempDir(t));
  const results = await Promise.all([
    append(log, produced(7, 0)),
    append(log, produced(7, 1)),
    append(log, produced(7, 0)),
    append(log, produced(7, 3)),
    append(log, produced(7, 2)),
  ]);
  t.match(results, [
    { ok: true, baseOffset: 0, duplicate: false },
    { ok: true, baseOffset: 1, duplicate: false },
    { ok: true, baseOffset: 0, duplicate: true },
    { ok: false, error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
    { ok: true, baseOffset: 2, duplicate: false },
  ]);
});

t.test('producers are known again after a crash and after a clean close', async (t) => {
  const dir = tempDir(t);
  const small = config({ segmentBytes: 300 });
  const log = await openLog(t, dir, { config: small });
  for (let i = 0; i < 12; i++) await appended(log, produced(7, i));
  await log.flush();
  t.equal(log.segmentCount, 3);
  const check = async (again: typeof log): Promise<void> => {
    t.match(await append(again, produced(7, 11)), { ok: true, duplicate: true, baseOffset: 11 });
    t.match(await append(again, produced(7, 13)), { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
    t.match(await append(again, produced(7, 12)), { ok: true, duplicate: false, baseOffset: 12 });
  };
  for (const recoveryPoint of [OFFSET_ZERO, log.recoveryPoint, 5 as Offset]) {
    await check(await openLog(t, crashCopy(t, dir), { config: small, recoveryPoint }));
  }
  const noSnapshots = crashCopy(t, dir);
  for (const name of readdirSync(noSnapshots)) {
    if (name.endsWith('.snapshot')) rmSync(join(noSnapshots, name));
  }
  await check(await openLog(t, noSnapshots, { config: small, recoveryPoint: log.recoveryPoint }));
  t.equal(await log.close(), true);
  t.ok(readdirSync(dir).includes('00000000000000000012.snapshot'));
  await check(await openLog(t, crashCopy(t, dir), { config: small, clean: true }));
  const rotten = crashCopy(t, dir);
  for (const name of readdirSync(rotten)) {
    if (name.endsWith('.snapshot')) writeFileSync(join(rotten, name), 'rot');
  }
  await check(await openLog(t, rotten, { config: small, clean: true }));
});

t.test('a snapshot that is newer than what the crash left is not believed', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  for (let i = 0; i < 4; i++) await appended(log, produced(7, i));
  const crashed = crashCopy(t, dir);
  await log.close();
  // The snapshot says that sequence 3 was appended, the torn log does not.
  const { cpSync, truncateSync, statSync } = await import('node:fs');
  cpSync(
    join(dir, '00000000000000000004.snapshot'),
    join(crashed, '00000000000000000004.snapshot'),
  );
  const file = join(crashed, '00000000000000000000.log');
  truncateSync(file, statSync(file).size - 1);
  const again = await openLog(t, crashed);
  t.match(await append(again, produced(7, 3)), { ok: true, duplicate: false, baseOffset: 3 });
  const snapshots = readdirSync(crashed).filter((name) => name.endsWith('.snapshot'));
  t.same(snapshots, [], 'nor kept until the log is as long as it says');
});

t.test('a log that is opened again and again keeps one snapshot behind its segments', async (t) => {
  const dir = tempDir(t);
  const small = config({ segmentBytes: 200 });
  const options = { clean: true, config: small };
  for (let end = 3; end <= 15; end += 3) {
    const log = await openLog(t, dir, options);
    for (let i = end - 3; i < end; i++) await appended(log, produced(7, i));
    t.equal(await log.close(), true);
    const snapshots = readdirSync(dir).filter((name) => name.endsWith('.snapshot'));
    const segments = readdirSync(dir).filter((name) => name.endsWith('.log'));
    const last = `${String(end).padStart(20, '0')}.snapshot`;
    const sealed = segments.slice(1).map((name) => name.replace('.log', '.snapshot'));
    t.same(snapshots, [...sealed, last], 'those of the segments, and the last end');
  }
});

t.test('a roll in mid-tick leaves the queue out of the snapshot', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir, { config: config({ segmentBytes: 200 }) });
  await Promise.all([0, 1, 2, 3].map((sequence) => append(log, produced(7, sequence))));
  await log.flush();
  const { readFileSync } = await import('node:fs');
  const entries = decodeProducerSnapshot(readFileSync(join(dir, '00000000000000000002.snapshot')));
  t.match(entries, [{ producerId: 7, batches: [{ lastSequence: 1, lastOffset: 1 }] }]);
});

t.test('snapshots are read as they were written, and any flipped bit is seen', async (t) => {
  const state = new ProducerState();
  const of = { producerEpoch: 3, baseSequence: 10, lastOffsetDelta: 4 };
  state.append({ ...of, producerId: 2 ** 40 }, 104 as Offset, NOW_MS);
  state.append({ ...of, producerId: 5 }, 204 as Offset, -1);
  const bytes = encodeProducerSnapshot(state.entries());
  t.same(decodeProducerSnapshot(bytes), state.entries());
  t.match(decodeProducerSnapshot(bytes)?.[0], {
    producerId: 2 ** 40,
    epoch: 3,
    batches: [{ lastSequence: 14, lastOffset: 104, offsetDelta: 4, timestampMs: NOW_MS }],
  });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const rotten = Buffer.from(bytes);
    rotten[bit >> 3] = (rotten[bit >> 3] as number) ^ (1 << (bit & 7));
    if (decodeProducerSnapshot(rotten) !== null) t.fail(`bit ${bit}`);
  }
  for (let size = 0; size < bytes.length; size++) {
    t.equal(decodeProducerSnapshot(bytes.subarray(0, size)), null);
  }
});

t.test('the count of remembered producers is bounded, silent ones expire', async (t) => {
  const state = new ProducerState();
  const of = { producerEpoch: 0, baseSequence: 0, lastOffsetDelta: 0 };
  for (let producerId = 0; producerId < PRODUCER_IDS_MAX + 10; producerId++) {
    state.append({ ...of, producerId }, producerId as Offset, producerId);
  }
  t.equal(state.count, PRODUCER_IDS_MAX);
  t.equal(state.check({ ...of, producerId: 9, baseSequence: 77 }).status, 'ok', 'forgotten');
  t.equal(state.check({ ...of, producerId: 10, baseSequence: 77 }).status, 'error');
  state.expire(1000, 500);
  t.equal(state.check({ ...of, producerId: 500, baseSequence: 77 }).status, 'ok');
  t.equal(state.check({ ...of, producerId: 501, baseSequence: 77 }).status, 'error');
});

t.test('batches without a producer id leave no state', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(1));
  await appended(log, batch(1));
  t.equal(log.logEndOffset, 2);
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { FileSlice } from '#src/base/chunk.js';
import { offset } from '#src/base/offset.js';
import { seededRandom } from '#src/base/random.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  ioError,
  NOW_MS,
  openLog,
  openManager,
  produced,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const READ = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_uncommitted' } as const;

t.test('a log cut at any offset goes on where the batch with it began', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  for (let i = 0; i < 6; i++) {
    await appended(log, produced(1, 3 * i, 3));
    if (i % 2 === 1) await log.roll();
  }
  await log.close();
  for (let cut = 0; cut <= 18; cut++) {
    const copy = crashCopy(t, dir);
    const again = await openLog(t, copy, { clean: true, recoveryPoint: offset(18) });
    const end = cut - (cut % 3);
    t.equal(await again.truncateTo(cut), end);
    t.match([again.logEndOffset, again.highWatermark, again.lastStableOffset], [end, end, end]);
    t.same(
      readAll(again).map(({ offset }) => offset),
      Array.from({ length: end }, (_, i) => i),
    );
    t.match(again.read(end + 1, READ), { ok: false, error: 'OFFSET_OUT_OF_RANGE' });
    t.match(await append(again, produced(1, end, 2)), { ok: true, baseOffset: end }, 'in sequence');
    const crashed = await openLog(t, crashCopy(t, copy));
    t.equal(crashed.logEndOffset, end + 2);
    t.match(await append(crashed, produced(1, end, 2)), { duplicate: true, baseOffset: end });
    t.equal(await again.close(), true);
  }
});

t.test('epochs, transactions and the recovery point are cut with the log', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const of = { topic: 'orders', partition: 0, topicId: TOPIC_ID };
  const log = await manager.createLog({ ...of, config: config() });
  const transactional = { leaderEpoch: 0, owned: false, transactional: true };
  const fields = { producerId: 1, producerEpoch: 0, isTransactional: true };
  await log.append(batch(2, { ...fields, baseSequence: 0 }), transactional);
  const marker = { type: 'abort', producerId: 1, producerEpoch: 0, coordinatorEpoch: 0 } as const;
  await log.appendEndTxnMarker({ ...marker, leaderEpoch: 0 });
  await log.append(batch(1), { leaderEpoch: 5, owned: false });
  await log.flush();
  await manager.checkpoint();
  t.equal(log.latestLeaderEpoch, 5);
  t.equal(await log.truncateTo(2), 2, 'without the marker');
  t.equal(log.latestLeaderEpoch, 0);
  t.equal(log.lastStableOffset, 0, 'the transaction is open again');
  t.equal(log.recoveryPoint, 0);
  const points = readFileSync(join(dir, 'recovery-point-offset-checkpoint'), 'utf8');
  t.equal(points, '0\n1\norders 0 0\n', 'known before the cut');
  await log.appendEndTxnMarker({ ...marker, leaderEpoch: 5 });
  const read = log.read(0, { ...READ, isolation: 'read_committed' });
  t.match(read, { abortedTransactions: [{ producerId: 1, firstOffset: 0 }] });
  if (read.ok) read.slice?.release();
});

t.test('a cut that fails takes the log offline; below the log start there is none', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), { env: watched.env });
  for (let i = 0; i < 3; i++) {
    await appended(log, batch(1));
    await log.roll();
  }
  t.match(await log.deleteRecordsBefore(1), { ok: true, logStartOffset: 1 });
  await t.rejects(log.truncateTo(0), { code: 'OFFSET_OUT_OF_RANGE' });
  t.equal(log.offline, false);
  watched.before = (call) => {
    if (call === 'rename') throw ioError('EIO');
  };
  await t.rejects(log.truncateTo(1), { code: 'IO_ERROR' });
  watched.before = () => {};
  t.equal(log.offline, true);
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
});

t.test('the log start offset is durable before it is answered', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const of = { topic: 'orders', partition: 0, topicId: TOPIC_ID };
  const log = await manager.createLog({ ...of, config: config({ fileDeleteDelayMs: 0 }) });
  for (let i = 0; i < 3; i++) {
    await appended(log, batch(4));
    await log.roll();
  }
  t.match(await log.deleteRecordsBefore(13), { ok: false, error: 'OFFSET_OUT_OF_RANGE' });
  t.match(await log.deleteRecordsBefore(-1), { ok: false, error: 'OFFSET_OUT_OF_RANGE' });
  t.match(await log.deleteRecordsBefore(6), { ok: true, logStartOffset: 6 });
  t.match(await log.deleteRecordsBefore(5), { ok: true, logStartOffset: 6 }, 'it only rises');
  const starts = readFileSync(join(dir, 'log-start-offset-checkpoint'), 'utf8');
  t.equal(starts, '0\n1\norders 0 6\n');
  t.match(log.read(5, READ), { ok: false, error: 'OFFSET_OUT_OF_RANGE', logStartOffset: 6 });
  t.equal(readAll(log)[0]?.offset, 6);
  const crashed = await openManager(t, [crashCopy(t, dir)]);
  t.equal(crashed.getLog('orders', 0)?.logStartOffset, 6);
  t.equal(await manager.runRetention(), 1, 'the segment below it');
  t.notOk(readdirSync(log.path).includes('00000000000000000000.log'));
  t.match(await log.deleteRecordsBefore(12), { ok: true, logStartOffset: 12 });
  t.match(log.read(12, READ), { ok: true, slice: null });
});

t.test(
  'a slice never shows bytes of another history, wherever it is read again (R14)',
  async (t) => {
    const random = seededRandom(18723);
    const log = await openLog(t, tempDir(t), { config: config({ segmentBytes: 900 }) });
    const kept: { slice: FileSlice; before: Buffer }[] = [];
    let values = 0;
    let shortened = 0;
    for (let round = 0; round < 120; round++) {
      for (let i = random.below(6); i >= 0; i--) {
        await appended(log, batch(1 + random.below(3), { timestamp: NOW_MS + values++ }));
      }
      const { logStartOffset, logEndOffset } = log;
      for (let i = 0; i < 4; i++) {
        const at = logStartOffset + random.below(logEndOffset - logStartOffset);
        const read = log.read(at, { ...READ, maxBytes: 100 + random.below(600) });
        if (!read.ok || read.slice === null) throw new Error('nothing to read');
        const before = Buffer.alloc(read.slice.length);
        t.equal(read.slice.copyTo(before, 0, 0, before.length), before.length);
        kept.push({ slice: read.slice, before });
      }
      if (random.below(3) === 0) await log.truncateTo(Math.max(0, logEndOffset - random.below(15)));
      // Some are read half before and half after a cut, as a slow consumer reads them.
      for (const { slice, before } of kept) {
        const from = random.below(before.length);
        const now = Buffer.alloc(before.length - from);
        const count = slice.copyTo(now, 0, from, now.length);
        if (count < now.length) shortened++;
        const same = before.subarray(from, from + count).equals(now.subarray(0, count));
        if (!same) t.fail(`round ${round}: bytes of another history`);
        if (count > 0 && slice.intactLength < from + count)
          t.fail(`round ${round}: more than is intact`);
      }
      while (kept.length > 12) kept.shift()?.slice.release();
    }
    for (const { slice } of kept) slice.release();
    t.ok(shortened > 20, `${shortened} fell short`);
  },
);

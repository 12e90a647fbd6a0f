import {
  appendFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Offset } from '#src/base/offset.js';
import { leaderEpochOf, maxTimestampOf, timestampTypeOf } from '#src/record/batch-view.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  ioError,
  NOW_MS,
  openLog,
  produced,
  readAll,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const READ = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_uncommitted' } as const;

t.test('appended records are read back with the offsets they were given', async (t) => {
  const log = await openLog(t, tempDir(t));
  const first = await append(log, batch(3));
  t.match(first, { ok: true, baseOffset: 0, lastOffset: 2, logAppendTimeMs: -1, duplicate: false });
  t.match(await append(log, batch(2, { compression: 'gzip' })), { baseOffset: 3, lastOffset: 4 });
  t.equal(log.logEndOffset, 5);
  t.equal(log.highWatermark, 5);
  t.equal(log.lastStableOffset, 5);
  const records = readAll(log);
  t.same(
    records.map(({ offset, key, value }) => [offset, key, value]),
    [
      [0, 'k0', 'v0'],
      [1, 'k1', 'v1'],
      [2, 'k2', 'v2'],
      [3, 'k0', 'v0'],
      [4, 'k1', 'v1'],
    ],
  );
});

t.test('a read inside a batch answers the whole batch', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(3));
  await appended(log, batch(3));
  const read = log.read(4, READ);
  t.equal(read.ok && read.slice?.position, log.sizeInBytes / 2);
  if (read.ok) read.slice?.release();
  t.same(
    readAll(log, 4).map(({ offset }) => offset),
    [4, 5],
  );
});

t.test('reads outside the log are out of range, at its end they are empty', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(3));
  t.match(log.read(3, READ), { ok: true, slice: null, highWatermark: 3, logEndOffset: 3 });
  t.match(log.read(4, READ), { ok: false, error: 'OFFSET_OUT_OF_RANGE', logStartOffset: 0 });
  t.match(log.read(-1, READ), { ok: false, error: 'OFFSET_OUT_OF_RANGE' });
  t.match(log.read(Number.NaN, READ), { ok: false, error: 'OFFSET_OUT_OF_RANGE' });
  t.match(log.read(3, { ...READ, isolation: 'read_committed' }), { abortedTransactions: [] });
});

t.test('maxBytes bounds a read, but the first batch comes whole if asked for', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(1, { valueSize: 1000 }));
  await appended(log, batch(1, { valueSize: 1000 }));
  const size = log.sizeInBytes / 2;
  const sliceOf = (maxBytes: number, minOneMessage: boolean): number => {
    const read = log.read(0, { maxBytes, minOneMessage, isolation: 'read_uncommitted' });
    if (!read.ok) throw new Error(read.error);
    read.slice?.release();
    return read.slice?.length ?? 0;
  };
  t.equal(sliceOf(10, true), size);
  t.equal(sliceOf(10, false), 0);
  t.equal(sliceOf(size + 10, false), size + 10);
});

t.test('appends of one tick are one write, in the order of the calls', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), { env: watched.env });
  const sent = Array.from({ length: 100 }, (_, i) =>
    log.append(batch(1, { timestamp: NOW_MS - i }), { leaderEpoch: 0, owned: i % 3 === 0 }),
  );
  t.equal(watched.count('pwritev'), 0, 'nothing is written inside the calls');
  const results = await Promise.all(sent);
  t.equal(watched.count('pwritev'), 1);
  t.same(
    results.map((result) => result.ok && result.baseOffset),
    Array.from({ length: 100 }, (_, i) => i),
  );
  t.same(
    readAll(log).map(({ timestamp }) => timestamp),
    Array.from({ length: 100 }, (_, i) => NOW_MS - i),
  );
});

t.test('more than a mebibyte is written without waiting for the end of the tick', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), { env: watched.env });
  const big = { valueSize: 400_000 };
  const sent = [0, 1, 2].map(() => append(log, batch(1, big)));
  t.equal(watched.count('pwritev'), 1);
  await Promise.all(sent);
  t.equal(watched.count('pwritev'), 1);
  t.equal(readAll(log).length, 3);
});

t.test('borrowed bytes are copied, owned bytes are patched in place', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(1));
  const borrowed = batch(1);
  const before = Buffer.from(borrowed);
  const pending = append(log, borrowed);
  t.same(Buffer.from(borrowed), before);
  borrowed.fill(0);
  await pending;
  const owned = batch(1);
  const result = log.append(owned, { leaderEpoch: 7, owned: true });
  t.equal(leaderEpochOf(owned, 0), 7);
  t.match(await result, { baseOffset: 2 });
  t.equal(readAll(log).length, 3);
});

t.test('borrowed batches of several logs in one tick stay apart', async (t) => {
  const logs = [await openLog(t, tempDir(t)), await openLog(t, tempDir(t))] as const;
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 30; i++) {
    const log = logs[i % 3 === 0 ? 0 : 1];
    sent.push(append(log, batch(1, { timestamp: NOW_MS - i })));
  }
  await Promise.all(sent);
  const times = logs.map((log) => readAll(log).map(({ timestamp }) => NOW_MS - timestamp));
  const all = Array.from({ length: 30 }, (_, i) => i);
  t.same(
    times[0],
    all.filter((i) => i % 3 === 0),
  );
  t.same(
    times[1],
    all.filter((i) => i % 3 !== 0),
  );
});

t.test('what waits for a durable roll is not overwritten by other logs', async (t) => {
  const watched = new WatchedEnv();
  const waiting = await openLog(t, tempDir(t), {
    env: watched.env,
    config: config({ flushMessages: 1, segmentBytes: 160 }),
  });
  const other = await openLog(t, tempDir(t));
  let release: () => void = () => {};
  watched.before = (call) => {
    if (call !== 'datasync') return undefined;
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  const sent = [0, 1, 2].map((i) => append(waiting, batch(1, { timestamp: NOW_MS - i })));
  await tick();
  t.equal(waiting.logEndOffset, 2, 'the third one waits');
  for (let i = 0; i < 3; i++) await appended(other, batch(1, { valueSize: 1000 }));
  watched.before = () => {};
  release();
  await Promise.all(sent);
  t.same(
    readAll(waiting).map(({ timestamp }) => NOW_MS - timestamp),
    [0, 1, 2],
  );
});

t.test('listeners hear of visible offsets until they unsubscribe', async (t) => {
  const log = await openLog(t, tempDir(t));
  const seen: number[] = [];
  const subscription = log.subscribe(() => seen.push(log.highWatermark));
  await appended(log, batch(2));
  await appended(log, batch(1));
  subscription.end();
  await appended(log, batch(1));
  t.same(seen, [2, 3]);
});

t.test('LogAppendTime replaces the timestamps and says so', async (t) => {
  const clock = new ManualClock(NOW_MS + 5000);
  const log = await openLog(t, tempDir(t), {
    clock,
    config: config({ messageTimestampType: 'LogAppendTime' }),
  });
  t.match(await append(log, batch(2)), { ok: true, logAppendTimeMs: NOW_MS + 5000 });
  t.same(
    readAll(log).map(({ timestamp }) => timestamp),
    [NOW_MS + 5000, NOW_MS + 5000],
  );
  const file = readFileSync(join(log.path, '00000000000000000000.log'));
  t.equal(timestampTypeOf(file, 0), 'LogAppendTime');
});

t.test('a wrong max timestamp is put right, with its CRC', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  const records = Buffer.from(batch(2, { timestamps: [NOW_MS - 10, NOW_MS - 20] }));
  records.writeBigInt64BE(BigInt(NOW_MS + 60_000), 35);
  const { crc32c } = await import('#src/native/crc32c.js');
  records.writeUInt32BE(crc32c(records, 21), 17);
  await appended(log, records);
  t.equal(maxTimestampOf(readFileSync(join(dir, '00000000000000000000.log')), 0), NOW_MS - 10);
  const reopened = await openLog(t, crashCopy(t, dir));
  t.equal(readAll(reopened).length, 2, 'the CRC holds');
});

t.test('a log that was not closed has the same records when it is opened again', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir, { config: config({ segmentBytes: 500 }) });
  for (let i = 0; i < 20; i++) await appended(log, batch(3, { timestamp: NOW_MS + i }));
  t.ok(log.segmentCount > 3);
  const copy = crashCopy(t, dir);
  const again = await openLog(t, copy, { config: config({ segmentBytes: 500 }) });
  t.same(readAll(again), readAll(log));
  t.equal(again.logEndOffset, log.logEndOffset);
  t.equal(await appended(again, batch(1)), 60);
  const third = await openLog(t, crashCopy(t, copy));
  t.equal(third.logEndOffset, 61);
});

t.test('a torn tail is cut and its offsets are given out again', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  await appended(log, batch(3));
  const whole = log.sizeInBytes;
  await appended(log, batch(3));
  for (const size of [whole + 1, whole + 40, log.sizeInBytes - 1]) {
    const copy = crashCopy(t, dir);
    truncateSync(join(copy, '00000000000000000000.log'), size);
    const again = await openLog(t, copy);
    t.equal(again.logEndOffset, 3);
    t.equal(statSync(join(copy, '00000000000000000000.log')).size, whole);
    t.equal(await appended(again, batch(1)), 3);
    const third = await openLog(t, crashCopy(t, copy));
    t.same(
      readAll(third).map(({ offset }) => offset),
      [0, 1, 2, 3],
    );
  }
});

t.test('offsets below the recovery point are never given out again', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  await appended(log, batch(3));
  const copy = crashCopy(t, dir);
  truncateSync(join(copy, '00000000000000000000.log'), 0);
  const again = await openLog(t, copy, { recoveryPoint: 3 as Offset });
  t.ok(again.logEndOffset >= 3);
  t.equal(await appended(again, batch(1)), again.logEndOffset - 1);
  const third = await openLog(t, crashCopy(t, copy), { recoveryPoint: 3 as Offset });
  t.equal(third.logEndOffset, again.logEndOffset);
});

t.test('segments roll by size, between batches', async (t) => {
  const log = await openLog(t, tempDir(t), { config: config({ segmentBytes: 1000 }) });
  const sent = Array.from({ length: 10 }, () => append(log, batch(1, { valueSize: 300 })));
  await Promise.all(sent);
  t.ok(log.segmentCount >= 4);
  t.equal(readAll(log).length, 10);
  const logs = readdirSync(log.path).filter((name) => name.endsWith('.log'));
  for (const name of logs) t.ok(statSync(join(log.path, name)).size <= 1000);
});

t.test('segments roll by record time', async (t) => {
  const log = await openLog(t, tempDir(t), { config: config({ segmentMs: 1000 }) });
  for (const ms of [0, 500, 1000, 1001, 2001]) {
    await appended(log, batch(1, { timestamp: NOW_MS + ms }));
  }
  t.equal(log.segmentCount, 2);
  await appended(log, batch(1, { timestamp: NOW_MS + 2100 }));
  t.equal(log.segmentCount, 3);
});

t.test('lookups by time find the earliest record at or after it', async (t) => {
  const log = await openLog(t, tempDir(t), { config: config({ segmentBytes: 400 }) });
  t.equal(log.offsetForTimestamp(0), null);
  t.equal(log.maxTimestampOffset(), null);
  const times = [100, 50, 200, 300, 150, 400].map((ms) => NOW_MS + ms);
  for (const codec of ['none', 'lz4'] as const) {
    for (const at of [0, 2, 4]) {
      const timestamps = times.slice(at, at + 2);
      await appended(log, batch(2, { timestamps, compression: codec }));
    }
  }
  t.match(log.offsetForTimestamp(0), { offset: 0, timestampMs: NOW_MS + 100, leaderEpoch: 0 });
  t.match(log.offsetForTimestamp(NOW_MS + 101), { offset: 2, timestampMs: NOW_MS + 200 });
  t.match(log.offsetForTimestamp(NOW_MS + 250), { offset: 3 });
  t.match(log.offsetForTimestamp(NOW_MS + 400), { offset: 5 });
  t.equal(log.offsetForTimestamp(NOW_MS + 401), null);
  t.match(log.maxTimestampOffset(), { offset: 5, timestampMs: NOW_MS + 400 });
});

t.test('leader epochs are kept, also when their file is lost or corrupt', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  for (const leaderEpoch of [0, 0, 3, 4]) {
    await log.append(batch(2), { leaderEpoch, owned: false });
  }
  const check = (again: typeof log): void => {
    t.equal(again.latestLeaderEpoch, 4);
    t.same(
      [0, 3, 4, 5, 6, 7].map((offset) => again.leaderEpochFor(offset)),
      [0, 0, 3, 3, 4, 4],
    );
    t.same(again.endOffsetForEpoch(0), { epoch: 0, endOffset: 4 });
    t.same(again.endOffsetForEpoch(2), { epoch: 0, endOffset: 4 });
    t.same(again.endOffsetForEpoch(4), { epoch: 4, endOffset: 8 });
    t.equal(again.endOffsetForEpoch(5), null);
  };
  check(log);
  await log.epochsWritten();
  t.equal(readFileSync(join(dir, 'leader-epoch-checkpoint'), 'utf8'), '0\n3\n0 0\n3 4\n4 6\n');
  check(await openLog(t, crashCopy(t, dir)));
  for (const text of ['', '0\n3\n0 0\n', '9\n0\n', '0\n1\n7 99\n']) {
    const copy = crashCopy(t, dir);
    writeFileSync(join(copy, 'leader-epoch-checkpoint'), text);
    check(await openLog(t, copy));
  }
  await log.close();
  for (const text of ['', '0\n1\n7 99\nx']) {
    writeFileSync(join(dir, 'leader-epoch-checkpoint'), text);
    const again = await openLog(t, dir, { clean: true });
    check(again);
    await again.close();
  }
});

t.test('acks wait for the sync with flush.messages=1, and share it', async (t) => {
  const watched = new WatchedEnv();
  const dir = tempDir(t);
  const durable = config({ flushMessages: 1 });
  const log = await openLog(t, dir, { env: watched.env, config: durable });
  let release: () => void = () => {};
  watched.before = (call) => {
    if (call !== 'datasync') return undefined;
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  let answered = 0;
  const sent = [0, 1, 2].map(() => append(log, batch(1)).then(() => answered++));
  await tick();
  t.equal(watched.count('pwritev'), 1);
  t.equal(watched.count('datasync'), 1);
  t.equal(answered, 0);
  t.equal(log.logEndOffset, 3);
  t.equal(log.highWatermark, 0, 'nothing unsynced is visible');
  t.match(log.read(0, READ), { ok: true, slice: null });
  sent.push(append(log, batch(1)).then(() => answered++));
  await tick();
  watched.before = () => {};
  release();
  await Promise.all(sent);
  t.equal(log.highWatermark, 4);
  t.equal(watched.count('datasync'), 2);
  t.equal(log.recoveryPoint, 4);
});

t.test('a durable roll syncs the old segment before the new one is made', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), {
    env: watched.env,
    config: config({ flushMessages: 1, segmentBytes: 200 }),
  });
  watched.trace.length = 0;
  await Promise.all([append(log, batch(1)), append(log, batch(1)), append(log, batch(1))]);
  const made = watched.trace.indexOf('open 00000000000000000002.log');
  const synced = watched.trace.indexOf('datasync 00000000000000000000.log');
  t.ok(synced >= 0 && synced < made, watched.trace.join('\n'));
  const written = watched.trace.indexOf('pwritev 00000000000000000002.log');
  const dirSynced = watched.trace.findIndex((line, at) => at > made && line.startsWith('syncDir'));
  t.ok(made < dirSynced && dirSynced < written, watched.trace.join('\n'));
  t.equal(log.recoveryPoint, 3);
  t.equal(readAll(log).length, 3);
});

t.test('flush.ms syncs by the clock', async (t) => {
  const watched = new WatchedEnv();
  const clock = new ManualClock(NOW_MS);
  const log = await openLog(t, tempDir(t), {
    env: watched.env,
    clock,
    config: config({ flushMs: 1000 }),
  });
  await appended(log, batch(1));
  clock.advance(999);
  t.equal(watched.count('datasync'), 0);
  clock.advance(1);
  await log.flush();
  t.ok(watched.count('datasync') >= 1);
  t.equal(log.recoveryPoint, 1);
});

t.test('a full disk refuses the append and the log goes on', async (t) => {
  const watched = new WatchedEnv();
  const dir = tempDir(t);
  const log = await openLog(t, dir, { env: watched.env });
  await append(log, produced(5, 0));
  watched.before = (call) => {
    if (call === 'pwritev') throw ioError('ENOSPC');
  };
  const refused = await Promise.all([append(log, produced(5, 1)), append(log, produced(5, 2))]);
  for (const result of refused) t.match(result, { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.equal(log.offline, false);
  t.equal(log.logEndOffset, 1);
  watched.before = () => {};
  t.match(await append(log, produced(5, 1)), { ok: true, baseOffset: 1, duplicate: false });
  t.equal(readAll(log).length, 2);
  t.equal((await openLog(t, crashCopy(t, dir))).logEndOffset, 2);
});

t.test('an I/O error takes the log offline for good, and reads go on', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), { env: watched.env });
  await appended(log, batch(1));
  watched.before = (call) => {
    if (call === 'pwritev') throw ioError('EIO');
  };
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  watched.before = () => {};
  t.equal(log.offline, true);
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.equal(readAll(log).length, 1, 'reads go on');
  t.equal(await log.close(), false, 'the next start must look');
  t.match(log.read(0, READ), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
});

t.test('a failed sync is never retried, nothing is acknowledged after it', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), {
    env: watched.env,
    config: config({ flushMessages: 1 }),
  });
  watched.before = (call) => (call === 'datasync' ? Promise.reject(ioError('EIO')) : undefined);
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  watched.before = () => {};
  const syncs = watched.count('datasync');
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.equal(watched.count('datasync'), syncs);
  t.equal(log.highWatermark, 0);
});

t.test('close answers what is queued and refuses what comes later', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  const queued = append(log, batch(2));
  const closing = log.close();
  t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.match(await queued, { ok: true, baseOffset: 0 });
  t.equal(await closing, true);
  t.equal(await log.close(), true);
  t.match(log.read(0, READ), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  const again = await openLog(t, dir, { clean: true });
  t.equal(readAll(again).length, 2);
});

t.test('a slice outlives close and deletion of its segment', async (t) => {
  const log = await openLog(t, tempDir(t));
  await appended(log, batch(1));
  const read = log.read(0, READ);
  const slice = read.ok ? read.slice : null;
  if (slice === null) throw new Error('no slice');
  await log.discard();
  const bytes = Buffer.alloc(slice.length);
  t.equal(slice.copyTo(bytes, 0, 0, bytes.length), bytes.length);
  slice.release();
});

t.test(
  'leftovers of an earlier process are removed, and a swap file that is not whole',
  async (t) => {
    const dir = tempDir(t);
    const log = await openLog(t, dir);
    await appended(log, batch(1));
    await log.close();
    appendFileSync(join(dir, '00000000000000000000.log.deleted'), 'x');
    appendFileSync(join(dir, '00000000000000000000.index.cleaned'), 'x');
    appendFileSync(join(dir, 'leader-epoch-checkpoint.tmp'), 'x');
    const again = await openLog(t, dir, { clean: true });
    await again.close();
    t.notOk(readdirSync(dir).some((name) => /deleted|cleaned|tmp/.test(name)));
    appendFileSync(join(dir, '00000000000000000000.log.swap'), 'x');
    const third = await openLog(t, dir, { clean: true });
    t.equal(readAll(third).length, 1);
    t.notOk(readdirSync(dir).includes('00000000000000000000.log.swap'));
  },
);

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

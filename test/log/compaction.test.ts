import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { type Offset, offset } from '#src/base/offset.js';
import { type Env, systemEnv } from '#src/file/env.js';
import type { CleanResult } from '#src/log/compaction/clean-log.js';
import type { PartitionLog, PartitionLogOptions } from '#src/log/partition-log.js';
import { BatchBuilder, type BatchBuilderOptions } from '#src/record/batch-builder.js';
import {
  attributesOf,
  baseOffsetOf,
  baseTimestampOf,
  hasDeleteHorizon,
  isControlBatch,
  lastOffsetOf,
  recordsCountOf,
  sizeOf,
} from '#src/record/batch-view.js';
import {
  WALK_CRC,
  WALK_RECORDS,
  WALK_SPARSE_OFFSETS,
  walkBatches,
  walkOut,
} from '#src/record/batch-walk.js';
import {
  config,
  crashCopy,
  ioError,
  NOW_MS,
  openLog,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data');
const DAY_MS = 86_400_000;
const COMPACTED = config({ cleanupCompact: true, cleanupDelete: false, fileDeleteDelayMs: 1000 });
const MEMORY = { dedupeBytesMax: 1 << 20, loadFactor: 0.9 };

type Pair = readonly [key: string, value: string | null];

function pairs(records: readonly Pair[], fields: BatchBuilderOptions = {}, timestamp = NOW_MS) {
  const builder = new BatchBuilder(fields);
  for (const [key, value] of records) {
    builder.append({
      timestamp,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    });
  }
  return builder.build();
}

async function put(
  log: PartitionLog,
  records: readonly Pair[],
  fields: BatchBuilderOptions = {},
): Promise<number> {
  const options = { leaderEpoch: 0, owned: false, transactional: true };
  const result = await log.append(pairs(records, fields), options);
  if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
  return result.baseOffset;
}

function openCompacted(t: Test, dir: string, options: Partial<PartitionLogOptions> = {}) {
  return openLog(t, dir, { config: COMPACTED, ...options });
}

/** Passes until nothing cleanable is left; answers the checkpoint. */
async function compactAll(
  log: PartitionLog,
  from: Offset | null = null,
  memory = MEMORY,
): Promise<Offset> {
  let checkpoint = from;
  for (;;) {
    const cleanable = log.cleanable(checkpoint);
    if (cleanable === null || cleanable.cleanableBytes === 0) return checkpoint ?? offset(0);
    const result: CleanResult = await log.compact({ cleanable, ...memory });
    checkpoint = result.endOffset;
    if (checkpoint >= cleanable.firstUncleanableOffset) return checkpoint;
  }
}

/** Seals what is there, durably, and compacts it. */
async function rollAndCompact(log: PartitionLog, from: Offset | null = null, memory = MEMORY) {
  await log.flush();
  await log.roll();
  await log.flush();
  return compactAll(log, from, memory);
}

function contents(log: PartitionLog): [number, string | null, string | null][] {
  return readAll(log).map(({ offset, key, value }) => [offset, key, value]);
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 100_000) throw new Error('it did not happen');
    await new Promise(setImmediate);
  }
}

interface BatchSeen {
  readonly base: number;
  readonly last: number;
  readonly count: number;
  readonly control: boolean;
  readonly horizon: number | null;
}

/** Batches of the sealed segments in a directory, as they are in the files, all checked. */
function batchesIn(dir: string): BatchSeen[] {
  const logs = readdirSync(dir).filter((name) => name.endsWith('.log'));
  return logs.sort().flatMap((name) => {
    const bytes = readFileSync(join(dir, name));
    const out = walkOut(10_000);
    const flags = WALK_CRC | WALK_RECORDS | WALK_SPARSE_OFFSETS;
    const count = walkBatches(bytes, 0, bytes.length, out, flags);
    if (out[0] !== bytes.length) throw new Error(`no batch at ${out[0]} of ${name}`);
    return Array.from({ length: count }, (_, index) => {
      const at = out[2 + 16 * index] as number;
      return {
        base: baseOffsetOf(bytes, at),
        last: lastOffsetOf(bytes, at),
        count: recordsCountOf(bytes, at),
        control: isControlBatch(bytes, at),
        horizon: hasDeleteHorizon(bytes, at) ? baseTimestampOf(bytes, at) : null,
      };
    });
  });
}

t.test('the last record of each key stays, at its offset', async (t) => {
  const dir = tempDir(t);
  const log = await openCompacted(t, dir);
  await put(log, [
    ['a', '0'],
    ['b', '1'],
    ['a', '2'],
  ]);
  await log.roll();
  await put(
    log,
    [
      ['c', '3'],
      ['a', '4'],
    ],
    { compression: 'gzip' },
  );
  await log.roll();
  await put(log, [['b', '5']]);
  t.equal(await rollAndCompact(log), 6);
  await put(log, [['a', '6']]);
  t.same(contents(log), [
    [3, 'c', '3'],
    [4, 'a', '4'],
    [5, 'b', '5'],
    [6, 'a', '6'],
  ]);
  t.equal(log.logEndOffset, 7);
  t.equal(log.segmentCount, 2, 'the three became one');
  await log.close();
  const again = await openCompacted(t, dir);
  t.same(contents(again).at(0), [3, 'c', '3']);
  t.equal(await rollAndCompact(again, offset(6)), 7);
  t.same(contents(again), [
    [3, 'c', '3'],
    [5, 'b', '5'],
    [6, 'a', '6'],
  ]);
});

t.test('a batch of which nothing goes is not written anew, in no codec', async (t) => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const log = await openCompacted(t, tempDir(t));
    await put(
      log,
      [
        ['a', '1'],
        ['b', '1'],
      ],
      { compression },
    );
    await put(
      log,
      [
        ['c', '1'],
        ['d', '1'],
      ],
      { compression },
    );
    await put(log, [['d', '2']], { compression });
    const before = readFileSync(join(log.path, '00000000000000000000.log'));
    await rollAndCompact(log);
    const after = readFileSync(join(log.path, '00000000000000000000.log'));
    t.same(after.subarray(0, sizeOf(before, 0)), before.subarray(0, sizeOf(before, 0)));
    const second = sizeOf(before, 0);
    t.equal(attributesOf(after, second), attributesOf(before, second), 'the codec stays');
    t.equal(recordsCountOf(after, second), 1);
    t.equal(lastOffsetOf(after, second), 3);
    t.same(
      contents(log).map(([at]) => at),
      [0, 1, 2, 4],
    );
  }
});

t.test('a tombstone stays for delete.retention.ms after it was first met', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const log = await openCompacted(t, tempDir(t), { clock });
  await put(log, [
    ['a', '1'],
    ['b', '1'],
  ]);
  await put(log, [
    ['a', null],
    ['c', '1'],
  ]);
  let checkpoint = await rollAndCompact(log);
  const tombstone = { base: 2, last: 3, count: 2, control: false, horizon: NOW_MS + DAY_MS };
  t.same(batchesIn(log.path)[1], tombstone);
  t.same(contents(log), [
    [1, 'b', '1'],
    [2, 'a', null],
    [3, 'c', '1'],
  ]);
  t.equal(readAll(log)[1]?.timestamp, NOW_MS, 'the time of the records is what it was');
  clock.advance(DAY_MS - 1);
  await put(log, [['x', '1']]);
  checkpoint = await rollAndCompact(log, checkpoint);
  t.same(batchesIn(log.path)[1], tombstone, 'the horizon does not move');
  clock.advance(1);
  await put(log, [['x', '2']]);
  await rollAndCompact(log, checkpoint);
  t.same(contents(log), [
    [1, 'b', '1'],
    [3, 'c', '1'],
    [5, 'x', '2'],
  ]);
});

t.test('times beyond 2^53 and those of the broker survive a delete horizon', async (t) => {
  const nanos = NOW_MS * 1_000_000;
  const log = await openCompacted(t, tempDir(t), {
    config: { ...COMPACTED, timestampAfterMaxMs: Number.MAX_VALUE },
  });
  const builder = new BatchBuilder();
  for (const [i, key] of ['a', 'b', 'a'].entries()) {
    builder.append({
      timestamp: 8_000_000_000_000_000 + i * 7,
      key: Buffer.from(key),
      value: i === 1 ? null : Buffer.from('v'),
    });
  }
  const result = await log.append(builder.build(), { leaderEpoch: 0, owned: true });
  t.match(result, { ok: true });
  t.ok(nanos > 2 ** 53);
  await rollAndCompact(log);
  t.same(
    readAll(log).map(({ timestamp }) => timestamp),
    [8_000_000_000_000_007, 8_000_000_000_000_014],
  );
  const other = await openCompacted(t, tempDir(t), {
    config: { ...COMPACTED, messageTimestampType: 'LogAppendTime' },
  });
  await other.append(
    pairs(
      [
        ['a', null],
        ['b', '1'],
        ['b', '2'],
      ],
      {},
      5,
    ),
    { leaderEpoch: 0, owned: true },
  );
  await rollAndCompact(other);
  t.same(
    readAll(other).map(({ offset, timestamp }) => [offset, timestamp]),
    [
      [0, NOW_MS],
      [2, NOW_MS],
    ],
  );
});

t.test('look-ups in gaps, by offset and by time', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const log = await openCompacted(t, tempDir(t), { clock });
  for (let i = 0; i < 40; i++) {
    await log.append(pairs([[`k${i % 4}`, `${i}`]], {}, NOW_MS - 100 + i), {
      leaderEpoch: 0,
      owned: true,
    });
    if (i % 10 === 9) await log.roll();
  }
  await log.flush();
  await compactAll(log);
  t.same(
    contents(log).map(([at]) => at),
    [36, 37, 38, 39],
  );
  for (let from = 0; from < 40; from++) {
    const first = readAll(log, from)[0];
    t.equal(first?.offset, Math.max(36, from));
    const found = log.offsetForTimestamp(NOW_MS - 100 + from);
    t.equal(found?.offset, Math.max(36, from));
  }
  t.equal(log.maxTimestampOffset()?.offset, 39);
});

t.test('aborted records go, markers stay while they are needed', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const dir = tempDir(t);
  const log = await openCompacted(t, dir, { clock });
  const producer = (producerId: number, baseSequence: number) => ({
    producerId,
    producerEpoch: 0,
    baseSequence,
    isTransactional: true,
  });
  const end = (producerId: number, type: 'commit' | 'abort') =>
    log.appendEndTxnMarker({
      type,
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      leaderEpoch: 0,
    });
  await put(log, [['a', 'good']], producer(1, 0)); // 0
  await end(1, 'commit'); // 1
  await put(
    log,
    [
      ['a', 'bad'],
      ['b', 'bad'],
    ],
    producer(2, 0),
  ); // 2, 3
  await put(log, [['c', 'good']], producer(1, 1)); // 4
  await end(2, 'abort'); // 5
  await end(1, 'commit'); // 6
  await put(log, [['d', '1']]); // 7
  let checkpoint = await rollAndCompact(log);
  t.same(
    contents(log).filter(([, key]) => /^[a-z]$/.test(key ?? '')),
    [
      [0, 'a', 'good'],
      [4, 'c', 'good'],
      [7, 'd', '1'],
    ],
  );
  const marker = (base: number) => batchesIn(dir).find((batch) => batch.base === base);
  t.match(marker(5), { count: 1, control: true, horizon: null }, 'its batches were met');
  t.match(marker(2), { count: 0, last: 3 }, 'the last batch of a producer stays, empty');
  const read = log.read(0, { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_committed' });
  t.match(read, { ok: true, abortedTransactions: [{ producerId: 2, firstOffset: 2 }] });
  if (read.ok) read.slice?.release();
  // The producers go on; nothing of theirs is the last any more.
  await put(
    log,
    [
      ['a', '8'],
      ['c', '9'],
    ],
    producer(1, 2),
  ); // 8, 9
  await end(1, 'commit'); // 10
  await put(log, [['e', '11']], producer(2, 2)); // 11
  await end(2, 'commit'); // 12
  checkpoint = await rollAndCompact(log, checkpoint);
  t.equal(marker(2), undefined);
  t.match(marker(5), { count: 1, horizon: null }, 'the empty batch was met once more');
  clock.advance(DAY_MS);
  await put(log, [['d', '13']]);
  checkpoint = await rollAndCompact(log, checkpoint);
  t.match(marker(5), { count: 1, horizon: NOW_MS + 2 * DAY_MS }, 'nothing of it is left');
  clock.advance(DAY_MS);
  await put(log, [['d', '14']]);
  await rollAndCompact(log, checkpoint);
  t.equal(marker(5), undefined);
  t.match(marker(12), { count: 1 });
  await log.close();
  for (const clean of [true, false]) {
    const again = await openCompacted(t, crashCopy(t, dir), {
      clock,
      clean,
      recoveryPoint: offset(clean ? 15 : 0),
    });
    t.equal(again.lastStableOffset, 15);
    const repeated = await again.append(
      pairs(
        [
          ['a', '8'],
          ['c', '9'],
        ],
        producer(1, 2),
      ),
      { leaderEpoch: 0, owned: true, transactional: true },
    );
    t.match(repeated, { ok: true, duplicate: true, baseOffset: 8 }, 'sequences are known');
  }
});

t.test('what is not cleanable: active, too young, undecided, not durable', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const young = { ...COMPACTED, compactionLagMinMs: 1000, segmentMs: 10 * DAY_MS };
  const log = await openCompacted(t, tempDir(t), { clock, config: young });
  await put(log, [['a', '1']]);
  await put(log, [['a', '2']]);
  t.match(log.cleanable(null), { cleanableBytes: 0, due: false });
  await log.roll();
  await log.flush();
  t.match(log.cleanable(null), { cleanableBytes: 0 });
  clock.advance(1001);
  t.match(log.cleanable(null), { firstUncleanableOffset: 2, dirtyRatio: 1, due: true });
  t.match(log.cleanable(offset(2)), { cleanableBytes: 0, due: false });
  t.match(log.cleanable(offset(3)), { firstDirtyOffset: 0 }, 'a checkpoint beyond the log');
  log.updateConfig({ ...young, minCleanableDirtyRatio: 1 });
  t.match(log.cleanable(null), { due: false });
  log.updateConfig({ ...young, minCleanableDirtyRatio: 1, compactionLagMaxMs: 1000 });
  t.match(log.cleanable(null), { due: true });
  log.updateConfig(COMPACTED);
  const open = { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true };
  await put(log, [['a', '3']], open);
  await log.roll();
  await put(log, [['a', '4']]);
  await log.roll();
  await log.flush();
  t.match(log.cleanable(null), { firstUncleanableOffset: 2 });
  log.updateConfig(config());
  t.equal(log.cleanable(null), null);
});

t.test('a small buffer takes several passes and comes to the same', async (t) => {
  const log = await openCompacted(t, tempDir(t), { config: { ...COMPACTED, segmentBytes: 2000 } });
  for (let i = 0; i < 300; i++) await put(log, [[`key-${i % 50}`, `${i}`]]);
  const passes: CleanResult[] = [];
  await log.roll();
  await log.flush();
  let checkpoint = offset(0);
  for (;;) {
    const cleanable = log.cleanable(checkpoint);
    if (cleanable === null || cleanable.cleanableBytes === 0) break;
    const result = await log.compact({ cleanable, dedupeBytesMax: 24 * 20, loadFactor: 0.9 });
    passes.push(result);
    checkpoint = result.endOffset;
  }
  t.ok(passes.length > 5, `${passes.length} passes`);
  t.same(
    contents(log).map(([at]) => at),
    Array.from({ length: 50 }, (_, i) => 250 + i),
  );
  const other = await openCompacted(t, tempDir(t));
  const three = ['a', 'b', 'c'].map((key): Pair => [key, '1']);
  await put(other, three);
  const tiny = { dedupeBytesMax: 24 * 2, loadFactor: 0.9 };
  await t.rejects(rollAndCompact(other, null, tiny), { code: 'DEDUPE_BUFFER_TOO_SMALL' });
});

t.test('slices and reads go on through a swap and the deletion of the old files', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const watched = new WatchedEnv();
  const log = await openCompacted(t, tempDir(t), { clock, env: watched.env });
  for (let i = 0; i < 9; i++) {
    await put(log, [
      ['a', `${i}`],
      [`b${i}`, 'x'],
    ]);
    if (i % 3 === 2) await log.roll();
  }
  await log.flush();
  const before = readFileSync(join(log.path, '00000000000000000000.log'));
  const read = log.read(0, {
    maxBytes: 1 << 20,
    minOneMessage: true,
    isolation: 'read_uncommitted',
  });
  t.ok(read.ok && read.slice);
  let seen = 0;
  watched.before = (call) => {
    if (call !== 'syncDir' && call !== 'rename') return;
    const keys = new Set(readAll(log).map(({ key }) => key));
    if (keys.size === 10) seen++;
  };
  await compactAll(log);
  t.ok(seen > 10, 'every key was readable at each step');
  clock.advance(1000);
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  if (!read.ok || read.slice === null) throw new Error('no slice');
  const bytes = Buffer.alloc(read.slice.length);
  t.equal(read.slice.copyTo(bytes, 0, 0, bytes.length), bytes.length);
  t.same(bytes, before);
  t.ok(
    readdirSync(log.path).some((name) => name.endsWith('.deleted')),
    'held by the slice',
  );
  read.slice.release();
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  t.notOk(readdirSync(log.path).some((name) => name.endsWith('.deleted')));
  t.equal(contents(log).length, 10);
});

/** Stops the process at its n-th call that changes something: everything after it fails. */
function stoppingEnv(stopAt: number): { env: Env; calls: () => number } {
  let calls = 0;
  const call = <T>(run: () => T): T => {
    if (++calls > stopAt) throw ioError('EIO');
    return run();
  };
  const env: Env = {
    ...systemEnv,
    open: (path, mode) => {
      const file =
        mode === 'read' ? systemEnv.open(path, mode) : call(() => systemEnv.open(path, mode));
      const { pwritev, truncate } = file;
      file.pwritev = (buffers, position) => call(() => pwritev.call(file, buffers, position));
      file.truncate = (size) => call(() => truncate.call(file, size));
      return file;
    },
    rename: (from, to) => call(() => systemEnv.rename(from, to)),
    unlink: (path) => call(() => systemEnv.unlink(path)),
    syncDir: async (path) => call(() => systemEnv.syncDir(path)),
  };
  return { env, calls: () => calls };
}

t.test('a crash at each call of a compaction leaves what a reader may have seen', async (t) => {
  const dir = tempDir(t);
  const log = await openCompacted(t, dir);
  const producer = { producerId: 1, producerEpoch: 0, isTransactional: true };
  await put(log, [
    ['a', '0'],
    ['b', '1'],
  ]);
  await put(log, [['x', 'bad']], { ...producer, baseSequence: 0 });
  await log.roll();
  await put(log, [
    ['a', '3'],
    ['c', '4'],
  ]);
  await log.appendEndTxnMarker({
    type: 'abort',
    producerId: 1,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    leaderEpoch: 0,
  });
  await log.roll();
  await put(log, [['a', '6']]);
  await log.roll();
  await put(log, [['z', '7']]);
  await log.close();
  const last = (log: PartitionLog): Record<string, string | null> =>
    Object.fromEntries(
      readAll(log)
        .filter(({ key }) => /^[a-w]$|^z$/.test(key ?? ''))
        .map(({ key, value }) => [key, value]),
    );
  const expected = { a: '6', b: '1', c: '4', z: '7' };
  let finished = false;
  let stops = 0;
  for (let stopAt = 0; !finished; stopAt++) {
    const work = crashCopy(t, dir);
    const recoveryPoint = offset(8);
    // Opened without the limit: only the compaction is counted.
    const { env, calls } = stoppingEnv(Number.POSITIVE_INFINITY);
    const opened = calls();
    t.equal(opened, 0);
    const limited = { env: null as Env | null };
    const proxy: Env = new Proxy(env, {
      get: (target, name: keyof Env) => (limited.env ?? target)[name],
    });
    const running = await openCompacted(t, work, { env: proxy, clean: true, recoveryPoint });
    limited.env = stoppingEnv(stopAt).env;
    try {
      await compactAll(running);
      finished = true;
    } catch {
      stops++;
    }
    const crashed = crashCopy(t, work);
    const again = await openCompacted(t, crashed, { recoveryPoint });
    t.same(last(again), expected, `stopped at call ${stopAt}`);
    t.equal(again.logEndOffset, 8);
    t.equal(again.lastStableOffset, 8);
    const read = again.read(2, {
      maxBytes: 1 << 20,
      minOneMessage: true,
      isolation: 'read_committed',
    });
    if (!read.ok) throw new Error(read.error);
    const bad = readAll(again).some(({ key }) => key === 'x');
    if (bad) t.match(read.abortedTransactions, [{ producerId: 1, firstOffset: 2 }]);
    read.slice?.release();
    t.notOk(readdirSync(crashed).some((name) => /\.(swap|cleaned)$/.test(name)));
    await compactAll(again);
    t.same(last(again), expected, `and compacted after ${stopAt}`);
    await again.close();
    await running.close();
  }
  t.ok(stops > 15, `${stops} places to stop at`);
});

t.test('what Kafka compacted is read as Kafka reads it, and compacted further', async (t) => {
  const dir = tempDir(t);
  cpSync(join(golden, 'data/compacted-0'), dir, { recursive: true });
  const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as {
    topics: {
      topic: string;
      partitions: { records: { offset: number; key: string; value: string | null }[] }[];
    }[];
  };
  const records =
    expected.topics.find(({ topic }) => topic === 'compacted')?.partitions[0]?.records ?? [];
  const text = (value: string | null) =>
    value === null ? null : Buffer.from(value, 'base64').toString();
  const rows = records.map(({ offset, key, value }) => [offset, text(key), text(value)]);
  t.ok(rows.length > 10);
  for (const clean of [true, false]) {
    const copy = crashCopy(t, dir);
    const log = await openCompacted(t, copy, { clean, recoveryPoint: offset(clean ? 600 : 0) });
    t.same(contents(log), rows);
    t.equal(log.logEndOffset, 600);
    await rollAndCompact(log, offset(540));
    const kept = new Map(rows.map(([at, key]) => [key, at]));
    t.same(
      contents(log).map(([at]) => at),
      [...kept.values()].sort((a, b) => Number(a) - Number(b)),
    );
  }
});

t.test('a damaged segment is not compacted and keeps its bytes', async (t) => {
  const dir = tempDir(t);
  const log = await openCompacted(t, dir);
  await put(log, [['a', '1']]);
  await put(log, [['a', '2']]);
  await log.roll();
  await log.close();
  const path = join(dir, '00000000000000000000.log');
  const bytes = readFileSync(path);
  bytes[70] = (bytes[70] as number) ^ 1;
  writeFileSync(path, bytes);
  const again = await openCompacted(t, dir, { clean: true, recoveryPoint: offset(2) });
  await t.rejects(compactAll(again), { code: 'LOG_DAMAGED' });
  t.same(readFileSync(path), bytes);
  t.notOk(readdirSync(dir).some((name) => name.endsWith('.cleaned')));
});

t.test('the manager compacts by its timer and remembers how far it came', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const dir = tempDir(t);
  const manager = await openManager(t, [dir], { clock });
  const log = await manager.createLog({
    topic: 'c',
    partition: 0,
    topicId: TOPIC_ID,
    config: COMPACTED,
  });
  for (let i = 0; i < 5; i++) await put(log, [['a', `${i}`]]);
  await log.roll();
  await log.flush();
  clock.advance(15_000);
  const path = join(dir, 'cleaner-offset-checkpoint');
  const isAt = (offset: number) => readFileSync(path, 'utf8') === `0\n1\nc 0 ${offset}\n`;
  await until(() => existsSync(path) && isAt(5));
  t.same(contents(log), [[4, 'a', '4']]);
  t.match(await manager.runCompaction(), { logs: 0 });
  await put(log, [['b', '5']]);
  await log.roll();
  await log.flush();
  t.match(await manager.runCompaction({ force: true }), { logs: 1, passes: 1 });
  t.equal(await log.truncateTo(5), 5);
  t.equal(readFileSync(join(dir, 'cleaner-offset-checkpoint'), 'utf8'), '0\n1\nc 0 0\n');
  await manager.deleteLog('c', 0);
  await manager.createLog({ topic: 'c', partition: 0, topicId: TOPIC_ID, config: COMPACTED });
  t.equal(readFileSync(join(dir, 'cleaner-offset-checkpoint'), 'utf8'), '0\n0\n');
});

t.test('closing in the middle of a compaction ends it', async (t) => {
  const log = await openCompacted(t, tempDir(t), { config: { ...COMPACTED, segmentBytes: 1000 } });
  for (let i = 0; i < 100; i++) await put(log, [['a', `${i}`]]);
  await log.flush();
  const compacting = compactAll(log);
  const rejected = t.rejects(compacting, { code: 'COMPACTION_ABORTED' });
  await new Promise(setImmediate);
  t.equal(await log.close(), true);
  await rejected;
  t.notOk(readdirSync(log.path).some((name) => /\.(swap|cleaned)$/.test(name)));
});

interface Step {
  readonly kind: 'put' | 'txn' | 'roll' | 'compact' | 'advance' | 'reopen';
  readonly records: readonly (readonly [number, number | null])[];
  readonly abort: boolean;
  readonly codec: 'none' | 'gzip' | 'lz4';
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'txn', 'roll', 'compact', 'advance', 'reopen'),
  records: fc.array(fc.tuple(fc.nat(5), fc.option(fc.nat(9), { nil: null })), {
    minLength: 1,
    maxLength: 4,
  }),
  abort: fc.boolean(),
  codec: fc.constantFrom('none', 'gzip', 'lz4'),
});

/**
 * Against a map: every committed key has its last value, or none where the last is a tombstone; each
 * record that is left is one that was written, at its offset; nothing goes that is the last of its key.
 */
t.test('compaction against a plain map', { timeout: 300_000 }, async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 40 }), async (steps) => {
      const dir = tempDir(t);
      const clock = new ManualClock(NOW_MS);
      const options = {
        clock,
        config: { ...COMPACTED, segmentBytes: 700, indexIntervalBytes: 100 },
      };
      let log = await openCompacted(t, dir, options);
      let checkpoint: Offset | null = null;
      const written = new Map<number, Pair>();
      const latest = new Map<string, { at: number; value: string | null }>();
      let sequence = 0;
      const note = (base: number, records: readonly Pair[], committed: boolean): void => {
        records.forEach(([key, value], i) => {
          written.set(base + i, [key, value]);
          if (committed) latest.set(key, { at: base + i, value });
        });
      };
      for (const step of steps) {
        const records = step.records.map(
          ([key, value]): Pair => [`k${key}`, value === null ? null : `v${value}`],
        );
        if (step.kind === 'put')
          note(await put(log, records, { compression: step.codec }), records, true);
        if (step.kind === 'txn') {
          const producer = {
            producerId: 7,
            producerEpoch: 0,
            baseSequence: sequence,
            isTransactional: true,
          };
          note(await put(log, records, producer), records, !step.abort);
          sequence += records.length;
          const type = step.abort ? 'abort' : 'commit';
          await log.appendEndTxnMarker({
            type,
            producerId: 7,
            producerEpoch: 0,
            coordinatorEpoch: 0,
            leaderEpoch: 0,
          });
        }
        if (step.kind === 'roll') await log.roll();
        if (step.kind === 'advance') clock.advance(DAY_MS / 2);
        if (step.kind === 'compact') {
          await log.flush();
          const memory = { ...MEMORY, dedupeBytesMax: step.abort ? 24 * 6 : 1 << 20 };
          checkpoint = await compactAll(log, checkpoint, memory);
        }
        if (step.kind === 'reopen') {
          const end = log.logEndOffset;
          await log.close();
          log = await openCompacted(t, dir, {
            ...options,
            clean: step.abort,
            recoveryPoint: step.abort ? end : offset(0),
          });
          if (log.logEndOffset !== end) throw new Error(`end ${log.logEndOffset}, was ${end}`);
        }
        check(log, written, latest);
      }
      await log.close();
      t.pass('as the map');
    }),
    { numRuns: 60, ...(process.env['FC_SEED'] ? { seed: Number(process.env['FC_SEED']) } : {}) },
  );
});

function check(
  log: PartitionLog,
  written: ReadonlyMap<number, Pair>,
  latest: ReadonlyMap<string, { at: number; value: string | null }>,
): void {
  const aborted = abortedOffsets(log);
  const seen = new Map<string, { at: number; value: string | null }>();
  for (const { offset: at, key, value } of readAll(log)) {
    const was = written.get(at);
    // Keys of markers are no keys of ours.
    if (was === undefined) continue;
    if (was[0] !== key || was[1] !== value) throw new Error(`offset ${at} has ${key}=${value}`);
    if (!aborted(at)) seen.set(key, { at, value });
  }
  for (const [key, { at, value }] of latest) {
    const found = seen.get(key);
    if (value === null && found === undefined) continue;
    if (found?.at !== at) throw new Error(`${key} is at ${found?.at}, should be at ${at}`);
  }
  for (const key of seen.keys()) if (!latest.has(key)) throw new Error(`${key} was aborted`);
}

/** Whether a record at an offset is aborted, as a read_committed consumer decides it. */
function abortedOffsets(log: PartitionLog): (at: number) => boolean {
  const aborted = new Set<number>();
  for (let from: number = log.logStartOffset; from < log.logEndOffset; ) {
    const read = log.read(from, {
      maxBytes: 1 << 20,
      minOneMessage: true,
      isolation: 'read_committed',
    });
    if (!read.ok) throw new Error(read.error);
    if (read.slice === null) break;
    const bytes = Buffer.alloc(read.slice.length);
    read.slice.copyTo(bytes, 0, 0, bytes.length);
    read.slice.release();
    const pending = (read.abortedTransactions ?? []).map(({ firstOffset }) => firstOffset);
    let inAborted = false;
    for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
      const producer = bytes.readBigInt64BE(at + 43) === 7n;
      while (pending.length > 0 && (pending[0] as number) <= lastOffsetOf(bytes, at)) {
        pending.shift();
        inAborted = true;
      }
      if (producer && isControlBatch(bytes, at)) inAborted = false;
      else if (producer && inAborted) {
        for (let o = baseOffsetOf(bytes, at); o <= lastOffsetOf(bytes, at); o++) aborted.add(o);
      }
      from = lastOffsetOf(bytes, at) + 1;
    }
  }
  return (at) => aborted.has(at);
}

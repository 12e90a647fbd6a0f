import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { offset } from '#src/base/offset.js';
import { sizeOf } from '#src/record/batch-view.js';
import { Segment } from '#src/segment/segment.js';
import { FaultyEnv } from '../file/faulty-env.js';
import { tempDir } from '../file/temp-dir.js';
import {
  batch,
  chain,
  config,
  indexPath,
  logPath,
  offsetsInFile,
  open,
  readAll,
  segmentOptions,
  timeIndexPath,
} from './support.js';

t.test('a new segment has its files and nothing in them', (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir, 7));
  t.same(readdirSync(dir).sort(), [
    '00000000000000000007.index',
    '00000000000000000007.log',
    '00000000000000000007.timeindex',
  ]);
  t.same([segment.size, segment.nextOffset, segment.maxTimestampMs], [0, 7, -1]);
  t.same([segment.firstTimestampMs, segment.createdMs], [-1, 1_700_000_000_000]);
  t.same(segment.read(7, 100, { minOneMessage: true }), { status: 'end' });
  t.equal(segment.offsetForTimestamp(0, 0), null);
  t.equal(segment.maxTimestampOffset(), null);
  t.equal(segment.truncateTo(7), 0);
  t.throws(() => Segment.create(segmentOptions(dir, 7)), { code: 'ALREADY_EXISTS' });
  segment.close();
  segment.close();
  t.same(offsetsInFile(logPath(dir, 7)), []);
  t.end();
});

t.test('every offset is read from the batch that holds it, near the end and far', async (t) => {
  for (const valueSize of [10, 500, 20_000]) {
    const dir = tempDir(t);
    const segment = Segment.create(segmentOptions(dir));
    const batches = chain(0, 400, valueSize);
    // One by one, and many in one write.
    for (const one of batches.slice(0, 200)) segment.append([one]);
    segment.append([Buffer.concat(batches.slice(200, 250)), ...batches.slice(250)]);
    const check = (label: string, segment: Segment): void => {
      let position = 0;
      let next = 0;
      const wrong: unknown[] = [];
      for (const [index, bytes] of batches.entries()) {
        for (let record = 0; record <= index % 3; record++) {
          const found = segment.positionFor(next + record);
          if (found?.position !== position || found.size !== bytes.length)
            wrong.push(next + record);
          if (found?.baseOffset !== next || found.lastOffset !== next + (index % 3))
            wrong.push(next);
        }
        position += bytes.length;
        next += 1 + (index % 3);
      }
      t.same(wrong, [], `${label}, values of ${valueSize}`);
      t.equal(segment.nextOffset, next);
      t.equal(segment.positionFor(next), null);
      t.equal(segment.size, position);
    };
    check('as appended', segment);
    t.same(readFileSync(logPath(dir)), Buffer.concat(batches));
    segment.close();
    const clean = await open(dir, 0, { clean: true });
    t.equal(clean.recovery.checked, false);
    check('active, clean', clean);
    clean.close();
    const sealed = await open(dir, 0, { clean: true, nextBaseOffset: offset(10_000) });
    check('sealed, clean', sealed);
    sealed.unloadIfIdle();
    sealed.unloadIfIdle();
    check('unloaded', sealed);
    sealed.close();
    const unclean = await open(dir);
    t.same([unclean.recovery.checked, unclean.recovery.truncatedBytes], [true, 0]);
    check('unclean', unclean);
    unclean.close();
  }
});

t.test('a large batch is found by one read, and none is missed among sizes', async (t) => {
  const env = new FaultyEnv();
  for (const sizes of [[20_000], [20_000, 10, 10], [10, 3000, 10, 10, 20_000], [3000, 9000]]) {
    const dir = tempDir(t);
    const made = Segment.create(segmentOptions(dir));
    const positions: number[] = [];
    for (let at = 0; at < 600; at++) {
      positions.push(made.size);
      made.append([batch(2 * at, 2, undefined, sizes[at % sizes.length])]);
    }
    made.seal();
    made.close();
    const segment = await open(dir, 0, { env, clean: true, nextBaseOffset: offset(1200) });
    const wrong = positions.flatMap((position, at) =>
      [2 * at, 2 * at + 1].filter((one) => segment.positionFor(one)?.position !== position),
    );
    t.same(wrong, [], `values of ${sizes.join(', ')}`);
    if (sizes.length === 1) {
      env.calls.length = 0;
      for (const at of [154, 600, 601, 1190]) segment.positionFor(at);
      t.equal(env.calls.filter((call) => /^pread.*log$/.test(call)).length, 4);
    }
    segment.close();
  }
});

t.test('what was unloaded is not walked again, wherever its largest timestamp is', async (t) => {
  const dir = tempDir(t);
  const env = new FaultyEnv();
  const made = Segment.create(segmentOptions(dir));
  // The last entry of the time index is at the first batch: a walk is through all of the log.
  for (let at = 0; at < 1000; at++) made.append([batch(at, 1, [1_700_000_000_000], 1000)]);
  made.seal();
  made.close();
  const segment = await open(dir, 0, { env, clean: true, nextBaseOffset: offset(1000) });
  t.teardown(() => segment.close());
  const readsOf = (at: number): number => {
    env.calls.length = 0;
    const read = segment.read(at, 100, { minOneMessage: true });
    if (read.status !== 'ok') t.fail(read.status);
    else read.slice?.release();
    return env.calls.filter((call) => /^pread.*log$/.test(call)).length;
  };
  segment.unloadIfIdle();
  t.ok(readsOf(500) > 12, 'it was not known yet');
  for (const at of [999, 0, 500]) {
    segment.unloadIfIdle();
    segment.unloadIfIdle();
    const count = readsOf(at);
    t.ok(count > 0 && count <= 6, `${count} reads for ${at}`);
    t.same([segment.nextOffset, segment.maxTimestampMs], [1000, 1_700_000_000_000]);
  }
  t.end();
});

t.test('what was never loaded is not known when it is unloaded', async (t) => {
  const dir = tempDir(t);
  const made = Segment.create(segmentOptions(dir));
  // Too small for an entry of the offset index; and the next segment begins further on.
  made.append([batch(0), batch(1)]);
  made.seal();
  made.close();
  writeFileSync(timeIndexPath(dir), '');
  const segment = await open(dir, 0, { clean: true, nextBaseOffset: offset(10) });
  t.teardown(() => segment.close());
  segment.unloadIfIdle();
  segment.unloadIfIdle();
  t.same([segment.nextOffset, segment.maxTimestampMs], [2, 1_700_000_000_001]);
  t.end();
});

t.test('a read is bounded by maxBytes and the end position, and by nothing else', (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir));
  t.teardown(() => segment.close());
  const batches = chain(0, 3);
  const [a = 0, b = 0, c = 0] = batches.map((bytes) => bytes.length);
  segment.append(batches);
  const range = (
    at: number,
    maxBytes: number,
    minOneMessage: boolean,
    endPosition?: number,
  ): unknown => {
    const end = endPosition === undefined ? {} : { endPosition };
    const read = segment.read(at, maxBytes, { minOneMessage, ...end });
    if (read.status !== 'ok') return read.status;
    read.slice?.release();
    return read.slice === null ? null : [read.slice.position, read.slice.length];
  };
  t.same(range(0, 10_000, true), [0, a + b + c]);
  t.same(range(0, a + b + 1, true), [0, a + b + 1], 'the last batch may be cut');
  t.same(range(0, 1, true), [0, a], 'the first one is whole however large');
  t.same(range(0, 0, true), [0, a]);
  t.same(range(0, a - 1, false), null, 'or is not there');
  t.same(range(0, a, false), [0, a]);
  t.same(range(2, 10_000, true), [a, b + c], 'from inside a batch: all of it');
  t.same(range(0, 10_000, true, a + b), [0, a + b]);
  t.same(range(1, 10_000, true, a + b), [a, b]);
  t.same(range(3, 10_000, true, a + b), 'end');
  t.same(range(0, 10_000, true, 0), 'end');
  t.same(range(6, 10_000, true), 'end');
  t.end();
});

t.test('a read near the end of the active segment reads nothing from the file', (t) => {
  const env = new FaultyEnv();
  const segment = Segment.create(segmentOptions(tempDir(t), 0, { env }));
  t.teardown(() => segment.close());
  for (const one of chain(0, 300, 1000)) segment.append([one]);
  env.calls.length = 0;
  for (const at of [599, 598, 550, 500]) {
    const read = segment.read(at, 1000, { minOneMessage: true });
    if (read.status === 'ok') read.slice?.release();
    t.equal(read.status, 'ok');
  }
  t.same(env.calls, []);
  t.equal(segment.positionFor(10)?.baseOffset, 9);
  t.ok(env.calls.length <= 3, `further back: ${env.calls.length} calls`);
  t.end();
});

t.test('one append is one write', (t) => {
  const env = new FaultyEnv();
  const segment = Segment.create(segmentOptions(tempDir(t), 0, { env }));
  t.teardown(() => segment.close());
  env.calls.length = 0;
  segment.append(chain(0, 20, 1000));
  t.equal(env.calls.length, 1);
  t.end();
});

t.test('an append that is not the next batches is a bug of the caller', (t) => {
  const segment = Segment.create(segmentOptions(tempDir(t), 100));
  t.teardown(() => segment.close());
  segment.append([batch(100, 2)]);
  t.throws(() => segment.append([batch(101)]), /offsets rise/);
  t.throws(() => segment.append([batch(102), batch(102)]), /offsets rise/);
  t.throws(() => segment.append([batch(102).subarray(0, 70)]), /whole batches/);
  t.throws(() => segment.append([]), /something/);
  t.throws(() => segment.append([batch(100 + 2 ** 31)]), /can hold/);
  t.equal(segment.canHold(99 + 2 ** 31), true);
  t.equal(segment.canHold(100 + 2 ** 31), false);
  segment.append([batch(99 + 2 ** 31)]);
  t.equal(segment.nextOffset, 100 + 2 ** 31);
  segment.seal();
  t.equal(segment.appendable, false);
  t.throws(() => segment.append([batch(100 + 2 ** 31)]), /active/);
  t.end();
});

t.test('a slice is the same range whatever is appended, and survives deletion', async (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir));
  const batches = chain(0, 4);
  segment.append(batches.slice(0, 2));
  const read = segment.read(0, 10_000, { minOneMessage: true });
  if (read.status !== 'ok' || read.slice === null) throw new Error('a slice');
  segment.append(batches.slice(2));
  segment.seal();
  segment.renameDeleted();
  t.same(readdirSync(dir).sort(), [
    '00000000000000000000.index.deleted',
    '00000000000000000000.log.deleted',
    '00000000000000000000.timeindex.deleted',
  ]);
  t.same(readAll(segment, 0), [0, 1, 3, 6], 'still read until it is unlinked');
  let unlinked = false;
  const unlinking = segment.unlinkDeleted().then(() => {
    unlinked = true;
  });
  await new Promise(setImmediate);
  t.equal(unlinked, false, 'a slice is on its way');
  t.equal(readdirSync(dir).length, 3);
  const bytes = Buffer.alloc(read.slice.length);
  read.slice.copyTo(bytes, 0, 0, bytes.length);
  t.same(bytes, Buffer.concat(batches.slice(0, 2)));
  read.slice.release();
  await unlinking;
  t.same(readdirSync(dir), []);
});

t.test('deleting takes the transaction index along and misses no file', async (t) => {
  const dir = tempDir(t);
  Segment.create(segmentOptions(dir)).close();
  writeFileSync(join(dir, '00000000000000000000.txnindex'), 'x');
  const segment = await open(dir, 0, { clean: true, nextBaseOffset: offset(5) });
  segment.renameDeleted();
  t.same(
    readdirSync(dir).filter((name) => !name.endsWith('.deleted')),
    [],
  );
  await segment.unlinkDeleted();
  t.same(readdirSync(dir), []);
});

t.test(
  'indexes are a function of the log: appended, rebuilt and clean are the same bytes',
  async (t) => {
    const dir = tempDir(t);
    const interval = { ...config, indexIntervalBytes: 300 };
    const segment = Segment.create(segmentOptions(dir, 0, { config: interval }));
    // Times that go up and down.
    let next = 0;
    for (let index = 0; index < 300; index++) {
      const time = 1_700_000_000_000 + ((index * 7919) % 1000) + index;
      segment.append([batch(next, 2, [time, time - 5])]);
      next += 2;
      if (index % 50 === 7) await segment.flush();
    }
    segment.seal();
    segment.close();
    const index = readFileSync(indexPath(dir));
    const times = readFileSync(timeIndexPath(dir));
    t.ok(index.length > 400 && times.length > 50);
    const at = { config: interval, nextBaseOffset: offset(next) };
    const again = await open(dir, 0, at);
    t.equal(again.recovery.indexesRebuilt, false, 'nothing was found to be rebuilt');
    again.close();
    writeFileSync(indexPath(dir), '');
    writeFileSync(timeIndexPath(dir), 'nonsense');
    const rebuilt = await open(dir, 0, at);
    t.equal(rebuilt.recovery.indexesRebuilt, true);
    rebuilt.close();
    t.same(readFileSync(indexPath(dir)), index);
    t.same(readFileSync(timeIndexPath(dir)), times);
  },
);

t.test(
  'a segment that is opened again goes on with its indexes as if it had not been',
  async (t) => {
    const straight = tempDir(t);
    const broken = tempDir(t);
    const batches = chain(0, 300, 200);
    const one = Segment.create(segmentOptions(straight));
    one.append(batches);
    one.seal();
    one.close();
    Segment.create(segmentOptions(broken)).close();
    for (let from = 0; from < 300; from += 50) {
      const segment = await open(broken, 0, { clean: from % 100 === 0 });
      segment.append(batches.slice(from, from + 50));
      segment.close();
    }
    t.same(readFileSync(indexPath(broken)), readFileSync(indexPath(straight)));
    t.end();
  },
);

t.test('index entries that a crash lost are made again by a clean start', async (t) => {
  const batches = chain(0, 300, 200);
  const straight = tempDir(t);
  const one = Segment.create(segmentOptions(straight));
  one.append(batches);
  one.close();
  const lossy = tempDir(t);
  const before = Segment.create(segmentOptions(lossy));
  before.append(batches.slice(0, 200));
  before.close();
  writeFileSync(indexPath(lossy), readFileSync(indexPath(lossy)).subarray(0, 24));
  writeFileSync(timeIndexPath(lossy), readFileSync(timeIndexPath(lossy)).subarray(0, 36));
  const after = await open(lossy, 0, { clean: true });
  t.equal(after.recovery.checked, false);
  after.append(batches.slice(200));
  after.close();
  t.same(readFileSync(indexPath(lossy)), readFileSync(indexPath(straight)));
  t.same(readFileSync(timeIndexPath(lossy)), readFileSync(timeIndexPath(straight)));
});

t.test('time look-ups answer the first record, as a search of all records does', async (t) => {
  const dir = tempDir(t);
  const interval = { ...config, indexIntervalBytes: 500 };
  const segment = Segment.create(segmentOptions(dir, 0, { config: interval }));
  const times: number[] = [];
  for (let index = 0; index < 120; index++) {
    const time = 10_000 + index * 10 + ((index * 37) % 90);
    const inBatch = [time, time + 40, time - 3];
    segment.append([batch(times.length, 3, inBatch)]);
    times.push(...inBatch);
  }
  const expected = (target: number, from: number): number | null => {
    const found = times.findIndex((time, at) => at >= from && time >= target);
    return found === -1 ? null : found;
  };
  const check = (label: string, segment: Segment): void => {
    const wrong: string[] = [];
    for (const from of [0, 1, 100, 359, 360]) {
      for (let target = 9_990; target < 11_400; target += 1) {
        const found = segment.offsetForTimestamp(target, from);
        if ((found?.offset ?? null) !== expected(target, from)) wrong.push(`${target} ${from}`);
        if (found !== null && found.timestampMs !== times[found.offset]) wrong.push('timestamp');
      }
    }
    t.same(wrong, [], label);
    const largest = Math.max(...times);
    t.equal(segment.maxTimestampMs, largest);
    t.same(segment.maxTimestampOffset(), {
      timestampMs: largest,
      offset: times.indexOf(largest),
      leaderEpoch: 0,
    });
  };
  check('active', segment);
  t.equal(await segment.confirmMaxTimestampMs(), Math.max(...times));
  t.equal(segment.firstTimestampMs, 10_040);
  segment.close();
  // A time index that lost its end: a longer walk, the same answers.
  for (const size of [null, 12, 0]) {
    if (size !== null)
      writeFileSync(timeIndexPath(dir), readFileSync(timeIndexPath(dir)).subarray(0, size));
    const options = { config: interval, clean: true, nextBaseOffset: offset(360) };
    const sealed = await open(dir, 0, options);
    check(`sealed, time index of ${size ?? 'all'}`, sealed);
    t.equal(sealed.firstTimestampMs, 10_040);
    sealed.close();
  }
});

t.test('nanosecond timestamps reach the time index as raw bits', async (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir));
  const bytes = batch(0);
  const { setMaxTimestamp } = await rawTimestamps();
  setMaxTimestamp(bytes, 1_700_000_000_123_456_789n);
  segment.append([bytes]);
  segment.close();
  t.equal(readFileSync(timeIndexPath(dir)).readBigInt64BE(0), 1_700_000_000_123_456_789n);
  const again = await open(dir, 0, { clean: true });
  t.equal(again.recovery.checked, false);
  t.equal(again.maxTimestampMs, Number(1_700_000_000_123_456_789n));
  again.close();
});

async function rawTimestamps(): Promise<{
  setMaxTimestamp(bytes: Buffer, timestamp: bigint): void;
}> {
  const { crc32c } = await import('#src/native/crc32c.js');
  return {
    setMaxTimestamp(bytes, timestamp) {
      bytes.writeBigInt64BE(timestamp, 35);
      bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length - 21), 17);
    },
  };
}

t.test('truncateTo cuts whole batches, and the segment goes on from there', async (t) => {
  const batches = chain(0, 60, 300);
  const interval = { ...config, indexIntervalBytes: 500 };
  for (const clean of [false, true]) {
    for (const at of [0, 1, 2, 3, 5, 40, 60, 90, 119, 120, 500]) {
      const dir = tempDir(t);
      const segment = Segment.create(segmentOptions(dir, 0, { config: interval }));
      segment.append(batches);
      let kept = 0;
      let next = 0;
      for (const [index] of batches.entries()) {
        if (next + (index % 3) >= at) break;
        next += 1 + (index % 3);
        kept++;
      }
      const size = batches.slice(0, kept).reduce((sum, bytes) => sum + bytes.length, 0);
      const before = segment.size;
      t.equal(segment.truncateTo(at), before - size, `at ${at}`);
      t.same([segment.nextOffset, segment.size, statSync(logPath(dir)).size], [next, size, size]);
      t.equal(segment.maxTimestampMs, kept === 0 ? -1 : await segment.confirmMaxTimestampMs());
      const more = chain(next, 5, 300);
      segment.append(more);
      const expected = readAll(segment, 0);
      t.equal(expected.length, kept + 5);
      segment.close();
      const again = await open(dir, 0, { config: interval, clean });
      t.equal(again.recovery.checked, !clean, 'the indexes are good as they are');
      t.same(readAll(again, 0), expected);
      again.close();
    }
  }
});

t.test('what was read before a truncation is not taken for what came after it', (t) => {
  const segment = Segment.create(segmentOptions(tempDir(t)));
  t.teardown(() => segment.close());
  segment.append(chain(0, 300, 50));
  for (let at = 0; at < 300; at++) segment.positionFor(at);
  segment.truncateTo(0);
  const batches = chain(0, 300, 77);
  segment.append(batches);
  const wrong: number[] = [];
  let position = 0;
  for (const [index, bytes] of batches.entries()) {
    const base = 2 * index - (index % 3 === 0 ? 0 : 1);
    const found = segment.positionFor(base);
    if (found?.position !== position || found.size !== bytes.length) wrong.push(base);
    position += bytes.length;
  }
  t.same(wrong, []);
  t.end();
});

t.test('a sealed segment can become the active one again', async (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir));
  segment.append(chain(0, 30));
  segment.close();
  const sealed = await open(dir, 0, { clean: true, nextBaseOffset: offset(1000) });
  t.equal(sealed.appendable, false);
  sealed.activate();
  t.equal(sealed.appendable, true);
  sealed.truncateTo(30);
  sealed.append([batch(30)]);
  t.equal(sealed.nextOffset, 31);
  t.equal(readAll(sealed, 0).length, 16);
  sealed.close();
});

t.test('blocks reserved ahead do not show and are given back by seal', (t) => {
  const dir = tempDir(t);
  const large = { ...config, segmentBytes: 1024 ** 3 };
  const segment = Segment.create(segmentOptions(dir, 0, { config: large }));
  t.teardown(() => segment.close());
  const bytes = batch(0, 1, undefined, 3 * 1024 * 1024);
  segment.append([bytes]);
  t.equal(statSync(logPath(dir)).size, bytes.length);
  segment.seal();
  const { size, blocks } = statSync(logPath(dir));
  t.equal(size, bytes.length);
  t.ok(blocks * 512 < size + 64 * 1024, 'no blocks beyond the end');
  t.end();
});

t.test('a roll is called for when an index is full', (t) => {
  const small = { ...config, indexIntervalBytes: 0, indexBytesMax: 100 };
  for (const [timestamps, entries] of [
    [true, 7],
    [false, 12],
  ] as const) {
    const segment = Segment.create(segmentOptions(tempDir(t), 0, { config: small }));
    let count = 0;
    while (!segment.indexFull) {
      segment.append([batch(count, 1, [timestamps ? 5000 + count : 5000])]);
      count++;
    }
    // The first batch has no offset entry: it begins at position 0.
    t.equal(count, entries + 1);
    segment.close();
  }
  t.end();
});

t.test('offsetBeyond is above every record before a position, or not known', async (t) => {
  const dir = tempDir(t);
  const interval = { ...config, indexIntervalBytes: 200 };
  const segment = Segment.create(segmentOptions(dir, 0, { config: interval }));
  const batches = chain(0, 50, 60);
  segment.append(batches);
  const check = (segment: Segment): number => {
    let known = 0;
    for (let at = 0; at < 99; at++) {
      const { position, baseOffset } = segment.positionFor(at) ?? { position: 0, baseOffset: 0 };
      const beyond = segment.offsetBeyond(position);
      if (beyond !== null) known++;
      if (beyond !== null && beyond < baseOffset) t.fail(`${beyond} at ${position}`);
    }
    return known;
  };
  t.ok(check(segment) > 80);
  t.equal(segment.offsetBeyond(segment.size), null);
  segment.close();
  // An index whose keys are too small, but for the last entry.
  const index = readFileSync(indexPath(dir));
  for (let at = index.length - 16; at >= 8; at -= 8) index.copy(index, at, at - 8, at - 4);
  index.writeInt32BE(0, 0);
  writeFileSync(indexPath(dir), index);
  const lying = await open(dir, 0, { config: interval, clean: true });
  for (const bytes of [0, 500, 1000]) t.equal(lying.offsetBeyond(bytes), null, 'a lie is not told');
  lying.close();
});

t.test('a large batch is read whole by every walk', async (t) => {
  const dir = tempDir(t);
  const segment = Segment.create(segmentOptions(dir));
  const batches = [batch(0), batch(1, 1, undefined, 5 * 1024 * 1024), batch(2), batch(3)];
  segment.append(batches);
  segment.close();
  const again = await open(dir);
  t.same(readAll(again, 0), [0, 1, 2, 3]);
  t.equal(
    again.size,
    batches.reduce((sum, bytes) => sum + sizeOf(bytes, 0), 0),
  );
  again.close();
});

t.test(
  'flush is durable as it says, also for callers during a sync, and not after close',
  async (t) => {
    const env = new FaultyEnv();
    const segment = Segment.create(segmentOptions(tempDir(t), 0, { env }));
    segment.append([batch(0)]);
    await Promise.all([segment.flush(), segment.flush(), segment.flush()]);
    t.equal(env.calls.filter((call) => call.startsWith('datasync')).length, 2);
    segment.flushSync();
    env.fail({ operation: 'datasync', call: 1, errno: 'EIO' });
    await t.rejects(segment.flush(), { code: 'IO_ERROR' });
    t.equal(segment.poisoned, true);
    t.equal(segment.appendable, false);
    t.throws(() => segment.append([batch(1)]), { code: 'IO_ERROR' });
    t.same(readAll(segment, 0), [0], 'reads go on');
    await t.rejects(segment.flush(), { code: 'IO_ERROR' });
    segment.close();
    await t.rejects(segment.flush(), { code: 'CLOSED' });
  },
);

t.test('a failed append leaves nothing behind, in memory and in the file', async (t) => {
  for (const written of [0, 10, 61, 100]) {
    const dir = tempDir(t);
    const env = new FaultyEnv();
    const segment = Segment.create(segmentOptions(dir, 0, { env }));
    segment.append(chain(0, 3));
    env.fail({ operation: 'pwritev', call: 1, errno: 'ENOSPC', written });
    t.throws(() => segment.append(chain(6, 3)), { code: 'NO_SPACE' });
    t.same([segment.nextOffset, segment.appendable], [6, true]);
    t.same(offsetsInFile(logPath(dir)), [0, 1, 3]);
    segment.append(chain(6, 3));
    t.same(readAll(segment, 0), [0, 1, 3, 6, 7, 9]);
    segment.close();
    t.same(offsetsInFile(logPath(dir)), [0, 1, 3, 6, 7, 9]);
  }
});

t.test('trouble with an index is not trouble with the log', async (t) => {
  const dir = tempDir(t);
  const env = new FaultyEnv();
  const interval = { ...config, indexIntervalBytes: 100 };
  const segment = Segment.create(segmentOptions(dir, 0, { env, config: interval }));
  for (const operation of ['pwritev', 'truncate', 'open', 'readFile']) {
    const rules = { operation, call: 1, errno: 'EIO', forever: true };
    env.fail({ ...rules, suffix: 'index' });
  }
  for (const one of chain(0, 2000)) segment.append([one]);
  await segment.flush();
  segment.truncateTo(3000);
  segment.seal();
  segment.close();
  const sealed = await open(dir, 0, { env, clean: true, nextBaseOffset: offset(3000) });
  t.equal(readAll(sealed, 0).length, 1500);
  sealed.close();
});

t.test('creating fails whole', (t) => {
  for (const call of [1, 2, 3]) {
    const dir = tempDir(t);
    const env = new FaultyEnv();
    env.fail({ operation: 'open', call, errno: 'EMFILE' });
    const options = segmentOptions(dir, 0, { env, clock: new ManualClock() });
    t.throws(() => Segment.create(options), { code: 'TOO_MANY_FILES' });
    t.equal(
      readdirSync(dir).some((name) => name.endsWith('.log')),
      false,
    );
    Segment.create(options).close();
  }
  t.end();
});

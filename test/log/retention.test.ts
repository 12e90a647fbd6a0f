import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import type { Offset } from '#src/base/offset.js';
import { FileReaper } from '#src/log/file-reaper.js';
import { decideRetention, type RetentionInput, type SegmentFacts } from '#src/log/retention.js';
import { appended, batch, config, NOW_MS, openLog, readAll, tempDir } from './log-fixture.js';

const NOTHING = { count: 0, rollActive: false, reason: null };

/** Segments of ten offsets and 100 bytes each, with these largest timestamps. */
function segments(...timestamps: number[]): SegmentFacts[] {
  return timestamps.map((maxTimestampMs, index) => ({
    baseOffset: (index * 10) as Offset,
    endOffset: (index * 10 + 10) as Offset,
    sizeInBytes: 100,
    maxTimestampMs,
    modifiedMs: 1000,
  }));
}

function decide(facts: SegmentFacts[], input: Partial<RetentionInput> = {}): unknown {
  return decideRetention({
    segments: facts,
    logStartOffset: 0 as Offset,
    highWatermark: (facts.length * 10) as Offset,
    nowMs: 1000,
    deleteEnabled: true,
    retentionMs: Number.POSITIVE_INFINITY,
    retentionBytes: Number.POSITIVE_INFINITY,
    ...input,
  });
}

t.test('by time: the oldest go, up to the first that is young enough', async (t) => {
  const retentionMs = 100;
  t.same(decide(segments(899, 900, 950, 1000), { retentionMs }), {
    count: 1,
    rollActive: false,
    reason: 'time',
  });
  t.same(decide(segments(900, 800, 800), { retentionMs }), NOTHING);
  t.same(decide(segments(1, 2, 3), { retentionMs }), {
    count: 3,
    rollActive: true,
    reason: 'time',
  });
  t.same(decide(segments(1, 2, 3)), NOTHING);
  t.same(decide(segments(1, 2, 3), { retentionMs, deleteEnabled: false }), NOTHING);
});

t.test('timestamps that are not to be believed need the file as a witness', async (t) => {
  for (const timestamp of [-1, 0, 1001, 2 ** 62]) {
    const young = segments(timestamp, 950);
    t.same(decide(young, { retentionMs: 100 }), NOTHING, `${timestamp} in a young file`);
    const old = young.map((facts) => ({ ...facts, modifiedMs: 1 }));
    t.match(decide(old, { retentionMs: 100 }), { count: 1 }, `${timestamp} in an old file`);
  }
});

t.test('by size: what goes leaves at least retention.bytes', async (t) => {
  const all = segments(1, 2, 3, 4);
  const expected = new Map([
    [0, 4],
    [1, 3],
    [99, 3],
    [100, 3],
    [101, 2],
    [300, 1],
    [301, 0],
    [400, 0],
  ]);
  for (const [retentionBytes, count] of expected) {
    t.match(decide(all, { retentionBytes }), { count }, `${retentionBytes}`);
  }
});

t.test('by log start: whole segments below it, never the active one', async (t) => {
  const all = segments(1, 2, 3);
  for (const [offset, count] of [
    [0, 0],
    [9, 0],
    [10, 1],
    [29, 2],
    [30, 2],
  ] as const) {
    const logStartOffset = offset as Offset;
    t.match(decide(all, { logStartOffset }), { count }, `${offset}`);
    t.match(decide(all, { logStartOffset, deleteEnabled: false }), { count });
  }
});

t.test('nothing at or above the high watermark goes, nor an empty active segment', async (t) => {
  const all = segments(1, 2, 3);
  t.match(decide(all, { retentionMs: 0, highWatermark: 19 as Offset }), { count: 1 });
  t.match(decide(all, { retentionMs: 0, highWatermark: 20 as Offset }), { count: 2 });
  const [first, second] = all as [SegmentFacts, SegmentFacts];
  const empty = { ...second, endOffset: 10 as Offset, sizeInBytes: 0, maxTimestampMs: -1 };
  t.match(decide([first, empty], { retentionMs: 0, highWatermark: 10 as Offset }), {
    count: 1,
    rollActive: false,
  });
  t.same(decide([empty], { retentionMs: 0 }), NOTHING);
});

t.test('expired segments are renamed at once and unlinked after the delay', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const reaper = new FileReaper(clock, silentLogger);
  const dir = tempDir(t);
  const log = await openLog(t, dir, {
    clock,
    reaper,
    config: config({ segmentBytes: 300, retentionMs: 1000, fileDeleteDelayMs: 500 }),
  });
  for (let i = 0; i < 12; i++) await appended(log, batch(1, { timestamp: NOW_MS + i * 100 }));
  const before = log.segmentCount;
  t.equal(await log.applyRetention(), 0);
  const slice = log.read(0, { maxBytes: 1e6, minOneMessage: true, isolation: 'read_uncommitted' });
  if (!slice.ok || slice.slice === null) throw new Error('no slice');
  clock.advance(1400);
  t.equal(await log.applyRetention(), 1);
  t.equal(log.segmentCount, before - 1);
  const start = log.logStartOffset;
  t.ok(start > 0 && readAll(log)[0]?.offset === start);
  t.match(log.read(0, { maxBytes: 1, minOneMessage: true, isolation: 'read_committed' }), {
    error: 'OFFSET_OUT_OF_RANGE',
  });
  const deleted = (): string[] => readdirSync(dir).filter((name) => name.endsWith('.deleted'));
  t.ok(deleted().includes('00000000000000000000.log.deleted'));
  clock.advance(499);
  t.ok(deleted().length > 0);
  clock.advance(1);
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(deleted().length > 0, 'a slice is still on its way');
  t.equal(slice.slice.copyTo(Buffer.alloc(10), 0, 0, 10), 10);
  slice.slice.release();
  await reaper.idle();
  t.same(deleted(), []);
  t.notOk(readdirSync(dir).some((name) => name.startsWith('00000000000000000000.')));
});

t.test('when everything is expired the log keeps its end offset', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const dir = tempDir(t);
  const log = await openLog(t, dir, { clock, config: config({ retentionMs: 1000 }) });
  await appended(log, batch(5));
  clock.advance(2000);
  t.equal(await log.applyRetention(), 1);
  t.equal(log.logStartOffset, 5);
  t.equal(log.logEndOffset, 5);
  t.equal(await log.applyRetention(), 0);
  t.equal(await appended(log, batch(1)), 5);
  await log.close();
  const again = await openLog(t, dir, { clock, clean: true });
  t.equal(again.logStartOffset, 5);
  t.equal(again.logEndOffset, 6);
});

t.test('what is appended while everything is being expired stays', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const log = await openLog(t, tempDir(t), { clock, config: config({ retentionMs: 1000 }) });
  await appended(log, batch(5));
  clock.advance(2000);
  const fresh = batch(1, { timestamp: NOW_MS + 2000 });
  const [deleted, offset] = await Promise.all([log.applyRetention(), appended(log, fresh)]);
  t.equal(deleted, 0);
  t.equal(offset, 5);
  t.equal(readAll(log).length, 6);
});

t.test('records without a timestamp stay as long as their file is young', async (t) => {
  const clock = new ManualClock(Date.now());
  const dir = tempDir(t);
  const log = await openLog(t, dir, { clock, config: config({ retentionMs: 100_000 }) });
  await appended(log, batch(1, { timestamp: 0 }));
  await log.roll();
  await appended(log, batch(1, { timestamp: clock.nowMs() }));
  t.equal(await log.applyRetention(), 0);
  utimesSync(join(dir, '00000000000000000000.log'), 1, 1);
  t.equal(await log.applyRetention(), 1);
});

t.test('retention by size follows a changed config', async (t) => {
  const log = await openLog(t, tempDir(t), { config: config({ segmentBytes: 300 }) });
  for (let i = 0; i < 20; i++) await appended(log, batch(1));
  t.equal(await log.applyRetention(), 0);
  log.updateConfig(config({ segmentBytes: 300, retentionBytes: 400 }));
  t.ok((await log.applyRetention()) > 0);
  t.ok(log.sizeInBytes >= 400 && log.sizeInBytes < 400 + 300);
});

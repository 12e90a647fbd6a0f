import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { offset } from '#src/base/offset.js';
import { systemEnv } from '#src/file/env.js';
import { type ScrubbedLog, Scrubber } from '#src/log/scrubber.js';
import type { Segment } from '#src/segment/segment.js';
import { tempDir } from '../file/temp-dir.js';
import { batch, chain, logPath, open, readAll } from '../segment/support.js';
import { keepingLogger } from '../support/keeping-logger.js';

type Test = Parameters<typeof tempDir>[0];

/** Segments at these offsets, the last one active; a file has the time that setting it again gives. */
async function logOf(
  t: Test,
  files: readonly (readonly [number, readonly Buffer[]])[],
): Promise<ScrubbedLog & { segments: Segment[] }> {
  const dir = tempDir(t);
  const segments: Segment[] = [];
  for (const [index, [base, batches]] of files.entries()) {
    writeFileSync(logPath(dir, base), Buffer.concat(batches));
    utimesSync(logPath(dir, base), 1_700_000_000, 1_700_000_000);
    const next = files[index + 1]?.[0];
    const nextBaseOffset = next === undefined ? null : offset(next);
    segments.push(await open(dir, base, { clean: true, nextBaseOffset }));
  }
  t.teardown(() => {
    for (const segment of segments) segment.close();
  });
  return { path: dir, segments };
}

/** With gaps between the batches, as compaction leaves them. */
const sparse = [0, 1000, 2000].map((base) => {
  return [base, [batch(base, 1), batch(base + 100, 2), batch(base + 300, 1)]] as const;
});

function scrub(log: ScrubbedLog, bytesPerSecond = 1e12, clock = new ManualClock()) {
  const logger = keepingLogger();
  const logs = () => [log];
  const scrubber = new Scrubber({ env: systemEnv, clock, logger, bytesPerSecond, logs });
  return { scrubber, clock, logger };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
}

t.test('sealed segments get side files, once, and the active one none', async (t) => {
  const log = await logOf(t, sparse);
  const { scrubber, clock } = scrub(log);
  await scrubber.run();
  t.equal(readdirSync(log.path).filter((name) => name.endsWith('.checksum')).length, 2);
  t.match(scrubber.stats, { segments: 2, checksumsWritten: 2, damagedSegments: 0 });
  await scrubber.run();
  t.equal(scrubber.stats.segments, 2, 'nothing is due');
  clock.advance(7 * 86_400_000);
  await scrubber.run();
  t.match(scrubber.stats, { segments: 4, checksumsWritten: 2 }, 'a week later all is read again');
});

t.test('a flip that no CRC covers is found and not served from then on', async (t) => {
  const log = await logOf(t, sparse);
  const { scrubber, clock, logger } = scrub(log);
  await scrubber.run();
  const [first, second] = log.segments as [Segment, Segment];
  t.same(readAll(first, 0, 9999), [0, 100, 300]);
  const bytes = readFileSync(logPath(log.path));
  // The base offset of the second batch: 100 becomes 101.
  const at = batch(0, 1).length + 7;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(logPath(log.path), bytes);
  utimesSync(logPath(log.path), 1_700_000_000, 1_700_000_000);
  clock.advance(8 * 86_400_000);
  await scrubber.run();
  t.match(scrubber.stats, { damagedSegments: 1, segments: 4 });
  t.ok(logger.lines.some((line) => line.includes('the scrubber found damage')));
  const seen = readAll(first, 0, 9999);
  t.notOk(
    seen.some((each) => typeof each === 'number'),
    'no batch of that block',
  );
  t.same(readAll(second, 1000, 9999), [1000, 1100, 1300]);
});

t.test('it keeps to its rate, starts by the clock, and ends at once', async (t) => {
  const batches = chain(0, 200, 20_000);
  const log = await logOf(t, [
    [0, batches],
    [1000, [batch(1000, 1)]],
  ]);
  const { scrubber, clock } = scrub(log, 1_000_000);
  scrubber.start();
  clock.advance(59_999);
  await turns();
  t.equal(scrubber.stats.segments, 0);
  clock.advance(1);
  await turns();
  t.equal(scrubber.stats.segments, 0, 'a MB a second: it waits for the clock');
  for (let second = 0; second < 30 && scrubber.stats.segments === 0; second++) {
    clock.advance(1000);
    await turns();
  }
  t.equal(scrubber.stats.bytes, Buffer.concat(batches).length);
  await scrubber.close();
  t.equal(clock.timerCount, 0);
  const other = scrub(log, 1000, clock);
  const run = other.scrubber.run();
  await turns();
  await other.scrubber.close();
  await run;
  t.equal(other.scrubber.stats.segments, 0, 'closed in the middle');
  t.equal(clock.timerCount, 0);
});

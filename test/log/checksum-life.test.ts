/**
 * Checksums of segments that are not sealed by a roll: of the active one, when they are made and until when
 * they are good, and of what compaction makes. What is flipped here no CRC of a batch covers.
 */

import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { systemEnv } from '#src/file/env.js';
import type { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { loadChecksums } from '#src/segment/checksums.js';
import {
  appended,
  batch,
  config,
  crashCopy,
  ioError,
  NOW_MS,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const LOG = 'a-0/00000000000000000000.log';
const SIDE = 'a-0/00000000000000000000.checksum';
const MARKER = '.kafka_cleanshutdown';
/** The lowest byte of the leader epoch of the first batch. */
const EPOCH_AT = 15;

function keyed(key: string): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: NOW_MS, key: Buffer.from(key), value: Buffer.from('v') });
  return builder.build();
}

async function newLog(
  t: Test,
  overrides: Parameters<typeof config>[0] = {},
): Promise<{ dir: string; manager: LogManager; log: PartitionLog; clock: ManualClock }> {
  const dir = tempDir(t);
  const clock = new ManualClock(NOW_MS);
  const manager = await openManager(t, [dir], { clock });
  const given = config(overrides);
  const log = await manager.createLog({
    topic: 'a',
    partition: 0,
    topicId: TOPIC_ID,
    config: given,
  });
  return { dir, manager, log, clock };
}

/** Flips bits of a byte and leaves the time as it was; such a one as can be set. */
function flip(dir: string, at: number, name = LOG): void {
  const path = join(dir, name);
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 4;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

/** After a clean shutdown: the log has a time that can be set again, and its side file is of that time. */
async function settled(t: Test, dir: string): Promise<void> {
  const path = join(dir, LOG);
  utimesSync(path, 1_700_000_000, 1_700_000_000);
  rmSync(join(dir, SIDE));
  await (await openManager(t, [dir])).close();
}

function offsets(manager: LogManager): number[] | string {
  const log = manager.getLog('a', 0);
  if (log === undefined) return 'no log';
  const read = log.read(0, { maxBytes: 1, minOneMessage: true, isolation: 'read_uncommitted' });
  if (!read.ok) return read.error;
  read.slice?.release();
  return readAll(log).map(({ offset }) => offset);
}

t.test(
  'a clean shutdown leaves those of the active segment, and the next start uses them',
  async (t) => {
    const { dir, manager, log } = await newLog(t);
    await appended(log, batch(2));
    await appended(log, batch(2));
    await manager.close();
    await settled(t, dir);
    t.ok(existsSync(join(dir, SIDE)));
    flip(dir, EPOCH_AT);
    t.equal(offsets(await openManager(t, [dir])), 'CORRUPT_MESSAGE');
  },
);

t.test('what rotted is not signed by the next shutdown, read or not', async (t) => {
  for (const isRead of [true, false]) {
    const { dir, manager, log } = await newLog(t);
    await appended(log, batch(2));
    await manager.close();
    await settled(t, dir);
    flip(dir, EPOCH_AT);
    const second = await openManager(t, [dir]);
    if (isRead) t.equal(offsets(second), 'CORRUPT_MESSAGE');
    const again = second.getLog('a', 0) as PartitionLog;
    await appended(again, batch(1));
    await second.close();
    const third = await openManager(t, [dir]);
    t.equal(offsets(third), 'CORRUPT_MESSAGE', isRead ? 'read' : 'not read');
  }
});

t.test(
  'a checkpoint leaves those of what is durable, and a start after a crash uses them',
  async (t) => {
    const { dir, manager, log, clock } = await newLog(t);
    await appended(log, batch(2));
    await appended(log, batch(2));
    await log.flush();
    while (!existsSync(join(dir, SIDE))) {
      clock.advance(60_000);
      await new Promise(setImmediate);
    }
    await appended(log, batch(1));
    const crashed = crashCopy(t, dir);
    const whole = await openManager(t, [crashed]);
    t.same(offsets(whole), [0, 1, 2, 3, 4], 'what was appended since is not of them');
    const rotten = crashCopy(t, dir);
    // Without it nothing else tells.
    rmSync(join(rotten, 'a-0/leader-epoch-checkpoint'));
    rmSync(join(rotten, 'a-0/leader-epoch-checkpoint.copy'));
    flip(rotten, EPOCH_AT);
    t.equal(offsets(await openManager(t, [rotten])), 'CORRUPT_MESSAGE');
    await manager.close();
  },
);

t.test('what a check found after a crash is found again after a clean shutdown', async (t) => {
  const { dir, log } = await newLog(t);
  await appended(log, batch(2));
  await appended(log, batch(2));
  await log.epochsWritten();
  const crashed = crashCopy(t, dir);
  flip(crashed, EPOCH_AT);
  const manager = await openManager(t, [crashed]);
  t.equal(offsets(manager), 'CORRUPT_MESSAGE', 'its epoch is not the one of its offset');
  await manager.close();
  t.ok(existsSync(join(crashed, MARKER)));
  t.equal(offsets(await openManager(t, [crashed])), 'CORRUPT_MESSAGE');
});

t.test('a last batch behind a gap is not believed', async (t) => {
  const { dir, log } = await newLog(t);
  await appended(log, batch(2));
  const second = log.sizeInBytes;
  await appended(log, batch(2));
  await log.epochsWritten();
  const crashed = crashCopy(t, dir);
  flip(crashed, second + 6);
  const manager = await openManager(t, [crashed]);
  const recovered = manager.getLog('a', 0) as PartitionLog;
  t.same(
    recovered.segments[0]?.damaged.map(({ offset }) => offset),
    [2],
  );
  t.equal(recovered.logEndOffset, 4, 'and its offsets are not given out again');
});

t.test(
  'a last batch behind a gap that compaction left is believed, whatever the config',
  async (t) => {
    const dir = tempDir(t);
    const watched = new WatchedEnv();
    const { env } = watched;
    const manager = await openManager(t, [dir], { env });
    const compacted = { cleanupDelete: false, cleanupCompact: true, minCleanableDirtyRatio: 0 };
    const given = config(compacted);
    const log = await manager.createLog({
      topic: 'a',
      partition: 0,
      topicId: TOPIC_ID,
      config: given,
    });
    for (const key of ['k0', 'k1', 'k2', 'k3', '', 'k1']) {
      if (key === '') await log.roll();
      else await appended(log, keyed(key));
    }
    await log.flush();
    await log.roll();
    await log.flush();
    // Its place in the log is not written any more: that it was compacted must be known all the same.
    let writes = 0;
    watched.before = (call, path) => {
      if (call === 'rename' && path.includes('cleaner-offset') && ++writes > 2) {
        throw ioError('ENOSPC');
      }
    };
    await manager.runCompaction({ force: true });
    t.ok(writes > 2);
    watched.before = () => {};
    t.equal(await log.truncateTo(3), 3);
    await log.epochsWritten();
    const crashed = crashCopy(t, dir);
    for (const now of [{}, compacted]) {
      const again = await openManager(t, [crashCopy(t, crashed)], { config: config(now) });
      t.same(offsets(again), [0, 2]);
    }
  },
);

t.test('they go before the log is cut, and are not of what is appended at the cut', async (t) => {
  const { dir, manager, log } = await newLog(t);
  for (let i = 0; i < 3; i++) await appended(log, batch(2));
  await manager.close();
  const second = await openManager(t, [dir]);
  const again = second.getLog('a', 0) as PartitionLog;
  await again.truncateTo(2);
  t.notOk(existsSync(join(dir, SIDE)));
  for (let i = 0; i < 3; i++) await appended(again, batch(2, { timestamp: NOW_MS + 9 }));
  t.same(offsets(await openManager(t, [crashCopy(t, dir)])), [0, 1, 2, 3, 4, 5, 6, 7]);
});

t.test('a compacted segment has its own as soon as it is there', async (t) => {
  const { dir, manager, log } = await newLog(t, {
    cleanupDelete: false,
    cleanupCompact: true,
    minCleanableDirtyRatio: 0,
  });
  for (let i = 0; i < 3; i++) await appended(log, batch(2));
  await log.roll();
  await log.flush();
  await manager.checksumsMade();
  rmSync(join(dir, SIDE));
  await manager.runCompaction({ force: true });
  const { size, mtimeMs: modifiedMs } = statSync(join(dir, LOG));
  const identity = { baseOffset: 0, length: size, modifiedMs };
  t.equal(loadChecksums(systemEnv, join(dir, SIDE), identity).state, 'valid');
});

t.test('a log that grew has none until it is durable', async (t) => {
  const { dir, manager, log, clock } = await newLog(t);
  await appended(log, batch(2));
  const other = { topic: 'b', partition: 0, topicId: TOPIC_ID, config: config() };
  const durable = await manager.createLog(other);
  await appended(durable, batch(2));
  await durable.flush();
  while (!existsSync(join(dir, SIDE.replace('a-0', 'b-0')))) {
    clock.advance(60_000);
    await new Promise(setImmediate);
  }
  t.notOk(existsSync(join(dir, SIDE)), 'its turn came before');
});

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LONG_MAX } from '#src/base/config-table.js';
import { offset } from '#src/base/offset.js';
import { systemEnv } from '#src/file/env.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { HeaderCursor } from '#src/segment/scan.js';
import { openLog as openEmbedded } from '#src/storage/logs.js';
import { keepingLogger } from '../support/keeping-logger.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  openLog,
  readAll,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const synced = config({ flushMessages: 1 });

function logsIn(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(dir, name));
}

/** Bytes in a log file behind its last batch. */
function bytesBeyond(path: string): number {
  const file = systemEnv.open(path, 'read');
  try {
    const cursor = new HeaderCursor(file, 4096);
    cursor.seek(0, file.size());
    while (cursor.next());
    return file.size() - cursor.nextPosition;
  } finally {
    file.close();
  }
}

async function appendEach(log: PartitionLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await appended(log, batch(1));
}

function activeOf(dir: string): string {
  return logsIn(dir).at(-1) as string;
}

t.test('zeros ahead are no part of the log, and nothing is left of them at its end', async (t) => {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const log = await openLog(t, dir, { config: synced, env: watched.env });
  await appendEach(log, 50);
  const path = activeOf(dir);
  let beyondAtSync = -1;
  watched.before = (call) => {
    if (call === 'datasync') beyondAtSync = bytesBeyond(path);
  };
  t.ok(bytesBeyond(path) > 0);
  t.equal(log.sizeInBytes, statSync(path).size - bytesBeyond(path));
  t.equal(readAll(log).length, 50);
  await log.close();
  t.equal(bytesBeyond(path), 0);
  t.equal(beyondAtSync, 0, 'and the disk knows');
  const logger = keepingLogger();
  const again = await openLog(t, dir, { clean: true, recoveryPoint: offset(50), logger });
  t.same([again.logEndOffset, logger.lines], [50, []], 'a clean start trusts the size');
});

t.test('after a crash they are cut without a word, also behind a torn batch', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir, { config: synced });
  await appendEach(log, 50);
  for (const recoveryPoint of [0, 50]) {
    const copy = crashCopy(t, dir);
    const logger = keepingLogger();
    const options = { config: synced, recoveryPoint: offset(recoveryPoint), logger };
    const opened = await openLog(t, copy, options);
    t.equal(opened.logEndOffset, 50);
    t.same(logger.lines, []);
    t.equal(bytesBeyond(activeOf(copy)), 0);
    t.equal(await appended(opened, batch(1)), 50);
  }
  const copy = crashCopy(t, dir);
  const file = systemEnv.open(activeOf(copy), 'update');
  const torn = batch(1).subarray(0, 70);
  file.pwritev([torn], log.sizeInBytes);
  file.close();
  const logger = keepingLogger();
  const opened = await openLog(t, copy, { config: synced, recoveryPoint: offset(50), logger });
  t.equal(opened.logEndOffset, 50);
  t.match(logger.lines[0], /torn tail/);
  t.equal(bytesBeyond(activeOf(copy)), 0);
});

t.test('zeros where a durable batch was are damage', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir, { config: synced });
  await appendEach(log, 50);
  const opened = await openLog(t, crashCopy(t, dir), { recoveryPoint: offset(51) });
  t.equal(opened.logEndOffset >= 51, true, 'its offset is not given out again');
});

/** Takes note of what is beyond the end of the last log whenever another is made. */
async function rolls(t: Test, use: (dir: string, env: WatchedEnv) => Promise<void>) {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const beyond: number[] = [];
  const calls: (string | undefined)[] = [];
  watched.before = (call, path) => {
    if (call !== 'open' || !path.endsWith('.log') || logsIn(dir).length === 0) return;
    if (logsIn(dir).includes(path)) return;
    beyond.push(bytesBeyond(activeOf(dir)));
    calls.push(
      watched.trace
        .filter((line) => / \d+\.log$/.test(line))
        .at(-2)
        ?.split(' ')[0],
    );
  };
  await use(dir, watched);
  return { beyond, calls };
}

t.test('a segment that gets a successor has no zeros, and the disk knows', async (t) => {
  const small = { segmentBytes: 2000 };
  let most = 0;
  const group = await rolls(t, async (dir, { env }) => {
    const log = await openLog(t, dir, { env, config: { ...synced, ...small } });
    for (let i = 0; i < 100; i++) {
      await append(log, batch(1, { valueSize: 90 }));
      most = Math.max(most, bytesBeyond(activeOf(dir)));
    }
  });
  t.ok(most > 0, 'they were there');
  t.ok(group.beyond.length > 5);
  t.same(new Set(group.beyond), new Set([0]));
  t.same(new Set(group.calls), new Set(['datasync']));
  const each = await rolls(t, async (dir, { env }) => {
    const log = await openLog(t, dir, { env, config: config(small) });
    for (let i = 0; i < 100; i++) {
      const answer = append(log, batch(1, { valueSize: 90 }));
      if (i % 2 === 0) await log.flush();
      else log.flushSync();
      await answer;
    }
  });
  t.same(new Set(each.beyond), new Set([0]));
  t.ok(each.beyond.length > 5);
});

t.test('only where somebody waits for syncs', async (t) => {
  const beyondWith = async (overrides: Parameters<typeof config>[0], flush: boolean) => {
    const dir = tempDir(t);
    const log = await openLog(t, dir, { config: config(overrides) });
    for (let i = 0; i < 20; i++) {
      await appended(log, batch(1));
      if (flush) await log.flush();
    }
    return { log, dir, count: bytesBeyond(activeOf(dir)) };
  };
  t.equal((await beyondWith({}, false)).count, 0, 'os');
  t.equal((await beyondWith({ flushMs: 1000 }, true)).count, 0, 'interval');
  const { log, dir, count } = await beyondWith({ flushMs: LONG_MAX }, true);
  t.ok(count > 0, 'each');
  log.updateConfig(config({ flushMs: 1000 }));
  await appended(log, batch(1));
  await log.flush();
  t.equal(bytesBeyond(activeOf(dir)), 0, 'the mode has ended');
});

t.test('durability each and group write zeros ahead, os does not', async (t) => {
  for (const durability of ['each', 'group', 'os'] as const) {
    const dir = join(tempDir(t), 'ahead-0');
    const log = await openEmbedded(dir, { durability });
    for (let i = 0; i < 20; i++) {
      if (durability === 'each') log.appendSync({ value: Buffer.from('v') });
      else await log.append({ value: Buffer.from('v') });
    }
    t.equal(bytesBeyond(activeOf(dir)) > 0, durability !== 'os', durability);
    const { size } = statSync(activeOf(dir));
    t.equal(log.stats.sizeInBytes, size - bytesBeyond(activeOf(dir)));
    await log.close();
    t.equal(bytesBeyond(activeOf(dir)), 0);
  }
});

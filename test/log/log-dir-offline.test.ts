import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { IoError } from '#src/file/io-error.js';
import type { LogDirStatus, LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { keepingLogger } from '../support/keeping-logger.js';
import {
  append,
  appended,
  batch,
  type Call,
  config,
  ioError,
  NOW_MS,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

const MARKER = '.kafka_cleanshutdown';

/** Two data directories: a-0 and a-2 in the first one, a-1 in the second one. */
async function world(t: Test) {
  const dirs = [tempDir(t), tempDir(t)] as const;
  const watched = new WatchedEnv();
  const logger = keepingLogger();
  const clock = new ManualClock(NOW_MS);
  const told: LogDirStatus[] = [];
  const manager = await openManager(t, dirs, {
    env: watched.env,
    logger,
    clock,
    onDirOffline: (status) => told.push(status),
  });
  const logs: PartitionLog[] = [];
  for (const partition of [0, 1, 2]) {
    const log = await create(manager, 'a', partition);
    await appended(log, batch(1));
    logs.push(log);
  }
  const errors = () => logger.lines.filter((line) => line.startsWith('error'));
  return { dirs, watched, manager, logs, told, errors, clock };
}

function create(manager: LogManager, topic: string, partition = 0): Promise<PartitionLog> {
  return manager.createLog({ topic, partition, topicId: TOPIC_ID, config: config() });
}

/** Calls on files below `dir` fail from now on. */
function break_(watched: WatchedEnv, dir: string, calls: readonly Call[], error: IoError): void {
  watched.before = (call, path) => {
    if (calls.includes(call) && path.startsWith(dir)) throw error;
  };
}

t.test('one error, and nothing of the directory is written any more', async (t) => {
  const causes: { call: Call; errno: string; provoke: (world: World) => Promise<unknown> }[] = [
    { call: 'pwritev', errno: 'EIO', provoke: ({ logs }) => append(at(logs, 0), batch(1)) },
    { call: 'pwritev', errno: 'EROFS', provoke: ({ logs }) => append(at(logs, 0), batch(1)) },
    { call: 'datasync', errno: 'EIO', provoke: ({ logs }) => at(logs, 0).flush() },
    { call: 'datasync', errno: 'ENOSPC', provoke: ({ logs }) => at(logs, 0).flush() },
    { call: 'rename', errno: 'EIO', provoke: ({ manager }) => manager.checkpoint() },
    { call: 'syncDir', errno: 'EIO', provoke: ({ manager }) => manager.checkpoint() },
  ];
  type World = Awaited<ReturnType<typeof world>>;
  for (const { call, errno, provoke } of causes) {
    await t.test(`${call}: ${errno}`, async (t) => {
      const made = await world(t);
      const { dirs, watched, manager, logs, told, errors } = made;
      break_(watched, dirs[0], [call], ioError(errno));
      await provoke(made).catch(() => {});
      t.equal(errors().length, 1);
      t.ok(errors()[0]?.includes(`"dir":"${dirs[0]}"`));
      t.match(errors()[0], new RegExp(`"cause":"[^"]*${errno}.*"action":"[^"]*restart`));
      t.equal(told.length, 1);
      t.equal(told[0]?.path, dirs[0]);
      const [bad, good] = manager.logDirs();
      t.equal(bad?.error?.code, 'LOG_DIR_OFFLINE');
      t.same(
        bad?.logs.map(({ partition }) => partition),
        [0, 2],
      );
      t.equal(good?.error, null);
      const touched: string[] = [];
      watched.before = (_, path) => void touched.push(path);
      for (const partition of [0, 2]) {
        const log = at(logs, partition);
        t.ok(log.offline && log.readable);
        t.equal(readAll(log).length, 1, 'what was acknowledged is read');
        t.match(await append(log, batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
        t.match(await log.deleteRecordsBefore(1), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
        await t.rejects(manager.deleteLog('a', partition), { code: 'LOG_DIR_OFFLINE' });
        t.equal(manager.getLog('a', partition), log);
      }
      await manager.checkpoint();
      await manager.runRetention();
      await manager.runCompaction({ force: true });
      t.ok(touched.length > 0 && touched.every((path) => path.startsWith(dirs[1])));
      t.match(await append(at(logs, 1), batch(1)), { ok: true });
      t.equal((await create(manager, 'b')).path, join(dirs[1], 'b-0'));
      t.equal((await create(manager, 'b', 1)).path, join(dirs[1], 'b-1'));
      await manager.close();
      t.equal(errors().length, 1, 'and that stays the only error');
      t.notOk(existsSync(join(dirs[0], MARKER)));
      t.ok(existsSync(join(dirs[1], MARKER)));
      const again = await openManager(t, dirs);
      t.same(
        again.logDirs().map(({ error }) => error),
        [null, null],
        'a reopen heals it',
      );
      const log = again.getLog('a', 2) as PartitionLog;
      t.match(await append(log, batch(1)), { ok: true, baseOffset: 1 });
    });
  }
});

t.test('a full disk is refused and heals without a reopen', async (t) => {
  const { dirs, watched, manager, logs, told, errors } = await world(t);
  break_(watched, dirs[0], ['pwritev', 'rename', 'open'], ioError('ENOSPC'));
  t.match(await append(at(logs, 0), batch(1)), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  await t.rejects(manager.checkpoint(), { code: 'NO_SPACE' });
  t.same(told, []);
  t.same(errors(), []);
  watched.before = () => {};
  t.match(await append(at(logs, 0), batch(1)), { ok: true, baseOffset: 1 });
  await manager.checkpoint();
  t.equal(manager.logDirs()[0]?.error, null);
});

t.test('with every directory offline reads go on and nothing can be created', async (t) => {
  const { watched, manager, logs, told, errors } = await world(t);
  break_(watched, '', ['rename'], ioError('EIO'));
  await t.rejects(manager.checkpoint());
  t.equal(told.length, 2);
  t.equal(errors().length, 2, 'one for each directory');
  for (const log of logs) t.equal(readAll(log).length, 1);
  await t.rejects(create(manager, 'b'), { code: 'LOG_DIR_OFFLINE' });
});

t.test('appends that wait for a sync are refused when another one breaks the disk', async (t) => {
  const { dirs, watched, logs, manager } = await world(t);
  manager.updateConfig('a', config({ flushMessages: 1 }));
  const waitingSyncs: (() => void)[] = [];
  watched.before = (call, path) => {
    if (call !== 'datasync' || !path.startsWith(dirs[0])) return undefined;
    return new Promise<void>((_, reject) => {
      waitingSyncs.push(() => reject(ioError('EIO')));
    });
  };
  const answers = [append(at(logs, 0), batch(1)), append(at(logs, 2), batch(1))];
  while (waitingSyncs.length < 2) await new Promise(setImmediate);
  waitingSyncs[0]?.();
  for (const answer of answers) {
    t.match(await answer, { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  }
  waitingSyncs[1]?.();
  watched.before = () => {};
});

t.test('a directory that fails while it is opened does not stop the others', async (t) => {
  const { dirs, manager } = await world(t);
  await manager.close();
  const watched = new WatchedEnv();
  const logger = keepingLogger();
  break_(watched, dirs[0], ['syncDir'], ioError('EIO'));
  const again = await openManager(t, dirs, { env: watched.env, logger });
  t.equal(logger.lines.filter((line) => line.startsWith('error')).length, 1);
  t.same([...again.failures.keys()].sort(), ['a-0', 'a-2']);
  t.match(await append(again.getLog('a', 1) as PartitionLog, batch(1)), { ok: true });
});

function at(logs: readonly PartitionLog[], partition: number): PartitionLog {
  return logs[partition] as PartitionLog;
}

/** After a disk error the next process writes again what the page cache alone may have. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FAILED_SYNC_FILE } from '#src/log/failed-sync.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import {
  append,
  appended,
  batch,
  type Call,
  config,
  ioError,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

function failing(call: Call, errno: string): WatchedEnv {
  const watched = new WatchedEnv();
  watched.before = (made, path) => {
    if (made === call && path.endsWith('.log')) throw ioError(errno);
  };
  return watched;
}

/** A log of which one segment is durable, and the rest was not synced because the disk failed. */
async function failedDir(t: Test): Promise<string> {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const manager = await openManager(t, [dir], { env: watched.env });
  const log = await manager.createLog({
    topic: 'a',
    partition: 0,
    topicId: TOPIC_ID,
    config: config(),
  });
  await appended(log, batch(2));
  await log.roll();
  await log.flush();
  await manager.checkpoint();
  await appended(log, batch(3));
  watched.before = failing('datasync', 'EIO').before;
  await t.rejects(log.flush());
  await manager.close();
  return dir;
}

const MARK = FAILED_SYNC_FILE;
const sealedName = '00000000000000000000.log';
const activeName = '00000000000000000002.log';

t.test('what is above the recovery point is written again and synced, then believed', async (t) => {
  const dir = await failedDir(t);
  t.ok(existsSync(join(dir, MARK)), 'the next process is told');
  const { env, trace } = new WatchedEnv();
  const manager = await openManager(t, [dir], { env });
  const log = manager.getLog('a', 0) as PartitionLog;
  const calls = trace.filter((call) => /^(pwritev|datasync) .*\.log$/.test(call));
  t.same(calls.slice(0, 2), [`pwritev ${activeName}`, `datasync ${activeName}`]);
  t.notOk(calls.some((call) => call.endsWith(sealedName)));
  t.equal(readAll(log).length, 5);
  t.equal(log.logEndOffset, 5);
  t.notOk(existsSync(join(dir, MARK)), 'and there is nothing to be told any more');
});

t.test(
  'where that fails too the mark stays, and the log is not served as if it were whole',
  async (t) => {
    const dir = await failedDir(t);
    const { env } = failing('datasync', 'EIO');
    const manager = await openManager(t, [dir], { env });
    t.equal(manager.getLog('a', 0), undefined);
    t.match(manager.failures.get('a-0'), { errno: 'EIO' });
    t.ok(existsSync(join(dir, MARK)));
  },
);

t.test('a full disk leaves no mark', async (t) => {
  const dir = tempDir(t);
  const { env } = failing('pwritev', 'ENOSPC');
  const manager = await openManager(t, [dir], { env });
  const topicId = TOPIC_ID;
  const log = await manager.createLog({ topic: 'a', partition: 0, topicId, config: config() });
  t.match(await append(log, batch(1)), { ok: false });
  t.notOk(existsSync(join(dir, MARK)));
});

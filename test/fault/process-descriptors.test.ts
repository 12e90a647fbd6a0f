/** A process without descriptors: what could not be opened was not done, and nothing is in doubt. */

import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { withLastingSyncErrors } from '#src/file/lasting-sync-errors.js';
import {
  append,
  appended,
  batch,
  config,
  ioError,
  openLog,
  readAll,
  tempDir,
  WatchedEnv,
} from '../log/log-fixture.js';

t.test(
  'a roll whose directory cannot be opened for a sync is synced by the next flush',
  async (t) => {
    const dir = tempDir(t);
    const watched = new WatchedEnv();
    const log = await openLog(t, dir, { env: watched.env, config: config({ segmentBytes: 500 }) });
    for (let i = 0; i < 3; i++) await appended(log, batch(1, { valueSize: 200 }));
    let refused = 0;
    watched.before = (call) => {
      if (call !== 'syncDir') return;
      refused++;
      throw ioError('EMFILE');
    };
    for (let i = 0; i < 10; i++) {
      const result = await append(log, batch(1, { valueSize: 200 }));
      t.ok(result.ok, 'appends go on');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    t.ok(refused > 0);
    t.notOk(log.offline);
    t.ok(log.recoveryPoint < log.logEndOffset, 'nothing is said to be durable');
    watched.before = () => {};
    await log.flush();
    t.equal(log.recoveryPoint, log.logEndOffset);
    t.equal(readAll(log).length, 13);
  },
);

t.test('any other error of that sync takes the log offline', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), {
    env: watched.env,
    config: config({ segmentBytes: 500 }),
  });
  watched.before = (call) => {
    if (call === 'syncDir') throw ioError('EIO');
  };
  for (let i = 0; i < 4; i++) await append(log, batch(1, { valueSize: 200 }));
  for (let i = 0; i < 500 && !log.offline; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.ok(log.offline);
});

t.test('of the errors of a directory sync, that one does not last', async (t) => {
  let errno: string | null = 'EMFILE';
  const env = withLastingSyncErrors({
    ...systemEnv,
    syncDir: () => (errno === null ? Promise.resolve() : Promise.reject(ioError(errno))),
  });
  await t.rejects(env.syncDir('/d'), { code: 'TOO_MANY_FILES' });
  errno = null;
  await t.resolves(env.syncDir('/d'));
  errno = 'EIO';
  await t.rejects(env.syncDir('/d'), { code: 'IO_ERROR' });
  errno = null;
  await t.rejects(env.syncDir('/d'), { code: 'IO_ERROR' });
});

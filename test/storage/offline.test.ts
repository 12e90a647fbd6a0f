import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { type Env, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import { openLogs } from '#src/storage/logs.js';
import { NOW_MS, readAll, tempDir } from './storage-fixture.js';

t.test('a disk error in one log takes all of the directory offline; reads go on', async (t) => {
  let broken = false;
  const env: Env = {
    ...systemEnv,
    open(path, mode) {
      const file = systemEnv.open(path, mode);
      const write = file.pwritev.bind(file);
      return Object.assign(file, {
        pwritev(buffers: readonly Uint8Array[], position: number): void {
          if (broken && path.includes('a-0')) throw new IoError('pwritev', path, 'EIO');
          write(buffers, position);
        },
      });
    },
  };
  const dir = tempDir(t);
  const logs = await openLogs(dir, { env, clock: new ManualClock(NOW_MS) });
  const [a, b] = [await logs.open('a'), await logs.open('b')];
  const said: string[] = [];
  logs.on('offline', ({ code }) => said.push(`logs ${code}`));
  for (const log of [a, b]) {
    log.on('offline', ({ code }) => said.push(`${log.topic} ${code}`));
    await log.append({ value: Buffer.from(log.topic) });
  }
  t.equal(logs.error, null);
  broken = true;
  await t.rejects(async () => a.append({ value: null }), { code: 'KAFKA_STORAGE_ERROR' });
  broken = false;
  for (const log of [a, b]) {
    await t.rejects(async () => log.append({ value: null }), { code: 'KAFKA_STORAGE_ERROR' });
    t.ok(log.stats.offline);
    t.same(await readAll(log), [[0, log.topic]]);
  }
  t.same(said.sort(), ['a KAFKA_STORAGE_ERROR', 'b KAFKA_STORAGE_ERROR', 'logs LOG_DIR_OFFLINE']);
  t.equal(logs.error?.code, 'LOG_DIR_OFFLINE');
  await t.rejects(logs.open('c'), { code: 'LOG_DIR_OFFLINE' });
  await logs.close();
  await using again = await openLogs(dir, { clock: new ManualClock(NOW_MS) });
  t.equal(again.error, null);
  t.equal(await (await again.open('b')).append({ value: null }), 1);
});

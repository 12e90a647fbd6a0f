import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { LogFile } from '#src/file/log-file.js';
import { native } from '#src/native/binding.js';
import { FaultyEnv } from './faulty-env.js';
import { tempDir } from './temp-dir.js';

const bytes = (text: string): [readonly Uint8Array[], number] => [[Buffer.from(text)], text.length];

t.test('a full disk leaves no part of an append, and appends go on when there is space', (t) => {
  for (const written of [0, 1, 4, 5]) {
    const path = join(tempDir(t), 'log');
    const env = new FaultyEnv();
    const log = LogFile.open(env, path, 'create-new');
    log.append(...bytes('first'));
    env.fail({ operation: 'pwritev', call: 1, errno: 'ENOSPC', written });
    t.throws(() => log.append(...bytes('SECOND')), { code: 'NO_SPACE' });
    t.equal(log.size, 5);
    t.equal(readFileSync(path, 'latin1'), 'first', `${written} bytes were written`);
    t.equal(log.poison, null);
    log.append(...bytes('third'));
    t.equal(readFileSync(path, 'latin1'), 'firstthird');
    log.close();
  }
  t.end();
});

t.test(
  'another write error, or a cut that fails, ends appends and syncs; reads go on',
  async (t) => {
    const cases = [['EIO'], ['ENOSPC', 'truncate']] as const;
    for (const [errno, alsoFails] of cases) {
      const path = join(tempDir(t), 'log');
      const env = new FaultyEnv();
      const log = LogFile.open(env, path, 'create-new');
      log.append(...bytes('first'));
      env.fail({ operation: 'pwritev', call: 1, errno, written: 3 });
      if (alsoFails !== undefined) env.fail({ operation: alsoFails, call: 1, errno: 'EIO' });
      t.throws(() => log.append(...bytes('second')), new RegExp(errno));
      t.equal(log.size, 5);
      t.throws(() => log.append(...bytes('third')), { code: 'IO_ERROR' });
      await t.rejects(log.datasync(), { code: 'IO_ERROR' });
      t.throws(() => log.datasyncSync(), { code: 'IO_ERROR' });
      const slice = log.slice(0, 5);
      const target = Buffer.alloc(5);
      slice.copyTo(target, 0, 0, 5);
      t.equal(target.toString(), 'first');
      slice.release();
      log.close();
    }
  },
);

t.test('a failed sync is never tried again and then called durable', async (t) => {
  const env = new FaultyEnv();
  const log = LogFile.open(env, join(tempDir(t), 'log'), 'create-new');
  t.teardown(() => log.close());
  log.append(...bytes('first'));
  await log.datasync();
  env.fail({ operation: 'datasync', call: 1, errno: 'EIO' });
  log.append(...bytes('second'));
  const first = log.datasync();
  const behind = log.datasync();
  await t.rejects(first, /EIO/);
  await t.rejects(behind, { code: 'IO_ERROR' });
  await t.rejects(log.datasync(), { code: 'IO_ERROR' });
  t.throws(() => log.append(...bytes('third')), { code: 'IO_ERROR' });
  t.equal(env.calls.filter((call) => call.startsWith('datasync')).length, 2);
});

t.test('syncs asked for during a sync share the next one', async (t) => {
  const env = new FaultyEnv();
  const log = LogFile.open(env, join(tempDir(t), 'log'), 'create-new');
  log.append(...bytes('first'));
  const first = log.datasync();
  t.equal(log.syncing, true);
  await Promise.all([first, ...Array.from({ length: 20 }, () => log.datasync())]);
  t.equal(env.calls.filter((call) => call.startsWith('datasync')).length, 2);
  t.equal(log.syncing, false);
  log.close();
  await t.rejects(log.datasync(), { code: 'CLOSED' });
});

t.test('blocks are reserved once the file is large, never seen, and given back', (t) => {
  const path = join(tempDir(t), 'log');
  const log = LogFile.open(systemEnv, path, 'create-new');
  t.teardown(() => log.close());
  log.reserveUpTo(64 * 1024 * 1024);
  const blocks = (): number => statSync(path).blocks * 512;
  log.append([Buffer.alloc(1000)], 1000);
  t.ok(blocks() < 100_000, 'a small file reserves nothing');
  const size = 2 * 1024 * 1024;
  log.append([Buffer.alloc(size)], size);
  t.equal(statSync(path).size, 1000 + size);
  const reserved = blocks() - size;
  log.trim();
  t.equal(statSync(path).size, 1000 + size);
  t.ok(blocks() < 1.2 * size, 'nothing is left beyond the end');
  t.comment(`${reserved} bytes were reserved`);
  if (native !== null && process.platform === 'linux') t.ok(reserved > 0.9 * size);
  log.append([Buffer.from('x')], 1);
  t.equal(log.size, 1001 + size);
  t.end();
});

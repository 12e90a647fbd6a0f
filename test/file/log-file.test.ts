import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Env, systemEnv } from '#src/file/env.js';
import { LogFile } from '#src/file/log-file.js';
import type { Overwritten } from '#src/file/sync-together.js';
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

/** Appends `count` records of 100 bytes and syncs each. */
async function appendSynced(log: LogFile, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    log.append([Buffer.alloc(100, 1)], 100);
    if (i % 2 === 0) await log.datasync();
    else log.datasyncSync();
  }
}

t.test(
  'small synced appends are written over zeros; the size is of what was appended',
  async (t) => {
    const path = join(tempDir(t), 'log');
    const env = new FaultyEnv();
    const log = LogFile.open(env, path, 'create-new');
    t.teardown(() => log.close());
    log.writeZerosUpTo(1024 * 1024);
    const sizes = new Set<number>();
    for (let count = 1; count <= 1000; count++) {
      await appendSynced(log, 1);
      t.equal(log.size, count * 100);
      sizes.add(statSync(path).size);
    }
    t.ok(sizes.size < 20, `the file had ${sizes.size} sizes in 1000 appends`);
    const bytes = readFileSync(path);
    t.ok(bytes.subarray(0, log.size).every((byte) => byte === 1));
    t.ok(bytes.subarray(log.size).every((byte) => byte === 0));
    t.ok(bytes.length > log.size && bytes.length <= 2 * log.size + 8192, 'no more than there is');
    t.equal(log.trim(), true);
    t.equal(statSync(path).size, log.size);
    t.equal(log.trim(), false);
  },
);

t.test(
  'no zeros: not asked for, no syncs, large appends, or at the size that is to be',
  async (t) => {
    const dir = tempDir(t);
    const sizeAfter = async (name: string, use: (log: LogFile) => Promise<void> | void) => {
      const log = LogFile.open(systemEnv, join(dir, name), 'create-new');
      t.teardown(() => log.close());
      await use(log);
      return statSync(join(dir, name)).size - log.size;
    };
    const unasked = await sizeAfter('unasked', (log) => appendSynced(log, 10));
    const unsynced = await sizeAfter('unsynced', (log) => {
      log.writeZerosUpTo(1e6);
      for (let i = 0; i < 10; i++) log.append([Buffer.alloc(100)], 100);
    });
    const large = await sizeAfter('large', async (log) => {
      log.writeZerosUpTo(1e6);
      for (let i = 0; i < 10; i++) {
        log.append([Buffer.alloc(40_000)], 40_000);
        await log.datasync();
      }
    });
    t.same([unasked, unsynced, large], [0, 0, 0]);
    const full = await sizeAfter('full', async (log) => {
      log.writeZerosUpTo(1000);
      await appendSynced(log, 9);
      t.equal(statSync(join(dir, 'full')).size, 1000);
      await appendSynced(log, 3);
    });
    t.equal(full, 0);
    const ended = await sizeAfter('ended', async (log) => {
      log.writeZerosUpTo(1e6);
      await appendSynced(log, 10);
      t.ok(statSync(join(dir, 'ended')).size > log.size);
      log.writeZerosUpTo(0);
    });
    t.equal(ended, 0, 'those that are there are given back when no more are asked for');
  },
);

t.test('an append that fails, or a cut, leaves no zeros behind', async (t) => {
  const path = join(tempDir(t), 'log');
  const env = new FaultyEnv();
  const log = LogFile.open(env, path, 'create-new');
  t.teardown(() => log.close());
  log.writeZerosUpTo(1e6);
  await appendSynced(log, 5);
  env.fail({ operation: 'pwritev', call: 1, errno: 'ENOSPC', written: 3 });
  t.throws(() => log.append(...bytes('second')), { code: 'NO_SPACE' });
  t.equal(statSync(path).size, 500);
  await appendSynced(log, 5);
  t.ok(statSync(path).size > 1000);
  log.truncate(300);
  t.equal(statSync(path).size, 300);
  await appendSynced(log, 1);
  t.equal(log.size, 400);
  t.ok(
    readFileSync(path)
      .subarray(0, 400)
      .every((byte) => byte === 1),
  );
});

t.test(
  'a full disk takes no zeros and all appends; another error is one of any write',
  async (t) => {
    for (const written of [0, 1, 1000]) {
      const path = join(tempDir(t), 'log');
      const env = new FaultyEnv();
      const log = LogFile.open(env, path, 'create-new');
      t.teardown(() => log.close());
      log.writeZerosUpTo(1e6);
      await appendSynced(log, 2);
      env.fail({ operation: 'pwritev', call: 1, errno: 'ENOSPC', written });
      await appendSynced(log, 1);
      t.equal(log.size, 300);
      t.equal(statSync(path).size, 300);
      await appendSynced(log, 900);
      t.equal(statSync(path).size, log.size, 'not tried again soon');
      await appendSynced(log, 200);
      t.ok(statSync(path).size > log.size, 'tried again');
    }
    const path = join(tempDir(t), 'log');
    const env = new FaultyEnv();
    const log = LogFile.open(env, path, 'create-new');
    t.teardown(() => log.close());
    log.writeZerosUpTo(1e6);
    await appendSynced(log, 2);
    env.fail({ operation: 'pwritev', call: 1, errno: 'EIO', written: 1000 });
    t.throws(() => log.append(...bytes('third')), /EIO/);
    t.equal(log.size, 200);
    t.equal(statSync(path).size, 200);
    t.throws(() => log.append(...bytes('third')), { code: 'IO_ERROR' });
    await t.rejects(log.datasync(), { code: 'IO_ERROR' });
  },
);

t.test('a sync says what was overwritten, if nothing else of the file changed', async (t) => {
  const path = join(tempDir(t), 'log');
  const ranges: (Overwritten | undefined)[] = [];
  const env: Env = {
    ...systemEnv,
    open: (name, mode) => {
      const file = systemEnv.open(name, mode);
      const datasync = file.datasync.bind(file);
      file.datasync = (overwritten) => {
        ranges.push(overwritten);
        return datasync(overwritten);
      };
      return file;
    },
  };
  const log = LogFile.open(env, path, 'create-new');
  t.teardown(() => log.close());
  log.writeZerosUpTo(1e6);
  const synced = async (...sizes: number[]): Promise<Overwritten | undefined> => {
    for (const size of sizes) log.append([Buffer.alloc(size, 1)], size);
    await log.datasync();
    return ranges.pop();
  };
  t.equal(await synced(100), undefined);
  t.equal(await synced(100), undefined);
  t.equal(await synced(100), undefined, 'the zeros are not durable yet');
  t.same(await synced(100), { position: 300, length: 100 });
  t.same(await synced(50, 70), { position: 400, length: 120 });
  t.equal(await synced(), undefined, 'nothing was appended: whoever asks wants all of it');
  t.equal(await synced(8000), undefined, 'beyond the zeros');
  t.same(await synced(100), { position: 8520, length: 100 });
  log.datasyncSync();
  t.same(await synced(100), { position: 8620, length: 100 });
  log.append([Buffer.alloc(10)], 10);
  const first = log.datasync();
  log.append([Buffer.alloc(20)], 20);
  await Promise.all([first, log.datasync()]);
  t.same(ranges.splice(0), [
    { position: 8720, length: 10 },
    { position: 8730, length: 20 },
  ]);
  log.truncate(8000);
  t.equal(await synced(100), undefined, 'a cut is of the size');
  log.truncate(8000);
  log.append([Buffer.alloc(10)], 10);
  const whole = log.datasync();
  log.truncate(8000);
  await whole;
  t.same(ranges.splice(0), [undefined]);
  t.equal(await synced(10), undefined, 'a sync that began before a cut settles nothing');
  log.noteCut(4000);
  t.equal(await synced(10), undefined, 'nor does one of another LogFile');
  log.append([Buffer.alloc(10)], 10);
  log.truncate(0);
  t.equal(await synced(), undefined, 'nor is an empty file overwritten');
});

t.test('zeros that cannot be given back are an error of the disk', async (t) => {
  const env = new FaultyEnv();
  const log = LogFile.open(env, join(tempDir(t), 'log'), 'create-new');
  t.teardown(() => log.close());
  log.writeZerosUpTo(1e6);
  await appendSynced(log, 5);
  env.fail({ operation: 'truncate', call: 1, errno: 'EIO' });
  t.throws(() => log.trim(), /EIO/);
  t.throws(() => log.append(...bytes('next')), { code: 'IO_ERROR' });
});

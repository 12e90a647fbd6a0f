import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Log } from '#src/storage/log.js';
import {
  fill,
  GatedEnv,
  NOW_MS,
  open,
  openAll,
  readAll,
  tempDir,
  until,
} from './storage-fixture.js';

/** What an append has come to by now. */
function watch(log: Log, value: string): { state: string } {
  const seen = { state: 'waits' };
  log.append({ value: Buffer.from(value) }).then(
    (offset) => {
      seen.state = `acked ${offset}`;
    },
    (error: unknown) => {
      seen.state = (error as { code: string }).code;
    },
  );
  return seen;
}

t.test('os: answered when written, nothing is synced', async (t) => {
  const gate = new GatedEnv();
  const log = await open(t, tempDir(t), { env: gate.env });
  gate.open = false;
  t.equal(await log.append({ value: Buffer.from('a') }), 0);
  t.equal(gate.syncCount, 0);
  t.equal(log.stats.recoveryPoint, 0);
  gate.open = true;
  await log.flush();
  t.equal(log.stats.recoveryPoint, 1);
});

t.test('interval: answered when written, synced when the time is up', async (t) => {
  const gate = new GatedEnv();
  const clock = new ManualClock(NOW_MS);
  const log = await open(t, tempDir(t), {
    env: gate.env,
    clock,
    durability: { intervalMs: 50 },
  });
  t.equal(await log.append({ value: Buffer.from('a') }), 0);
  await log.append({ value: Buffer.from('b') });
  clock.advance(49);
  t.equal(gate.syncCount, 0);
  clock.advance(1);
  await until(() => log.stats.recoveryPoint === 2);
  t.equal(gate.syncCount, 1);
});

t.test('group: answered after a sync, and a round is shared by what came meanwhile', async (t) => {
  const gate = new GatedEnv();
  const log = await open(t, tempDir(t), { env: gate.env, durability: 'group' });
  gate.open = false;
  const first = watch(log, 'a');
  await until(() => gate.waiting.length === 1);
  const others = [watch(log, 'b'), watch(log, 'c')];
  await until(() => log.stats.logEndOffset === 3);
  others.push(watch(log, 'd'));
  await until(() => log.stats.logEndOffset === 4);
  t.equal(first.state, 'waits');
  t.equal(log.stats.highWatermark, 0, 'not visible before it is durable');
  t.equal(gate.waiting.length, 1, 'one sync of a file at a time');
  gate.waiting[0]?.go();
  await until(() => first.state === 'acked 0');
  await until(() => gate.waiting.length === 2);
  t.same(
    others.map(({ state }) => state),
    ['waits', 'waits', 'waits'],
  );
  gate.waiting[1]?.go();
  await until(() => others[2]?.state === 'acked 3');
  t.same(
    others.map(({ state }) => state),
    ['acked 1', 'acked 2', 'acked 3'],
  );
  t.equal(gate.syncCount, 2, 'four appends, two syncs');
  gate.open = true;
});

t.test('group: syncs of several partitions run side by side', async (t) => {
  const gate = new GatedEnv();
  const logs = await openAll(t, tempDir(t), { env: gate.env, durability: 'group' });
  const opened = [await logs.open('a'), await logs.open('b'), await logs.open('c')];
  gate.open = false;
  const seen = opened.map((log) => watch(log, 'x'));
  await until(() => gate.waiting.length === 3);
  t.equal(new Set(gate.waiting.map(({ path }) => path)).size, 3);
  gate.waiting[1]?.go();
  await until(() => seen[1]?.state === 'acked 0');
  t.same([seen[0]?.state, seen[2]?.state], ['waits', 'waits']);
  gate.waiting[0]?.go();
  gate.waiting[2]?.go();
  await until(() => seen.every(({ state }) => state === 'acked 0'));
  gate.open = true;
});

t.test('each: a sync an append, and the next is not written before it', async (t) => {
  const gate = new GatedEnv();
  const log = await open(t, tempDir(t), { env: gate.env, durability: 'each' });
  gate.open = false;
  const seen = [watch(log, 'a'), watch(log, 'b')];
  t.throws(() => log.appendSync({ value: null }), { code: 'BUSY' });
  await until(() => gate.waiting.length === 1);
  t.equal(log.stats.logEndOffset, 1);
  t.same(
    seen.map(({ state }) => state),
    ['waits', 'waits'],
  );
  gate.waiting[0]?.go();
  await until(() => gate.waiting.length === 2);
  t.equal(seen[0]?.state, 'acked 0');
  t.equal(seen[1]?.state, 'waits');
  gate.waiting[1]?.go();
  await until(() => seen[1]?.state === 'acked 1');
  gate.open = true;
});

t.test(
  'each: appendSync has synced when it returns, and a sync that fails is thrown',
  async (t) => {
    const gate = new GatedEnv();
    const log = await open(t, tempDir(t), {
      env: gate.env,
      durability: 'each',
      segmentBytes: 4096,
    });
    for (let i = 0; i < 10; i++) {
      log.appendSync({ value: Buffer.alloc(1000, `${i}`) });
      t.ok(gate.blockingSyncCount > i);
    }
    t.ok(log.stats.segmentCount > 2);
    gate.syncErrno = 'EIO';
    t.throws(() => log.appendSync({ value: null }), { code: 'IO_ERROR' });
    t.ok(log.stats.offline);
    gate.syncErrno = null;
    t.throws(() => log.appendSync({ value: null }), { code: 'KAFKA_STORAGE_ERROR' });
  },
);

t.test('what was acknowledged survives the loss of the process, across rolls', async (t) => {
  for (const durability of ['group', 'each'] as const) {
    const [dir, crashed] = [tempDir(t), tempDir(t)];
    const log = await open(t, dir, { durability, segmentBytes: 8192 });
    for (let i = 0; i < 20; i++) await log.append({ value: Buffer.alloc(1024, `${i}`) });
    t.ok(log.stats.segmentCount > 2);
    t.equal(log.stats.recoveryPoint, 20);
    cpSync(dir, crashed, { recursive: true });
    rmSync(join(crashed, '.lock'));
    const again = await open(t, crashed, { durability });
    t.equal((await readAll(again)).length, 20);
    t.equal(await again.append({ value: null }), 20);
  }
});

t.test('a sync that fails takes the log offline, and nothing is acknowledged', async (t) => {
  for (const durability of ['group', 'each'] as const) {
    const gate = new GatedEnv();
    const dir = tempDir(t);
    const log = await open(t, dir, { env: gate.env, durability });
    await log.append({ value: Buffer.from('good') });
    const said: string[] = [];
    log.on('offline', (error) => said.push(error.code));
    gate.open = false;
    const seen = [watch(log, 'a'), watch(log, 'b')];
    await until(() => gate.waiting.length === 1);
    gate.waiting[0]?.go('EIO');
    await until(() => seen.every(({ state }) => state === 'KAFKA_STORAGE_ERROR'));
    t.same(said, ['KAFKA_STORAGE_ERROR']);
    t.ok(log.stats.offline);
    gate.open = true;
    await t.rejects(async () => log.append({ value: null }), { code: 'KAFKA_STORAGE_ERROR' });
    await t.rejects(log.flush());
    await log.close();
    const again = await open(t, dir, { durability });
    t.same((await readAll(again))[0], [0, 'good'], 'a reopen heals it');
  }
});

t.test('a full disk refuses appends and lets them in again', async (t) => {
  const gate = new GatedEnv();
  const log = await open(t, tempDir(t), { env: gate.env });
  await log.append({ value: Buffer.from('a') });
  gate.errno = 'ENOSPC';
  await t.rejects(async () => log.append({ value: Buffer.from('b') }), {
    code: 'KAFKA_STORAGE_ERROR',
    retriable: true,
  });
  t.throws(() => log.appendSync({ value: Buffer.from('c') }), { code: 'APPEND_REFUSED' });
  gate.errno = null;
  t.equal(await log.append({ value: Buffer.from('d') }), 1);
  t.same(await readAll(log), [
    [0, 'a'],
    [1, 'd'],
  ]);
});

t.test('appends in flight at close are answered', async (t) => {
  for (const durability of ['os', 'group', 'each'] as const) {
    const dir = tempDir(t);
    const log = await open(t, dir, { durability });
    fill(log, 10);
    const last = watch(log, 'last');
    await log.close();
    t.equal(last.state, 'acked 10');
    const again = await open(t, dir);
    t.equal(again.stats.logEndOffset, 11);
  }
});

/** The promises of the library that are about its edges: bounds, signals, events, closing, codes. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MillraceError } from '#src/base/errors.js';
import type { Appended } from '#src/storage/appended.js';
import type { Log } from '#src/storage/log.js';
import { openLog } from '#src/storage/logs.js';
import type { StoredBatch } from '#src/storage/stored-batch.js';
import { fill, GatedEnv, open, openAll, readAll, tempDir, text, until } from './storage-fixture.js';

const KIB = Buffer.alloc(1024, 'x');

t.test('what waits for a sync is bounded, and there is room again after it', async (t) => {
  for (const durability of ['group', 'each'] as const) {
    const gate = new GatedEnv();
    const log = await open(t, tempDir(t), {
      env: gate.env,
      durability,
      batchBytesMax: 4096,
      pendingBytesMax: 64 * 1024,
    });
    gate.open = false;
    const taken: Appended[] = [];
    const refused = await (async (): Promise<unknown> => {
      for (;;) {
        try {
          taken.push(log.append({ value: KIB }));
        } catch (error) {
          return error;
        }
        if (taken.length % 16 === 0) await new Promise(setImmediate);
        if (taken.length > 1000) return null;
      }
    })();
    t.match(refused, { code: 'QUEUE_FULL', retriable: true });
    t.ok(taken.length >= 55 && taken.length < 90, `${taken.length} KiB were taken`);
    t.ok(log.stats.pendingBytes >= 64 * 1024 && log.stats.pendingBytes < 80 * 1024);
    t.throws(() => log.append([{ value: KIB }]), { code: 'QUEUE_FULL' });
    t.throws(() => log.appendRaw(KIB), { code: 'QUEUE_FULL' });
    let isReady = false;
    const ready = log.ready().then(() => {
      isReady = true;
    });
    const reason = new Error('not waiting any longer');
    const ended = new AbortController();
    const impatient = log.ready(ended.signal);
    ended.abort(reason);
    await t.rejects(impatient, reason);
    await t.rejects(log.ready(ended.signal), reason);
    t.notOk(isReady);
    gate.open = true;
    for (const { go } of gate.waiting.splice(0)) go();
    await ready;
    const last = log.append({ value: KIB });
    t.equal(await last, taken.length, 'nothing that was refused is in the log');
    t.same(
      await Promise.all(taken),
      Array.from({ length: taken.length }, (_, at) => at),
    );
    t.equal(log.stats.pendingBytes, 0);
    t.equal((await readAll(log)).length, taken.length + 1);
  }
});

t.test('a producer that waits for room writes any amount', async (t) => {
  const log = await open(t, tempDir(t), { durability: 'group', pendingBytesMax: 32 * 1024 });
  let most = 0;
  for (let i = 0; i < 2000; i++) {
    await log.ready();
    log.append({ value: KIB });
    most = Math.max(most, log.stats.pendingBytes);
  }
  await log.flush();
  t.equal(log.stats.highWatermark, 2000);
  t.ok(most < 32 * 1024 + 2 * 64 * 1024, `${most} bytes at most`);
});

t.test('without a sync to wait for there is no bound to hit', async (t) => {
  const log = await open(t, tempDir(t), { durability: 'os', pendingBytesMax: 1024 });
  for (let i = 0; i < 500; i++) log.append({ value: KIB });
  await log.ready();
  await log.flush();
  t.equal(log.stats.highWatermark, 500);
  const each = await open(t, tempDir(t), { durability: 'each', pendingBytesMax: 1024 });
  for (let i = 0; i < 20; i++) each.appendSync({ value: KIB });
  t.equal(each.stats.pendingBytes, 0, 'appendSync has waited itself');
});

t.test('one append larger than the bound is taken when nothing waits', async (t) => {
  const log = await open(t, tempDir(t), { durability: 'group', pendingBytesMax: 1024 });
  const many = Array.from({ length: 100 }, () => ({ value: KIB }));
  t.equal(await log.append(many), 0);
  t.equal(await log.append(many), 100);
});

t.test('those who wait for room learn of a disk that failed, and of the end', async (t) => {
  const gate = new GatedEnv();
  const options = { env: gate.env, durability: 'group', pendingBytesMax: 1024 } as const;
  const log = await open(t, tempDir(t), options);
  gate.open = false;
  const first = log.append([{ value: KIB }, { value: KIB }]);
  await until(() => gate.waiting.length === 1);
  const waiting = log.ready();
  gate.waiting[0]?.go('EIO');
  await t.rejects(async () => first, { code: 'KAFKA_STORAGE_ERROR' });
  await waiting;
  gate.open = true;
  await t.rejects(async () => log.append({ value: KIB }), { code: 'KAFKA_STORAGE_ERROR' });
  await log.close();
  t.throws(() => log.append({ value: KIB }), { code: 'CLOSED' });
});

t.test('a batch larger than a window of a pass comes whole', async (t) => {
  const config = { messageBytesMax: 8 * 2 ** 20 };
  for (const durability of ['os', 'group', 'each'] as const) {
    const dir = tempDir(t);
    const log = await open(t, dir, { durability, config, segmentBytes: 4 * 2 ** 20 });
    const sizes = [10, 3 * 2 ** 20, 100, 5 * 2 ** 20, 1];
    for (const size of sizes) await log.append({ value: Buffer.alloc(size, 'y') });
    const read = async (from: Log): Promise<number[]> => {
      const found: number[] = [];
      for await (const batch of from.read()) {
        for (const { value } of batch)
          found.push(value?.every((byte) => byte === 0x79) ? value.length : -1);
      }
      return found;
    };
    t.same(await read(log), sizes);
    await log.close();
    t.same(await read(await open(t, dir, { mmap: false, config })), sizes);
  }
});

t.test('a signal ends a pass at its next step, or while it waits', async (t) => {
  const log = await open(t, tempDir(t), { batchBytesMax: 512 });
  fill(log, 10);
  await log.flush();
  const ended = new AbortController();
  const reason = new Error('enough');
  const reader = log.read({ signal: ended.signal });
  const first = (await reader.next()).value as StoredBatch;
  ended.abort(reason);
  await t.rejects(reader.next(), reason);
  t.throws(() => first.baseOffset, /copy\(\)/, 'its views are gone');
  t.equal(log.stats.readerCount, 0);
  t.match(await reader.next().catch((error: unknown) => error), reason, 'and it stays ended');
  const waits = new AbortController();
  const live = log.read({ from: 'end', live: true, signal: waits.signal });
  const step = live.next();
  await new Promise(setImmediate);
  waits.abort(reason);
  await t.rejects(step, reason);
  const sync = log.readSync({ signal: ended.signal });
  t.throws(() => sync.next(), reason);
  t.equal(log.stats.readerCount, 0);
});

t.test('closing in the middle of a pass ends it, and kills its views', async (t) => {
  for (const mmap of [true, false]) {
    const log = await open(t, tempDir(t), { segmentBytes: 8192, batchBytesMax: 1024, mmap });
    fill(log, 40);
    await log.flush();
    const reader = log.read();
    const batch = (await reader.next()).value as StoredBatch;
    const [record] = [...batch];
    const copy = batch.copy();
    const live = log.read({ from: 'end', live: true });
    const step = live.next();
    const raw = log.readRaw();
    await raw.next();
    await log.close();
    t.throws(() => batch.bytes, /copy\(\)/);
    t.ok(record);
    t.equal([...copy].length, 1, 'a copy lives on');
    t.same(await reader.next(), { done: true, value: undefined });
    t.same(await step, { done: true, value: undefined });
    t.same(await raw.next(), { done: true, value: undefined });
    t.throws(() => log.readSync(), { code: 'CLOSED' });
    t.throws(() => log.readRaw(), { code: 'CLOSED' });
  }
});

t.test('views are good until the next step, of every kind of pass', async (t) => {
  for (const mmap of [true, false]) {
    const dir = tempDir(t);
    const log = await open(t, dir, { segmentBytes: 8192, batchBytesMax: 1024, mmap });
    for (let i = 0; i < 30; i++)
      log.append({ key: Buffer.from(`k${i}`), value: Buffer.alloc(700, `${i} `) });
    await log.flush();
    const kept: StoredBatch[] = [];
    let at = 0;
    for await (const batch of log.read()) {
      const copy = batch.copy();
      t.ok(Buffer.compare(copy.bytes, batch.bytes) === 0);
      for (const { key, value } of batch) {
        if (text(key) !== `k${at}` || !text(value)?.startsWith(`${at} `)) t.fail(`record ${at}`);
        at++;
      }
      kept.push(copy);
    }
    const again = kept.flatMap((batch) => [...batch].map(({ key }) => text(key)));
    t.same(
      again,
      Array.from({ length: 30 }, (_, i) => `k${i}`),
      'copies do not change later',
    );
    let last: StoredBatch | null = null;
    for (const batch of log.readSync()) {
      const { lastOffset } = batch;
      if (last !== null) t.throws(() => last?.lastOffset);
      t.ok(lastOffset >= 0);
      last = batch;
    }
  }
});

t.test('events: what is visible, and the end', async (t) => {
  for (const durability of ['os', 'group', 'each'] as const) {
    const log = await open(t, tempDir(t), { durability });
    const said: string[] = [];
    log.on('visible', (end) => said.push(`visible ${end}`));
    log.on('close', () => said.push('close'));
    await log.append([{ value: KIB }, { value: KIB }]);
    await log.append({ value: KIB });
    await log.close();
    await log.close();
    t.same(said, ['visible 2', 'visible 3', 'close'], durability);
  }
});

t.test('await using closes, also many', async (t) => {
  const dir = tempDir(t);
  let log: Log;
  {
    await using logs = await openAll(t, dir);
    log = await logs.open('events');
    log.append({ value: Buffer.from('taken') });
  }
  t.throws(() => log.read(), { code: 'CLOSED' });
  await using again = await openLog(join(dir, 'events-0'));
  t.same(await readAll(again), [[0, 'taken']]);
});

/** Every code that docs/STORAGE.md names, provoked. */
const codes: Readonly<
  Record<string, (t: Parameters<typeof open>[0], dir: string) => Promise<unknown>>
> = {
  CLOSED: async (t, dir) => {
    const log = await open(t, dir);
    await log.close();
    return log.append({ value: null });
  },
  QUEUE_FULL: async (t, dir) => {
    const log = await open(t, dir, { durability: 'group', pendingBytesMax: 1 });
    log.append([{ value: KIB }]);
    await new Promise(process.nextTick);
    for (let i = 0; i < 200; i++) log.append({ value: KIB });
    return null;
  },
  BUSY: async (t, dir) => {
    const log = await open(t, dir, { durability: 'each' });
    log.append({ value: KIB });
    return log.appendSync({ value: KIB });
  },
  NOT_SUPPORTED: async (t, dir) => (await open(t, dir, { durability: 'group' })).appendSync({}),
  APPEND_REFUSED: async (t, dir) =>
    (await open(t, dir)).appendSync({ value: Buffer.alloc(2 << 20) }),
  MESSAGE_TOO_LARGE: async (t, dir) =>
    (await open(t, dir)).append({ value: Buffer.alloc(2 << 20) }),
  CORRUPT_MESSAGE: async (t, dir) => (await open(t, dir)).appendBatch(Buffer.alloc(80, 2)),
  OFFSET_OUT_OF_RANGE: async (t, dir) => readAll(await open(t, dir), { from: 5, to: 9 }),
  INVALID_OPTION: async (t, dir) => open(t, dir, { pendingBytesMax: 0 }),
  INVALID_DIRECTORY: async (_t, dir) => openLog(join(dir, 'no-partition-')),
  DIRECTORY_LOCKED: async (t, dir) => {
    await open(t, dir);
    return open(t, dir);
  },
};

t.test('codes of errors are those of the page', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/STORAGE.md'), 'utf8');
  for (const [code, provoke] of Object.entries(codes)) {
    const dir = tempDir(t);
    const error = await provoke(t, dir).then(
      () => null,
      (caught: unknown) => caught,
    );
    t.type(error, MillraceError, code);
    t.equal((error as MillraceError | null)?.code, code);
    t.match(page, `\`${code}\``, `${code} is on the page`);
  }
});

t.test('opening does not care what else lies in the directory', async (t) => {
  const dir = tempDir(t);
  const log = await open(t, dir);
  await log.append({ value: Buffer.from('a') });
  await log.close();
  writeFileSync(join(dir, 'events-0', 'notes.txt'), 'mine');
  writeFileSync(join(dir, 'README'), 'mine');
  mkdirSync(join(dir, 'not a partition'));
  cpSync(join(dir, 'events-0'), join(dir, 'events-1'), { recursive: true });
  const again = await openAll(t, dir);
  t.same(again.list().length, 2);
  t.same(await readAll(await again.open('events', 1)), [[0, 'a']]);
  t.equal(readFileSync(join(dir, 'events-0', 'notes.txt'), 'utf8'), 'mine');
});

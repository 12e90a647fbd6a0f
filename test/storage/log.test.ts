import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MillraceError } from '#src/base/errors.js';
import { native } from '#src/native/binding.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import type { StoredBatch } from '#src/storage/stored-batch.js';
import {
  fill,
  held,
  NOW_MS,
  open,
  openAll,
  readAll,
  tempDir,
  text,
  until,
} from './storage-fixture.js';

t.test('records come back with the offsets that their appends were answered with', async (t) => {
  const log = await open(t, tempDir(t));
  const [a, b, c] = await Promise.all([
    log.append({ key: Buffer.from('k'), value: Buffer.from('a'), timestamp: 7 }),
    log.append([{ value: Buffer.from('b') }, { value: null }]),
    log.append({ value: Buffer.from('c'), headers: [{ key: 'h', value: Buffer.from('v') }] }),
  ]);
  t.same([a, b, c], [0, 1, 3]);
  const batches: StoredBatch[] = [];
  for await (const batch of log.read()) batches.push(batch.copy());
  t.equal(batches.length, 1, 'appends of a tick share a batch');
  const records = [...(batches[0] as StoredBatch)];
  t.same(
    records.map(({ offset, timestamp, value }) => [offset, timestamp, text(value)]),
    [
      [0, 7, 'a'],
      [1, NOW_MS, 'b'],
      [2, NOW_MS, null],
      [3, NOW_MS, 'c'],
    ],
  );
  t.equal(text(records[0]?.key ?? null), 'k');
  t.same(records[3]?.headers, [{ key: 'h', value: Buffer.from('v') }]);
});

t.test('a full batch is sealed inside the tick, and an append may span batches', async (t) => {
  const log = await open(t, tempDir(t), { batchBytesMax: 1024 });
  const values = Array.from({ length: 50 }, (_, i) => ({ value: Buffer.alloc(100, `${i}`) }));
  t.equal(await log.append({ value: Buffer.alloc(5000, 'x') }), 0, 'larger than a batch');
  t.equal(await log.append(values), 1);
  const sizes: number[] = [];
  for await (const batch of log.read()) sizes.push(batch.recordsCount);
  t.equal(
    sizes.reduce((sum, count) => sum + count, 0),
    51,
  );
  t.ok(sizes.length > 5);
  t.same((await readAll(log)).at(-1), [50, '49'.repeat(50)]);
});

t.test('from and to bound the records, and may lie inside batches', async (t) => {
  const log = await open(t, tempDir(t), { batchBytesMax: 512 });
  for (let i = 0; i < 100; i++) log.append({ value: Buffer.from(`${i}`) });
  await log.flush();
  const offsets = async (options: object) => (await readAll(log, options)).map(([o]) => o);
  t.same(await offsets({ from: 41, to: 44 }), [41, 42, 43]);
  t.same(await offsets({ from: 98 }), [98, 99]);
  t.same(await offsets({ from: 'end' }), []);
  t.same(await offsets({ from: 100 }), []);
  t.same(await offsets({ to: 0 }), []);
  await t.rejects(offsets({ from: 101, to: 200 }), { code: 'OFFSET_OUT_OF_RANGE' });
  const found: number[] = [];
  for (const batch of log.readSync({ from: 97 }))
    for (const { offset } of batch) found.push(offset);
  t.same(found, [97, 98, 99]);
});

t.test('sealed segments and the active one read the same, mapped or not', async (t) => {
  for (const mmap of [true, false]) {
    const dir = tempDir(t);
    const log = await open(t, dir, { segmentBytes: 16_384, batchBytesMax: 4096, mmap });
    fill(log, 100);
    await log.flush();
    t.ok(log.stats.segmentCount > 3);
    const offsets = (await readAll(log)).map(([offset]) => offset);
    t.same(
      offsets,
      Array.from({ length: 100 }, (_, i) => i),
    );
    await log.close();
    const again = await open(t, dir, { segmentBytes: 16_384, mmap });
    t.equal((await readAll(again)).length, 100, 'after a reopen');
    t.equal(await again.append({ value: Buffer.from('next') }), 100);
  }
});

t.test('a batch kept too long fails; a copy does not', async (t) => {
  const log = await open(t, tempDir(t));
  await log.append({ value: Buffer.from('a') });
  await log.append({ value: Buffer.from('b') });
  const reader = log.read();
  const first = (await reader.next()).value as StoredBatch;
  const copy = first.copy();
  await reader.next();
  t.throws(() => first.baseOffset, /copy\(\)/);
  t.same(
    [...copy].map(({ value }) => text(value)),
    ['a'],
  );
  await reader.return();
});

t.test(
  'an early break lets go of descriptors and maps',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const dir = tempDir(t);
    const log = await open(t, dir, { segmentBytes: 16_384, batchBytesMax: 4096 });
    fill(log, 100);
    await log.flush();
    await readAll(log);
    // Checksums of what was rolled are made meanwhile, through descriptors of their own.
    const sums = () => readdirSync(log.path).filter((name) => name.endsWith('.checksum'));
    await until(() => sums().length === log.stats.segmentCount - 1);
    const { fds } = held(dir);
    const maps = (): number => readFileSync('/proc/self/maps', 'latin1').split(dir).length - 1;
    const before = maps();
    for (let i = 0; i < 20; i++) {
      for await (const batch of log.read()) {
        t.equal(batch.baseOffset, 0);
        if (native !== null) t.equal(maps(), before + 1, 'a sealed segment is mapped');
        break;
      }
      const thrown = (async () => {
        for await (const _ of log.read()) throw new Error('of the loop');
      })();
      await t.rejects(thrown, /of the loop/);
    }
    t.equal(maps(), before);
    await until(() => held(dir).fds <= fds);
    t.equal(log.stats.readerCount, 0);
  },
);

t.test('a live pass follows appends until its signal', async (t) => {
  const log = await open(t, tempDir(t), { segmentBytes: 4096, batchBytesMax: 512 });
  const controller = new AbortController();
  const seen: number[] = [];
  const pass = (async () => {
    for await (const batch of log.read({ live: true, signal: controller.signal })) {
      for (const { offset } of batch) seen.push(offset);
    }
  })();
  for (let i = 0; i < 60; i++) await log.append({ value: Buffer.alloc(200, `${i}`) });
  await until(() => seen.length === 60);
  const reason = new Error('enough');
  controller.abort(reason);
  await t.rejects(pass, reason);
  t.same(
    seen,
    Array.from({ length: 60 }, (_, i) => i),
  );
  t.equal(log.stats.readerCount, 0);
  const late = log.read({ signal: controller.signal });
  await t.rejects(late.next(), reason);
});

t.test('a live pass ends at `to`, and with the log', async (t) => {
  const log = await open(t, tempDir(t));
  const bounded = readAll(log, { live: true, to: 2 });
  const seen: number[] = [];
  const unbounded = (async () => {
    for await (const batch of log.read({ live: true, from: 'end' })) seen.push(batch.baseOffset);
  })();
  for (let i = 0; i < 3; i++) await log.append({ value: Buffer.from(`${i}`) });
  t.same(await bounded, [
    [0, '0'],
    [1, '1'],
  ]);
  await until(() => seen.length === 3);
  await log.close();
  await unbounded;
  t.throws(() => log.read(), { code: 'CLOSED' });
  t.throws(() => log.append({ value: null }), { code: 'CLOSED' });
});

t.test('raw payloads go in and come out, and are records to others', async (t) => {
  const log = await open(t, tempDir(t));
  const payloads = ['one', '', 'three'].map((one) => Buffer.from(one));
  for (const payload of payloads) log.appendRaw(payload);
  await log.flush();
  const found: [number, string | null][] = [];
  for await (const { offset, payload } of log.readRaw()) found.push([offset, text(payload)]);
  t.same(found, [
    [0, 'one'],
    [1, ''],
    [2, 'three'],
  ]);
  t.same(await readAll(log), found);
});

t.test('batches made elsewhere get offsets of this log', async (t) => {
  const dir = tempDir(t);
  const log = await open(t, dir);
  const builder = new BatchBuilder({ compression: 'gzip' });
  for (const value of ['a', 'b']) builder.append({ timestamp: 1, value: Buffer.from(value) });
  const batch = builder.build({ baseOffset: 77 });
  t.equal(await log.appendBatch(Buffer.concat([batch, batch])), 0);
  t.equal(await log.appendBatch(batch), 4);
  t.same(
    (await readAll(log)).map(([, value]) => value),
    ['a', 'b', 'a', 'b', 'a', 'b'],
  );
  batch[batch.length - 1] = (batch[batch.length - 1] as number) ^ 1;
  await t.rejects(async () => log.appendBatch(batch), { code: 'CORRUPT_MESSAGE' });
  await t.rejects(async () => log.appendBatch(Buffer.from('no batch at all')), MillraceError);
  await t.rejects(async () => log.appendBatch(Buffer.alloc(0)), MillraceError);
  t.equal(log.stats.logEndOffset, 6);
});

t.test('appendSync answers offsets, and what was appended before comes first', async (t) => {
  for (const durability of ['os', { intervalMs: 1000 }, 'each'] as const) {
    const dir = tempDir(t);
    const log = await open(t, dir, { durability, segmentBytes: 8192, batchBytesMax: 1024 });
    if (durability !== 'each') log.append({ value: Buffer.from('before') });
    const base = durability === 'each' ? 0 : 1;
    for (let i = 0; i < 30; i++) {
      t.equal(log.appendSync({ value: Buffer.alloc(900, 'x') }), base + i);
      if (durability === 'each') t.ok(log.stats.segmentCount > 0);
    }
    t.equal(log.appendSync([{ value: null }, { value: null }]), base + 30);
    const large = Array.from({ length: 10 }, () => ({ value: Buffer.alloc(900, 'y') }));
    t.equal(log.appendSync(large), base + 32, 'over several batches');
    t.equal((await readAll(log)).length, base + 42);
    t.throws(() => log.appendSync({ value: Buffer.alloc(2 << 20) }), { code: 'APPEND_REFUSED' });
    await log.close();
    const again = await open(t, dir);
    t.equal(again.stats.logEndOffset, base + 42);
  }
  const group = await open(t, tempDir(t), { durability: 'group' });
  t.throws(() => group.appendSync({ value: null }), { code: 'NOT_SUPPORTED' });
});

t.test('a failure that nobody awaits comes out of the next flush, once', async (t) => {
  const log = await open(t, tempDir(t));
  log.append({ value: Buffer.alloc(2 << 20) });
  await t.rejects(log.flush(), { code: 'MESSAGE_TOO_LARGE' });
  await log.flush();
  await t.rejects(async () => log.append({ value: Buffer.alloc(2 << 20) }), {
    code: 'MESSAGE_TOO_LARGE',
  });
  await log.flush();
});

t.test('look-up by time, deletion of the head, truncation of the tail', async (t) => {
  const dir = tempDir(t);
  const log = await open(t, dir, { segmentBytes: 2048, batchBytesMax: 512 });
  for (let i = 0; i < 100; i++) {
    log.append({ value: Buffer.alloc(100, `${i}`), timestamp: 1000 + i });
  }
  await log.flush();
  t.match(log.offsetForTimestamp(1042), { offset: 42, timestampMs: 1042 });
  t.equal(log.offsetForTimestamp(5000), null);
  t.equal(await log.deleteRecordsBefore(10), 10);
  await t.rejects(log.deleteRecordsBefore(1000), { code: 'OFFSET_OUT_OF_RANGE' });
  t.equal((await readAll(log))[0]?.[0], 10);
  const reader = log.read();
  await reader.next();
  const end = await log.truncateTo(50);
  t.ok(end <= 50 && end > 40);
  const rest: number[] = [];
  for await (const batch of reader) for (const { offset } of batch) rest.push(offset);
  t.equal(rest.at(-1), end - 1, 'a pass goes on after a truncation');
  t.equal(await log.append({ value: Buffer.from('new') }), end);
  await log.close();
  const again = await open(t, dir);
  t.match(again.stats, { logStartOffset: 10, logEndOffset: end + 1 });
});

t.test('what rotted in a sealed segment is not handed out', async (t) => {
  const dir = tempDir(t);
  const log = await open(t, dir, { segmentBytes: 8192, batchBytesMax: 2048 });
  fill(log, 30);
  await log.close();
  const path = join(dir, 'events-0', `${'0'.repeat(20)}.log`);
  const bytes = readFileSync(path);
  bytes[3000] = (bytes[3000] as number) ^ 4;
  writeFileSync(path, bytes);
  for (const mmap of [true, false]) {
    const again = await open(t, dir, { mmap });
    const offsets: number[] = [];
    const pass = async () => {
      for await (const batch of again.read()) for (const { offset } of batch) offsets.push(offset);
    };
    await t.rejects(pass(), { code: 'CORRUPT_MESSAGE' });
    t.ok(offsets.length > 0 && offsets.length < 5);
    t.ok((await readAll(again, { from: 10 })).length > 10, 'what is behind it is');
    await again.close();
  }
});

t.test('a tail that a crash tore is cut at open', async (t) => {
  const dir = tempDir(t);
  const crashed = tempDir(t);
  const log = await open(t, dir);
  await log.append({ value: Buffer.from('whole') });
  await log.append({ value: Buffer.from('torn') });
  cpSync(dir, crashed, { recursive: true });
  rmSync(join(crashed, '.lock'));
  const { sizeInBytes } = log.stats;
  truncateSync(join(crashed, 'events-0', `${'0'.repeat(20)}.log`), sizeInBytes - 1);
  const again = await open(t, crashed);
  t.same(await readAll(again), [[0, 'whole']]);
  t.equal(await again.append({ value: Buffer.from('next') }), 1);
});

t.test('names, options and locks are checked', async (t) => {
  const dir = tempDir(t);
  const log = await open(t, dir);
  await t.rejects(open(t, dir), { code: 'DIRECTORY_LOCKED' });
  await log.close();
  await log.close();
  const { openLog } = await import('#src/storage/logs.js');
  await t.rejects(openLog(join(dir, 'events')), { code: 'INVALID_DIRECTORY' });
  await t.rejects(open(t, dir, { durability: { intervalMs: 0 } }), { code: 'INVALID_OPTION' });
  await t.rejects(open(t, dir, { batchBytesMax: 1 }), { code: 'INVALID_OPTION' });
});

t.test('many partitions, and one alone that leaves the others as they are', async (t) => {
  const dir = tempDir(t);
  const logs = await openAll(t, dir);
  const [a, b] = [await logs.open('events', 0), await logs.open('events', 1)];
  t.equal(await logs.open('events', 0), a);
  await Promise.all([a.append({ value: Buffer.from('a') }), b.append({ value: Buffer.from('b') })]);
  await b.append({ value: Buffer.from('b2') });
  await b.deleteRecordsBefore(1);
  t.same(logs.list(), [
    { topic: 'events', partition: 0 },
    { topic: 'events', partition: 1 },
  ]);
  await logs.close();
  const alone = await open(t, dir);
  await alone.append({ value: Buffer.from('a2') });
  await alone.close();
  const again = await openAll(t, dir);
  t.same(await readAll(again.get('events', 0) as never), [
    [0, 'a'],
    [1, 'a2'],
  ]);
  t.same(await readAll(again.get('events', 1) as never), [[1, 'b2']]);
  t.ok(await again.delete('events', 1));
  t.notOk(await again.delete('events', 1));
  t.equal(again.get('events', 1), undefined);
});

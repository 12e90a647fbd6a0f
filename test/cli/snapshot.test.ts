/** Snapshots of logs that are written, compacted, deleted and torn while they are taken. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Clock, ManualClock, systemClock } from '#src/base/clock.js';
import { offset } from '#src/base/offset.js';
import { runSnapshot } from '#src/cli/commands/log-snapshot.js';
import { runVerify, type ToolIo } from '#src/cli/commands/log-verify.js';
import { type Env, systemEnv } from '#src/file/env.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { openLog as openLibrary, openLogs } from '#src/storage/logs.js';
import { tempDir } from '../file/temp-dir.js';
import * as fixture from '../log/log-fixture.js';
import { batch, chain } from '../segment/support.js';
import { readAll } from '../storage/storage-fixture.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic, produceTo } from '../support/test-broker.js';
import { run, runBroker } from './cli.js';

const LOG = '00000000000000000000.log';
const READ_COMMITTED = {
  maxBytes: 1 << 20,
  minOneMessage: true,
  isolation: 'read_committed',
} as const;

function io(env: Env = systemEnv, clock: Clock = systemClock): ToolIo {
  return { env, clock, out: () => {}, terminal: { write: () => true } };
}

function snapshot(from: string, to: string, with_ = io()): Promise<0> {
  return runSnapshot(from, to, { json: true }, with_);
}

async function problemsOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  await runVerify(path, { json: true }, { ...io(), out: (line) => void lines.push(line) });
  return lines.filter((line) => !/"type":"(summary|note)"/.test(line));
}

/** A system Env that calls back before a call on a path that ends so. */
function hooked(name: 'readdir' | 'stat', end: string, before: (count: number) => void): Env {
  let count = 0;
  const call = systemEnv[name] as (path: string) => unknown;
  const watched = (path: string): unknown => {
    if (path.endsWith(end)) before(++count);
    return call(path);
  };
  return { ...systemEnv, [name]: watched } as Env;
}

t.test('of a broker that is produced to, in another process', async (t) => {
  const root = tempDir(t);
  const [data, copies] = [join(root, 'data'), join(root, 'copies')];
  mkdirSync(copies);
  const { port, child, finished } = await runBroker(t, [
    '--listen',
    '127.0.0.1:0',
    '--data-dir',
    data,
  ]);
  const client = await RawClient.connect(port);
  t.teardown(() => client.close());
  await createTopic(client, 'events', { configs: { 'segment.bytes': '20000' } });
  let acked = 0;
  let ended = false;
  const taken: { to: string; before: number }[] = [];
  const producing = (async () => {
    while (!ended) {
      // Ahead of the snapshots, but not for ever: each segment is synced at the end.
      if (acked > 60 * taken.length + 200) {
        await new Promise(setImmediate);
        continue;
      }
      const { baseOffset } = await produceTo(client, 'events', [`value ${acked}`, 'x'.repeat(400)]);
      if (Number(baseOffset) !== acked) throw new Error(`${baseOffset} in place of ${acked}`);
      acked += 2;
    }
  })();
  while (taken.length < 6) {
    const goal = acked + 60;
    while (acked < goal) await new Promise(setImmediate);
    const to = join(copies, `${taken.length}`);
    const before = acked;
    if (taken.length === 0) t.equal((await run(['log', 'snapshot', data, to])).code, 0);
    else await snapshot(data, to);
    taken.push({ to, before });
  }
  ended = true;
  await producing;
  for (const { to, before } of taken) {
    t.same(await problemsOf(to), []);
    const logs = await openLogs(to);
    t.teardown(() => logs.close());
    const log = await logs.open('events');
    const found = await readAll(log);
    t.ok(found.length >= before, `${found.length} of ${before} acknowledged before it began`);
    t.ok(found.length <= acked && found.length % 2 === 0, 'whole batches, and nothing made up');
    const isSame = found.every(([at, value], index) => {
      return at === index && value === (at % 2 === 0 ? `value ${at}` : 'x'.repeat(400));
    });
    t.ok(isSame, 'a prefix, not altered');
    t.equal(await log.append({ value: Buffer.from('of the copy') }), found.length);
    await logs.close();
  }
  // The source goes on as if nothing had been.
  const { baseOffset } = await produceTo(client, 'events', ['of the source']);
  t.equal(baseOffset, acked);
  child.kill('SIGTERM');
  await finished;
  t.same(await problemsOf(data), []);
  const source = await openLogs(data);
  t.teardown(() => source.close());
  const last = await readAll(await source.open('events'), { from: acked });
  t.same(last, [[acked, 'of the source']]);
});

t.test('of a log that the library appends to with every durability', async (t) => {
  for (const durability of ['os', 'group', 'each'] as const) {
    const root = tempDir(t);
    const log = await openLibrary(join(root, 'data/events-0'), { durability, segmentBytes: 8192 });
    t.teardown(() => log.close());
    let acked = 0;
    let most = 200;
    let ended = false;
    const appending = (async () => {
      while (!ended) {
        if (acked < most) acked = (await log.append({ value: Buffer.from(`${acked}`) })) + 1;
        else await new Promise(setImmediate);
      }
    })();
    for (let round = 0; round < 3; round++) {
      const goal = acked + (durability === 'os' ? 40 : 8);
      most = goal + 200;
      while (acked < goal) await new Promise(setImmediate);
      const before = acked;
      const to = join(root, `copy-${round}/events-0`);
      mkdirSync(join(root, `copy-${round}`));
      await snapshot(log.path, to);
      t.same(await problemsOf(to), []);
      const copy = await openLibrary(to);
      const found = await readAll(copy);
      t.ok(found.length >= before, `${durability}: ${found.length} of ${before}`);
      t.ok(found.every(([at, value], index) => at === index && value === `${at}`));
      await copy.close();
    }
    ended = true;
    await appending;
    t.equal((await readAll(log)).length, acked);
  }
});

t.test('reserved zeros and a batch that is being written are not in it', async (t) => {
  const root = tempDir(t);
  const dir = join(root, 'data/events-0');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, LOG);
  const whole = Buffer.concat(chain(0, 10));
  const next = batch(20, 2);
  const zeros = Buffer.alloc(70_000);
  const sizeOfCopy = async (name: string, clock: Clock = systemClock): Promise<number> => {
    await snapshot(dir, join(root, name), io(systemEnv, clock));
    return statSync(join(root, name, LOG)).size;
  };
  writeFileSync(path, Buffer.concat([whole, zeros]));
  t.equal(await sizeOfCopy('reserved'), whole.length);
  // Its writer goes on while the snapshot waits for it.
  writeFileSync(path, Buffer.concat([whole, next.subarray(0, 50), zeros]));
  const clock = new ManualClock();
  const going = Object.assign(Object.create(clock) as Clock, {
    setTimer(_: number, callback: () => void) {
      writeFileSync(path, Buffer.concat([whole, next, batch(22, 1).subarray(0, 30), zeros]));
      callback();
      return { cancel() {} };
    },
    monotonicMs: () => 0,
  });
  t.equal(await sizeOfCopy('writing', going), whole.length + next.length);
  // Nobody writes: a torn tail is the business of whoever opens it.
  const torn = Buffer.concat([whole, next.subarray(0, 50)]);
  writeFileSync(path, torn);
  t.equal(await sizeOfCopy('torn'), torn.length);
  renameSync(join(root, 'torn'), join(root, 'torn-0'));
  const opened = await openLibrary(join(root, 'torn-0'));
  t.equal(opened.stats.logEndOffset, 19, 'opening the copy cuts it');
  await opened.close();
  t.equal(statSync(path).size, torn.length, 'and not the source');
});

t.test('damage in an active segment is copied as it is', async (t) => {
  const root = tempDir(t);
  const dir = join(root, 'data/events-0');
  mkdirSync(dir, { recursive: true });
  for (const at of [0.5, 0.99]) {
    const bytes = Buffer.concat(chain(0, 10));
    const flipped = Math.floor(bytes.length * at);
    bytes[flipped] = (bytes[flipped] as number) ^ 1;
    writeFileSync(join(dir, LOG), bytes);
    writeFileSync(join(root, 'data/recovery-point-offset-checkpoint'), '0\n1\nevents 0 19\n');
    await snapshot(join(root, 'data'), join(root, `copy ${at}`));
    t.same(readFileSync(join(root, `copy ${at}`, 'events-0', LOG)), bytes, `${at}`);
  }
});

/** What a reader that wants committed records sees, and what the log knows besides. */
function stateOf(log: PartitionLog): unknown {
  const aborted: unknown[] = [];
  for (let at = log.logStartOffset as number; at < log.lastStableOffset; ) {
    const read = log.read(at, READ_COMMITTED);
    if (!read.ok || read.slice === null) break;
    aborted.push(read.abortedTransactions);
    const bytes = Buffer.alloc(read.slice.length);
    read.slice.copyTo(bytes, 0, 0, bytes.length);
    read.slice.release();
    for (let position = 0; position + 61 <= bytes.length; ) {
      at = Number(bytes.readBigInt64BE(position)) + bytes.readInt32BE(position + 23) + 1;
      position += bytes.readInt32BE(position + 8) + 12;
    }
  }
  const { logStartOffset, lastStableOffset, highWatermark, logEndOffset } = log;
  const offsets = { logStartOffset, lastStableOffset, highWatermark, logEndOffset };
  return { ...offsets, aborted, records: fixture.readAll(log) };
}

t.test('of a compacted log with transactions and all side files', async (t) => {
  const root = tempDir(t);
  const dir = join(root, 'data/orders-0');
  mkdirSync(dir, { recursive: true });
  const config = fixture.config({ cleanupCompact: true, cleanupDelete: false, flushMessages: 1 });
  const log = await fixture.openLog(t, dir, { config });
  const sequences = new Map<number, number>();
  const put = async (producerId: number, count: number): Promise<number> => {
    const baseSequence = sequences.get(producerId) ?? 0;
    sequences.set(producerId, baseSequence + count);
    const fields = { producerId, producerEpoch: 0, baseSequence, isTransactional: true };
    const options = { leaderEpoch: 3, owned: false, transactional: true };
    const result = await log.append(fixture.batch(count, fields), options);
    return result.ok ? result.baseOffset : -1;
  };
  const end = (producerId: number, type: 'commit' | 'abort') =>
    log.appendEndTxnMarker({
      type,
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      leaderEpoch: 3,
    });
  for (const type of ['commit', 'abort', 'commit', 'abort'] as const) {
    for (let i = 0; i < 3; i++) await put(7, 4);
    await put(8, 2);
    await end(7, type);
    await end(8, 'abort');
    await log.flush();
    await log.roll();
  }
  await log.flush();
  const cleanable = log.cleanable(null);
  t.ok(cleanable);
  if (cleanable !== null)
    await log.compact({ cleanable, dedupeBytesMax: 1 << 20, loadFactor: 0.9 });
  await put(7, 3);
  await end(7, 'abort');
  await put(9, 1);
  await snapshot(join(root, 'data'), join(root, 'copy'));
  const to = join(root, 'copy/orders-0');
  const kinds = new Set(readdirSync(to).map((name) => name.replace(/^\d+/, '')));
  for (const kind of ['.log', '.index', '.timeindex', '.txnindex', '.snapshot']) {
    t.ok(kinds.has(kind), `it has a ${kind}`);
  }
  t.ok(kinds.has('leader-epoch-checkpoint'));
  t.same(await problemsOf(to), []);
  const expected = stateOf(log);
  t.ok(log.lastStableOffset < log.highWatermark, 'a transaction is open');
  const points = readFileSync(join(root, 'copy/recovery-point-offset-checkpoint'), 'utf8');
  const recoveryPoint = offset(Number(/orders 0 (\d+)/.exec(points)?.[1]));
  t.ok(recoveryPoint > 0, 'the sealed segments need no check');
  const copy = await fixture.openLog(t, to, { config, recoveryPoint });
  t.same(stateOf(copy), expected);
  t.equal(copy.latestLeaderEpoch, 3);
  // The producers' sequences came along: the same batch again is answered, not appended.
  const again = { producerId: 9, producerEpoch: 0, baseSequence: 0, isTransactional: true };
  const repeated = await copy.append(fixture.batch(1, again), {
    leaderEpoch: 3,
    owned: false,
    transactional: true,
  });
  t.match(repeated, { ok: true, baseOffset: log.logEndOffset - 1 });
  // Each goes its own way.
  await end(9, 'commit');
  const marker = { producerId: 9, producerEpoch: 0, coordinatorEpoch: 0, leaderEpoch: 3 };
  await copy.appendEndTxnMarker({ ...marker, type: 'abort' });
  t.equal(log.lastStableOffset, copy.lastStableOffset);
  t.notSame(stateOf(log), stateOf(copy), 'committed in one, aborted in the other');
});

t.test('in the middle of a compaction nothing is missing', async (t) => {
  const root = tempDir(t);
  const dir = join(root, 'data/orders-0');
  mkdirSync(dir, { recursive: true });
  const watched = new fixture.WatchedEnv();
  const config = fixture.config({ cleanupCompact: true, cleanupDelete: false, flushMessages: 1 });
  const log = await fixture.openLog(t, dir, { config, env: watched.env });
  for (let segment = 0; segment < 4; segment++) {
    for (let i = 0; i < 3; i++) await fixture.appended(log, fixture.batch(2));
    await log.flush();
    await log.roll();
  }
  await log.flush();
  const copies: { to: string; names: string[] }[] = [];
  watched.before = async (call) => {
    if (call !== 'syncDir') return;
    const to = join(root, `copy-${copies.length}`);
    copies.push({ to, names: readdirSync(dir) });
    await snapshot(dir, to);
  };
  const before = fixture.readAll(log);
  const cleanable = log.cleanable(null);
  if (cleanable !== null)
    await log.compact({ cleanable, dedupeBytesMax: 1 << 20, loadFactor: 0.9 });
  watched.before = () => {};
  const after = fixture.readAll(log);
  t.ok(after.length < before.length);
  const swapping = copies.filter(({ names }) => names.some((name) => name.endsWith('.log.swap')));
  t.ok(swapping.length >= 2, 'taken between the steps of the swap');
  t.ok(
    swapping.some(({ names }) => !names.includes(LOG)),
    'also while its first log has no name',
  );
  for (const { to } of copies) {
    const copy = await fixture.openLog(t, to, { config });
    const found = fixture.readAll(copy);
    const isEither = found.length === before.length || found.length === after.length;
    t.ok(isEither, `${found.length}: what was there before, or after`);
    t.same(found, found.length === before.length ? before : after);
  }
});

/** Sealed segments of one batch each in a directory, and an active one. */
function segmentsIn(dir: string, count: number): void {
  mkdirSync(dir, { recursive: true });
  for (let base = 0; base < count; base++) {
    writeFileSync(join(dir, `${String(base).padStart(20, '0')}.log`), batch(base, 1));
  }
}

t.test('a partition whose sealed files change meanwhile is begun again', async (t) => {
  const root = tempDir(t);
  const dir = join(root, 'data/orders-0');
  segmentsIn(dir, 4);
  // Retention takes the first segment behind the listing.
  const once = hooked('stat', LOG, (count) => {
    if (count === 2) rmSync(join(dir, LOG));
  });
  await snapshot(dir, join(root, 'copy'), io(once));
  t.same(
    readdirSync(join(root, 'copy')).map((name) => Number.parseInt(name, 10)),
    [1, 2, 3],
  );
  // One that never stands still.
  const second = join(dir, '00000000000000000001.log');
  const always = hooked('stat', '00000000000000000001.log', () => {
    appendFileSync(second, 'x');
  });
  await t.rejects(snapshot(dir, join(root, 'never'), io(always)), { code: 'CHANGING' });
});

t.test('a partition that is deleted meanwhile is left out', async (t) => {
  const root = tempDir(t);
  const data = join(root, 'data');
  for (const name of ['gone-0', 'kept-0']) segmentsIn(join(data, name), 2);
  const env = hooked('readdir', 'gone-0', (count) => {
    if (count === 2) rmSync(join(data, 'gone-0'), { recursive: true });
  });
  await snapshot(data, join(root, 'copy'), io(env));
  t.notOk(existsSync(join(root, 'copy/gone-0')));
  t.equal(readdirSync(join(root, 'copy/kept-0')).length, 2);
  t.same(
    readFileSync(join(root, 'copy/recovery-point-offset-checkpoint'), 'utf8'),
    '0\n1\nkept 0 1\n',
  );
});

t.test('records deleted meanwhile leave a log that begins where it did', async (t) => {
  const root = tempDir(t);
  const data = join(root, 'data');
  const logs = await openLogs(data, { segmentBytes: 4096 });
  t.teardown(() => logs.close());
  const log = await logs.open('orders');
  for (let i = 0; i < 10; i++) await log.append({ value: Buffer.from(`${i}`) });
  await log.deleteRecordsBefore(3);
  await logs.close();
  const checkpoint = join(data, 'log-start-offset-checkpoint');
  t.match(readFileSync(checkpoint, 'utf8'), /orders 0 3/);
  // While the logs are taken, the checkpoint goes above their end.
  const env = hooked('readdir', 'orders-0', (count) => {
    if (count > 1) writeFileSync(checkpoint, '0\n1\norders 0 99\n');
  });
  await snapshot(data, join(root, 'copy'), io(env));
  const copy = await openLogs(join(root, 'copy'));
  t.teardown(() => copy.close());
  const offsets = (await readAll(await copy.open('orders'))).map(([at]) => at);
  t.same(offsets, [3, 4, 5, 6, 7, 8, 9]);
  t.equal((await copy.open('orders')).stats.logStartOffset, offset(3));
});

import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { offset } from '#src/base/offset.js';
import { parseTransactionIndex } from '#src/index/transaction-index.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { append, batch, config, crashCopy, openLog, tempDir, WatchedEnv } from './log-fixture.js';

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data');

const COMMITTED = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_committed' } as const;

/** Sequences by producer, so that tests need not count. */
class Producers {
  readonly #log: PartitionLog;
  readonly #next = new Map<number, number>();

  constructor(log: PartitionLog) {
    this.#log = log;
  }

  async send(producerId: number, count = 1): Promise<number> {
    const baseSequence = this.#next.get(producerId) ?? 0;
    this.#next.set(producerId, baseSequence + count);
    const fields = { producerId, producerEpoch: 0, baseSequence, isTransactional: true };
    const result = await this.#log.append(batch(count, fields), {
      leaderEpoch: 0,
      owned: false,
      transactional: true,
    });
    if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
    return result.baseOffset;
  }

  async end(producerId: number, type: 'commit' | 'abort'): Promise<number> {
    const marker = { type, producerId, producerEpoch: 0, coordinatorEpoch: 0, leaderEpoch: 0 };
    const result = await this.#log.appendEndTxnMarker(marker);
    if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
    return result.baseOffset;
  }
}

function abortedIn(log: PartitionLog, from: number, maxBytes = 1 << 20): [number, number][] {
  const read = log.read(from, { ...COMMITTED, maxBytes });
  if (!read.ok) throw new Error(read.error);
  read.slice?.release();
  return (read.abortedTransactions ?? []).map(({ producerId, firstOffset }) => [
    producerId,
    firstOffset,
  ]);
}

/** Two aborted transactions, one committed between them, one open, over several segments. */
async function fill(log: PartitionLog): Promise<void> {
  const producers = new Producers(log);
  await producers.send(1, 2); // 0, 1
  await append(log, batch(1)); // 2
  await producers.send(2, 1); // 3
  await producers.end(1, 'abort'); // 4
  await log.roll();
  await producers.send(2, 2); // 5, 6
  await producers.end(2, 'commit'); // 7
  await producers.send(3, 1); // 8
  await log.roll();
  await producers.send(1, 1); // 9
  await producers.end(3, 'abort'); // 10
  await append(log, batch(2)); // 11, 12
}

const FIRST = { producerId: 1, firstOffset: 0, lastOffset: 4, lastStableOffset: 3 };
const SECOND = { producerId: 3, firstOffset: 8, lastOffset: 10, lastStableOffset: 9 };

function indexIn(dir: string, baseOffset: number): unknown {
  const path = join(dir, `${String(baseOffset).padStart(20, '0')}.txnindex`);
  return existsSync(path) ? parseTransactionIndex(readFileSync(path), baseOffset) : 'missing';
}

t.test('what Kafka wrote: aborted transactions and stable offset are the same', async (t) => {
  const dir = tempDir(t);
  cpSync(join(golden, 'data/transactions-0'), dir, { recursive: true });
  const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as {
    topics: { topic: string; partitions: { records: { offset: number; aborted?: true }[] }[] }[];
  };
  const records = expected.topics.find(({ topic }) => topic === 'transactions')?.partitions[0]
    ?.records;
  const written = readFileSync(join(dir, '00000000000000000005.txnindex'));
  for (const clean of [true, false]) {
    for (const index of ['kept', 'missing', 'wrong', 'short']) {
      const copy = crashCopy(t, dir);
      const path = join(copy, '00000000000000000005.txnindex');
      if (index === 'missing') rmSync(path);
      if (index === 'short') truncateSync(path, 33);
      if (index === 'wrong') writeFileSync(path, Buffer.from(written).fill(7, 20, 26));
      const end = offset(28);
      const log = await openLog(t, copy, { clean, recoveryPoint: clean ? end : offset(0) });
      t.equal(log.lastStableOffset, 28);
      t.same(abortedIn(log, 0), [], 'in the first segment nothing was aborted');
      const aborted = abortedIn(log, 5);
      t.same(
        aborted,
        [
          [10, 6],
          [10, 13],
        ],
        `${clean} ${index}`,
      ); // prettier-ignore
      const seen = (records ?? []).filter(({ offset }) => offset >= 5);
      for (const { offset, aborted: isAborted } of seen) {
        const inRange = (offset >= 6 && offset <= 10) || [13, 16, 19, 22].includes(offset);
        t.equal(inRange, isAborted === true);
      }
      await log.close();
      t.same(readFileSync(path), written, 'made anew byte for byte');
    }
  }
});

t.test('the last stable offset waits for the first open transaction', async (t) => {
  const log = await openLog(t, tempDir(t));
  const producers = new Producers(log);
  await append(log, batch(2));
  t.equal(log.lastStableOffset, 2);
  await producers.send(1, 2);
  t.equal(log.lastStableOffset, 2);
  await producers.send(2, 1);
  await producers.end(1, 'commit');
  t.equal(log.lastStableOffset, 4, 'held by the second one');
  t.equal(log.highWatermark, 6);
  await producers.end(2, 'abort');
  t.equal(log.lastStableOffset, 7);
  t.match(log.read(7, COMMITTED), { slice: null });
});

t.test('committed reads end at the last stable offset and tell what was aborted', async (t) => {
  const log = await openLog(t, tempDir(t));
  await fill(log);
  t.equal(log.lastStableOffset, 9);
  t.same(abortedIn(log, 0), [[1, 0]]);
  t.same(abortedIn(log, 3), [[1, 0]], 'its marker is still to come');
  t.same(abortedIn(log, 5), [[3, 8]]);
  t.same(abortedIn(log, 8), [[3, 8]]);
  const read = log.read(8, COMMITTED);
  t.match(read, { ok: true });
  t.equal(read.ok && read.slice !== null, true);
  if (read.ok) read.slice?.release();
  t.match(log.read(9, COMMITTED), { ok: true, slice: null, abortedTransactions: [] });
});

t.test(
  'a log says that it ends at an offset where a read finds nothing and no error',
  async (t) => {
    const log = await openLog(t, tempDir(t));
    await fill(log);
    await log.deleteRecordsBefore(2);
    t.ok(log.lastStableOffset < log.highWatermark, 'a transaction is open');
    for (const isolation of ['read_committed', 'read_uncommitted'] as const) {
      for (let at = 0; at <= log.logEndOffset + 1; at++) {
        const read = log.read(at, { ...COMMITTED, isolation });
        const isNothing = read.ok && read.slice === null;
        if (read.ok) read.slice?.release();
        t.equal(log.endsAt(at, isolation), isNothing, `${isolation} at ${at}`);
      }
    }
  },
);

t.test('an open transaction, its index and its end survive a crash and a stop', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  await fill(log);
  const crashed = crashCopy(t, dir);
  await log.close();
  for (const [path, clean] of [
    [crashed, false],
    [dir, true],
    [dir, false],
  ] as const) {
    // prettier-ignore
    for (const lost of [[], [0], [9], [0, 9]]) {
      const copy = crashCopy(t, path);
      for (const base of lost) {
        rmSync(join(copy, `${String(base).padStart(20, '0')}.txnindex`), { force: true });
      }
      const recoveryPoint = offset(clean ? 13 : 0);
      const again = await openLog(t, copy, { clean, recoveryPoint });
      t.equal(again.lastStableOffset, 9);
      t.same(abortedIn(again, 0), [[1, 0]], `${clean} ${lost}`);
      t.same(abortedIn(again, 8), [[3, 8]]);
      const marker = { type: 'abort', producerId: 1, producerEpoch: 0 } as const;
      await again.appendEndTxnMarker({ ...marker, coordinatorEpoch: 0, leaderEpoch: 0 });
      t.equal(again.lastStableOffset, 14);
      await again.close();
      t.same(indexIn(copy, 0), [FIRST]);
      t.same(indexIn(copy, 5), [], 'an empty file says that there was nothing');
      const third = { producerId: 1, firstOffset: 9, lastOffset: 13, lastStableOffset: 14 };
      t.same(indexIn(copy, 9), [SECOND, third]);
    }
  }
});

t.test('every bit of a transaction index flipped: reads are the same', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  await fill(log);
  await log.close();
  const path = join(dir, '00000000000000000000.txnindex');
  const good = readFileSync(path);
  const wrong: number[] = [];
  for (let bit = 0; bit < good.length * 8; bit++) {
    const copy = crashCopy(t, dir);
    const flipped = Buffer.from(good);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    writeFileSync(join(copy, '00000000000000000000.txnindex'), flipped);
    const again = await openLog(t, copy, { clean: true, recoveryPoint: offset(13) });
    if (JSON.stringify(abortedIn(again, 0)) !== '[[1,0]]') wrong.push(bit);
    if (JSON.stringify(abortedIn(again, 5)) !== '[[3,8]]') wrong.push(bit);
    await again.close();
  }
  t.same(wrong, []);
});

t.test('a client without leave is refused, and so is a batch beside a transaction', async (t) => {
  const log = await openLog(t, tempDir(t));
  const fields = { producerId: 5, producerEpoch: 0, baseSequence: 0 };
  const transactional = batch(1, { ...fields, isTransactional: true });
  t.match(await append(log, transactional), { ok: false, error: 'INVALID_TXN_STATE' });
  const options = { leaderEpoch: 0, owned: false, transactional: true };
  t.match(await log.append(transactional, options), { ok: true, baseOffset: 0 });
  const beside = batch(1, { ...fields, baseSequence: 1 });
  t.match(await append(log, beside), { ok: false, error: 'INVALID_TXN_STATE' });
  const noSequence = batch(1, { ...fields, baseSequence: -1, isTransactional: true });
  t.match(await log.append(noSequence, options), { error: 'INVALID_RECORD' });
  t.match(await log.append(noSequence, { ...options, coordinator: true }), { ok: true });
});

t.test('markers that come too late are refused', async (t) => {
  const log = await openLog(t, tempDir(t));
  const producers = new Producers(log);
  await producers.send(1);
  const marker = { type: 'commit', producerId: 1, coordinatorEpoch: 3, leaderEpoch: 0 } as const;
  t.match(await log.appendEndTxnMarker({ ...marker, producerEpoch: -1 }), {
    error: 'INVALID_PRODUCER_EPOCH',
  });
  const rising = { ...marker, producerEpoch: 0, epochRises: true };
  t.match(await log.appendEndTxnMarker(rising), { error: 'INVALID_PRODUCER_EPOCH' });
  t.match(await log.appendEndTxnMarker({ ...rising, producerEpoch: 1 }), { ok: true });
  t.match(await log.appendEndTxnMarker({ ...rising, producerEpoch: 1 }), { ok: true }, 'again');
  t.match(await log.appendEndTxnMarker({ ...rising, producerEpoch: 1, coordinatorEpoch: 2 }), {
    error: 'TRANSACTION_COORDINATOR_FENCED',
  });
  t.equal(log.lastStableOffset, log.highWatermark);
});

t.test('a marker that is not durable yet decides nothing', async (t) => {
  const watched = new WatchedEnv();
  const options = { env: watched.env, config: config({ flushMessages: 1 }) };
  const log = await openLog(t, tempDir(t), options);
  const producers = new Producers(log);
  await producers.send(1, 3);
  t.equal(log.lastStableOffset, 0);
  // The sync of the batch is slow, and the marker is written meanwhile.
  const released: (() => void)[] = [];
  watched.before = (call) =>
    call === 'datasync' ? new Promise((resolve) => released.push(resolve)) : undefined;
  const beside = append(log, batch(1));
  await until(() => released.length === 1);
  const ended = producers.end(1, 'commit');
  await until(() => log.logEndOffset === 5);
  released[0]?.();
  await beside;
  t.equal(log.highWatermark, 4);
  t.equal(log.lastStableOffset, 0, 'written and not visible');
  await until(() => released.length === 2);
  released[1]?.();
  await ended;
  t.equal(log.lastStableOffset, 5);
  // Closing syncs too.
  watched.before = () => {};
});

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 100_000) throw new Error('it did not happen');
    await new Promise(setImmediate);
  }
}

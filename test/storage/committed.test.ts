/** What a read_committed pass of the library hands out: of Kafka's transactions, and of random ones. */

import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { offset } from '#src/base/offset.js';
import type { ReadOptions } from '#src/storage/batch-reader.js';
import type { Log } from '#src/storage/log.js';
import { openLog } from '#src/storage/logs.js';
import * as fixture from '../log/log-fixture.js';
import { open, readAll, tempDir, until } from './storage-fixture.js';

const golden = join(import.meta.dirname, '../../../test/golden/kafka-data');
const COMMITTED = { isolation: 'read_committed' } as const;

async function offsetsOf(log: Log, options: ReadOptions = {}): Promise<number[]> {
  return (await readAll(log, options)).map(([at]) => at);
}

t.test('of what Kafka wrote: all but what was aborted, from any offset', async (t) => {
  const dir = tempDir(t);
  cpSync(join(golden, 'data'), dir, { recursive: true });
  const log = await openLog(join(dir, 'transactions-0'));
  t.teardown(() => log.close());
  const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as {
    topics: { topic: string; partitions: { records: { offset: number; aborted?: true }[] }[] }[];
  };
  const records = expected.topics.find(({ topic }) => topic === 'transactions')?.partitions[0]
    ?.records;
  const all = records?.map(({ offset }) => offset) ?? [];
  const kept = records?.filter(({ aborted }) => aborted !== true).map(({ offset }) => offset) ?? [];
  t.ok(kept.length > 0 && kept.length < all.length);
  for (let from = 0; from <= 28; from++) {
    const isIn = (at: number): boolean => at >= from;
    t.same(await offsetsOf(log, { ...COMMITTED, from }), kept.filter(isIn), `from ${from}`);
    t.same(await offsetsOf(log, { from }), all.filter(isIn));
  }
  const markers: number[] = [];
  for await (const batch of log.read({ control: true })) {
    if (batch.isControl) markers.push(batch.baseOffset);
  }
  const isMarker = (at: number): boolean => !all.includes(at);
  t.same(markers, Array.from({ length: 28 }, (_, at) => at).filter(isMarker));
});

type Step =
  | { readonly kind: 'plain' }
  | { readonly kind: 'send'; readonly producer: number; readonly count: number }
  | { readonly kind: 'end'; readonly producer: number; readonly commit: boolean }
  | { readonly kind: 'roll' };

const producer = fc.integer({ min: 1, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: 'plain' } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      producer,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('end' as const), producer, commit: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'roll' } as const) },
);

interface Sent {
  readonly offset: number;
  /** -1: in no transaction. */
  readonly producer: number;
  outcome: 'open' | 'committed' | 'aborted';
}

/** Does the steps in a new log of `dir`; answers what was sent, with what became of it. */
async function write(
  t: Parameters<typeof fixture.openLog>[0],
  dir: string,
  steps: readonly Step[],
): Promise<Sent[]> {
  const log = await fixture.openLog(t, dir);
  const sent: Sent[] = [];
  const sequences = new Map<number, number>();
  const options = { leaderEpoch: 0, owned: false, transactional: true };
  for (const one of steps) {
    if (one.kind === 'roll') await log.roll();
    else if (one.kind === 'plain') {
      const base = await fixture.appended(log, fixture.batch(1));
      sent.push({ offset: base, producer: -1, outcome: 'committed' });
    } else if (one.kind === 'send') {
      const baseSequence = sequences.get(one.producer) ?? 0;
      sequences.set(one.producer, baseSequence + one.count);
      const fields = { producerId: one.producer, producerEpoch: 0, baseSequence };
      const bytes = fixture.batch(one.count, { ...fields, isTransactional: true });
      const result = await log.append(bytes, options);
      if (!result.ok) throw new Error(result.message);
      for (let i = 0; i < one.count; i++) {
        sent.push({ offset: result.baseOffset + i, producer: one.producer, outcome: 'open' });
      }
    } else if (sequences.has(one.producer)) {
      const type = one.commit ? 'commit' : 'abort';
      const epochs = { producerEpoch: 0, coordinatorEpoch: 0, leaderEpoch: 0 };
      await log.appendEndTxnMarker({ type, producerId: one.producer, ...epochs });
      for (const each of sent) {
        if (each.producer !== one.producer || each.outcome !== 'open') continue;
        each.outcome = one.commit ? 'committed' : 'aborted';
      }
    }
  }
  await log.close();
  return sent;
}

t.test('of random transactions: what a plain array says', async (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1e9);
  t.comment(`MILLRACE_SEED=${seed}`);
  let number = 0;
  const dirs = tempDir(t);
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 40 }),
    fc.nat(100),
    async (steps, fromSeed) => {
      const data = join(dirs, `${number++}`);
      const dir = join(data, 'events-0');
      mkdirSync(dir, { recursive: true });
      const sent = await write(t, dir, steps);
      const log = await openLog(dir, { mmap: number % 2 === 0 });
      try {
        const stable =
          sent.find(({ outcome }) => outcome === 'open')?.offset ?? log.stats.highWatermark;
        if (log.stats.lastStableOffset !== stable) throw new Error('the last stable offset');
        const kept = sent.filter((one) => one.outcome === 'committed' && one.offset < stable);
        const from = fromSeed % (log.stats.highWatermark + 1);
        for (const begin of [0, Math.min(from, stable)]) {
          const found = await offsetsOf(log, { ...COMMITTED, from: begin });
          const wanted = kept.map((one) => one.offset).filter((at) => at >= begin);
          if (JSON.stringify(found) !== JSON.stringify(wanted)) {
            throw new Error(`from ${begin}: ${found} in place of ${wanted}`);
          }
        }
        const plain = await offsetsOf(log);
        if (JSON.stringify(plain) !== JSON.stringify(sent.map((one) => one.offset))) {
          throw new Error('read_uncommitted gives all');
        }
      } finally {
        await log.close();
      }
    },
  );
  await t.resolves(fc.assert(property, { seed, numRuns: 25 }));
});

t.test('a producer that aborted commits, in one window and between others', async (t) => {
  const send = (producer: number): Step => ({ kind: 'send', producer, count: 2 });
  const end = (producer: number, commit: boolean): Step => ({ kind: 'end', producer, commit });
  const steps = [send(1), send(2), end(1, false), send(1), end(2, false), end(1, true), send(2)];
  const dir = join(tempDir(t), 'events-0');
  mkdirSync(dir);
  const sent = await write(t, dir, [...steps, { kind: 'plain' }, end(2, true)]);
  const log = await openLog(dir);
  t.teardown(() => log.close());
  const kept = sent.filter(({ outcome }) => outcome === 'committed').map(({ offset }) => offset);
  t.equal(kept.length, 5);
  for (let from = 0; from < log.stats.highWatermark; from++) {
    t.same(
      await offsetsOf(log, { ...COMMITTED, from }),
      kept.filter((at) => at >= from),
    );
  }
});

t.test('a live pass waits for the decision, not for the append', async (t) => {
  const dir = tempDir(t);
  const data = join(dir, 'events-0');
  mkdirSync(data);
  const log = await open(t, dir);
  const seen: number[] = [];
  const ended = new AbortController();
  const pass = (async () => {
    const options = { ...COMMITTED, live: true, signal: ended.signal };
    for await (const batch of log.read(options)) for (const { offset } of batch) seen.push(offset);
  })();
  await log.append({ value: Buffer.from('a') });
  await until(() => seen.length === 1);
  const fields = { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true };
  // A transactional batch is a coordinator's matter: the library refuses what could never be decided.
  await t.rejects(async () => log.appendBatch(fixture.batch(1, fields)), {
    code: 'INVALID_TXN_STATE',
  });
  await log.append({ value: Buffer.from('b') });
  await until(() => seen.length === 2);
  ended.abort(new Error('enough'));
  await t.rejects(pass, /enough/);
  t.same(seen, [0, 1]);
  t.equal(log.stats.lastStableOffset, offset(2));
});

/**
 * What bench/testing.bench.ts measures, in a process of its own:
 *
 *     node child.js MODE COUNT [GIB]     prints a Measurement as JSON
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Chunk } from '#src/base/chunk.js';
import { decodeResponse, encodeRequest } from '#src/protocol/codec.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { type StartBrokerOptions, startBroker, type TestBroker } from '#src/public/testing.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { root } from '../harness/paths.js';
import type { Measurement } from '../harness/suite.js';
import { WireClient } from '../harness/wire-client.js';

const DATA = ['test/interop/clients/node-rdkafka/node_modules', 'node-rdkafka'];
const BATCH_BYTES = 1_000_000;

const [mode = '', countText = '10', gibText = '1'] = process.argv.slice(2);
const count = Number(countText);

const modes: Readonly<Record<string, () => Promise<Measurement>>> = {
  loop: () => starts({ inWorker: false }),
  worker: () => starts({ inWorker: true }),
  fork: () => forks(Number(gibText)),
  many,
  mock: mockCluster,
};

console.log(JSON.stringify(await (modes[mode] ?? virtual)()));

/** From the call to the answer of the first produce, over a socket. */
async function starts(options: StartBrokerOptions): Promise<Measurement> {
  const times: number[] = [];
  let rss = 0;
  for (let i = -2; i < count; i++) {
    const startMs = performance.now();
    await using broker = await startBroker({ ...options, topics: ['a'] });
    await produceOne(broker);
    const elapsedMs = performance.now() - startMs;
    if (i >= 0) times.push(elapsedMs);
    rss = Math.max(rss, process.memoryUsage().rss / 2 ** 20);
  }
  return { value: median(times), rssMib: rss, more: { maxMs: Math.max(...times) } };
}

async function produceOne({ port }: TestBroker): Promise<void> {
  const client = await WireClient.connect(port);
  const answer = await client.exchange(produceRequest(Buffer.from('x')));
  const { responses } = decodeResponse(produce, 9, answer, 5);
  if (responses[0]?.partitionResponses[0]?.errorCode !== 0) throw new Error('not produced');
  client.close();
}

function produceRequest(value: Uint8Array): readonly Chunk[] {
  const builder = new BatchBuilder({});
  builder.append({ timestamp: 1_700_000_000_000, value });
  const topicData = [{ name: 'a', partitionData: [{ index: 0, records: builder.build() }] }];
  return encodeRequest(produce, 9, 1, 'bench', { acks: 1, timeoutMs: 30_000, topicData });
}

/** From the call to a broker that has all that was seeded. */
async function forks(gib: number): Promise<Measurement> {
  await using seeded = await startBroker({ inWorker: false });
  await seeded.createTopic({ name: 'a', config: { 'segment.bytes': 2 ** 28 } });
  const client = await WireClient.connect(seeded.port);
  const request = produceRequest(Buffer.alloc(BATCH_BYTES, 'x'));
  for (let bytes = 0; bytes < gib * 2 ** 30; bytes += BATCH_BYTES) await client.exchange(request);
  client.close();
  const { highWatermark } = await seeded.log('a').offsets();
  const snapshotMs = performance.now();
  await using snapshot = await seeded.snapshot();
  const more = { snapshotMs: performance.now() - snapshotMs, workerMs: 0 };
  const [inLoop, inWorker]: number[][] = [[], []];
  for (let i = -1; i < count; i++) {
    for (const [times, worker] of [
      [inLoop, false],
      [inWorker, true],
    ] as const) {
      const startMs = performance.now();
      await using fork = await startBroker({ from: snapshot, inWorker: worker });
      if (i >= 0) times?.push(performance.now() - startMs);
      const found = await fork.log('a').offsets();
      if (found.highWatermark !== highWatermark) throw new Error('the fork has not all of it');
    }
  }
  return {
    value: median(inLoop ?? []),
    more: { ...more, workerMs: median(inWorker ?? []) },
  };
}

/** Seconds for `count` brokers, one after the other, and what is left of them. */
async function many(): Promise<Measurement> {
  const use = async (): Promise<string> => {
    await using broker = await startBroker({ inWorker: false, topics: ['a'] });
    await produceOne(broker);
    const records = await broker.consumeAll('a', { count: 1 });
    if (records[0]?.value?.toString() !== 'x') throw new Error('not what was produced');
    return broker.dir;
  };
  await use();
  const before = await resources();
  const dirs: string[] = [];
  const startMs = performance.now();
  for (let i = 0; i < count; i++) dirs.push(await use());
  const seconds = (performance.now() - startMs) / 1000;
  const after = await resources();
  return {
    value: seconds,
    rssMib: process.memoryUsage().rss / 2 ** 20,
    more: {
      descriptorsLeft: after.descriptors - before.descriptors,
      threadsLeft: after.threads - before.threads,
      timersAndSocketsLeft: after.active - before.active,
      filesLeft: dirs.filter(existsSync).length,
    },
  };
}

async function resources(): Promise<Record<'descriptors' | 'threads' | 'active', number>> {
  await new Promise(setImmediate);
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]),
    active: process.getActiveResourcesInfo().length,
  };
}

/** The part of node-rdkafka that is used here. */
interface Rdkafka {
  readonly Producer: new (
    config: Record<string, unknown>,
  ) => {
    connect(): void;
    disconnect(done: () => void): void;
    setPollInterval(ms: number): void;
    produce(topic: string, partition: number, value: Buffer): void;
    on(event: string, listener: (error: Error | null) => void): void;
  };
}

/** librdkafka's mock: from the making of a producer, which starts it, to the first delivery report. */
async function mockCluster(): Promise<Measurement> {
  const require = createRequire(join(root, DATA[0] as string, 'any.js'));
  const { Producer } = require(DATA[1] as string) as Rdkafka;
  const times: number[] = [];
  let rss = 0;
  for (let i = -2; i < count; i++) {
    const startMs = performance.now();
    const producer = new Producer({
      ...{ 'test.mock.num.brokers': 1, 'bootstrap.servers': 'mock:1', dr_cb: true },
      'linger.ms': 0,
    });
    await new Promise<void>((resolve, reject) => {
      producer.on('ready', () => {
        producer.setPollInterval(1);
        producer.produce('a', 0, Buffer.from('x'));
      });
      producer.on('delivery-report', (error) => (error ? reject(error) : resolve()));
      producer.on('event.error', (error) => reject(error as Error));
      producer.connect();
    });
    if (i >= 0) times.push(performance.now() - startMs);
    rss = Math.max(rss, process.memoryUsage().rss / 2 ** 20);
    await new Promise<void>((resolve) => producer.disconnect(resolve));
  }
  return { value: median(times), rssMib: rss, more: { maxMs: Math.max(...times) } };
}

async function virtual(): Promise<Measurement> {
  const { tests } = await import('./virtual-days.js');
  const test = tests[mode];
  if (test === undefined) throw new Error(`no mode ${mode}`);
  const times: number[] = [];
  for (let i = -2; i < count; i++) {
    const startMs = performance.now();
    await using broker = await startBroker({
      ...{ clock: 'virtual', now: 1_700_000_000_000, inWorker: false, leaks: 'ignore' },
      topics: ['a'],
    });
    await test(broker);
    await broker.dispose();
    if (i >= 0) times.push(performance.now() - startMs);
  }
  return { value: median(times), more: { maxMs: Math.max(...times) } };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

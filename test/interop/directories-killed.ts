// A directory that our broker left when it was killed under load: a real Kafka recovers it, and sees what was
// acknowledged, each record where it was said to be; our own recovery sees the same.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RawClient } from '../support/raw-client.js';
import { createTopic } from '../support/test-broker.js';
import {
  endRequest,
  initProducer,
  initRequest,
  type Producer,
  produceIn,
} from '../support/transactions.js';
import type { Part } from './directories.js';
import { replacePartitions, type Served, servedByKafka } from './directories-kafka.js';
import {
  forLibrary,
  type Isolation,
  parse,
  sameView,
  type View,
  type ViewLine,
  viewByLibrary,
} from './directories-view.js';
import { type Server, startMillrace } from './servers.js';

/** They are made in Kafka's directory first, so that its metadata has them. */
export const KILLED_TOPICS = ['ours-killed', 'ours-killed-transactions'] as const;
const [PLAIN, TRANSACTIONAL] = KILLED_TOPICS;
/** Then the broker is killed. */
const ACKNOWLEDGED = 3000;
const PAD = '.'.repeat(150);

/** What the producers were told. */
type Told = {
  readonly records: { readonly topic: string; readonly offset: number; readonly value: string }[];
  /** By `WRITER:NUMBER`; one that is not here was under way, or nobody knows. */
  readonly ended: Map<string, 'committed' | 'aborted'>;
};

export async function killedUnderLoad(
  { dir, check }: Part,
  kafkaDir: string,
  properties: readonly string[],
): Promise<void> {
  const [ours, home] = [join(dir, 'killed-ours'), join(dir, 'killed-in-kafka')];
  const told: Told = { records: [], ended: new Map() };
  await check('ours, kill -9', 'written by 8 producers until it is killed', async () => {
    const overrides = ['log.retention.ms=-1', 'log.segment.bytes=65536'];
    const server = await startMillrace(ours, overrides);
    const conn = await connect(server);
    for (const topic of KILLED_TOPICS) await createTopic(conn, topic);
    conn.close();
    await load(server, told);
    return `${told.records.length} records acknowledged, ${told.ended.size} transactions ended`;
  });
  if (told.records.length === 0) return;
  const data = join(home, 'data');
  mkdirSync(home);
  cpSync(kafkaDir, data, { recursive: true });
  replacePartitions(ours, data, KILLED_TOPICS);
  for (const topic of KILLED_TOPICS) {
    // The id that Kafka gave it.
    const file = join(`${topic}-0`, 'partition.metadata');
    writeFileSync(join(data, file), readFileSync(join(kafkaDir, file)));
  }
  // Kafka recovers no directory that was closed well.
  rmSync(join(data, '.kafka_cleanshutdown'));
  let served: Served | undefined;
  await check('Kafka on ours, kill -9', 'recovers it, and has what was acknowledged', async () => {
    served = await servedByKafka(home, KILLED_TOPICS, properties);
    for (const topic of KILLED_TOPICS) {
      const recovers = new RegExp(`${topic}-0.*Recovering unflushed segment`);
      if (!served.said.some((line) => recovers.test(line))) throw new Error(served.said.join('\n'));
    }
    return whatWasTold(served.view, told);
  });
  if (served === undefined) return;
  const { view } = served;
  await check('Kafka on ours, kill -9', 'has the same as our own recovery', async () => {
    sameView(await viewByLibrary(ours, forLibrary(view)), forLibrary(view));
    return `${recordsOf(view, 'read_uncommitted').length} records`;
  });
}

async function connect({ bootstrap }: Server): Promise<RawClient> {
  return RawClient.connect(Number(bootstrap.split(':')[1]));
}

/** Producers that go on until they hear no more; the broker is killed under them. */
async function load(server: Server, told: Told): Promise<void> {
  let enough = (): void => {};
  const isEnough = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const acknowledge = (topic: string, base: number, values: readonly string[]): void => {
    values.forEach((value, i) => {
      told.records.push({ topic, offset: base + i, value });
    });
    const isEnded = (how: string): boolean => [...told.ended.values()].some((one) => one === how);
    const hasAll = told.records.length >= ACKNOWLEDGED && isEnded('committed');
    if (hasAll && isEnded('aborted')) enough();
  };
  const failures: unknown[] = [];
  const writers = Array.from({ length: 8 }, async (_, n) => {
    const client = await connect(server);
    const write = n % 2 === 0 ? writePlain : writeTransactions;
    // Each ends by an error: the broker is gone. One that says so before is a failure.
    return write(client, `w${n}`, told, acknowledge).catch((error) => failures.push(error));
  });
  await Promise.race([isEnough, Promise.all(writers)]);
  const early = [...failures];
  await server.kill();
  await Promise.all(writers);
  if (early.length > 0) throw early[0];
}

type Acknowledge = (topic: string, base: number, values: readonly string[]) => void;

/** Idempotent, three requests in flight. */
async function writePlain(
  client: RawClient,
  name: string,
  _told: Told,
  acknowledge: Acknowledge,
): Promise<never> {
  const { producerId, producerEpoch } = await initRequest(client, null);
  const producer: Producer = { transactionalId: '', producerId, producerEpoch };
  for (let sequence = 0; ; ) {
    const requests: Promise<void>[] = [];
    for (let i = 0; i < 3; i++) {
      const values = valuesOf(`${name}:${sequence}`, 1 + (sequence % 5));
      const batch = { sequence, values, isTransactional: false, transactionalId: null };
      requests.push(send(client, producer, PLAIN, batch, acknowledge));
      sequence += values.length;
    }
    await Promise.all(requests);
  }
}

async function writeTransactions(
  client: RawClient,
  name: string,
  { ended }: Told,
  acknowledge: Acknowledge,
): Promise<never> {
  let producer = await initProducer(client, name);
  for (let number = 0; ; number++) {
    for (let sequence = 0; sequence < 6; sequence += 2) {
      const values = valuesOf(`${name}:${number}:${sequence}`, 2);
      await send(client, producer, TRANSACTIONAL, { sequence, values }, acknowledge);
    }
    const commit = number % 3 !== 1;
    const { errorCode, ...next } = await endRequest(client, producer, commit);
    if (errorCode !== 0) throw new Error(`EndTxn: ${errorCode}`);
    ended.set(`${name}:${number}`, commit ? 'committed' : 'aborted');
    const { producerId, producerEpoch } = next;
    producer = { transactionalId: name, producerId, producerEpoch };
  }
}

function valuesOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}:${i} ${PAD}`);
}

async function send(
  client: RawClient,
  producer: Producer,
  topic: string,
  batch: Parameters<typeof produceIn>[3],
  acknowledge: Acknowledge,
): Promise<void> {
  for (;;) {
    const { errorCode, baseOffset } = await produceIn(client, producer, topic, batch);
    // The transaction before is being ended.
    if (errorCode === CONCURRENT_TRANSACTIONS) continue;
    if (errorCode !== 0) throw new Error(`Produce: ${errorCode}`);
    acknowledge(topic, baseOffset, batch.values ?? []);
    return;
  }
}

const CONCURRENT_TRANSACTIONS = 51;

/** Throws where a record is not where it was said to be, is there twice, or is seen and was aborted. */
function whatWasTold(view: View, { records, ended }: Told): string {
  const all = recordsOf(view, 'read_uncommitted');
  const found = new Map(all.map((line) => [`${line.topic} ${line.offset}`, textOf(line)]));
  if (new Set(all.map(textOf)).size !== all.length) throw new Error('a record is there twice');
  for (const { topic, offset, value } of records) {
    const there = found.get(`${topic} ${offset}`);
    if (there !== value) throw new Error(`${topic} ${offset}: ${there}, acknowledged ${value}`);
  }
  const seen = new Set(
    recordsOf(view, 'read_committed').map((line) => `${line.topic} ${line.offset}`),
  );
  const lines = (view.get(TRANSACTIONAL) ?? []).map(parse);
  const stable = lines.find(
    ({ what, isolation }) => what === 'offsets' && isolation === 'read_committed',
  );
  for (const line of all) {
    if (line.topic !== TRANSACTIONAL) continue;
    const how = ended.get(textOf(line).split(':').slice(0, 2).join(':'));
    const isSeen = seen.has(`${line.topic} ${line.offset}`);
    if (how === 'aborted' && isSeen) throw new Error(`aborted and seen: ${textOf(line)}`);
    if (how === 'committed' && !isSeen && line.offset < (stable?.end ?? 0)) {
      throw new Error(`committed and not seen: ${textOf(line)}`);
    }
  }
  return `${records.length} acknowledged of ${all.length}, ${ended.size} transactions`;
}

function recordsOf(view: View, isolation: Isolation): ViewLine[] {
  const lines = [...view.values()].flat().map(parse);
  return lines.filter((line) => line.what === 'record' && line.isolation === isolation);
}

function textOf({ value }: ViewLine): string {
  return Buffer.from(value ?? '', 'base64').toString();
}

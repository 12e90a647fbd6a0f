/**
 * kill -9 under load, over and over on one directory: a broker in a process of its own, producers and a
 * consumer here. After each kill the files are read, then, by way of the restarted broker, the log:
 * acknowledged = readable at the same offset with the same value, no gap, no duplicate, and what a
 * consumer saw once stays. A part of the brokers is killed while it recovers.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { initProducerId } from '#src/protocol/messages/22-init-producer-id.js';
import { RawClient } from '../support/raw-client.js';
import { fetchRequest } from '../support/test-broker.js';
import { encodeBatch, type Producer, readBatches } from './kill-batch.js';
import { PartitionModel, type PendingBatch, Violation } from './kill-model.js';

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');
/** What idempotent producers have in flight. */
const IN_FLIGHT_MAX = 5;
const START_MS_MAX = 20_000;

export interface KillOptions {
  readonly cycles: number;
  readonly seed: number;
  /** Empty: becomes the data directory. */
  readonly dir: string;
  readonly report?: (line: string) => void;
}

export interface KillResult {
  readonly kills: number;
  readonly killsInRecovery: number;
  readonly acknowledged: number;
  readonly records: number;
}

/** Throws a Violation at the first one. */
export async function killCycles(options: KillOptions): Promise<KillResult> {
  const run = new KillRun(options);
  try {
    return await run.all();
  } finally {
    await run.kill();
  }
}

interface Topic {
  readonly model: PartitionModel;
  readonly configs: Record<string, string>;
  producer: Producer | null;
}

class KillRun {
  readonly #options: KillOptions;
  readonly #random: () => number;
  readonly #topics: readonly Topic[];
  #child: ChildProcess | null = null;
  #kills = 0;
  #killsInRecovery = 0;

  constructor(options: KillOptions) {
    this.#options = options;
    this.#random = mulberry32(options.seed);
    const topic = (name: string, idempotent: boolean, configs: Record<string, string>): Topic => {
      return { model: new PartitionModel(name, idempotent), configs, producer: null };
    };
    // Segments are small, so that rolls and their snapshots are met by kills too.
    this.#topics = [
      topic('plain', false, { 'segment.bytes': '30000' }),
      topic('idempotent', true, { 'segment.bytes': '20000' }),
      topic('durable', true, { 'segment.bytes': '5000', 'flush.messages': '1' }),
    ];
  }

  async all(): Promise<KillResult> {
    const { cycles, report } = this.#options;
    for (let cycle = 0; cycle <= cycles; cycle++) {
      const port = await this.#start(cycle > 0);
      const client = await RawClient.connect(port);
      try {
        if (cycle === 0) await this.#createTopics(client);
        for (const { model } of this.#topics) {
          model.check(await fetchAll(client, model.topic), `fetched after kill ${cycle}`);
        }
      } finally {
        client.close();
      }
      if (cycle === cycles) break;
      await this.#load(port);
      for (const { model } of this.#topics) {
        model.check(recordsOnDisk(this.#options.dir, model.topic), `on disk after kill ${cycle}`);
      }
      report?.(`cycle ${cycle + 1}: ${this.#acknowledged} acknowledged`);
    }
    let records = 0;
    for (const { model } of this.#topics) records += model.values.length;
    return {
      kills: this.#kills,
      killsInRecovery: this.#killsInRecovery,
      acknowledged: this.#acknowledged,
      records,
    };
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  get #acknowledged(): number {
    let count = 0;
    for (const { model } of this.#topics) count += model.acknowledged;
    return count;
  }

  /** Starts the broker; some are killed while they recover, before the one that stays. */
  async #start(again: boolean): Promise<number> {
    while (again && this.#random() < 0.25) {
      const { child, ready } = this.#spawn();
      // Most of these moments are in the loading of the program; the later ones in recovery.
      const early = sleep(this.#random() * 400);
      await Promise.race([ready.catch(() => {}), early]);
      await kill(child);
      this.#killsInRecovery++;
      this.#kills++;
    }
    const { child, ready } = this.#spawn();
    this.#child = child;
    return ready;
  }

  #spawn(): { child: ChildProcess; ready: Promise<number> } {
    const args = [MAIN, 'broker', '--listen', '127.0.0.1:0', '--data-dir', this.#options.dir];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
    });
    const ready = new Promise<number>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Violation('the broker does not start')),
        START_MS_MAX,
      );
      child.stdout.on('data', (bytes: Buffer) => {
        stdout += bytes.toString();
        const port = /listening on \S+:(\d+)/.exec(stdout)?.[1];
        if (port === undefined) return;
        clearTimeout(late);
        resolve(Number(port));
      });
      child.once('exit', (code, signal) => {
        clearTimeout(late);
        if (signal === null) reject(new Violation(`the broker ended with ${code}: ${stderr}`));
        else reject(new Error(`killed by ${signal}`));
      });
    });
    ready.catch(() => {});
    return { child, ready };
  }

  async #createTopics(client: RawClient): Promise<void> {
    const { topics } = await client.request(createTopics, 7, {
      topics: this.#topics.map(({ model, configs }) => ({
        name: model.topic,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      })),
    });
    for (const { errorCode } of topics) if (errorCode !== 0) throw new Error(`error ${errorCode}`);
    for (const topic of this.#topics.filter(({ model }) => model.idempotent)) {
      const answer = await client.request(initProducerId, 4, {
        transactionalId: null,
        transactionTimeoutMs: 0,
      });
      topic.producer = { id: answer.producerId, epoch: answer.producerEpoch };
    }
  }

  /** Produces and consumes until the kill, which comes after 10 to 300 ms. */
  async #load(port: number): Promise<void> {
    const state = { killed: false };
    const workers = this.#topics.flatMap((topic) => [
      // A generator of its own: what it draws does not depend on how they take turns.
      this.#produce(port, topic, state, mulberry32(this.#random() * 2 ** 32)),
      consume(port, topic.model, state),
    ]);
    const outcome = Promise.all(workers.map((worker) => orLost(worker, state)));
    await Promise.race([sleep(10 + this.#random() * 290), outcome]);
    state.killed = true;
    this.#kills++;
    await this.kill();
    await outcome;
  }

  async #produce(
    port: number,
    topic: Topic,
    state: { killed: boolean },
    random: () => number,
  ): Promise<void> {
    const { model, producer } = topic;
    const client = await RawClient.connect(port);
    try {
      const inFlight = new Set<Promise<void>>();
      // An idempotent producer sends again what was not answered; others must not.
      const again = model.idempotent ? [...model.pending] : [];
      if (!model.idempotent) model.pending = [];
      while (!state.killed) {
        const repeated = again.shift();
        const batch = repeated ?? model.nextBatch(1 + Math.floor(random() * 4), random() * 200);
        const sent = sendBatch(client, model, batch, producer, repeated !== undefined);
        inFlight.add(sent);
        const gone = (): void => void inFlight.delete(sent);
        sent.then(gone, gone);
        if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
      }
      await Promise.all(inFlight);
    } finally {
      client.close();
    }
  }
}

async function sendBatch(
  client: RawClient,
  model: PartitionModel,
  batch: PendingBatch,
  producer: Producer | null,
  repeated: boolean,
): Promise<void> {
  const records = encodeBatch(batch.values, producer, batch.baseSequence, Date.now());
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: model.topic, partitionData: [{ index: 0, records }] }],
  });
  const answer = responses[0]?.partitionResponses[0];
  if (answer === undefined) throw new Violation('a produce request without an answer');
  if (answer.errorCode === 0) {
    model.acknowledge(batch, Number(answer.baseOffset));
    return;
  }
  // A snapshot keeps the last batch of a producer alone: an older one that is in the log may be
  // refused as out of order or as a duplicate. That loses nothing.
  const old = answer.errorCode === 45 || answer.errorCode === 46;
  if (!(repeated && old && model.holds(batch))) {
    throw new Violation(`${model.topic}: error ${answer.errorCode} ${answer.errorMessage ?? ''}`);
  }
  model.pending = model.pending.filter((each) => each !== batch);
}

/** Reads what appears and takes note of it. */
async function consume(
  port: number,
  model: PartitionModel,
  state: { killed: boolean },
): Promise<void> {
  const client = await RawClient.connect(port);
  try {
    let offset = Math.max(0, model.values.length - 100);
    while (!state.killed) {
      const read = await fetchSome(client, model.topic, offset, 50);
      for (const record of read.records) {
        if (record.offset < offset) continue;
        model.note(record.offset, record.value, 'consumed');
        offset = record.offset + 1;
      }
    }
  } finally {
    client.close();
  }
}

async function fetchSome(client: RawClient, topic: string, offset: number, maxWaitMs: number) {
  const request = fetchRequest(topic, { offset, maxWaitMs, partitionMaxBytes: 2 ** 20 });
  const answer = await client.request(fetch, 11, request);
  const partition = answer.responses[0]?.partitions[0];
  if (partition === undefined || partition.errorCode !== 0) {
    throw new Violation(`${topic}: fetch error ${partition?.errorCode} at offset ${offset}`);
  }
  const { records: bytes } = partition;
  const { records } = readBatches(bytes === null ? Buffer.alloc(0) : Buffer.from(bytes));
  return { records, highWatermark: Number(partition.highWatermark) };
}

/** Everything visible, from offset 0. */
export async function fetchAll(
  client: RawClient,
  topic: string,
): Promise<{ offset: number; value: string }[]> {
  const all: { offset: number; value: string }[] = [];
  for (let offset = 0; ; ) {
    const { records, highWatermark } = await fetchSome(client, topic, offset, 0);
    const found = records.filter((record) => record.offset >= offset);
    all.push(...found);
    offset = (found.at(-1)?.offset ?? offset - 1) + 1;
    if (offset >= highWatermark) return all;
    if (found.length === 0) throw new Violation(`${topic}: nothing at ${offset}`);
  }
}

/** What the segment files hold; only the last may end in the middle of a batch. */
export function recordsOnDisk(
  dir: string,
  topic: string,
): { readonly offset: number; readonly value: string }[] {
  const partition = join(dir, `${topic}-0`);
  const names = readdirSync(partition).filter((name) => name.endsWith('.log'));
  const all: { offset: number; value: string }[] = [];
  for (const name of names.sort()) {
    if (Number(name.slice(0, 20)) !== all.length) {
      throw new Violation(`${topic}: the segment ${name} follows offset ${all.length}`);
    }
    const { records, rest } = readBatches(readFileSync(join(partition, name)));
    if (rest > 0 && name !== names.at(-1)) throw new Violation(`${topic}: ${name} is cut short`);
    all.push(...records);
  }
  return all;
}

/** Once the broker is killed, connections end; before, they must not. */
async function orLost(worker: Promise<void>, state: { killed: boolean }): Promise<void> {
  try {
    await worker;
  } catch (error) {
    if (error instanceof Violation || !state.killed) throw error;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * kill -9 under transactions, over and over on one directory: producers of both versions write each
 * transaction to two partitions and to their group's offsets, and commit or abort it. After each kill
 * every producer takes its transactional id over, so that nothing is open, and then
 *
 *     a transaction is in both partitions and in the offsets, or in none of them (never torn)
 *     what was answered as committed is there once and in order, what was aborted is not
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { addOffsetsToTxn } from '#src/protocol/messages/25-add-offsets-to-txn.js';
import { txnOffsetCommit } from '#src/protocol/messages/28-txn-offset-commit.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic } from '../support/test-broker.js';
import {
  addPartitions,
  committedValues,
  endRequest,
  initProducer,
  type Producer,
  produceIn,
} from '../support/transactions.js';

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');
const TOPIC = 'accounts';
const PARTITIONS = [0, 1];
const CONCURRENT_TRANSACTIONS = 51;

export interface KillTransactionsOptions {
  readonly cycles: number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Empty: becomes the data directory. */
  readonly dir: string;
}

export interface KillTransactionsResult {
  readonly committed: number;
  readonly aborted: number;
  /** Ended by a kill before the answer. */
  readonly unknown: number;
}

/** One transactional id, and what became of its transactions. */
class Teller {
  readonly id: string;
  readonly clientVersion: number;
  producer: Producer | null = null;
  next = 0;
  readonly outcomes: ('committed' | 'aborted' | 'unknown')[] = [];

  constructor(id: string, clientVersion: number) {
    this.id = id;
    this.clientVersion = clientVersion;
  }

  count(outcome: string): number {
    return this.outcomes.filter((one) => one === outcome).length;
  }
}

/** Throws at the first thing that must not be. */
export async function killTransactions(
  options: KillTransactionsOptions,
): Promise<KillTransactionsResult> {
  const { cycles, random, dir } = options;
  const tellers = [2, 2, 0].map((version, i) => new Teller(`teller-${i}`, version));
  for (let cycle = 0; cycle <= cycles; cycle++) {
    const { child, port } = await startBroker(dir);
    try {
      await using client = await RawClient.connect(port);
      if (cycle === 0) await createTopic(client, TOPIC, { partitions: PARTITIONS.length });
      for (const teller of tellers) teller.producer = await initProducer(client, teller.id);
      await check(client, tellers);
      if (cycle === cycles) break;
      const state = { killed: false };
      const work = tellers.map((teller) => serve(port, teller, random, state));
      await Promise.race([sleep(30 + random() * 300), Promise.all(work)]);
      state.killed = true;
      await kill(child);
      await Promise.all(work);
    } finally {
      await kill(child);
    }
  }
  const sum = (outcome: string) => tellers.reduce((all, one) => all + one.count(outcome), 0);
  return { committed: sum('committed'), aborted: sum('aborted'), unknown: sum('unknown') };
}

/** Transactions, one after the other, until the broker is killed. */
async function serve(
  port: number,
  teller: Teller,
  random: () => number,
  state: { killed: boolean },
): Promise<void> {
  try {
    await using client = await RawClient.connect(port);
    for (;;) {
      const index = teller.next++;
      teller.outcomes[index] = 'unknown';
      const commit = random() < 0.7;
      await transact(client, teller, index, commit);
      teller.outcomes[index] = commit ? 'committed' : 'aborted';
    }
  } catch (error) {
    if (!state.killed) throw error;
  }
}

async function transact(
  client: RawClient,
  teller: Teller,
  index: number,
  commit: boolean,
): Promise<void> {
  const producer = teller.producer as Producer;
  const isOld = teller.clientVersion === 0;
  if (isOld) {
    const add = () => addPartitions(client, producer, TOPIC, PARTITIONS);
    expect('add', await patient(add));
    const addGroup = async () =>
      (await client.request(addOffsetsToTxn, 3, { ...producer, groupId: teller.id })).errorCode;
    expect('add offsets', await patient(addGroup));
  }
  const sequence = isOld ? index - firstOf(teller) : 0;
  for (const partition of PARTITIONS) {
    const values = [`${teller.id}:${index}`];
    const batch = { sequence, partition, values, version: isOld ? 9 : 12 };
    const send = async () => (await produceIn(client, producer, TOPIC, batch)).errorCode;
    expect('produce', await patient(send));
  }
  const commitOffset = async () => {
    const { topics } = await client.request(txnOffsetCommit, isOld ? 3 : 5, {
      ...producer,
      groupId: teller.id,
      topics: [
        {
          name: TOPIC,
          partitions: [{ partitionIndex: 0, committedOffset: index, committedMetadata: null }],
        },
      ],
    });
    return topics[0]?.partitions[0]?.errorCode ?? -1;
  };
  expect('offset', await patient(commitOffset));
  const answer = await endRequest(client, producer, commit, isOld ? 3 : 5);
  expect('end', answer.errorCode);
  if (!isOld) teller.producer = { ...producer, producerEpoch: answer.producerEpoch };
}

const firsts = new WeakMap<Producer, number>();

/** An older producer keeps its epoch, and so its sequences, from one InitProducerId to the next. */
function firstOf({ producer, next }: Teller): number {
  const first = firsts.get(producer as Producer) ?? next - 1;
  firsts.set(producer as Producer, first);
  return first;
}

async function patient(ask: () => Promise<number>): Promise<number> {
  for (;;) {
    const code = await ask();
    if (code !== CONCURRENT_TRANSACTIONS) return code;
  }
}

function expect(what: string, code: number): void {
  if (code !== 0) throw new Error(`${what}: error ${code}`);
}

async function check(client: RawClient, tellers: readonly Teller[]): Promise<void> {
  const logs: string[][] = [];
  for (const partition of PARTITIONS) logs.push(await committedValues(client, TOPIC, partition));
  for (const teller of tellers) {
    const [one, other] = logs.map((values) => indexesOf(values, teller.id));
    if (one === undefined || String(one) !== String(other)) {
      throw new Error(`${teller.id} is torn: ${String(one)} and ${String(other)}`);
    }
    const present = new Set(one);
    if (present.size !== one.length || String([...one].sort((a, b) => a - b)) !== String(one)) {
      throw new Error(`${teller.id} is doubled or out of order: ${String(one)}`);
    }
    for (const [index, outcome] of teller.outcomes.entries()) {
      if (outcome !== 'unknown' && present.has(index) !== (outcome === 'committed')) {
        throw new Error(`${teller.id}: ${index} is ${outcome}, ${String(one)} are there`);
      }
    }
    const offset = await committedOffset(client, teller.id);
    if (offset !== (one.at(-1) ?? -1)) {
      throw new Error(`${teller.id}: offset ${offset} with ${String(one)}`);
    }
  }
}

function indexesOf(values: readonly string[], id: string): number[] {
  return values
    .map((value) => value.split(':'))
    .filter(([name]) => name === id)
    .map(([, index]) => Number(index));
}

async function committedOffset(client: RawClient, groupId: string): Promise<number | undefined> {
  const { groups } = await client.request(offsetFetch, 8, {
    requireStable: true,
    groups: [{ groupId, topics: [{ name: TOPIC, partitionIndexes: [0] }] }],
  });
  const partition = groups[0]?.topics[0]?.partitions[0];
  expect('offset fetch', partition?.errorCode ?? -1);
  return partition?.committedOffset;
}

async function startBroker(dir: string): Promise<{ child: ChildProcess; port: number }> {
  const args = [MAIN, 'broker', '--listen', '127.0.0.1:0', '--data-dir', dir];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((resolve, reject) => {
    let stdout = '';
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
      const found = /listening on \S+:(\d+)/.exec(stdout)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
  });
  return { child, port };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

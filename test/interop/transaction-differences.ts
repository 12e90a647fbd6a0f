// Transactions beside a real Kafka: the same requests, good, late and bad, to both, answers compared; where they differ,
// it is known why.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorName } from '#src/protocol/error-codes.js';
import { findCoordinator } from '#src/protocol/messages/10-find-coordinator.js';
import { addOffsetsToTxn } from '#src/protocol/messages/25-add-offsets-to-txn.js';
import { writeTxnMarkers } from '#src/protocol/messages/27-write-txn-markers.js';
import { txnOffsetCommit } from '#src/protocol/messages/28-txn-offset-commit.js';
import { describeProducers } from '#src/protocol/messages/61-describe-producers.js';
import { describeTransactions } from '#src/protocol/messages/65-describe-transactions.js';
import { listTransactions } from '#src/protocol/messages/66-list-transactions.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic } from '../support/test-broker.js';
import {
  addPartitions,
  committedValues,
  endRequest,
  initRequest,
  markersOf,
  type Producer,
  produceIn,
} from '../support/transactions.js';
import { type Server, startKafka, startMillrace } from './servers.js';

/** Lines where the two may differ, with the reason. */
const LOG_ONLY =
  'Kafka does not ask the coordinator while the log has the transaction open; we always ask';
const EXPECTED: Readonly<Record<string, string>> = {
  'offsets, unknown id': LOG_ONLY,
  'offsets of the ended one': LOG_ONLY,
  'marker of an earlier epoch': 'epoch -1 is an error inside of Kafka',
};

class Script {
  readonly lines: { readonly what: string; readonly answer: string }[] = [];
  readonly #client: RawClient;

  constructor(client: RawClient) {
    this.#client = client;
  }

  note(what: string, answer: unknown): void {
    this.lines.push({ what, answer: typeof answer === 'string' ? answer : JSON.stringify(answer) });
  }

  code(what: string, code: number | undefined): void {
    this.note(what, code === undefined ? 'nothing' : (errorName(code) ?? String(code)));
  }

  /** Repeats while the answer is CONCURRENT_TRANSACTIONS, which is a matter of time. */
  async init(what: string, id: string | null, options: Parameters<typeof initRequest>[2] = {}) {
    let answer = await initRequest(this.#client, id, options);
    const first = answer.errorCode;
    while (answer.errorCode === 51) answer = await initRequest(this.#client, id, options);
    if (first === 51) this.code(`${what}, at first`, first);
    this.code(what, answer.errorCode);
    this.note(`${what}: epoch`, answer.producerEpoch);
    const { producerId, producerEpoch } = answer;
    return { transactionalId: id ?? '', producerId, producerEpoch };
  }

  async end(what: string, producer: Producer, commit: boolean, version = 5): Promise<Producer> {
    let answer = await endRequest(this.#client, producer, commit, version);
    while (answer.errorCode === 51) {
      answer = await endRequest(this.#client, producer, commit, version);
    }
    this.code(what, answer.errorCode);
    if (version < 5) return producer;
    this.note(`${what}: epoch`, answer.producerEpoch);
    const { producerId, producerEpoch } = answer;
    return { ...producer, producerId, producerEpoch };
  }

  async add(what: string, producer: Producer, topic: string, partitions = [0], version = 3) {
    let code = await addPartitions(this.#client, producer, topic, partitions, version);
    while (code === 51)
      code = await addPartitions(this.#client, producer, topic, partitions, version);
    this.code(what, code);
  }

  async produce(
    what: string,
    producer: Producer,
    topic: string,
    batch: Parameters<typeof produceIn>[3],
  ) {
    let answer = await produceIn(this.#client, producer, topic, batch);
    while (answer.errorCode === 51) answer = await produceIn(this.#client, producer, topic, batch);
    this.code(what, answer.errorCode);
    if (answer.errorCode === 0) this.note(`${what}: offset`, answer.baseOffset);
  }

  async state(what: string, id: string): Promise<void> {
    const { transactionStates } = await this.#client.request(describeTransactions, 0, {
      transactionalIds: [id],
    });
    const [found] = transactionStates;
    this.code(`${what}: describe`, found?.errorCode);
    this.note(`${what}: state`, found?.transactionState ?? '');
    this.note(`${what}: partitions`, found?.topics ?? []);
  }

  /** Until it is not being ended any more. */
  async settled(id: string): Promise<void> {
    for (;;) {
      const { transactionStates } = await this.#client.request(describeTransactions, 0, {
        transactionalIds: [id],
      });
      if (!(transactionStates[0]?.transactionState ?? '').startsWith('Prepare')) return;
    }
  }
}

async function script(server: Server): Promise<Script> {
  const [host, port] = server.bootstrap.split(':');
  await using client = await RawClient.connect(Number(port), host);
  const s = new Script(client);
  await createTopic(client, 'a', { partitions: 2 });
  await coordinators(client);
  await bothVersions(s, client);
  await lateRequests(s);
  await strangeRequests(s, client);
  await offsets(s, client);
  await tools(s, client);
  return s;
}

/** A real Kafka makes their topics when it is first asked, and takes its time. */
async function coordinators(client: RawClient): Promise<void> {
  for (const keyType of [0, 1]) {
    for (;;) {
      const asked = { keyType, coordinatorKeys: ['warm-up'] };
      const { coordinators: found } = await client.request(findCoordinator, 6, asked);
      if (found[0]?.errorCode === 0) break;
      await sleep(100);
    }
  }
  while ((await initRequest(client, 'warm-up')).errorCode !== 0) await sleep(100);
}

async function bothVersions(s: Script, client: RawClient): Promise<void> {
  const one = await s.init('new id', 'one');
  await s.state('new', 'one');
  await s.produce('v2 first batch', one, 'a', { sequence: 0 });
  await s.state('after it', 'one');
  await s.produce('v2 a repeat', one, 'a', { sequence: 0 });
  await s.produce('v2 a gap', one, 'a', { sequence: 5 });
  const two = await s.end('v2 commit', one, true);
  await s.settled('one');
  await s.state('after the commit', 'one');
  await s.end('v2 commit again', one, true);
  await s.end('v2 abort of a commit', one, false);
  await s.produce('v2 batch of the ended one', one, 'a', { sequence: 1 });
  await s.produce('v2 not at zero', two, 'a', { sequence: 1 });
  await s.produce('v2 next batch', two, 'a', { sequence: 0, partition: 1 });
  await s.end('v2 late commit', one, true);
  await s.end('v2 late abort', one, false);
  const three = await s.end('v2 abort', two, false);
  await s.settled('one');
  await s.end('v2 commit of nothing', three, true);
  const four = await s.end('v2 abort of nothing', three, false);
  await s.settled('one');
  await s.end('v2 abort of nothing again', three, false);
  const old = await s.init('older client', 'old', { version: 1 });
  await s.produce('v0 not added', old, 'a', { sequence: 0, version: 9 });
  await s.produce('v0 not added, Produce 11', old, 'a', { sequence: 0, version: 11 });
  await s.add('v0 add', old, 'a', [0], 0);
  await s.produce('v0 added', old, 'a', { sequence: 0, version: 9 });
  await s.produce('v0 other partition', old, 'a', { sequence: 0, version: 9, partition: 1 });
  await s.end('v0 commit', old, true, 1);
  await s.settled('old');
  await s.end('v0 commit again', old, true, 1);
  await s.end('v0 abort of a commit', old, false, 1);
  await s.produce('v0 late batch', old, 'a', { sequence: 1, version: 9 });
  await s.end('v0 commit by version 2', old, true);
  await s.end('v2 commit by version 0', four, true, 3);
  await s.end('v2 abort by version 0', four, false, 3);
  for (const partition of [0, 1]) {
    const markers = await markersOf(client, 'a', partition);
    s.note(`markers of partition ${partition}`, markers);
    s.note(`committed in ${partition}`, await committedValues(client, 'a', partition));
  }
}

async function lateRequests(s: Script): Promise<void> {
  const zombie = await s.init('zombie', 'z');
  await s.produce('zombie batch', zombie, 'a', { sequence: 0 });
  const heir = await s.init('heir', 'z');
  await s.produce('zombie late batch', zombie, 'a', { sequence: 1 });
  await s.produce('zombie late batch, Produce 9', zombie, 'a', { sequence: 1, version: 9 });
  for (const version of [1, 2]) await s.add(`zombie add ${version}`, zombie, 'a', [0], version);
  for (const version of [1, 2, 5]) await s.end(`zombie commit ${version}`, zombie, true, version);
  for (const version of [3, 4]) await s.init(`zombie init ${version}`, 'z', { ...zombie, version });
  await s.produce('heir batch', heir, 'a', { sequence: 0 });
  const next = await s.end('heir commit', heir, true);
  await s.settled('z');
  const bumped = await s.init('bump by the producer', 'z', next);
  await s.init('bump again', 'z', next);
  await s.init('bump of an older epoch', 'z', heir);
  await s.produce('epoch of the future', { ...bumped, producerEpoch: 999 }, 'a', { sequence: 0 });
  await s.end('commit of the future', { ...bumped, producerEpoch: 999 }, true);
}

async function strangeRequests(s: Script, client: RawClient): Promise<void> {
  await s.init('empty id', '');
  await s.init('timeout 0', 'x', { timeoutMs: 0 });
  await s.init('timeout too long', 'x', { timeoutMs: 900_001 });
  await s.init('epoch without id', 'x', { producerEpoch: 3 });
  await s.init('id without epoch', 'x', { producerId: 3 });
  await s.init('an unknown id with a past', 'past', { producerId: 77, producerEpoch: 7 });
  const nobody: Producer = { transactionalId: 'nobody', producerId: 4711, producerEpoch: 0 };
  await s.add('add, unknown id', nobody, 'a');
  await s.end('end, unknown id', nobody, true);
  await s.end('end, unknown id, version 3', nobody, true, 3);
  await s.produce('produce, unknown id', nobody, 'a', { sequence: 0 });
  await s.produce('produce 9, unknown id', nobody, 'a', { sequence: 0, version: 9 });
  const empty = { ...nobody, transactionalId: '' };
  await s.add('add, empty id', empty, 'a');
  await s.end('end, empty id', empty, true);
  await s.produce('produce, empty id', empty, 'a', { sequence: 0 });
  await s.state('empty id', '');
  await s.state('unknown id', 'nobody');
  const p = await s.init('strange', 'strange');
  await s.add('add, unknown topic', p, 'nothing');
  await s.add('add, unknown partition', p, 'a', [9]);
  await s.add('add, one of two', p, 'a', [0, 9]);
  await s.add('add, wrong producer id', { ...p, producerId: 12345 }, 'a');
  await s.end('end, wrong producer id', { ...p, producerId: 12345 }, false);
  await s.produce('produce, wrong producer id', { ...p, producerId: 12345 }, 'a', { sequence: 0 });
  await s.produce('produce, unknown topic', p, 'nothing', { sequence: 0 });
  await s.produce('no id in the request', p, 'a', { sequence: 0, transactionalId: null });
  await s.produce('not transactional', p, 'a', { sequence: 0, isTransactional: false });
  await s.state('strange', 'strange');
  const { topics } = await client.request(describeProducers, 0, {
    topics: [
      { name: 'a', partitionIndexes: [9] },
      { name: 'nothing', partitionIndexes: [0] },
      { name: 'not/valid', partitionIndexes: [0] },
    ],
  });
  for (const { name, partitions } of topics) {
    s.code(`describe producers of ${name}`, partitions[0]?.errorCode);
  }
}

async function offsets(s: Script, client: RawClient): Promise<void> {
  const commit = async (what: string, producer: Producer, version: number, topic = 'a') => {
    const body = {
      ...producer,
      groupId: 'g',
      topics: [
        {
          name: topic,
          partitions: [{ partitionIndex: 0, committedOffset: 3, committedMetadata: '' }],
        },
      ],
    };
    for (;;) {
      const answer = await client.request(txnOffsetCommit, version, body);
      const code = answer.topics[0]?.partitions[0]?.errorCode;
      if (code === 51 || code === 15 || code === 16) continue;
      s.code(what, code);
      return;
    }
  };
  const add = async (what: string, producer: Producer, version: number) => {
    for (;;) {
      const answer = await client.request(addOffsetsToTxn, version, { ...producer, groupId: 'g' });
      if (answer.errorCode === 51 || answer.errorCode === 15) continue;
      s.code(what, answer.errorCode);
      return;
    }
  };
  const one = await s.init('offsets', 'offsets');
  for (const version of [0, 3, 4]) await commit(`offsets ${version}, not added`, one, version);
  await add('add offsets', one, 3);
  await commit('offsets 3, added', one, 3);
  await commit('offsets of an unknown topic', one, 3, 'nothing');
  const zombie = { ...one, producerEpoch: -1 };
  for (const version of [1, 2]) await add(`zombie add offsets ${version}`, zombie, version);
  for (const version of [0, 3, 4, 5]) await commit(`zombie offsets ${version}`, zombie, version);
  const wrong = { ...one, producerId: 12345 };
  await add('add offsets, wrong producer id', wrong, 3);
  for (const version of [3, 5])
    await commit(`offsets ${version}, wrong producer id`, wrong, version);
  const nobody = { ...one, transactionalId: 'nobody' };
  await add('add offsets, unknown id', nobody, 3);
  await commit('offsets, unknown id', nobody, 5);
  const two = await s.end('offsets commit', one, true);
  await commit('offsets of the ended one', one, 5);
  await commit('offsets of the next one', two, 5);
  await s.state('offsets', 'offsets');
  await s.end('offsets abort', two, false);
}

async function tools(s: Script, client: RawClient): Promise<void> {
  const p = await s.init('hanging', 'h');
  await s.produce('hanging batch', p, 'a', { sequence: 0, partition: 1 });
  const mark = async (what: string, epoch: number, version: number, transactionVersion: number) => {
    const { markers } = await client.request(writeTxnMarkers, version, {
      markers: [
        {
          producerId: p.producerId,
          producerEpoch: epoch,
          transactionResult: false,
          coordinatorEpoch: 0,
          transactionVersion,
          topics: [{ name: 'a', partitionIndexes: [1] }],
        },
      ],
    });
    s.code(what, markers[0]?.topics[0]?.partitions[0]?.errorCode);
  };
  await mark('marker of an earlier epoch', -1, 1, 0);
  await mark('marker of version 2 with the same epoch', p.producerEpoch, 2, 2);
  await mark('marker that aborts', p.producerEpoch, 1, 0);
  await mark('marker again', p.producerEpoch, 1, 0);
  const next = await s.end('commit after the marker', p, true);
  await s.settled('h');
  await s.end('abort after it', next, false);
  await s.settled('h');
  for (const filter of [
    { stateFilters: [], producerIdFilters: [] },
    { stateFilters: ['CompleteAbort', 'Nothing', ''], producerIdFilters: [] },
    { stateFilters: ['Dead'], producerIdFilters: [] },
    { stateFilters: [], producerIdFilters: [987] },
    { stateFilters: [], producerIdFilters: [], durationFilter: 3_600_000 },
    { stateFilters: [], producerIdFilters: [], transactionalIdPattern: 'o.*' },
    { stateFilters: [], producerIdFilters: [], transactionalIdPattern: '(' },
  ]) {
    const answer = await client.request(listTransactions, 2, filter);
    const found = answer.transactionStates.map((one) => one.transactionalId).sort();
    const { errorCode, unknownStateFilters } = answer;
    s.note(`list ${JSON.stringify(filter)}`, { errorCode, unknownStateFilters, found });
  }
}

export type TransactionPart = {
  /** Is made, and filled with data directories. */
  readonly dir: string;
  readonly check: (subject: string, what: string, run: () => Promise<string>) => Promise<void>;
};

export async function transactionsBesideKafka({ dir, check }: TransactionPart): Promise<void> {
  const homes = { ours: join(dir, 'ours'), kafka: join(dir, 'kafka') };
  for (const home of Object.values(homes)) mkdirSync(home, { recursive: true });
  await check('transactions', 'requests are answered as Kafka answers them', async () => {
    const ours = await startMillrace(homes.ours);
    const mine = await script(ours).finally(() => ours.stop());
    const kafka = await startKafka(homes.kafka);
    const theirs = await script(kafka).finally(() => kafka.kill());
    const wrong: string[] = [];
    const known = new Set<string>();
    for (const [at, { what, answer }] of theirs.lines.entries()) {
      const own = mine.lines[at];
      if (own?.what === what && own.answer === answer) continue;
      const reason = EXPECTED[what];
      if (reason === undefined)
        wrong.push(`${what}: ${answer}, ours: ${own?.what}: ${own?.answer}`);
      else known.add(`${what}: ${reason}`);
    }
    if (mine.lines.length !== theirs.lines.length)
      wrong.push(`${mine.lines.length} answers of ours`);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return [`${theirs.lines.length} answers`, ...known].join('; ');
  });
}

/** A broker on a virtual clock: what takes days takes none. */

import t from 'tap';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { findCoordinator } from '#src/protocol/messages/10-find-coordinator.js';
import { describeGroups } from '#src/protocol/messages/15-describe-groups.js';
import { consumerGroupHeartbeat } from '#src/protocol/messages/68-consumer-group-heartbeat.js';
import { type StartBrokerOptions, startBroker, type TestBroker } from '#src/public/testing.js';
import { startMember } from '../support/group-member.js';
import { RawClient } from '../support/raw-client.js';
import { fetchRequest } from '../support/test-broker.js';
import { addPartitions, initProducer, produceIn } from '../support/transactions.js';

/** That of the records of test/support. */
const NOW = 1_700_000_000_000;
const DAY_MS = 86_400_000;

interface Test {
  teardown(callback: () => unknown): void;
}

async function virtualBroker(t: Test, options: StartBrokerOptions = {}): Promise<TestBroker> {
  const broker = await startBroker({
    ...{ clock: 'virtual', now: NOW, inWorker: false, leaks: 'ignore' },
    ...options,
  });
  t.teardown(() => broker.dispose());
  return broker;
}

async function connectTo(t: Test, broker: TestBroker): Promise<RawClient> {
  const client = await RawClient.connect(broker.port);
  t.teardown(() => client.close());
  return client;
}

t.test('records go after seven days, by segments', async (t) => {
  const broker = await virtualBroker(t, { topics: ['a'] });
  const log = broker.log('a');
  await broker.produce('a', ['old', 'old']);
  await log.roll();
  t.equal(await broker.clock.advance('4d'), NOW + 4 * DAY_MS);
  await broker.produce('a', ['young']);
  t.match(await log.offsets(), { logStartOffset: 0 });
  await broker.clock.advance('4d');
  t.match(await log.offsets(), { logStartOffset: 2, highWatermark: 3 });
  t.same(
    (await broker.consumeAll('a')).map(({ value, timestamp }) => [`${value}`, timestamp]),
    [['young', NOW + 4 * DAY_MS]],
  );
  t.equal(await broker.clock.nowMs(), NOW + 8 * DAY_MS);
});

t.test('a member that is not heard of is out of its group', async (t) => {
  const broker = await virtualBroker(t, { topics: ['a'] });
  const client = await connectTo(t, broker);
  await client.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] });
  await startMember(client, 'g', { fields: { sessionTimeoutMs: 45_000 } });
  await broker.waitFor({ group: 'g', stable: true, members: 1 });
  await broker.clock.advance('44s');
  await broker.waitFor({ group: 'g', stable: true, members: 1, timeout: 0 });
  await broker.clock.advance('2s');
  const { groups } = await client.request(describeGroups, 5, { groups: ['g'] });
  t.match(groups, [{ groupState: 'Empty', members: [] }]);
});

t.test('a member of the new protocol too', async (t) => {
  const broker = await virtualBroker(t, { topics: ['a'] });
  const client = await connectTo(t, broker);
  const join = {
    ...{ groupId: 'g', memberId: 'm', memberEpoch: 0, rebalanceTimeoutMs: 1000 },
    ...{ subscribedTopicNames: ['a'], topicPartitions: [] },
  };
  const joined = await client.request(consumerGroupHeartbeat, 1, join);
  t.match(joined, { errorCode: 0, memberEpoch: 1 });
  await broker.waitFor({ group: 'g', stable: true, members: 1 });
  await broker.clock.advance('46s');
  await t.rejects(broker.waitFor({ group: 'g', stable: true, timeout: 0 }), {
    message: /it is Empty with 0 members/,
  });
});

t.test('a transaction that nobody ends is aborted', async (t) => {
  const broker = await virtualBroker(t, { topics: ['a'] });
  const client = await connectTo(t, broker);
  const producer = await initProducer(client, 'tx', { timeoutMs: 60_000 });
  t.equal(await addPartitions(client, producer, 'a'), 0);
  t.match(await produceIn(client, producer, 'a', { sequence: 0 }), { errorCode: 0 });
  await broker.produce('a', 'behind it');
  await broker.clock.advance('50s');
  t.match(await broker.log('a').offsets(), { lastStableOffset: 0, highWatermark: 2 });
  await broker.clock.advance('2d');
  t.match(await broker.log('a').offsets(), { lastStableOffset: 3, highWatermark: 3 });
  t.same(
    (await broker.consumeAll('a')).map(({ value }) => `${value}`),
    ['behind it'],
  );
  t.equal((await broker.consumeAll('a', { isolation: 'read_uncommitted' })).length, 2);
});

t.test('a compacted topic keeps the last value of a key, and a tombstone for a day', async (t) => {
  const config = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': 0 };
  const broker = await virtualBroker(t, { topics: [{ name: 'a', config }] });
  for (const value of ['1', '2', '3']) {
    await broker.produce('a', [
      { key: 'k', value },
      { key: 'gone', value: value === '3' ? null : value },
    ]);
  }
  await broker.log('a').roll();
  const left = async (): Promise<string[]> =>
    (await broker.consumeAll('a')).map(({ key, value }) => `${key}=${value}`);
  await broker.clock.advance('1h');
  t.same(await left(), ['k=3', 'gone=null']);
  await broker.clock.advance('2d');
  // As in Kafka, a log without anything new is not compacted again.
  await broker.produce('a', { key: 'new', value: '1' });
  await broker.log('a').roll();
  await broker.clock.advance('1m');
  t.same(await left(), ['k=3', 'new=1']);
});

t.test('a fetch waits for the clock, or for a record', async (t) => {
  const broker = await virtualBroker(t, { topics: ['a'] });
  const client = await connectTo(t, broker);
  const waiting = client.send(fetch, 11, fetchRequest('a', { maxWaitMs: 60_000 }));
  let answered = false;
  void waiting.frame.then(() => {
    answered = true;
  });
  while (!answered) await broker.clock.advance('20s');
  t.ok((await broker.clock.nowMs()) >= NOW + 60_000);
  const empty = client.decode(fetch, 11, await waiting.frame);
  t.match(empty.responses[0]?.partitions[0], { errorCode: 0, highWatermark: 0 });
  const woken = client.request(fetch, 11, fetchRequest('a', { maxWaitMs: 60_000 }));
  await broker.produce('a', 'wakes it');
  t.match((await woken).responses[0]?.partitions[0], { errorCode: 0, highWatermark: 1 });
});

t.test('time that runs ends a fetch, and stands where it was stopped', async (t) => {
  for (const inWorker of [false, true]) {
    const broker = await virtualBroker(t, { topics: ['a'], inWorker });
    const client = await connectTo(t, broker);
    await broker.clock.resume();
    await client.request(fetch, 11, fetchRequest('a', { maxWaitMs: 30 }));
    await broker.clock.pause();
    const nowMs = await broker.clock.nowMs();
    t.ok(nowMs >= NOW + 30);
    t.equal(await broker.clock.advance(1), nowMs + 1);
  }
});

t.test('time goes on where it was after a restart, a kill and a fork', async (t) => {
  for (const inWorker of [false, true]) {
    const broker = await virtualBroker(t, { inWorker, topics: ['a'] });
    await broker.produce('a', 'x');
    await broker.clock.advance('1d');
    await broker.restart();
    t.equal(await broker.clock.nowMs(), NOW + DAY_MS);
    await broker.kill();
    await broker.restart();
    t.equal(await broker.clock.nowMs(), NOW + DAY_MS);
    await using snapshot = await broker.snapshot();
    t.equal(snapshot.takenMs, NOW + DAY_MS);
    const fork = await startBroker({ clock: 'virtual', inWorker, from: snapshot });
    t.equal(await fork.clock.nowMs(), NOW + DAY_MS);
    await fork.dispose();
    t.same((await broker.consumeAll('a')).length, 1);
  }
});

/** The recorder: what came, in which order, with which answers; and assertions that show it. */

import { AssertionError } from 'node:assert';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { connectTo, fetchFrom, produceTo } from '../support/test-broker.js';
import { brokerWithParts } from './broker-with-parts.js';

const HEARTBEAT = { groupId: 'g', generationId: 1, memberId: 'm' };

t.test('requests and answers are decoded, records are summarised', async (t) => {
  const { broker, requests } = await brokerWithParts(t, { clock: new ManualClock() });
  const client = await connectTo(t, broker);
  await produceTo(client, 'orders', ['one', 'two'], { partition: 1 });
  await fetchFrom(client, 'orders', { partition: 1 });
  await client.request(heartbeat, 4, HEARTBEAT);
  const [sent, read, beat] = await requests.all();
  t.match(sent, {
    api: 'Produce',
    version: 9,
    clientId: 'raw-client',
    outcome: 'answered',
    errors: [],
    topics: [{ topic: 'orders', partitions: [1] }],
    startMs: 0,
    durationMs: 0,
    request: {
      acks: -1,
      transactionalId: null,
      topicData: [
        { name: 'orders', partitionData: [{ index: 1, records: { batches: 1, records: 2 } }] },
      ],
    },
    response: { responses: [{ partitionResponses: [{ baseOffset: 0, recordErrors: [] }] }] },
  });
  t.match(read, {
    api: 'Fetch',
    connection: sent?.connection,
    response: { responses: [{ partitions: [{ records: { batches: 1, records: 2 } }] }] },
  });
  t.match(beat, { groups: ['g'], errors: ['UNKNOWN_MEMBER_ID'], response: { errorCode: 25 } });
  t.doesNotThrow(() => structuredClone([sent, read, beat]));
});

t.test('records are kept where it was asked for', async (t) => {
  const { broker, requests } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await requests.configure({ records: true });
  await produceTo(client, 'orders', ['needle']);
  const session = JSON.stringify(await requests.session());
  const [, base64 = ''] = /"base64":"([^"]+)"/.exec(session) ?? [];
  t.ok(Buffer.from(base64, 'base64').includes('needle'));
});

t.test('expectations hold, or fail with the session', async (t) => {
  const { broker, requests, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await faults.add({ api: 'Produce', nth: 2 }, { error: 'NOT_LEADER_OR_FOLLOWER' });
  await client.request(apiVersions, 3, {});
  for (let i = 0; i < 3; i++) await produceTo(client, 'orders', ['a']);
  await client.request(heartbeat, 4, HEARTBEAT);

  t.equal((await requests.expect({ api: 'Produce', topic: 'orders' }).times(3)).length, 3);
  await requests.expect({ api: 'Heartbeat', group: 'g' }).toHaveBeenSent();
  await requests.expect({ api: 'Produce', error: 'NOT_LEADER_OR_FOLLOWER' }).times(1);
  await requests.expect({ api: 'Produce', error: 'NONE' }).times(2);
  await requests.expect({ api: 0, partition: 0, topic: 'orders' }).atLeast(2);
  await requests.expect({ api: 'Fetch' }).never();
  await requests.expect({ api: 'ApiVersions' }).inOrder({ api: 'Produce' }, { api: 'Heartbeat' });

  const failure = async (promise: Promise<unknown>): Promise<AssertionError> =>
    promise.then(
      () => t.fail('it holds'),
      (error: unknown) => error,
    ) as Promise<AssertionError>;
  const wrongCount = await failure(requests.expect({ api: 'Produce' }).times(2));
  t.ok(wrongCount instanceof AssertionError);
  t.same([wrongCount.actual, wrongCount.expected], [3, 2]);
  t.match(wrongCount.message, /expected 2 requests \{ api: "Produce" \}, saw 3/);
  t.match(wrongCount.message, /\* +[\d.]+ +#1 +raw-client +Produce v9 +orders\[0\] 1 records +ok/);
  t.match(wrongCount.message, /NOT_LEADER_OR_FOLLOWER \(fault: .*\)/);
  const wrongOrder = requests.expect({ api: 'Heartbeat' }).inOrder({ api: 'Produce' });
  t.match((await failure(wrongOrder)).message, /number 2 did not come/);
  t.match((await failure(requests.expect({ api: 'Fetch' }).toHaveBeenSent())).message, /saw 0/);
  t.match((await failure(requests.expect({ api: 'Produce' }).never())).message, /saw 3/);
  await t.rejects(requests.expect({ api: 'Fetsch' }).never(), { message: /did you mean Fetch\?/ });
  await t.rejects(requests.all({ error: 'NOT_CORDINATOR' }), {
    message: /did you mean NOT_COORDINATOR\?/,
  });
});

t.test('waitFor resolves with what comes, or tells what came instead', async (t) => {
  const { broker, requests } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const two = requests.waitFor({ api: 'Heartbeat', outcome: 'answered' }, { count: 2 });
  for (let i = 0; i < 2; i++) await client.request(heartbeat, 4, HEARTBEAT);
  t.equal((await two).length, 2);
  await t.rejects(requests.waitFor({ api: 'Fetch' }, { timeout: 0 }), { message: /Heartbeat v4/ });
});

t.test('memory is bounded: the oldest go, and are counted', async (t) => {
  const { broker, requests } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await requests.configure({ limit: 3 });
  for (let i = 0; i < 5; i++) await client.request(heartbeat, 4, HEARTBEAT);
  const session = await requests.session();
  t.same(
    [session.requests.map(({ correlationId }) => correlationId), session.droppedCount],
    [[3, 4, 5], 2],
  );
  t.match(session.explain(), /2 older requests were let go/);
  t.same(JSON.parse(JSON.stringify(session)).droppedCount, 2);
  await requests.clear();
  t.same((await requests.session()).toJSON(), { requests: [], droppedCount: 0 });
});

t.test('the same requests, seed and clock make the same session', async (t) => {
  const sessionOf = async () => {
    const clock = new ManualClock();
    const { broker, requests } = await brokerWithParts(t, { clock, seed: 5 });
    const client = await connectTo(t, broker);
    await client.request(apiVersions, 3, {});
    await produceTo(client, 'orders', ['a'], { version: 9 });
    clock.advance(250);
    await fetchFrom(client, 'orders', { sessionEpoch: 0 });
    return (await requests.session()).comparable();
  };
  const one = await sessionOf();
  t.equal(one.requests.at(-1)?.startMs, 250);
  t.same(await sessionOf(), one);
});

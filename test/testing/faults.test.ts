/** Faults: what a client of a broker with a plan sees, and what is in the log afterwards. */

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Broker } from '#src/broker/broker.js';
import { crc32c } from '#src/native/crc32c.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { crcOf } from '#src/record/batch-view.js';
import { ATTRIBUTES } from '#src/record/layout.js';
import type { FaultAction, FaultRule } from '#src/testing/fault-rule.js';
import { batchOf, connectTo, fetchFrom, fetchRequest, produceTo } from '../support/test-broker.js';
import { brokerWithParts } from './broker-with-parts.js';

const { NOT_LEADER_OR_FOLLOWER, NONE, CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR } = errorCodes;

function endOf(broker: Broker, partition = 0): number {
  return broker.services.logs.getLog('orders', partition)?.logEndOffset ?? -1;
}

t.test('an error is answered for one partition, and the others are written', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const rule = { api: 'Produce', topic: 'orders', partition: 1, first: 1 };
  const fault = await faults.add(rule, { error: 'NOT_LEADER_OR_FOLLOWER' });
  const send = () =>
    client.request(produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        {
          name: 'orders',
          partitionData: [0, 1].map((index) => ({ index, records: batchOf(['a']) })),
        },
      ],
    });
  const { responses } = await send();
  const codes = responses.flatMap((topic) =>
    topic.partitionResponses.map(({ index, errorCode }) => [index, errorCode]),
  );
  t.same(codes, [
    [0, NONE],
    [1, NOT_LEADER_OR_FOLLOWER],
  ]);
  t.same([endOf(broker, 0), endOf(broker, 1)], [1, 0]);
  t.equal(fault.fired, 1);
  await send();
  t.same([endOf(broker, 0), endOf(broker, 1)], [2, 1], 'the second time it does not fire');
  t.equal(await fault.remove(), 1);
});

t.test('nth, after, every and probability choose among the requests that match', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const firesOn = async (rule: FaultRule): Promise<number[]> => {
    await using fault = await faults.add(
      { ...rule, api: 'Heartbeat' },
      { error: 'UNKNOWN_MEMBER_ID' },
    );
    const fired: number[] = [];
    for (let n = 1; n <= 6; n++) {
      const before = fault.fired;
      await client.request(heartbeat, 4, { groupId: 'g', generationId: 1, memberId: 'm' });
      if (fault.fired > before) fired.push(n);
    }
    return fired;
  };
  t.same(await firesOn({ nth: 2 }), [2]);
  t.same(await firesOn({ after: 3 }), [4, 5, 6]);
  t.same(await firesOn({ after: 1, first: 2 }), [2, 3]);
  t.same(await firesOn({ every: 3 }), [3, 6]);
  t.same(await firesOn({ probability: 0, optional: true }), []);
  t.same(await firesOn({ group: 'other', optional: true }), []);
  t.same(await firesOn({ clientId: 'raw-client', nth: 1 }), [1]);
});

t.test('a probability is drawn from the seed: the same choice in the same order', async (t) => {
  const choice = async (seed: number): Promise<number[]> => {
    const { broker, faults } = await brokerWithParts(t, { seed });
    const client = await connectTo(t, broker);
    const rule = { api: 'Heartbeat', probability: 0.5 };
    await faults.add(rule, { error: 'REBALANCE_IN_PROGRESS' });
    const codes: number[] = [];
    for (let n = 0; n < 24; n++) {
      const request = { groupId: 'g', generationId: 1, memberId: 'm' };
      codes.push((await client.request(heartbeat, 4, request)).errorCode);
    }
    return codes;
  };
  const first = await choice(7);
  t.same(await choice(7), first);
  t.notSame(await choice(8), first);
});

t.test('a fetch in a session tells the error of a partition that it does not name', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await produceTo(client, 'orders', ['a', 'b']);
  const opened = await client.request(fetch, 12, fetchRequest('orders', { sessionEpoch: 0 }));
  t.not(opened.sessionId, 0);
  const incremental = (sessionEpoch: number) =>
    client.request(fetch, 12, {
      ...fetchRequest('orders', { sessionId: opened.sessionId, sessionEpoch }),
      topics: [],
    });
  await using _fault = await faults.add(
    { api: 'Fetch', topic: 'orders', partition: 0, first: 1 },
    { error: 'NOT_LEADER_OR_FOLLOWER' },
  );
  const answer = await incremental(1);
  t.equal(answer.errorCode, NONE);
  t.equal(answer.responses[0]?.partitions[0]?.errorCode, NOT_LEADER_OR_FOLLOWER);
  t.equal(answer.responses[0]?.partitions[0]?.records, null);
  const next = await incremental(2);
  t.equal(next.errorCode, NONE, 'the session goes on');
  t.ok((next.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
});

t.test('an error of the fetch session is one of the whole answer', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await faults.add({ api: 'Fetch' }, { error: 'FETCH_SESSION_ID_NOT_FOUND' });
  const answer = await client.request(fetch, 12, fetchRequest('orders'));
  t.equal(answer.errorCode, errorCodes.FETCH_SESSION_ID_NOT_FOUND);
  t.same(answer.responses, []);
});

t.test('responses are dropped, connections closed before and after the write', async (t) => {
  const { broker, faults, requests } = await brokerWithParts(t);
  const outcome = async (action: FaultAction): Promise<string> => {
    const client = await connectTo(t, broker);
    await using _fault = await faults.add({ api: 'Produce', first: 1 }, action);
    const before = endOf(broker);
    const lost = produceTo(client, 'orders', ['a']).then(
      () => 'answered',
      () => 'closed',
    );
    if (action === 'drop-response') {
      await requests.waitFor({ api: 'Produce', outcome: 'no-response' });
      client.close();
    }
    return `${await lost}, ${endOf(broker) - before} written`;
  };
  t.equal(await outcome('close-before'), 'closed, 0 written');
  t.equal(await outcome('close-after'), 'closed, 1 written');
  t.equal(await outcome('drop-response'), 'closed, 1 written');
  t.equal(await outcome('duplicate'), 'answered, 2 written');
});

t.test('what is to restart or kill the broker asks its host', async (t) => {
  const { broker, faults, requests, asked } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const restart = await faults.add({ api: 'Metadata' }, 'restart');
  await t.rejects(client.request(metadata, 9, { topics: null }));
  await restart.remove();
  const other = await connectTo(t, broker);
  await faults.add({ api: 'Metadata' }, 'kill');
  other.sendOneWay(metadata, 9, { topics: null });
  await requests.waitFor({ api: 'Metadata', outcome: 'no-response' });
  t.same(asked, ['restart', 'kill']);
});

t.test('a delay is of the broker’s clock', async (t) => {
  const clock = new ManualClock();
  const { broker, faults, requests } = await brokerWithParts(t, { clock });
  const client = await connectTo(t, broker);
  await faults.add({ api: 'Produce', nth: 1 }, { delayMs: 60_000 });
  await faults.add({ api: 'Produce', nth: 2 }, { delayMs: 60_000, when: 'after' });
  let answered = 0;
  const one = produceTo(client, 'orders', ['a']).then(() => answered++);
  await requests.waitFor({ api: 'Produce', outcome: 'pending' });
  clock.advance(59_999);
  t.same([answered, endOf(broker)], [0, 0], 'not even written');
  clock.advance(1);
  await one;
  t.equal(endOf(broker), 1);
  const two = produceTo(client, 'orders', ['b']).then(() => answered++);
  const log = broker.services.logs.getLog('orders', 0);
  await new Promise<void>((resolve) => log?.subscribe(() => resolve()));
  t.same([answered, endOf(broker)], [1, 2], 'written, not answered');
  // The timer of the delay is set in the turn after the write.
  while (answered < 2) {
    clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await two;
  t.equal(answered, 2);
});

t.test('records are corrupted on their way in, and on their way out', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await using _in = await faults.add({ api: 'Produce', nth: 1 }, 'corrupt');
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, CORRUPT_MESSAGE);
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, NONE);
  await using _out = await faults.add({ api: 'Fetch', topic: 'orders', nth: 1 }, 'corrupt');
  const wrong = (await fetchFrom(client, 'orders')).records as Buffer;
  const right = (await fetchFrom(client, 'orders')).records as Buffer;
  t.equal(wrong.length, right.length);
  t.not(crc32c(wrong, ATTRIBUTES), crcOf(wrong, 0));
  t.equal(crc32c(right, ATTRIBUTES), crcOf(right, 0));
});

t.test('a throttled client is told so, and its connection is not read meanwhile', async (t) => {
  const clock = new ManualClock();
  const { broker, faults } = await brokerWithParts(t, { clock });
  const client = await connectTo(t, broker);
  await faults.add({ api: 'Heartbeat', nth: 1 }, { throttleMs: 5_000 });
  const request = { groupId: 'g', generationId: 1, memberId: 'm' };
  const answer = await client.request(heartbeat, 4, request);
  t.equal(answer.throttleTimeMs, 5_000);
  const next = client.request(heartbeat, 4, request);
  clock.advance(5_000);
  t.equal((await next).throttleTimeMs, 0);
});

t.test('a full disk heals with its rule; an I/O error takes the directory offline', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const full = await faults.add({ disk: 'write', topic: 'orders' }, 'disk-full');
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, KAFKA_STORAGE_ERROR);
  t.ok((await full.remove()) >= 1);
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, NONE);
  const broken = await faults.add({ disk: 'write', topic: 'orders', partition: 0 }, 'disk-error');
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, KAFKA_STORAGE_ERROR);
  await broken.remove();
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, KAFKA_STORAGE_ERROR);
});

t.test('a produce without acknowledgement that is to fail closes its connection', async (t) => {
  const { broker, faults } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  const fault = await faults.add({ api: 'Produce' }, { error: 'NOT_ENOUGH_REPLICAS' });
  client.sendOneWay(produce, 9, {
    acks: 0,
    timeoutMs: 1,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
  });
  await client.closed();
  t.equal(fault.fired, 1);
  t.equal(endOf(broker), 0);
});

t.test('mistakes in a rule get an error that helps', async (t) => {
  const { faults } = await brokerWithParts(t);
  const wrong = (rule: object, action: unknown, message: RegExp) =>
    t.rejects(faults.add(rule as FaultRule, action as FaultAction), {
      code: 'INVALID_FAULT',
      message,
    });
  await wrong({ api: 'Prodcue' }, 'kill', /no such API: Prodcue; did you mean Produce\?/);
  await wrong({}, { error: 'NOT_LEADER' }, /no such error: NOT_LEADER/);
  await wrong({}, { error: 'not_coordinator' }, /did you mean NOT_COORDINATOR\?/);
  await wrong({}, 'drop', /no such fault action: drop/);
  await wrong({ topics: 'a' }, 'kill', /did you mean topic\?/);
  await wrong({ partition: 1 }, 'kill', /needs a topic/);
  await wrong({ nth: 0 }, 'kill', /nth is 0/);
  await wrong({ probability: 2 }, 'kill', /probability is 2/);
  await wrong({ api: 'Metadata' }, 'corrupt', /'Produce' or 'Fetch'/);
  await wrong({}, 'disk-full', /needs a rule with disk/);
  await wrong({ disk: 'write' }, 'close-after', /is for requests/);
});

t.test('a rule that never fired is told of, with what came instead', async (t) => {
  const { broker, faults, problems } = await brokerWithParts(t);
  const client = await connectTo(t, broker);
  await faults.add({ api: 'Produce', topic: 'ordres' }, { error: 'NOT_ENOUGH_REPLICAS' });
  await faults.add({ api: 'Produce', topic: 'orders', partition: 7 }, 'close-after');
  await faults.add({ api: 'Produce', nth: 3 }, 'close-before');
  await faults.add({ api: 'Fetch' }, 'close-before');
  await faults.add({ api: 'JoinGroup', optional: true }, 'close-before');
  const removed = await faults.add({ api: 'SyncGroup' }, 'close-before');
  await removed.remove();
  t.equal((await produceTo(client, 'orders', ['a'])).errorCode, NONE);
  const found = problems();
  t.equal(found.length, 5);
  t.match(found.join('\n'), /"SyncGroup".*never fired: no SyncGroup requests came/);
  t.match(found.join('\n'), /"ordres".*1 Produce requests came, with topic "orders"/);
  t.match(found.join('\n'), /partition: 7.*with partition 0/);
  t.match(found.join('\n'), /nth: 3.*1 of 1 Produce requests matched/);
  t.match(found.join('\n'), /no Fetch requests came/);
});

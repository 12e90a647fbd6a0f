import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Broker } from '#src/broker/broker.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import type { RequestInput } from '#src/protocol/infer.js';
import { offsetCommit } from '#src/protocol/messages/08-offset-commit.js';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { joinGroup } from '#src/protocol/messages/11-join-group.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { leaveGroup } from '#src/protocol/messages/13-leave-group.js';
import { syncGroup } from '#src/protocol/messages/14-sync-group.js';
import { describeGroups } from '#src/protocol/messages/15-describe-groups.js';
import { listGroups } from '#src/protocol/messages/16-list-groups.js';
import { consumerGroupHeartbeat } from '#src/protocol/messages/68-consumer-group-heartbeat.js';
import { consumerGroupDescribe } from '#src/protocol/messages/69-consumer-group-describe.js';
import { consumerProtocolAssignment } from '#src/protocol/stored/group-records.js';
import { decodeStored } from '#src/protocol/stored/stored-message.js';
import { joinRequest, startMember, subscriptionTo } from '../../support/group-member.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, createTopic, startBroker, tempDir } from '../../support/test-broker.js';

type Input = RequestInput<typeof consumerGroupHeartbeat>;

/** A member of a consumer group that does what it is told: gives back, takes, tells what it has. */
class Consumer {
  epoch = 0;
  partitions: number[] = [];
  readonly #client: RawClient;
  readonly #fields: Partial<Input>;
  readonly memberId: string;
  readonly #topicId: string;

  constructor(client: RawClient, memberId: string, topicId: string, fields: Partial<Input> = {}) {
    this.#client = client;
    this.memberId = memberId;
    this.#topicId = topicId;
    this.#fields = fields;
  }

  request(fields: Partial<Input> = {}): Promise<Answer> {
    return this.#client.request(consumerGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.memberId,
      memberEpoch: this.epoch,
      ...fields,
    });
  }

  async join(): Promise<number> {
    this.epoch = 0;
    this.partitions = [];
    const answer = await this.request({
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['a'],
      topicPartitions: [],
      ...this.#fields,
    });
    this.#take(answer);
    return answer.errorCode;
  }

  /** A heartbeat with what it has; answers the error. */
  async beat(): Promise<number> {
    const partitions = this.partitions;
    const topicPartitions = partitions.length === 0 ? [] : [{ topicId: this.#topicId, partitions }];
    const answer = await this.request({ topicPartitions });
    this.#take(answer);
    return answer.errorCode;
  }

  leave(memberEpoch = -1, fields: Partial<Input> = {}): Promise<Answer> {
    return this.request({ memberEpoch, ...fields });
  }

  #take(answer: Answer): void {
    if (answer.errorCode !== 0) return;
    this.epoch = answer.memberEpoch;
    if (answer.assignment === null) return;
    this.partitions = answer.assignment.topicPartitions.flatMap(({ partitions }) => [
      ...partitions,
    ]);
  }
}

type Answer = Awaited<ReturnType<typeof ask>>;
const ask = (client: RawClient, body: Input) => client.request(consumerGroupHeartbeat, 1, body);

async function settle(consumers: readonly Consumer[]): Promise<number[][]> {
  for (let round = 0; round < 4; round++) for (const one of consumers) await one.beat();
  return consumers.map(({ partitions }) => [...partitions].sort((a, b) => a - b));
}

async function start(t: Tap, partitions = 6, config = {}, options = {}) {
  const broker = await startBroker(t, config, options);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a', { partitions });
  const consumer = (memberId: string, fields: Partial<Input> = {}) =>
    new Consumer(client, memberId, topicId, fields);
  return { broker, client, topicId, consumer };
}

interface Tap {
  teardown(callback: () => unknown): void;
}

async function described(client: RawClient) {
  const { groups } = await client.request(consumerGroupDescribe, 1, {
    groupIds: ['g'],
    includeAuthorizedOperations: false,
  });
  return groups[0];
}

t.test('members come and go; a partition has one owner at any time', async (t) => {
  const { client, consumer, topicId } = await start(t);
  const [a, b, c] = [consumer('a'), consumer('b'), consumer('c')];
  t.equal(await a.join(), 0);
  t.same(a.partitions.length, 6, 'the first one has all at once');
  t.equal(await b.join(), 0);
  t.same(b.partitions, [], 'nothing is free yet');
  t.equal((await described(client))?.groupState, 'Reconciling');
  await a.beat();
  t.equal(a.partitions.length, 3, 'it is told to give back');
  await b.beat();
  t.same(b.partitions, [], 'it has not said that it did');
  await a.beat();
  await b.beat();
  t.equal(b.partitions.length, 3);
  t.same([...a.partitions, ...b.partitions].sort(), [0, 1, 2, 3, 4, 5]);
  await c.join();
  const three = await settle([a, b, c]);
  t.same(
    three.map(({ length }) => length),
    [2, 2, 2],
  );
  t.same(three.flat().sort(), [0, 1, 2, 3, 4, 5]);
  t.match(await described(client), {
    errorCode: 0,
    groupState: 'Stable',
    groupEpoch: 3,
    assignmentEpoch: 3,
    assignorName: 'uniform',
    members: [
      {
        memberId: 'a',
        memberEpoch: 3,
        clientId: 'raw-client',
        clientHost: '/127.0.0.1',
        subscribedTopicNames: ['a'],
        memberType: 1,
        assignment: { topicPartitions: [{ topicId, topicName: 'a' }] },
      },
      {},
      {},
    ],
  });
  const before = { a: a.partitions, c: c.partitions };
  t.match(await b.leave(), { errorCode: 0, memberEpoch: -1 });
  await settle([a, c]);
  t.ok(
    before.a.every((partition) => a.partitions.includes(partition)),
    'nothing moves needlessly',
  );
  t.ok(before.c.every((partition) => c.partitions.includes(partition)));
  t.same([...a.partitions, ...c.partitions].sort(), [0, 1, 2, 3, 4, 5]);
  t.equal(await b.beat(), errorCodes.UNKNOWN_MEMBER_ID);
  const { groups } = await client.request(listGroups, 5, { typesFilter: ['consumer'] });
  t.match(groups, [{ groupId: 'g', protocolType: 'consumer', groupType: 'consumer' }]);
  const classic = await client.request(describeGroups, 6, { groups: ['g'] });
  t.match(classic.groups, [{ errorCode: errorCodes.GROUP_ID_NOT_FOUND, groupState: 'Dead' }]);
});

t.test('epochs: a lost answer is asked for again, an old or new one is fenced', async (t) => {
  const { consumer } = await start(t);
  const [a, b] = [consumer('a'), consumer('b')];
  await a.join();
  await b.join();
  await settle([a, b]);
  const { epoch } = a;
  a.epoch = epoch + 1;
  t.equal(await a.beat(), errorCodes.FENCED_MEMBER_EPOCH);
  a.epoch = epoch - 1;
  t.equal(await a.beat(), 0, 'the one before, with no more than it has');
  t.equal(a.epoch, epoch);
  a.epoch = epoch - 1;
  const { errorCode } = await a.request({ topicPartitions: null });
  t.equal(errorCode, errorCodes.FENCED_MEMBER_EPOCH, 'without saying what it has');
  t.equal(await a.join(), 0, 'it may always begin anew');
  await settle([a, b]);
  t.equal(a.partitions.length, 3);
});

t.test('malformed requests', async (t) => {
  const { client } = await start(t);
  const full = {
    groupId: 'g',
    memberId: 'a',
    memberEpoch: 0,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ['a'],
    topicPartitions: [],
  };
  const errorOf = async (fields: Partial<Input>, version = 1) => {
    const answer = await client.request(consumerGroupHeartbeat, version, { ...full, ...fields });
    return answer.errorCode;
  };
  const invalid = errorCodes.INVALID_REQUEST;
  t.equal(await errorOf({ groupId: ' ' }), invalid);
  t.equal(await errorOf({ memberId: '' }), invalid);
  t.equal(await errorOf({ instanceId: '' }), invalid);
  t.equal(await errorOf({ rackId: ' ' }), invalid);
  t.equal(await errorOf({ memberEpoch: -3 }), invalid);
  t.equal(await errorOf({ memberEpoch: -2 }), invalid, 'only static members are away');
  t.equal(await errorOf({ rebalanceTimeoutMs: -1 }), invalid);
  t.equal(await errorOf({ topicPartitions: null }), invalid);
  t.equal(await errorOf({ subscribedTopicNames: null }), invalid);
  t.equal(await errorOf({ serverAssignor: 'mine' }), errorCodes.UNSUPPORTED_ASSIGNOR);
  t.equal(await errorOf({ subscribedTopicRegex: '(' }), errorCodes.INVALID_REGULAR_EXPRESSION);
  t.equal(await errorOf({ memberEpoch: 5 }), errorCodes.GROUP_ID_NOT_FOUND);
  t.equal(await errorOf({ memberEpoch: -1 }), errorCodes.GROUP_ID_NOT_FOUND);
  const { groups } = await client.request(consumerGroupDescribe, 1, {
    groupIds: ['g', ''],
    includeAuthorizedOperations: false,
  });
  t.match(groups, [
    { errorCode: errorCodes.GROUP_ID_NOT_FOUND, errorMessage: 'Group g not found.' },
    { errorCode: errorCodes.INVALID_GROUP_ID },
  ]);
  const old = await client.request(consumerGroupHeartbeat, 0, { ...full, memberId: '' });
  t.match(old.memberId, /^[0-9a-f-]{36}$/, 'version 0: the broker makes the id');
});

t.test('the range assignor, when members ask for it; a bound on members', async (t) => {
  const { consumer } = await start(t, 4, { 'group.consumer.max.size': 2 });
  const fields = { serverAssignor: 'range' };
  const [b, a, c] = [consumer('b', fields), consumer('a', fields), consumer('c')];
  await b.join();
  await a.join();
  t.same(await settle([a, b]), [
    [0, 1],
    [2, 3],
  ]);
  t.equal(await c.join(), errorCodes.GROUP_MAX_SIZE_REACHED);
});

t.test('a subscription by regular expression follows topics as they come', async (t) => {
  const { client, consumer, broker } = await start(t, 2);
  const one = consumer('m', { subscribedTopicNames: null, subscribedTopicRegex: 'a|b.*' });
  await one.join();
  t.equal(one.partitions.length, 2);
  await createTopic(client, 'bee', { partitions: 3 });
  await createTopic(client, 'ab', { partitions: 3 });
  await one.beat();
  t.equal(one.partitions.length, 5, 'the whole name is matched');
  t.match(await described(client), { members: [{ subscribedTopicRegex: 'a|b.*' }] });
  t.ok(broker);
});

t.test('static members keep their partitions while they are away', async (t) => {
  const { consumer } = await start(t);
  const fields = { instanceId: 'i' };
  const [a, b] = [consumer('a', fields), consumer('b')];
  await a.join();
  await b.join();
  await settle([b]);
  await a.request({ ...fields, topicPartitions: [] });
  const again = consumer('a2', fields);
  t.equal(await again.join(), errorCodes.UNRELEASED_INSTANCE_ID);
  t.match(await a.leave(-2, fields), { errorCode: 0, memberEpoch: -2 });
  await settle([b]);
  t.equal(b.partitions.length < 6, true);
  t.equal(await again.join(), 0);
  const beat = await a.request({ memberEpoch: 2, ...fields });
  t.equal(beat.errorCode, errorCodes.FENCED_INSTANCE_ID);
});

t.test('offsets: the member epoch is that of the commit', async (t) => {
  const { client, consumer } = await start(t);
  const one = consumer('a');
  await one.join();
  const commit = async (memberId: string, epoch: number, version = 9) => {
    const { topics } = await client.request(offsetCommit, version, {
      groupId: 'g',
      memberId,
      generationIdOrMemberEpoch: epoch,
      topics: [
        {
          name: 'a',
          partitions: [{ partitionIndex: 0, committedOffset: 3, committedMetadata: null }],
        },
      ],
    });
    return topics[0]?.partitions[0]?.errorCode;
  };
  t.equal(await commit('a', one.epoch), 0);
  t.equal(await commit('a', one.epoch - 1), errorCodes.STALE_MEMBER_EPOCH);
  t.equal(await commit('x', 1), errorCodes.UNKNOWN_MEMBER_ID);
  t.equal(await commit('a', one.epoch, 8), errorCodes.UNSUPPORTED_VERSION);
  t.equal(await commit('', -1), errorCodes.UNKNOWN_MEMBER_ID);
  const fetch = async (memberId: string | null, memberEpoch: number) => {
    const { groups } = await client.request(offsetFetch, 9, {
      groups: [
        { groupId: 'g', memberId, memberEpoch, topics: [{ name: 'a', partitionIndexes: [0] }] },
      ],
    });
    return groups[0]?.errorCode;
  };
  t.equal(await fetch('a', one.epoch), 0);
  t.equal(await fetch(null, -1), 0);
  t.equal(await fetch('a', 99), errorCodes.STALE_MEMBER_EPOCH);
  t.equal(await fetch('x', 1), errorCodes.UNKNOWN_MEMBER_ID);
});

t.test('sessions and slow revocations end, by the clock', async (t) => {
  const clock = new ManualClock();
  const { client, consumer } = await start(t, 6, { 'connections.max.idle.ms': -1 }, { clock });
  const [a, b] = [consumer('a'), consumer('b')];
  await a.join();
  await b.join();
  await a.beat();
  t.equal(a.partitions.length, 3, 'told to give back');
  for (let ms = 0; ms < 60_000; ms += 20_000) {
    clock.advance(20_000);
    await a.request();
    await b.beat();
  }
  t.equal(await a.beat(), errorCodes.UNKNOWN_MEMBER_ID, 'it never did');
  await b.beat();
  t.equal(b.partitions.length, 6);
  clock.advance(45_000);
  t.match(await described(client), { groupState: 'Empty', members: [] });
});

t.test('a group outlives a restart, with its epochs and assignments', async (t) => {
  const dir = tempDir(t);
  const config = { 'log.dirs': dir };
  const first = await start(t, 6, config);
  const [a, b] = [first.consumer('a'), first.consumer('b', { subscribedTopicRegex: 'a+' })];
  await a.join();
  await b.join();
  const shares = await settle([a, b]);
  const before = await described(first.client);
  await first.broker.close();
  const client = await connectTo(t, await startBroker(t, config));
  t.same(await described(client), before);
  const again = ['a', 'b'].map((id, at) => {
    const one = new Consumer(client, id, first.topicId);
    one.epoch = a.epoch;
    one.partitions = shares[at] as number[];
    return one;
  });
  t.same(await settle(again), shares);
  t.same(
    again.map(({ epoch }) => epoch),
    [a.epoch, b.epoch],
  );
});

t.test('a topic that is deleted or grows has the group assigned anew', async (t) => {
  const { client, consumer, broker } = await start(t, 2);
  const one = consumer('m', { subscribedTopicNames: ['a', 'later'] });
  await one.join();
  t.equal(one.partitions.length, 2);
  await createTopic(client, 'later', { partitions: 3 });
  await one.beat();
  t.equal(one.partitions.length, 5);
  await broker.services.controller.deleteTopic('later');
  await settle([one]);
  t.equal(one.partitions.length, 2);
});

/** Three versions of one life: a classic group, a mixed one, a classic one again. */
t.test('migration: the first consumer of the new protocol, and the last', async (t) => {
  const { client, consumer, broker } = await start(t, 4);
  const fields = { protocols: [{ name: 'range', metadata: subscriptionTo('a') }] };
  const old = await startMember(client, 'g', { version: 3, fields });
  const one = consumer('new');
  t.equal(await one.join(), 0);
  t.equal((await described(client))?.members.length, 2);
  const { memberId } = old;
  let generationId = old.generationId;
  const beat = () => client.request(heartbeat, 3, { groupId: 'g', generationId, memberId });
  t.match(await beat(), { errorCode: errorCodes.REBALANCE_IN_PROGRESS });
  const rejoin = async () => {
    const join = await client.request(joinGroup, 3, joinRequest('g', { memberId, ...fields }));
    generationId = join.generationId;
    const sync = await client.request(syncGroup, 3, {
      groupId: 'g',
      generationId,
      memberId,
      assignments: [],
    });
    t.match([join.errorCode, sync.errorCode], [0, 0]);
    const { assignedPartitions } = decodeStored(consumerProtocolAssignment, sync.assignment);
    return assignedPartitions.flatMap(({ partitions }) => [...partitions]);
  };
  const shares = await rejoin();
  await settle([one]);
  t.same([...shares, ...one.partitions].sort(), [0, 1, 2, 3]);
  t.same(shares.length, 2);
  t.match(await beat(), { errorCode: 0 });
  t.match((await described(client))?.members.map(({ memberType }) => memberType).sort(), [0, 1]);

  t.match(await one.leave(), { errorCode: 0 });
  const { groups } = await client.request(listGroups, 5, {});
  t.match(groups, [{ groupId: 'g', groupType: 'classic' }]);
  t.match(await beat(), { errorCode: errorCodes.REBALANCE_IN_PROGRESS });
  const again = await client.request(joinGroup, 3, joinRequest('g', { memberId, ...fields }));
  t.match(again, { errorCode: 0, leader: memberId, protocolName: 'range' });
  t.ok(again.generationId > generationId);
  t.ok(broker);
});

t.test(
  'a classic member leaves a consumer group, and the policy may forbid to migrate',
  async (t) => {
    const { client, consumer } = await start(t, 4);
    const one = consumer('new');
    await one.join();
    const fields = { protocols: [{ name: 'range', metadata: subscriptionTo('a') }] };
    const join = await client.request(joinGroup, 3, joinRequest('g', fields));
    t.match(join, { errorCode: 0, members: [], leader: '' });
    const other = await client.request(joinGroup, 3, joinRequest('g', { protocolType: 'connect' }));
    t.match(other, { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL });
    const { members } = await client.request(leaveGroup, 3, {
      groupId: 'g',
      members: [{ memberId: join.memberId }, { memberId: 'new' }],
    });
    t.match(members, [{ errorCode: 0 }, { errorCode: errorCodes.UNKNOWN_MEMBER_ID }]);
    t.equal((await described(client))?.members.length, 1);

    const strict: Broker = await startBroker(t, { 'group.consumer.migration.policy': 'disabled' });
    const there = await connectTo(t, strict);
    const topicId = await createTopic(there, 'a');
    await startMember(there, 'g', { version: 3 });
    const refused = new Consumer(there, 'm', topicId);
    t.equal(await refused.join(), errorCodes.GROUP_ID_NOT_FOUND);
  },
);

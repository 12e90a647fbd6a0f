import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { offsetCommit } from '#src/protocol/messages/08-offset-commit.js';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { joinGroup } from '#src/protocol/messages/11-join-group.js';
import { describeGroups } from '#src/protocol/messages/15-describe-groups.js';
import { listGroups } from '#src/protocol/messages/16-list-groups.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { deleteGroups } from '#src/protocol/messages/42-delete-groups.js';
import { offsetDelete } from '#src/protocol/messages/47-offset-delete.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import { joinRequest, startMember } from '../../support/group-member.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, createTopic, startBroker, tempDir } from '../../support/test-broker.js';

interface CommitOptions {
  readonly version?: number;
  readonly memberId?: string;
  readonly generation?: number;
  readonly topic?: string;
  readonly topicId?: string;
  readonly partition?: number;
  readonly metadata?: string | null;
  readonly leaderEpoch?: number;
}

async function commit(
  client: RawClient,
  groupId: string,
  offset: number,
  options: CommitOptions = {},
) {
  const { topics } = await client.request(offsetCommit, options.version ?? 7, {
    groupId,
    generationIdOrMemberEpoch: options.generation ?? -1,
    memberId: options.memberId ?? '',
    topics: [
      {
        name: options.topic ?? 'a',
        topicId: options.topicId ?? UUID_ZERO,
        partitions: [
          {
            partitionIndex: options.partition ?? 0,
            committedOffset: offset,
            committedLeaderEpoch: options.leaderEpoch ?? -1,
            committedMetadata: options.metadata === undefined ? 'note' : options.metadata,
          },
        ],
      },
    ],
  });
  return topics[0]?.partitions[0]?.errorCode;
}

async function fetched(client: RawClient, groupId: string, version = 7, topicId = UUID_ZERO) {
  const answer = await client.request(offsetFetch, version, {
    groupId,
    topics: [{ name: 'a', partitionIndexes: [0] }],
    groups: [{ groupId, topics: [{ name: 'a', topicId, partitionIndexes: [0] }] }],
    requireStable: true,
  });
  return (version < 8 ? answer : answer.groups[0])?.topics[0]?.partitions[0];
}

t.test('what is committed is fetched, in every version, also after a restart', async (t) => {
  const dir = tempDir(t);
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a', { partitions: 2 });
  for (let version = 2; version <= 10; version++) {
    const options = { version, topicId, metadata: `of ${version}`, leaderEpoch: 0 };
    t.equal(await commit(client, 'g', version * 100, options), 0);
    for (let by = 1; by <= 10; by++) {
      t.match(await fetched(client, 'g', by, topicId), {
        committedOffset: version * 100,
        metadata: `of ${version}`,
        errorCode: 0,
      });
    }
  }
  t.equal((await fetched(client, 'g', 8))?.committedLeaderEpoch, 0);
  t.equal(await commit(client, 'g', 1, { partition: 1, metadata: null }), 0);
  await broker.close();
  const again = await connectTo(t, await startBroker(t, { 'log.dirs': dir }));
  t.match(await fetched(again, 'g'), { committedOffset: 1000, metadata: 'of 10' });
  const all = await again.request(offsetFetch, 7, { groupId: 'g', topics: null });
  t.match(all.topics, [
    {
      name: 'a',
      partitions: [
        { partitionIndex: 0, committedOffset: 1000 },
        { partitionIndex: 1, committedOffset: 1, metadata: '' },
      ],
    },
  ]);
  const byId = await again.request(offsetFetch, 10, { groups: [{ groupId: 'g', topics: null }] });
  t.match(byId.groups, [{ groupId: 'g', errorCode: 0, topics: [{ topicId }] }]);
});

t.test('nothing committed is -1, without an error', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  t.match(await fetched(client, 'g'), {
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode: 0,
  });
  const { topics } = await client.request(offsetFetch, 7, { groupId: 'g', topics: null });
  t.same(topics, []);
  t.match(await fetched(client, 'g', 10, 'AAAAAAAAAAAAAAAAAAAAAQ'), {
    errorCode: errorCodes.UNKNOWN_TOPIC_ID,
  });
});

t.test('refused offsets', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  await createTopic(client, 'a');
  t.equal(await commit(client, 'g', 1, { topic: 'b' }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await commit(client, 'g', 1, { partition: 1 }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await commit(client, 'g', 1, { version: 10 }), errorCodes.UNKNOWN_TOPIC_ID);
  const metadata = 'x'.repeat(4097);
  t.equal(await commit(client, 'g', 1, { metadata }), errorCodes.OFFSET_METADATA_TOO_LARGE);
  const { groups } = await client.request(listGroups, 5, {});
  t.same(groups, [], 'a refused commit leaves no group');
  t.equal(await commit(client, 'g', 1, { generation: 1 }), errorCodes.ILLEGAL_GENERATION);
  t.equal(
    await commit(client, 'g', 1, { generation: 1, version: 8 }),
    errorCodes.ILLEGAL_GENERATION,
  );
  t.equal(
    await commit(client, 'g', 1, { generation: 1, version: 9 }),
    errorCodes.GROUP_ID_NOT_FOUND,
  );
});

t.test('who may commit', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  await createTopic(client, 'a');
  t.equal(await commit(client, 'g', 1), 0, 'anybody while the group is empty');
  const { memberId, generationId } = await startMember(client, 'g', { version: 3 });
  t.equal(await commit(client, 'g', 2), errorCodes.UNKNOWN_MEMBER_ID);
  t.equal(await commit(client, 'g', 2, { memberId: 'x' }), errorCodes.UNKNOWN_MEMBER_ID);
  t.equal(await commit(client, 'g', 2, { memberId }), errorCodes.ILLEGAL_GENERATION);
  t.equal(await commit(client, 'g', 2, { memberId, generation: generationId }), 0);
});

t.test('commits while a group rebalances', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const { memberId, generationId } = await startMember(client, 'g', { version: 3 });
  const newcomer = await connectTo(t, broker);
  const { frame } = newcomer.send(joinGroup, 3, joinRequest('g'));
  let state = '';
  while (state !== 'PreparingRebalance') {
    const { groups } = await client.request(describeGroups, 5, { groups: ['g'] });
    state = groups[0]?.groupState ?? '';
  }
  t.equal(await commit(client, 'g', 5, { memberId, generation: generationId }), 0, 'a last one');
  const rejoined = await client.request(joinGroup, 3, joinRequest('g', { memberId }));
  await frame;
  t.equal(
    await commit(client, 'g', 6, { memberId, generation: rejoined.generationId }),
    errorCodes.REBALANCE_IN_PROGRESS,
  );
  t.match(await fetched(client, 'g'), { committedOffset: 5 });
});

t.test('offsets expire: of an empty group a while after its last member left', async (t) => {
  const clock = new ManualClock();
  const config = { 'offsets.retention.minutes': 60, 'connections.max.idle.ms': -1 };
  const broker = await startBroker(t, config, { clock });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  t.equal(await commit(client, 'simple', 1), 0);
  clock.advance(59 * 60_000);
  await broker.services.groups.expire();
  t.match(await fetched(client, 'simple'), { committedOffset: 1 });
  clock.advance(60_000);
  await broker.services.groups.expire();
  t.match(await fetched(client, 'simple'), { committedOffset: -1 });
  t.equal(broker.services.groups.groupCount, 0, 'nothing is left of the group');

  const fields = { sessionTimeoutMs: 1_800_000 };
  const joining = startMember(await connectTo(t, broker), 'g', { version: 3, fields });
  while (broker.services.groups.list()[0]?.state !== 'PreparingRebalance') {
    await client.request(listGroups, 5, {});
  }
  clock.advance(0);
  const { memberId, generationId } = await joining;
  t.equal(await commit(client, 'g', 7, { memberId, generation: generationId }), 0);
  const { groups } = broker.services;
  for (let i = 0; i < 3; i++) {
    clock.advance(25 * 60_000);
    t.equal(groups.heartbeat('g', { memberId, groupInstanceId: null }, generationId), 'NONE');
  }
  await groups.expire();
  t.match(await fetched(client, 'g'), { committedOffset: 7 }, 'its topic is subscribed to');
});

t.test('a group that has expired is gone after a restart too', async (t) => {
  const clock = new ManualClock();
  const dir = tempDir(t);
  const config = {
    'log.dirs': dir,
    'offsets.retention.minutes': 60,
    'connections.max.idle.ms': -1,
  };
  const broker = await startBroker(t, config, { clock });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const { groups } = broker.services;
  const joining = startMember(await connectTo(t, broker), 'g', { version: 3 });
  while (groups.list()[0]?.state !== 'PreparingRebalance') {
    await client.request(listGroups, 5, {});
  }
  clock.advance(0);
  const { memberId, generationId } = await joining;
  t.equal(await commit(client, 'g', 7, { memberId, generation: generationId }), 0);
  t.same(await groups.leave('g', [{ memberId, groupInstanceId: null }]), ['NONE']);
  clock.advance(61 * 60_000);
  await groups.expire();
  t.equal(groups.groupCount, 0);
  await broker.close();
  const again = await startBroker(t, config, { clock });
  t.same(again.services.groups.list(), []);
});

t.test('an offset is told when it is written, not before', async (t) => {
  const broker = await startBroker(t);
  await createTopic(await connectTo(t, broker), 'a');
  const { groups } = broker.services;
  const told = (): number | undefined => {
    const found = groups.fetchOffsets('g', [{ topic: 'a', partition: 0 }], false);
    return typeof found === 'string' ? undefined : found[0]?.committed?.offset;
  };
  const offset = { topic: 'a', partition: 0, leaderEpoch: -1, metadata: '', topicId: UUID_ZERO };
  const committing = (value: number) =>
    groups.commitOffsets({
      groupId: 'g',
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      retentionMs: -1,
      knowsEpochs: true,
      offsets: [{ ...offset, offset: value }],
    });
  const first = committing(1);
  t.equal(told(), undefined);
  t.same(await first, ['NONE']);
  const second = committing(2);
  t.equal(told(), 1);
  t.same(await second, ['NONE']);
  t.equal(told(), 2);
});

t.test('OffsetDelete: what nobody reads', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  await createTopic(client, 'a');
  await createTopic(client, 'b');
  const remove = (groupId: string) =>
    client.request(offsetDelete, 0, {
      groupId,
      topics: ['a', 'b', 'c'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
    });
  t.match(await remove('g'), { errorCode: errorCodes.GROUP_ID_NOT_FOUND });
  await commit(client, 'g', 1);
  await commit(client, 'g', 1, { topic: 'b' });
  await startMember(client, 'g', { version: 3 });
  t.match(await remove('g'), {
    errorCode: 0,
    topics: [
      { partitions: [{ errorCode: errorCodes.GROUP_SUBSCRIBED_TO_TOPIC }] },
      { partitions: [{ errorCode: 0 }] },
      { partitions: [{ errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }] },
    ],
  });
  const { topics } = await client.request(offsetFetch, 7, { groupId: 'g', topics: null });
  t.match(topics, [{ name: 'a' }]);
  t.equal(topics.length, 1);
});

t.test('DeleteGroups, and deleted topics', async (t) => {
  const dir = tempDir(t);
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await createTopic(client, 'b');
  await commit(client, 'empty', 1);
  await commit(client, 'other', 1);
  await commit(client, 'other', 2, { topic: 'b' });
  await startMember(client, 'used', { version: 3 });
  const { results } = await client.request(deleteGroups, 2, {
    groupsNames: ['empty', 'used', 'unknown'],
  });
  t.match(results, [
    { groupId: 'empty', errorCode: 0 },
    { groupId: 'used', errorCode: errorCodes.NON_EMPTY_GROUP },
    { groupId: 'unknown', errorCode: errorCodes.GROUP_ID_NOT_FOUND },
  ]);
  await client.request(deleteTopics, 6, {
    timeoutMs: 1000,
    topics: [{ name: 'b', topicId: UUID_ZERO }],
  });
  const offsetsOf = async (from: RawClient) =>
    (await from.request(offsetFetch, 7, { groupId: 'other', topics: null })).topics;
  t.match(await offsetsOf(client), [{ name: 'a' }]);
  t.equal((await offsetsOf(client)).length, 1, 'offsets go with their topic');
  await broker.close();
  const again = await connectTo(t, await startBroker(t, { 'log.dirs': dir }));
  const { groups } = await again.request(listGroups, 5, {});
  t.same(groups.map(({ groupId }) => groupId).sort(), ['other', 'used']);
  t.equal((await offsetsOf(again)).length, 1);
});

t.test('ListGroups by state and type, DescribeGroups of what is not there', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  await createTopic(client, 'a');
  await commit(client, 'empty', 1);
  await startMember(client, 'used', { version: 3 });
  const list = async (statesFilter: string[], typesFilter: string[]) => {
    const { groups } = await client.request(listGroups, 5, { statesFilter, typesFilter });
    return groups.map(({ groupId }) => groupId).sort();
  };
  t.same(await list([], []), ['empty', 'used']);
  t.same(await list(['Stable'], []), ['used']);
  t.same(await list(['empty', 'dead'], ['Classic']), ['empty']);
  t.same(await list([], ['consumer']), []);
  const { groups } = await client.request(listGroups, 5, { statesFilter: ['stable'] });
  t.match(groups, [
    { groupId: 'used', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
  ]);
  for (let version = 0; version <= 6; version++) {
    const answer = await client.request(describeGroups, version, { groups: ['empty', 'x'] });
    t.match(answer.groups[0], { errorCode: 0, groupState: 'Empty', members: [] });
    t.match(answer.groups[1], {
      errorCode: version < 6 ? 0 : errorCodes.GROUP_ID_NOT_FOUND,
      errorMessage: version < 6 ? null : 'Group x not found.',
      groupState: 'Dead',
    });
  }
});

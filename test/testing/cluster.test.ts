/** A simulated cluster, as a client of its nodes sees it. */

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import type { ResponseOf } from '#src/protocol/infer.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { findCoordinator } from '#src/protocol/messages/10-find-coordinator.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { describeConfigs } from '#src/protocol/messages/32-describe-configs.js';
import { describeCluster } from '#src/protocol/messages/60-describe-cluster.js';
import { startCluster, type TestCluster } from '#src/testing/start-cluster.js';
import { RawClient } from '../support/raw-client.js';
import { batchOf, fetchFrom, fetchRequest, produceTo } from '../support/test-broker.js';

type Test = Pick<typeof t, 'teardown'>;

async function clusterOf(t: Test, inWorker = false): Promise<TestCluster> {
  const topics = [{ name: 'orders', partitions: 6 }];
  const cluster = await startCluster(3, { inWorker, topics, seed: 1, leaks: 'ignore' });
  t.teardown(() => cluster.dispose());
  return cluster;
}

async function connectTo(t: Test, cluster: TestCluster, node: number): Promise<RawClient> {
  const client = await RawClient.connect(cluster.nodes[node - 1]?.port ?? 0);
  t.teardown(() => client.close());
  return client;
}

async function metadataOf(client: RawClient): Promise<ResponseOf<typeof metadata>> {
  return client.request(metadata, 12, { topics: [{ name: 'orders' }] });
}

const leadersIn = ({ topics }: ResponseOf<typeof metadata>): number[] =>
  [...(topics[0]?.partitions ?? [])]
    .sort((a, b) => a.partitionIndex - b.partitionIndex)
    .map(({ leaderId }) => leaderId);

const epochsIn = ({ topics }: ResponseOf<typeof metadata>): number[] =>
  [...(topics[0]?.partitions ?? [])]
    .sort((a, b) => a.partitionIndex - b.partitionIndex)
    .map(({ leaderEpoch }) => leaderEpoch);

t.test('every node tells the same story: all nodes, leaders spread over them', async (t) => {
  const cluster = await clusterOf(t);
  const stories = [];
  for (const { id } of cluster.nodes) {
    const client = await connectTo(t, cluster, id);
    const { brokers, topics } = await metadataOf(client);
    stories.push(JSON.stringify([brokers, topics]));
    const found = await client.request(describeCluster, 1, {
      includeClusterAuthorizedOperations: false,
    });
    t.same(
      found.brokers.map(({ brokerId, port }) => [brokerId, port]),
      cluster.nodes.map((node) => [node.id, node.port]),
    );
  }
  t.equal(new Set(stories).size, 1);
  const client = await connectTo(t, cluster, 2);
  const story = await metadataOf(client);
  t.same(
    story.brokers.map(({ nodeId, port }) => [nodeId, port]),
    cluster.nodes.map(({ id, port }) => [id, port]),
  );
  const counts = [1, 2, 3].map((id) => leadersIn(story).filter((one) => one === id).length);
  t.same(counts, [2, 2, 2]);
  t.same([...(story.topics[0]?.partitions[0]?.replicaNodes ?? [])].sort(), [1, 2, 3]);
  const own = await client.request(describeConfigs, 4, {
    resources: [{ resourceType: 4, resourceName: '2', configurationKeys: ['num.partitions'] }],
  });
  t.equal(own.results[0]?.errorCode, 0, 'it knows itself by its own id');
});

t.test(
  'only the leader takes records and gives them; a moved leader is told with the error',
  async (t) => {
    const cluster = await clusterOf(t);
    const leader = await cluster.leaderOf('orders', 0);
    const other = 1 + (leader % 3);
    const atLeader = await connectTo(t, cluster, leader);
    const atOther = await connectTo(t, cluster, other);
    t.equal((await produceTo(atLeader, 'orders', ['a'])).errorCode, 0);
    const { epoch } = await epochOf(atLeader);
    const refused = await produceTo(atOther, 'orders', ['b'], { version: 10 });
    t.equal(refused.errorCode, errorCodes.NOT_LEADER_OR_FOLLOWER);
    t.same(refused.currentLeader, { leaderId: leader, leaderEpoch: epoch });
    const read = await fetchFrom(atOther, 'orders', { version: 12 });
    t.equal(read.errorCode, errorCodes.NOT_LEADER_OR_FOLLOWER);
    t.equal((await fetchFrom(atLeader, 'orders')).errorCode, 0);

    await cluster.moveLeader('orders', 0, other);
    t.equal(await cluster.leaderOf('orders', 0), other);
    const moved = await epochOf(atLeader);
    t.same(moved, { leaderId: other, epoch: epoch + 1 });
    t.equal(
      (await produceTo(atLeader, 'orders', ['b'])).errorCode,
      errorCodes.NOT_LEADER_OR_FOLLOWER,
    );
    t.equal((await produceTo(atOther, 'orders', ['b'])).errorCode, 0);
    const { errorCode, highWatermark } = await fetchFrom(atOther, 'orders', {
      version: 12,
      currentLeaderEpoch: moved.epoch,
    });
    t.same([errorCode, highWatermark], [0, 2], 'all records are there, and the new epoch is known');
  },
);

async function epochOf(client: RawClient): Promise<{ leaderId: number; epoch: number }> {
  const { topics } = await metadataOf(client);
  const partition = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === 0);
  return { leaderId: partition?.leaderId ?? -1, epoch: partition?.leaderEpoch ?? -1 };
}

t.test('a request with partitions of several leaders is done for those of the node', async (t) => {
  const cluster = await clusterOf(t);
  const node = await cluster.leaderOf('orders', 1);
  const client = await connectTo(t, cluster, node);
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        name: 'orders',
        partitionData: [0, 1, 2].map((index) => ({ index, records: batchOf(['a']) })),
      },
    ],
  });
  const written = responses
    .flatMap(({ partitionResponses }) => partitionResponses)
    .filter(({ errorCode }) => errorCode === 0)
    .map(({ index }) => index);
  t.same(written, [1]);
  t.same(
    (await cluster.consumeAll('orders')).map(({ partition }) => partition),
    [1],
  );
});

t.test('a fetch that waits while its leader moves is told so', async (t) => {
  const cluster = await clusterOf(t);
  const node = await cluster.leaderOf('orders', 0);
  const client = await connectTo(t, cluster, node);
  const waiting = client.request(fetch, 12, fetchRequest('orders', { maxWaitMs: 60_000 }));
  await cluster.requests.waitFor({ api: 'Fetch', outcome: 'pending' });
  await cluster.moveLeader('orders', 0, 1 + (node % 3));
  await cluster.produce('orders', { value: 'a', partition: 0 });
  const answer = await waiting;
  const partition = answer.responses[0]?.partitions[0];
  t.equal(partition?.errorCode, errorCodes.NOT_LEADER_OR_FOLLOWER);
  t.equal(partition?.records, null);
});

t.test(
  'a stopped node is gone, its partitions have other leaders, and it comes back',
  async (t) => {
    const cluster = await clusterOf(t, true);
    const victim = await cluster.leaderOf('orders', 0);
    const other = 1 + (victim % 3);
    const atVictim = await connectTo(t, cluster, victim);
    const atOther = await connectTo(t, cluster, other);
    const earlier = await metadataOf(atOther);
    const before = leadersIn(earlier);
    await metadataOf(atVictim);
    await cluster.stop(victim);
    await atVictim.closed();
    await t.rejects(RawClient.connect(cluster.nodes[victim - 1]?.port ?? 0));
    const { brokers, topics, ...rest } = await metadataOf(atOther);
    t.notOk(brokers.some(({ nodeId }) => nodeId === victim));
    t.not(rest.controllerId, victim);
    const after = leadersIn({ brokers, topics, ...rest });
    before.forEach((leader, i) => {
      if (leader === victim) t.not(after[i], victim);
      else t.equal(after[i], leader);
    });
    const epochs = epochsIn({ brokers, topics, ...rest });
    t.same(
      epochsIn(earlier).map((epoch, i) => (epochs[i] ?? -1) - epoch),
      before.map((leader) => (leader === victim ? 1 : 0)),
      'an election is a new leader epoch',
    );
    t.same(topics[0]?.partitions[0]?.offlineReplicas, [victim]);
    await t.rejects(cluster.moveLeader('orders', 0, victim), { message: /is down/ });

    await cluster.start(victim);
    const again = await connectTo(t, cluster, victim);
    const story = await metadataOf(again);
    t.same(leadersIn(story), after, 'leaders stay where they went');
    t.same(story.topics[0]?.partitions[0]?.offlineReplicas, []);
    await cluster.moveLeader('orders', 0, victim);
    t.equal((await produceTo(again, 'orders', ['a'])).errorCode, 0);
  },
);

t.test(
  'replicas are as the topic was created; without a replica that is up there is no leader',
  async (t) => {
    const cluster = await clusterOf(t);
    const client = await connectTo(t, cluster, 1);
    const topic = (name: string, replicationFactor: number, brokerIds?: number[]) => ({
      name,
      numPartitions: brokerIds === undefined ? 1 : -1,
      replicationFactor: brokerIds === undefined ? replicationFactor : -1,
      assignments: brokerIds === undefined ? [] : [{ partitionIndex: 0, brokerIds }],
      configs: [],
    });
    const { topics } = await client.request(createTopics, 7, {
      topics: [topic('two', 2), topic('assigned', -1, [3]), topic('four', 4)],
    });
    const codes = Object.fromEntries(topics.map(({ name, errorCode }) => [name, errorCode]));
    t.same(codes, { two: 0, assigned: 0, four: errorCodes.INVALID_REPLICATION_FACTOR });
    t.equal(topics.find(({ name }) => name === 'two')?.replicationFactor, 2);
    const shown = async (name: string) =>
      (await client.request(metadata, 12, { topics: [{ name }] })).topics[0]?.partitions[0];
    t.equal((await shown('two'))?.replicaNodes.length, 2);
    t.same(await shown('assigned').then((one) => [one?.leaderId, one?.replicaNodes]), [3, [3]]);
    await t.rejects(cluster.moveLeader('assigned', 0, 1), { message: /no replica/ });
    await cluster.stop(3);
    const lost = await shown('assigned');
    t.same([lost?.leaderId, lost?.errorCode], [-1, errorCodes.LEADER_NOT_AVAILABLE]);
  },
);

t.test(
  'groups and transactions have a coordinator, and the others say that they are not it',
  async (t) => {
    const cluster = await clusterOf(t);
    const client = await connectTo(t, cluster, 1);
    const found = async (key: string): Promise<number> => {
      const answer = await client.request(findCoordinator, 4, {
        keyType: 0,
        coordinatorKeys: [key],
      });
      return answer.coordinators[0]?.nodeId ?? -1;
    };
    const groups = Array.from({ length: 12 }, (_, i) => `group-${i}`);
    const spread = new Set<number>();
    for (const group of groups) spread.add(await found(group));
    t.equal(spread.size, 3);
    const group = 'group-0';
    const node = await found(group);
    t.equal(await cluster.coordinatorOf({ group }), node);
    const beat = async (at: number): Promise<number> => {
      const asked = await connectTo(t, cluster, at);
      const request = { groupId: group, generationId: 1, memberId: 'm' };
      return (await asked.request(heartbeat, 4, request)).errorCode;
    };
    const other = 1 + (node % 3);
    t.equal(await beat(node), errorCodes.UNKNOWN_MEMBER_ID);
    t.equal(await beat(other), errorCodes.NOT_COORDINATOR);
    await cluster.moveCoordinator({ group }, other);
    t.equal(await found(group), other);
    t.equal(await beat(other), errorCodes.UNKNOWN_MEMBER_ID);
    t.equal(await beat(node), errorCodes.NOT_COORDINATOR);
  },
);

t.test('faults and the recorder know the nodes', async (t) => {
  const cluster = await clusterOf(t);
  await cluster.faults.add({ api: 'Metadata', node: 2 }, 'close-before');
  const [one, two] = [await connectTo(t, cluster, 1), await connectTo(t, cluster, 2)];
  t.equal((await metadataOf(one)).brokers.length, 3);
  await t.rejects(metadataOf(two));
  await cluster.requests.expect({ api: 'Metadata', node: 2, outcome: 'closed' }).times(1);
  await cluster.requests.expect({ api: 'Metadata', node: 1 }).times(1);
});

t.test('after a restart all nodes are up on their ports', async (t) => {
  const cluster = await clusterOf(t);
  await cluster.stop(2);
  await cluster.restart();
  for (const { id } of cluster.nodes) {
    const client = await connectTo(t, cluster, id);
    t.equal((await metadataOf(client)).brokers.length, 3);
  }
});

t.test('mistakes are told', async (t) => {
  await t.rejects(startCluster(0), { code: 'INVALID_OPTION' });
  await t.rejects(startCluster(3, { port: 1 } as object), { message: /leave out port/ });
  const cluster = await clusterOf(t);
  await t.rejects(cluster.stop(4), { message: /there is no node 4: they are 1 to 3/ });
  await t.rejects(cluster.moveLeader('none', 0, 1), { message: /there is no topic none/ });
  await t.rejects(cluster.moveLeader('orders', 9, 1), { message: /6 partitions, there is no 9/ });
});

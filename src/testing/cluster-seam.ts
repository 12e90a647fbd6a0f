/**
 * The interceptor that makes one broker answer as several nodes: each request is answered as the node
 * whose listener it came by would answer it.
 *
 *     Metadata, DescribeCluster ...      shows all nodes that are up, and the simulated leaders
 *     Produce, Fetch, ListOffsets ...    NOT_LEADER_OR_FOLLOWER for partitions led elsewhere
 *     requests of groups, transactions   NOT_COORDINATOR where another node coordinates
 */

import type { HandlerAnswer } from '../broker/handler.js';
import type { Exchange, Handle, Interceptor } from '../broker/interceptor.js';
import { leaderEpochOf } from '../broker/partitions.js';
import { errorCodes, errorMessage } from '../protocol/error-codes.js';
import type { Api } from '../protocol/schema.js';
import { answerPartly, copyBytes } from './apply-fault.js';
import { errorAnswer } from './error-answer.js';
import { exchangeNames, topicNamesOf } from './exchange-names.js';
import { type Body, isBody, partitionOf, topicOf } from './request-shape.js';
import type { CoordinatorKey, SimulatedCluster } from './simulated-cluster.js';

type Answer = HandlerAnswer<Api>;
type Rewrite = (cluster: SimulatedCluster, exchange: Exchange, answer: Body) => Body;

const OF_LEADERS: readonly string[] = [
  ...['Produce', 'Fetch', 'ListOffsets', 'OffsetForLeaderEpoch', 'DeleteRecords'],
  'DescribeProducers',
];
const OF_COORDINATORS: readonly string[] = [
  ...['OffsetCommit', 'OffsetFetch', 'JoinGroup', 'Heartbeat', 'LeaveGroup', 'SyncGroup'],
  ...['DescribeGroups', 'DeleteGroups', 'OffsetDelete', 'ConsumerGroupHeartbeat'],
  ...['ConsumerGroupDescribe', 'InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn'],
  ...['EndTxn', 'TxnOffsetCommit', 'DescribeTransactions'],
];
const REWRITTEN: Readonly<Record<string, Rewrite>> = {
  Metadata: (cluster, exchange, answer) => ({
    ...answer,
    brokers: cluster.nodesUp().map(({ id, host, port }) => ({ nodeId: id, host, port })),
    controllerId: controllerOf(cluster),
    topics: topicsWithLeaders(cluster, exchange, answer.topics),
  }),
  DescribeTopicPartitions: (cluster, exchange, answer) => ({
    ...answer,
    topics: topicsWithLeaders(cluster, exchange, answer.topics),
  }),
  DescribeCluster: (cluster, _, answer) => ({
    ...answer,
    controllerId: controllerOf(cluster),
    brokers: cluster
      .nodesUp()
      .map(({ id, host, port }) => ({ brokerId: id, host, port, rack: null })),
  }),
  FindCoordinator: withCoordinators,
  ListGroups: (cluster, { context }, answer) => ({
    ...answer,
    groups: ((answer.groups ?? []) as readonly Body[]).filter(
      ({ groupId }) => cluster.coordinatorOf({ group: String(groupId) }) === context.broker.nodeId,
    ),
  }),
  ListTransactions: (cluster, { context }, answer) => ({
    ...answer,
    transactionStates: ((answer.transactionStates ?? []) as readonly Body[]).filter(
      ({ transactionalId: id }) =>
        cluster.coordinatorOf({ transactionalId: String(id) }) === context.broker.nodeId,
    ),
  }),
};

export function clusterSeam(cluster: SimulatedCluster): Interceptor {
  return (exchange, handle) => {
    const { name } = exchange.message;
    if (OF_LEADERS.includes(name)) return askLeader(cluster, exchange, handle);
    if (OF_COORDINATORS.includes(name)) return askCoordinator(cluster, exchange, handle);
    if (name === 'CreateTopics') return createTopics(cluster, exchange, handle);
    if (name === 'CreatePartitions') return createPartitions(exchange, handle);
    const rewrite = REWRITTEN[name];
    if (rewrite === undefined) return handle();
    return after(handle(), (answer) => rewrite(cluster, exchange, answer));
  };
}

function after(
  answer: Answer | Promise<Answer>,
  change: (answer: Body) => Body,
): Answer | Promise<Answer> {
  const changed = (settled: Answer): Answer =>
    isBody(settled) ? (change(settled) as unknown as Answer) : settled;
  return answer instanceof Promise ? answer.then(changed) : changed(answer);
}

/** As in KRaft nobody asks it directly; any broker would do. */
function controllerOf(cluster: SimulatedCluster): number {
  return cluster.nodesUp()[0]?.id ?? -1;
}

async function askLeader(
  cluster: SimulatedCluster,
  exchange: Exchange,
  handle: Handle,
): Promise<Answer> {
  const { context, message } = exchange;
  const me = context.broker.nodeId;
  const isLedElsewhere = (topic: string | null, partition: number | null): boolean =>
    topic !== null &&
    partition !== null &&
    context.broker.controller.image.topic(topic) !== undefined &&
    cluster.leaderOf(topic, partition).node !== me;
  const someAreElsewhere = (): boolean =>
    exchangeNames(exchange).topics.some(
      ({ topic, partitions }) => partitions?.some((one) => isLedElsewhere(topic, one)) ?? false,
    );
  const body = copyBytes(withOwnEpochs(cluster, exchange)) as Body;
  const changed: Exchange = { ...exchange, body };
  const next = async (given: Body = body): Promise<Answer> => handle(given, true);
  const error = {
    code: errorCodes.NOT_LEADER_OR_FOLLOWER,
    message: errorMessage('NOT_LEADER_OR_FOLLOWER'),
  };
  if (!someAreElsewhere()) {
    const answer = await next();
    // A fetch may have waited while its leader moved.
    if (message.name !== 'Fetch' || !someAreElsewhere()) return answer;
    return withLeaders(
      cluster,
      exchange,
      await answerPartly(changed, async () => answer, isLedElsewhere, error),
    );
  }
  if (message.name === 'Produce' && body.acks === 0) {
    context.connection.destroy();
    return null;
  }
  return withLeaders(cluster, exchange, await answerPartly(changed, next, isLedElsewhere, error));
}

/** The epoch that clients know counts the moves, the broker's own does not. */
function withOwnEpochs(cluster: SimulatedCluster, exchange: Exchange): Body {
  const { body, context } = exchange;
  if (!Array.isArray(body.topics)) return body;
  const nameOf = topicNamesOf(exchange);
  const own = (topic: string | null, partition: Body): Body => {
    const { currentLeaderEpoch: epoch } = partition;
    if (typeof epoch !== 'number' || epoch < 0 || topic === null) return partition;
    if (context.broker.controller.image.topic(topic) === undefined) return partition;
    const { moves } = cluster.leaderOf(topic, partitionOf(partition));
    return { ...partition, currentLeaderEpoch: Math.max(-1, epoch - moves) };
  };
  return {
    ...body,
    topics: body.topics.map((topic: Body) => ({
      ...topic,
      partitions: Array.isArray(topic.partitions)
        ? topic.partitions.map((one: Body) =>
            isBody(one) ? own(topicOf(topic, nameOf), one) : one,
          )
        : topic.partitions,
    })),
  };
}

/** KIP-951: who leads it now is told with the error. */
function withLeaders(cluster: SimulatedCluster, exchange: Exchange, answer: Answer): Answer {
  const { name } = exchange.message;
  if (!isBody(answer) || (name !== 'Produce' && name !== 'Fetch')) return answer;
  const inner = name === 'Produce' ? 'partitionResponses' : 'partitions';
  const nameOf = topicNamesOf(exchange);
  const responses = (answer.responses as readonly Body[]).map((topic) => ({
    ...topic,
    [inner]: (topic[inner] as readonly Body[]).map((partition) => {
      if (partition.errorCode !== errorCodes.NOT_LEADER_OR_FOLLOWER) return partition;
      const leader = leaderShown(
        cluster,
        exchange,
        topicOf(topic, nameOf) ?? '',
        partitionOf(partition),
      );
      return { ...partition, currentLeader: leader };
    }),
  }));
  const nodeEndpoints = cluster
    .nodesUp()
    .map(({ id, host, port }) => ({ nodeId: id, host, port, rack: null }));
  return { ...answer, responses, nodeEndpoints } as unknown as Answer;
}

function leaderShown(
  cluster: SimulatedCluster,
  { context }: Exchange,
  topic: string,
  partition: number,
): { readonly leaderId: number; readonly leaderEpoch: number } {
  const { node, moves } = cluster.leaderOf(topic, partition);
  const log = context.broker.logs.getLog(topic, partition);
  const own = log === undefined ? 0 : leaderEpochOf(log);
  return { leaderId: node, leaderEpoch: own + moves };
}

function topicsWithLeaders(
  cluster: SimulatedCluster,
  exchange: Exchange,
  topics: unknown,
): unknown {
  const nameOf = topicNamesOf(exchange);
  const known = exchange.context.broker.controller.image;
  return ((topics ?? []) as readonly Body[]).map((topic) => {
    const name = topicOf(topic, nameOf);
    if (name === null || known.topic(name) === undefined) return topic;
    return {
      ...topic,
      partitions: ((topic.partitions ?? []) as readonly Body[]).map((partition) => {
        const at = partitionOf(partition);
        const replicas = cluster.replicasOf(name, at);
        const { leaderId, leaderEpoch } = leaderShown(cluster, exchange, name, at);
        // What the broker itself cannot serve stays so.
        const offline = (partition.leaderId as number) < 0;
        const error = leaderId < 0 ? errorCodes.LEADER_NOT_AVAILABLE : partition.errorCode;
        return {
          ...partition,
          errorCode: offline ? partition.errorCode : error,
          leaderId: offline ? -1 : leaderId,
          leaderEpoch,
          replicaNodes: replicas,
          isrNodes: replicas.filter((node) => cluster.isUp(node)),
          offlineReplicas: replicas.filter((node) => offline || !cluster.isUp(node)),
        };
      }),
    };
  });
}

function askCoordinator(
  cluster: SimulatedCluster,
  exchange: Exchange,
  handle: Handle,
): Answer | Promise<Answer> {
  const { context, message, body } = exchange;
  const { groups, transactionalIds } = exchangeNames(exchange);
  // The group's where offsets go, whatever the transaction; else the transaction's.
  const ofGroup = message.name !== 'AddOffsetsToTxn' && groups.length > 0;
  const keys: CoordinatorKey[] = ofGroup
    ? groups.map((group) => ({ group }))
    : transactionalIds.map((transactionalId) => ({ transactionalId }));
  if (keys.every((key) => cluster.coordinatorOf(key) === context.broker.nodeId)) return handle();
  const error = { code: errorCodes.NOT_COORDINATOR, message: errorMessage('NOT_COORDINATOR') };
  return errorAnswer(message, context.version, body, error) as Answer;
}

function withCoordinators(cluster: SimulatedCluster, { body }: Exchange, answer: Body): Body {
  const nodes = cluster.nodesUp();
  const moved = (one: Body, name: unknown): Body => {
    if (one.errorCode !== errorCodes.NONE) return one;
    const key: CoordinatorKey =
      body.keyType === 1 ? { transactionalId: String(name) } : { group: String(name) };
    const found = nodes.find(({ id }) => id === cluster.coordinatorOf(key));
    if (found === undefined) return one;
    return { ...one, nodeId: found.id, host: found.host, port: found.port };
  };
  if (!Array.isArray(answer.coordinators)) return moved(answer, body.key);
  return { ...answer, coordinators: answer.coordinators.map((one: Body) => moved(one, one.key)) };
}

interface Assignment {
  readonly partitionIndex: number;
  readonly brokerIds: readonly number[];
}

/** The broker has one node to put replicas on; how many were asked for is remembered. */
function createTopics(
  cluster: SimulatedCluster,
  { body, context }: Exchange,
  handle: Handle,
): Answer | Promise<Answer> {
  const asked = new Map<string, number | readonly (readonly number[])[]>();
  const topics = (body.topics as readonly Body[]).map((topic) => {
    const factor = topic.replicationFactor as number;
    const assignments = [...(topic.assignments as readonly Assignment[])];
    assignments.sort((a, b) => a.partitionIndex - b.partitionIndex);
    const ids = assignments.flatMap(({ brokerIds }) => brokerIds);
    if (assignments.length > 0 && ids.every((id) => id >= 1 && id <= cluster.nodeCount)) {
      asked.set(
        String(topic.name),
        assignments.map(({ brokerIds }) => [...brokerIds]),
      );
      return { ...topic, assignments: onThisNode(assignments, context.broker.nodeId) };
    }
    if (factor < 1 || factor > cluster.nodeCount) return topic;
    asked.set(String(topic.name), factor);
    return { ...topic, replicationFactor: 1 };
  });
  return after(handle({ ...body, topics }), (answer) => ({
    ...answer,
    topics: (answer.topics as readonly Body[]).map((topic) => {
      const replicas = asked.get(String(topic.name));
      if (topic.errorCode !== errorCodes.NONE || replicas === undefined) return topic;
      if (body.validateOnly !== true) cluster.created(String(topic.name), replicas);
      const count = typeof replicas === 'number' ? replicas : (replicas[0]?.length ?? 1);
      return { ...topic, replicationFactor: count };
    }),
  }));
}

function createPartitions({ body, context }: Exchange, handle: Handle): Answer | Promise<Answer> {
  const topics = (body.topics as readonly Body[]).map((topic) => ({
    ...topic,
    assignments: Array.isArray(topic.assignments)
      ? onThisNode(topic.assignments, context.broker.nodeId)
      : topic.assignments,
  }));
  return handle({ ...body, topics });
}

function onThisNode(assignments: readonly object[], nodeId: number): Body[] {
  return assignments.map((one) => ({ ...one, brokerIds: [nodeId] }));
}

/**
 * Metadata 0-13: this node and the topics. An unknown topic is created if the client and the broker's
 * config allow it, and is then complete in the same answer.
 */

import type { Topic } from '../../cluster/metadata-image.js';
import { topicNameProblem } from '../../log/topic-name.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { metadata } from '../../protocol/messages/03-metadata.js';
import { UUID_ZERO } from '../../protocol/schema.js';
import {
  CLUSTER_OPERATIONS,
  OPERATIONS_NOT_ASKED,
  TOPIC_OPERATIONS,
} from '../authorized-operations.js';
import { type BrokerServices, handler, type RequestContext } from '../handler.js';
import { leaderEpochOf } from '../partitions.js';

type TopicRequest = ElementOf<RequestOf<typeof metadata>['topics']>;
type TopicResponse = ElementOf<ResponseInput<typeof metadata>['topics']>;
type PartitionResponse = ElementOf<TopicResponse['partitions']>;

export const metadataHandler = handler({
  message: metadata,
  versions: { min: 0, max: 13 },
  notes: '',
  async handle(context, request) {
    const { broker, version } = context;
    const topics: TopicResponse[] = [];
    const operations = request.includeTopicAuthorizedOperations
      ? TOPIC_OPERATIONS
      : OPERATIONS_NOT_ASKED;
    if (request.topics === null || (version === 0 && request.topics.length === 0)) {
      for (const topic of broker.controller.image.topics()) {
        topics.push(describe(broker, topic, operations));
      }
    } else {
      for (const asked of withoutRepeats(request.topics)) {
        topics.push(await answer(context, asked, request.allowAutoTopicCreation, operations));
      }
    }
    return {
      brokers: [
        {
          nodeId: broker.nodeId,
          ...context.advertised,
          rack: broker.config.values['broker.rack'],
        },
      ],
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_ASKED,
      errorCode: errorCodes.NONE,
    };
  },
});

async function answer(
  { broker, version }: RequestContext,
  { topicId, name }: TopicRequest,
  mayCreate: boolean,
  operations: number,
): Promise<TopicResponse> {
  if (topicId !== UUID_ZERO) {
    // Versions 10 and 11 have the field, but only from 12 on may it stand for the name.
    if (version < 12) return failure(errorCodes.INVALID_REQUEST, name ?? '', topicId);
    const topic = broker.controller.image.topicById(topicId);
    if (topic === undefined) return failure(errorCodes.UNKNOWN_TOPIC_ID, null, topicId);
    return describe(broker, topic, operations);
  }
  if (name === null) return failure(errorCodes.INVALID_REQUEST, version < 12 ? '' : null);
  const topic = broker.controller.image.topic(name);
  if (topic !== undefined) return describe(broker, topic, operations);
  const created = await createIfAllowed(broker, name, mayCreate);
  return typeof created === 'number'
    ? failure(created, name)
    : describe(broker, created, operations);
}

/** The new topic, or the error code that answers. */
async function createIfAllowed(
  { config, controller }: BrokerServices,
  name: string,
  mayCreate: boolean,
): Promise<Topic | number> {
  if (topicNameProblem(name) !== null) return errorCodes.INVALID_TOPIC_EXCEPTION;
  // Names with two underscores in front are those of brokers' own topics.
  if (!mayCreate || !config.values['auto.create.topics.enable'] || isReserved(name)) {
    return errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
  }
  const result = await controller.createTopic({
    name,
    partitionCount: config.values['num.partitions'],
    configs: {},
  });
  if (result.ok) return result.topic;
  // Another request may have created it while this one waited its turn.
  return controller.image.topic(name) ?? errorCodes[result.error];
}

const RESERVED: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
]);

function isReserved(name: string): boolean {
  return RESERVED.has(name);
}

function describe(broker: BrokerServices, topic: Topic, operations: number): TopicResponse {
  const partitions: PartitionResponse[] = [];
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    partitions.push(describePartition(broker, topic, partition));
  }
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions,
    topicAuthorizedOperations: operations,
  };
}

/** As DescribeTopicPartitions answers it too. */
export function describePartition(
  { logs, nodeId }: BrokerServices,
  topic: Topic,
  partitionIndex: number,
) {
  const log = logs.getLog(topic.name, partitionIndex);
  const nodes = [nodeId];
  if (log === undefined || !log.readable) {
    return {
      errorCode: errorCodes.LEADER_NOT_AVAILABLE,
      partitionIndex,
      leaderId: -1,
      replicaNodes: nodes,
      isrNodes: nodes,
      offlineReplicas: nodes,
    };
  }
  return {
    errorCode: errorCodes.NONE,
    partitionIndex,
    leaderId: nodeId,
    leaderEpoch: leaderEpochOf(log),
    replicaNodes: nodes,
    isrNodes: nodes,
    // It leads all the same: with its disk gone it still answers reads.
    offlineReplicas: log.offline ? nodes : [],
  };
}

function withoutRepeats(topics: readonly TopicRequest[]): TopicRequest[] {
  const seen = new Map<string, TopicRequest>();
  for (const topic of topics) seen.set(`${topic.topicId}/${topic.name}`, topic);
  return [...seen.values()];
}

function failure(errorCode: number, name: string | null, topicId = UUID_ZERO): TopicResponse {
  return { errorCode, name, topicId, partitions: [] };
}

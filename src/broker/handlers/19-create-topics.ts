/**
 * CreateTopics 2-7: one answer per topic, also on error. The topic is complete, and in Metadata, when
 * it is answered. More replicas than nodes are refused, never clamped.
 */

import { describeTopicConfigs } from '../../log/topic-config.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { createTopics } from '../../protocol/messages/19-create-topics.js';
import { configAnswer } from '../config-answers.js';
import { type BrokerServices, handler } from '../handler.js';
import { ANONYMOUS, type MutationQuota } from '../quotas/client-quotas.js';
import { replicasProblem } from '../replica-assignment.js';

type TopicRequest = ElementOf<RequestOf<typeof createTopics>['topics']>;
type TopicResponse = ElementOf<ResponseInput<typeof createTopics>['topics']>;

interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

const UNSET = -1;

const QUOTA_EXCEEDED: Refusal = {
  errorCode: errorCodes.THROTTLING_QUOTA_EXCEEDED,
  errorMessage: 'The throttling quota has been exceeded.',
};

export const createTopicsHandler = handler({
  message: createTopics,
  versions: { min: 2, max: 7 },
  notes: 'One node: a replication factor above 1 is refused.',
  async handle({ broker, version, clientId }, request) {
    const mutations = broker.quotas.mutations({ user: ANONYMOUS, clientId }, version >= 6);
    const counts = new Map<string, number>();
    for (const { name } of request.topics) counts.set(name, (counts.get(name) ?? 0) + 1);
    const topics: TopicResponse[] = [];
    for (const [name, count] of counts) {
      const asked = request.topics.find((topic) => topic.name === name) as TopicRequest;
      topics.push(
        count > 1
          ? refusal(name, {
              errorCode: errorCodes.INVALID_REQUEST,
              errorMessage: 'Duplicate topic name.',
            })
          : await create(broker, asked, request.validateOnly, mutations),
      );
    }
    return { throttleTimeMs: mutations.throttleMs, topics };
  },
});

async function create(
  broker: BrokerServices,
  asked: TopicRequest,
  validateOnly: boolean,
  mutations: MutationQuota,
): Promise<TopicResponse> {
  const { name } = asked;
  if (name === '__cluster_metadata') {
    const errorMessage = `Creation of internal topic ${name} is prohibited.`;
    return refusal(name, { errorCode: errorCodes.INVALID_REQUEST, errorMessage });
  }
  const configs = configsOf(asked);
  if ('errorCode' in configs) return refusal(name, configs);
  const partitionCount = partitionCountOf(broker, asked);
  if (typeof partitionCount !== 'number') return refusal(name, partitionCount);
  const newTopic = { name, partitionCount, configs: configs.configs };
  const problem = broker.controller.problemOf(newTopic);
  if (problem !== null) {
    return refusal(name, { errorCode: errorCodes[problem.error], errorMessage: problem.message });
  }
  if (validateOnly) return success(broker, newTopic);
  if (!mutations.take(partitionCount)) return refusal(name, QUOTA_EXCEEDED);
  const result = await broker.controller.createTopic(newTopic);
  if (result.ok) return success(broker, newTopic, result.topic.id);
  return refusal(name, { errorCode: errorCodes[result.error], errorMessage: result.message });
}

function configsOf({ configs }: TopicRequest): { configs: Record<string, string> } | Refusal {
  const given: Record<string, string> = {};
  for (const { name, value } of configs) {
    if (value === null) {
      return {
        errorCode: errorCodes.INVALID_CONFIG,
        errorMessage: `Null value not supported for topic configs: ${name}`,
      };
    }
    given[name] = value;
  }
  return { configs: given };
}

/** How many partitions the topic gets; checks the replicas on the way. */
function partitionCountOf(broker: BrokerServices, asked: TopicRequest): number | Refusal {
  const { numPartitions, replicationFactor, assignments } = asked;
  const { values } = broker.config;
  if (assignments.length > 0) {
    const given =
      replicationFactor !== UNSET
        ? 'replication factor'
        : numPartitions !== UNSET
          ? 'numPartitions'
          : null;
    if (given !== null) {
      return {
        errorCode: errorCodes.INVALID_REQUEST,
        errorMessage: `A manual partition assignment was specified, but ${given} was not set to -1.`,
      };
    }
    return assignedPartitionCount(broker, asked);
  }
  if (replicationFactor < UNSET || replicationFactor === 0) {
    return {
      errorCode: errorCodes.INVALID_REPLICATION_FACTOR,
      errorMessage: 'Replication factor must be larger than 0, or -1 to use the default value.',
    };
  }
  const replicas =
    replicationFactor === UNSET ? values['default.replication.factor'] : replicationFactor;
  if (replicas > 1) {
    return {
      errorCode: errorCodes.INVALID_REPLICATION_FACTOR,
      errorMessage: `Unable to replicate the partition ${replicas} time(s): The target replication factor of ${replicas} cannot be reached because only 1 broker(s) are registered.`,
    };
  }
  if (numPartitions < UNSET || numPartitions === 0) {
    return {
      errorCode: errorCodes.INVALID_PARTITIONS,
      errorMessage: 'Number of partitions was set to an invalid non-positive value.',
    };
  }
  return numPartitions === UNSET ? values['num.partitions'] : numPartitions;
}

/** Explicit assignments: partitions 0, 1, ... each with this node as its only replica. */
function assignedPartitionCount(
  { nodeId }: BrokerServices,
  { assignments }: TopicRequest,
): number | Refusal {
  const partitions = new Set<number>();
  for (const { partitionIndex, brokerIds } of assignments) {
    const problem = partitions.has(partitionIndex)
      ? `Found multiple manual partition assignments for partition ${partitionIndex}`
      : replicasProblem(brokerIds, nodeId);
    if (problem !== null) {
      return { errorCode: errorCodes.INVALID_REPLICA_ASSIGNMENT, errorMessage: problem };
    }
    partitions.add(partitionIndex);
  }
  for (let partition = 0; partition < partitions.size; partition++) {
    if (!partitions.has(partition)) {
      return {
        errorCode: errorCodes.INVALID_REPLICA_ASSIGNMENT,
        errorMessage: 'partitions should be a consecutive 0-based integer sequence',
      };
    }
  }
  return partitions.size;
}

function success(
  broker: BrokerServices,
  {
    name,
    partitionCount,
    configs,
  }: { name: string; partitionCount: number; configs: Record<string, string> },
  topicId?: string,
): TopicResponse {
  const described = describeTopicConfigs(broker.config, new Map(Object.entries(configs)));
  return {
    name,
    topicId,
    errorCode: errorCodes.NONE,
    errorMessage: null,
    numPartitions: partitionCount,
    replicationFactor: 1,
    configs: described.map(configAnswer),
  };
}

function refusal(name: string, { errorCode, errorMessage }: Refusal): TopicResponse {
  return { name, errorCode, errorMessage, configs: [] };
}

/** CreatePartitions 0-3: one answer per topic, also on error. Complete when it is answered. */

import { partitionCountProblem } from '../../cluster/controller.js';
import type { Topic } from '../../cluster/metadata-image.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { createPartitions } from '../../protocol/messages/37-create-partitions.js';
import { type BrokerServices, handler } from '../handler.js';
import { ANONYMOUS, type MutationQuota } from '../quotas/client-quotas.js';
import { replicasProblem } from '../replica-assignment.js';

type TopicRequest = ElementOf<RequestOf<typeof createPartitions>['topics']>;
type TopicResult = ElementOf<ResponseInput<typeof createPartitions>['results']>;

export const createPartitionsHandler = handler({
  message: createPartitions,
  versions: { min: 0, max: 3 },
  notes: '',
  async handle({ broker, version, clientId }, { topics, validateOnly }) {
    const mutations = broker.quotas.mutations({ user: ANONYMOUS, clientId }, version >= 3);
    const counts = new Map<string, number>();
    for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
    const results: TopicResult[] = [];
    for (const [name, count] of counts) {
      const asked = topics.find((topic) => topic.name === name) as TopicRequest;
      results.push(
        count > 1
          ? failure(name, errorCodes.INVALID_REQUEST, 'Duplicate topic name.')
          : await grow(broker, asked, validateOnly, mutations),
      );
    }
    return { throttleTimeMs: mutations.throttleMs, results };
  },
});

async function grow(
  broker: BrokerServices,
  asked: TopicRequest,
  validateOnly: boolean,
  mutations: MutationQuota,
): Promise<TopicResult> {
  const { name, count } = asked;
  const topic = broker.controller.image.topic(name);
  if (topic === undefined) return failure(name, errorCodes.UNKNOWN_TOPIC_OR_PARTITION, null);
  if (topic.internal) {
    const text = 'The partitions of an internal topic are found by their number: it is fixed.';
    return failure(name, errorCodes.INVALID_REQUEST, text);
  }
  const countProblem = partitionCountProblem(topic, count);
  if (countProblem !== null) return failure(name, errorCodes.INVALID_PARTITIONS, countProblem);
  const problem = assignmentsProblem(broker, topic, asked);
  if (problem !== null) return failure(name, errorCodes.INVALID_REPLICA_ASSIGNMENT, problem);
  if (!validateOnly && !mutations.take(count - topic.partitionCount)) {
    const text = 'The throttling quota has been exceeded.';
    return failure(name, errorCodes.THROTTLING_QUOTA_EXCEEDED, text);
  }
  const result = await broker.controller.createPartitions(name, count, { validateOnly });
  return result.ok
    ? { name, errorCode: errorCodes.NONE }
    : failure(name, errorCodes[result.error], result.message);
}

function assignmentsProblem(
  { nodeId }: BrokerServices,
  topic: Topic,
  { count, assignments }: TopicRequest,
): string | null {
  if (assignments === null) return null;
  const added = count - topic.partitionCount;
  if (assignments.length !== added) {
    return `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`;
  }
  for (const { brokerIds } of assignments) {
    const problem = replicasProblem(brokerIds, nodeId);
    if (problem !== null) return problem;
  }
  return null;
}

function failure(name: string, errorCode: number, errorMessage: string | null): TopicResult {
  return { name, errorCode, errorMessage };
}

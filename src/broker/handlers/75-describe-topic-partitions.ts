/**
 * DescribeTopicPartitions 0: topics in the order of their names, by pages of so many partitions. The
 * cursor is the first partition of the next page.
 *
 *     limit 4:  a 0 1 2, b 0   -> cursor b 1   -> b 1 2, c 0
 */

import type { Topic } from '../../cluster/metadata-image.js';
import { topicNameProblem } from '../../log/topic-name.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { describeTopicPartitions } from '../../protocol/messages/75-describe-topic-partitions.js';
import { UUID_ZERO } from '../../protocol/schema.js';
import { TOPIC_OPERATIONS } from '../authorized-operations.js';
import { type BrokerServices, handler } from '../handler.js';
import { describePartition } from './03-metadata.js';

type Request = RequestOf<typeof describeTopicPartitions>;
type TopicAnswer = ElementOf<ResponseInput<typeof describeTopicPartitions>['topics']>;

export const describeTopicPartitionsHandler = handler({
  message: describeTopicPartitions,
  versions: { min: 0, max: 0 },
  notes: '',
  handle({ broker }, request) {
    const { cursor } = request;
    if (cursor !== null && cursor.partitionIndex < 0) {
      return { topics: request.topics.map(({ name }) => failure(name, 'INVALID_REQUEST')) };
    }
    const max = broker.config.values['max.request.partition.size.limit'];
    let left = Math.max(1, Math.min(max, request.responsePartitionLimit));
    const topics: TopicAnswer[] = [];
    for (const name of namesFrom(broker, request)) {
      const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
      if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } };
      const topic = broker.controller.image.topic(name);
      if (topic === undefined) {
        const valid = topicNameProblem(name) === null;
        topics.push(
          failure(name, valid ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION'),
        );
        continue;
      }
      const end = Math.min(topic.partitionCount, first + left);
      topics.push(describe(broker, topic, first, end));
      left -= Math.max(0, end - first);
      if (end < topic.partitionCount) {
        return { topics, nextCursor: { topicName: name, partitionIndex: end } };
      }
    }
    return { topics, nextCursor: null };
  },
});

/** Sorted, each once, from the cursor on. No names: every topic. */
function namesFrom({ controller }: BrokerServices, { topics, cursor }: Request): string[] {
  const names =
    topics.length === 0
      ? controller.image.topics().map(({ name }) => name)
      : [...new Set(topics.map(({ name }) => name))].sort();
  return names.filter((name) => cursor === null || name >= cursor.topicName);
}

function describe(broker: BrokerServices, topic: Topic, first: number, end: number): TopicAnswer {
  const partitions = [];
  for (let partition = first; partition < end; partition++) {
    partitions.push({
      ...describePartition(broker, topic, partition),
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
    });
  }
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions,
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function failure(name: string, error: keyof typeof errorCodes): TopicAnswer {
  return {
    errorCode: errorCodes[error],
    name,
    topicId: UUID_ZERO,
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

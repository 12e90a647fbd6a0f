/**
 * ElectLeaders 0-2: each partition has one replica, which leads it; there is nothing to elect. Only a
 * partition that cannot be written has no leader to offer.
 */

import type { Topic } from '../../cluster/metadata-image.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, ResponseInput } from '../../protocol/infer.js';
import { electLeaders } from '../../protocol/messages/43-elect-leaders.js';
import { type BrokerServices, handler } from '../handler.js';

type PartitionResult = ElementOf<
  ElementOf<ResponseInput<typeof electLeaders>['replicaElectionResults']>['partitionResult']
>;

const PREFERRED = 0;
const UNCLEAN = 1;

export const electLeadersHandler = handler({
  message: electLeaders,
  versions: { min: 0, max: 2 },
  notes: 'One node: ELECTION_NOT_NEEDED, unless the partition is offline.',
  handle({ broker }, { electionType, topicPartitions }) {
    if (electionType !== PREFERRED && electionType !== UNCLEAN) {
      return { errorCode: errorCodes.INVALID_REQUEST, replicaElectionResults: [] };
    }
    const all = topicPartitions === null;
    const asked = all
      ? broker.controller.image.topics().map(({ name, partitionCount }) => ({
          topic: name,
          partitions: Array.from({ length: partitionCount }, (_, partition) => partition),
        }))
      : topicPartitions;
    const results = asked.map(({ topic: name, partitions }) => {
      const topic = broker.controller.image.topic(name);
      const elected = partitions.map((partition) =>
        elect(broker, { name, topic, partition, electionType }),
      );
      return {
        topic: name,
        // Of all partitions only those are told that an election could have been for.
        partitionResult: all
          ? elected.filter(({ errorCode }) => errorCode !== errorCodes.ELECTION_NOT_NEEDED)
          : elected,
      };
    });
    return {
      errorCode: errorCodes.NONE,
      replicaElectionResults: results,
    };
  },
});

function elect(
  { logs }: BrokerServices,
  {
    name,
    topic,
    partition,
    electionType,
  }: { name: string; topic: Topic | undefined; partition: number; electionType: number },
): PartitionResult {
  const answer = (error: keyof typeof errorCodes, errorMessage: string): PartitionResult => ({
    partitionId: partition,
    errorCode: errorCodes[error],
    errorMessage,
  });
  if (topic === undefined) {
    return answer('UNKNOWN_TOPIC_OR_PARTITION', `No such topic as ${name}`);
  }
  if (partition < 0 || partition >= topic.partitionCount) {
    return answer('UNKNOWN_TOPIC_OR_PARTITION', `No such partition as ${name}-${partition}`);
  }
  if (logs.getLog(name, partition)?.offline === false) {
    return answer('ELECTION_NOT_NEEDED', 'Leader election not needed for topic partition.');
  }
  return electionType === PREFERRED
    ? answer('PREFERRED_LEADER_NOT_AVAILABLE', 'The preferred leader is offline.')
    : answer('ELIGIBLE_LEADERS_NOT_AVAILABLE', 'No replica of the partition is online.');
}

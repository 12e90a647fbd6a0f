/**
 * OffsetForLeaderEpoch 2-4: where the records of a leader epoch end. A client that was cut off asks it,
 * to see whether what it has read is still there.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { offsetForLeaderEpoch } from '../../protocol/messages/23-offset-for-leader-epoch.js';
import { type BrokerServices, handler } from '../handler.js';
import { leaderEpochError, leaderEpochOf, logOf } from '../partitions.js';

type TopicRequest = ElementOf<RequestOf<typeof offsetForLeaderEpoch>['topics']>;
type PartitionRequest = ElementOf<TopicRequest['partitions']>;
type PartitionResult = ElementOf<
  ElementOf<ResponseInput<typeof offsetForLeaderEpoch>['topics']>['partitions']
>;

export const offsetForLeaderEpochHandler = handler({
  message: offsetForLeaderEpoch,
  versions: { min: 2, max: 4 },
  notes: 'Consumers only: requests with a replica id are refused.',
  handle({ broker, version }, { replicaId, topics }) {
    const isReplica = version >= 3 && replicaId >= 0;
    return {
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map((partition) =>
          isReplica
            ? failure(partition, errorCodes.TOPIC_AUTHORIZATION_FAILED)
            : epochEnd(broker, topic, partition),
        ),
      })),
    };
  },
});

function epochEnd(broker: BrokerServices, name: string, asked: PartitionRequest): PartitionResult {
  const topic = broker.controller.image.topic(name);
  if (topic === undefined) return failure(asked, errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  const log = logOf(broker, topic, asked.partition);
  if (typeof log === 'number') return failure(asked, log);
  const problem = leaderEpochError(log, asked.currentLeaderEpoch);
  if (problem !== errorCodes.NONE) return failure(asked, problem);
  const { leaderEpoch, partition } = asked;
  // In the epoch of now nothing may have been written yet.
  const end =
    leaderEpoch === leaderEpochOf(log)
      ? { epoch: leaderEpoch, endOffset: log.logEndOffset }
      : log.endOffsetForEpoch(leaderEpoch);
  return {
    partition,
    errorCode: errorCodes.NONE,
    leaderEpoch: end?.epoch ?? -1,
    endOffset: end?.endOffset ?? -1,
  };
}

function failure({ partition }: PartitionRequest, errorCode: number): PartitionResult {
  return { partition, errorCode, leaderEpoch: -1, endOffset: -1 };
}

/** OffsetCommit 2-10: a group's offsets; answered when they are in the log. */

import type { OffsetToCommit } from '../../coordinator/group/group-coordinator.js';
import { errorCodes } from '../../protocol/error-codes.js';
import { offsetCommit } from '../../protocol/messages/08-offset-commit.js';
import { handler } from '../handler.js';
import { topicOf, unknownTopicError } from '../partitions.js';

export const offsetCommitHandler = handler({
  message: offsetCommit,
  versions: { min: 2, max: 10 },
  notes: '',
  async handle({ broker, version }, request) {
    const byId = version >= 10;
    const offsets: OffsetToCommit[] = [];
    const topics = request.topics.map(({ name, topicId, partitions }) => {
      const topic = topicOf(broker, byId ? topicId : name, byId);
      return {
        name,
        topicId,
        partitions: partitions.map((partition) => {
          const { partitionIndex } = partition;
          if (topic === undefined) return { partitionIndex, errorCode: unknownTopicError(byId) };
          if (partitionIndex < 0 || partitionIndex >= topic.partitionCount) {
            return { partitionIndex, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION };
          }
          const at = offsets.push({
            topic: topic.name,
            topicId: topic.id,
            partition: partitionIndex,
            offset: partition.committedOffset,
            leaderEpoch: partition.committedLeaderEpoch,
            metadata: partition.committedMetadata,
          });
          return { partitionIndex, at: at - 1 };
        }),
      };
    });
    const errors = await broker.groups.commitOffsets({
      groupId: request.groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      generationId: request.generationIdOrMemberEpoch,
      retentionMs: request.retentionTimeMs,
      knowsEpochs: version >= 9,
      offsets,
    });
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map((partition) => ({
          partitionIndex: partition.partitionIndex,
          errorCode:
            'at' in partition
              ? errorCodes[errors[partition.at] ?? 'UNKNOWN_SERVER_ERROR']
              : partition.errorCode,
        })),
      })),
    };
  },
});

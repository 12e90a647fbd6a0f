/** OffsetDelete 0: committed offsets of topics that nobody in the group reads. */

import type { TopicPartition } from '../../coordinator/group/group-coordinator.js';
import { type ErrorName, errorCodes } from '../../protocol/error-codes.js';
import { offsetDelete } from '../../protocol/messages/47-offset-delete.js';
import { handler } from '../handler.js';

export const offsetDeleteHandler = handler({
  message: offsetDelete,
  versions: { min: 0, max: 0 },
  notes: '',
  async handle({ broker }, { groupId, topics }) {
    const asked: TopicPartition[] = [];
    for (const { name, partitions } of topics) {
      const count = broker.controller.image.topic(name)?.partitionCount ?? 0;
      for (const { partitionIndex: partition } of partitions) {
        if (partition >= 0 && partition < count) asked.push({ topic: name, partition });
      }
    }
    const deleted = await broker.groups.deleteOffsets(groupId, asked);
    if (typeof deleted === 'string') return { errorCode: errorCodes[deleted], topics: [] };
    const errors = new Map<string, ErrorName>();
    for (const [at, { topic, partition }] of asked.entries()) {
      errors.set(`${partition}/${topic}`, deleted[at] ?? 'UNKNOWN_SERVER_ERROR');
    }
    return {
      errorCode: errorCodes.NONE,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode:
            errorCodes[errors.get(`${partitionIndex}/${name}`) ?? 'UNKNOWN_TOPIC_OR_PARTITION'],
        })),
      })),
    };
  },
});

/**
 * DeleteRecords 0-2: moves the log start offset of partitions up; -1 is the high watermark. Answered
 * when that is durable. Segments below it go with the next retention pass.
 */

import { MillraceError } from '../../base/errors.js';
import type { Topic } from '../../cluster/metadata-image.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { deleteRecords } from '../../protocol/messages/21-delete-records.js';
import { type BrokerServices, handler } from '../handler.js';
import { logOf } from '../partitions.js';

type PartitionRequest = ElementOf<
  ElementOf<RequestOf<typeof deleteRecords>['topics']>['partitions']
>;
type PartitionResult = ElementOf<
  ElementOf<ResponseInput<typeof deleteRecords>['topics']>['partitions']
>;

const HIGH_WATERMARK = -1;

export const deleteRecordsHandler = handler({
  message: deleteRecords,
  versions: { min: 0, max: 2 },
  notes: '',
  async handle({ broker }, { topics }) {
    const answers = topics.map(async ({ name, partitions }) => {
      const topic = broker.controller.image.topic(name);
      const results = partitions.map((partition) => trim(broker, topic, partition));
      return { name, partitions: await Promise.all(results) };
    });
    return { topics: await Promise.all(answers) };
  },
});

async function trim(
  broker: BrokerServices,
  topic: Topic | undefined,
  { partitionIndex, offset }: PartitionRequest,
): Promise<PartitionResult> {
  if (topic === undefined) {
    return failure(partitionIndex, errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  }
  if (topic.internal) return failure(partitionIndex, errorCodes.INVALID_TOPIC_EXCEPTION);
  const log = logOf(broker, topic, partitionIndex);
  if (typeof log === 'number') return failure(partitionIndex, log);
  if (!log.config.cleanupDelete) return failure(partitionIndex, errorCodes.POLICY_VIOLATION);
  try {
    const before = offset === HIGH_WATERMARK ? log.highWatermark : offset;
    const result = await log.deleteRecordsBefore(before);
    if (!result.ok) return failure(partitionIndex, errorCodes[result.error]);
    return { partitionIndex, lowWatermark: result.logStartOffset, errorCode: errorCodes.NONE };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    broker.logger.error('cannot delete records', { dir: log.path, cause: error.message });
    return failure(partitionIndex, errorCodes.KAFKA_STORAGE_ERROR);
  }
}

function failure(partitionIndex: number, errorCode: number): PartitionResult {
  return { partitionIndex, lowWatermark: -1, errorCode };
}

/**
 * AlterReplicaLogDirs 1-2: a partition may be asked to stay in the directory it is in. It cannot be
 * moved: OPERATION_NOT_ATTEMPTED says so.
 */

import { resolve } from 'node:path';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ResponseInput } from '../../protocol/infer.js';
import { alterReplicaLogDirs } from '../../protocol/messages/34-alter-replica-log-dirs.js';
import { type BrokerServices, handler } from '../handler.js';

type Results = ResponseInput<typeof alterReplicaLogDirs>['results'];

export const alterReplicaLogDirsHandler = handler({
  message: alterReplicaLogDirs,
  versions: { min: 1, max: 2 },
  notes:
    'Partitions cannot be moved: OPERATION_NOT_ATTEMPTED for another directory than their own.',
  handle({ broker }, { dirs }) {
    const byTopic = new Map<string, { partitionIndex: number; errorCode: number }[]>();
    for (const { path, topics } of dirs) {
      for (const { name, partitions } of topics) {
        const results = partitions.map((partitionIndex) => ({
          partitionIndex,
          errorCode: errorCodes[outcome(broker, path, name, partitionIndex)],
        }));
        byTopic.set(name, [...(byTopic.get(name) ?? []), ...results]);
      }
    }
    const results: Results = [...byTopic].map(([topicName, partitions]) => ({
      topicName,
      partitions,
    }));
    return { results };
  },
});

function outcome(
  { controller, logs }: BrokerServices,
  path: string,
  topic: string,
  partition: number,
): keyof typeof errorCodes {
  const dir = logs.logDirs().find((one) => resolve(one.path) === resolve(path));
  if (dir === undefined) return 'LOG_DIR_NOT_FOUND';
  if (dir.error !== null) return 'KAFKA_STORAGE_ERROR';
  const count = controller.image.topic(topic)?.partitionCount ?? 0;
  if (partition < 0 || partition >= count) return 'UNKNOWN_TOPIC_OR_PARTITION';
  const log = logs.getLog(topic, partition);
  if (log === undefined) return 'KAFKA_STORAGE_ERROR';
  return dir.logs.includes(log) ? 'NONE' : 'OPERATION_NOT_ATTEMPTED';
}

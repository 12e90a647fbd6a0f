/** DescribeLogDirs 1-4: the data directories of this broker, with the sizes of what is in them. */

import { resolve } from 'node:path';
import { diskSpaceOf } from '../../file/disk-space.js';
import type { LogDirStatus } from '../../log/log-manager.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { describeLogDirs } from '../../protocol/messages/35-describe-log-dirs.js';
import { handler } from '../handler.js';

type Asked = RequestOf<typeof describeLogDirs>['topics'];
type Result = ElementOf<ResponseInput<typeof describeLogDirs>['results']>;
type TopicResult = ElementOf<Result['topics']>;
type PartitionResult = ElementOf<TopicResult['partitions']>;

export const describeLogDirsHandler = handler({
  message: describeLogDirs,
  versions: { min: 1, max: 4 },
  notes: 'No replica lags, and none is on its way to another directory.',
  handle({ broker }, { topics }) {
    const wanted = wantedOf(topics);
    return {
      errorCode: errorCodes.NONE,
      results: broker.logs.logDirs().map((dir) => describe(dir, wanted)),
    };
  },
});

/** Null: every partition. */
function wantedOf(topics: Asked): ReadonlySet<string> | null {
  if (topics === null) return null;
  return new Set(
    topics.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => `${topic}-${partition}`),
    ),
  );
}

function describe({ path, error, logs }: LogDirStatus, wanted: ReadonlySet<string> | null): Result {
  const logDir = resolve(path);
  if (error !== null) {
    return { errorCode: errorCodes.KAFKA_STORAGE_ERROR, logDir, topics: [] };
  }
  const byTopic = new Map<string, PartitionResult[]>();
  for (const { topic, partition, sizeInBytes } of logs) {
    if (wanted !== null && !wanted.has(`${topic}-${partition}`)) continue;
    const result = {
      partitionIndex: partition,
      partitionSize: sizeInBytes,
      offsetLag: 0,
      isFutureKey: false,
    };
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, [result]);
    else known.push(result);
  }
  return {
    errorCode: errorCodes.NONE,
    logDir,
    topics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
    ...diskSpaceOf(path),
  };
}

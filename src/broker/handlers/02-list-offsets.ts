/**
 * ListOffsets 1-10: an offset by time, or one of the named ones.
 *
 *     -1 latest          high watermark; last stable offset for read_committed
 *     -2 earliest        log start offset
 *     -3 max timestamp   the record with the largest timestamp        from version 7
 *     -4 earliest local  as -2, there is no other tier                from version 8
 *     -5 latest tiered   none: -1                                     from version 9
 *     >= 0               the earliest record at or after that time, or -1
 */

import { MillraceError } from '../../base/errors.js';
import type { PartitionLog } from '../../log/partition-log.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { listOffsets } from '../../protocol/messages/02-list-offsets.js';
import { handler, type RequestContext } from '../handler.js';
import { leaderEpochError, leaderEpochOf, logOf, unknownTopicError } from '../partitions.js';

type PartitionRequest = ElementOf<ElementOf<RequestOf<typeof listOffsets>['topics']>['partitions']>;
type PartitionResponse = ElementOf<
  ElementOf<ResponseInput<typeof listOffsets>['topics']>['partitions']
>;

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;

const VERSION_MIN: Readonly<Record<number, number>> = {
  [LATEST]: 1,
  [EARLIEST]: 1,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
};

export const listOffsetsHandler = handler({
  message: listOffsets,
  versions: { min: 1, max: 10 },
  notes: 'Consumers only: requests with a replica id are refused.',
  handle(context, request) {
    const committed = request.isolationLevel === 1;
    const twice = partitionsNamedTwice(request);
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((partition) => {
          const { partitionIndex } = partition;
          if (request.replicaId >= 0) {
            return failure(partitionIndex, errorCodes.TOPIC_AUTHORIZATION_FAILED);
          }
          if (twice.has(`${name}/${partitionIndex}`)) {
            return failure(partitionIndex, errorCodes.INVALID_REQUEST);
          }
          return lookUp(context, name, partition, committed);
        }),
      })),
    };
  },
});

function lookUp(
  { broker, version }: RequestContext,
  name: string,
  { partitionIndex, currentLeaderEpoch, timestamp }: PartitionRequest,
  committed: boolean,
): PartitionResponse {
  const topic = broker.controller.image.topic(name);
  if (topic === undefined) return failure(partitionIndex, unknownTopicError(false));
  const log = logOf(broker, topic, partitionIndex);
  if (typeof log === 'number') return failure(partitionIndex, log);
  const epochError = leaderEpochError(log, currentLeaderEpoch);
  if (epochError !== errorCodes.NONE) return failure(partitionIndex, epochError);
  if (timestamp < 0 && !(version >= (VERSION_MIN[timestamp] ?? Number.POSITIVE_INFINITY))) {
    return failure(partitionIndex, errorCodes.UNSUPPORTED_VERSION);
  }
  if (!log.readable) return failure(partitionIndex, errorCodes.KAFKA_STORAGE_ERROR);
  try {
    return { partitionIndex, errorCode: errorCodes.NONE, ...find(log, timestamp, committed) };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    broker.logger.error('cannot look up an offset', {
      topic: name,
      partition: partitionIndex,
      cause: error.message,
    });
    return failure(partitionIndex, errorCodes.KAFKA_STORAGE_ERROR);
  }
}

function find(
  log: PartitionLog,
  timestamp: number,
  committed: boolean,
): { timestamp: number; offset: number; leaderEpoch: number } {
  const leaderEpoch = leaderEpochOf(log);
  const end = committed ? log.lastStableOffset : log.highWatermark;
  switch (timestamp) {
    case LATEST:
      return { timestamp: -1, offset: end, leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { timestamp: -1, offset: log.logStartOffset, leaderEpoch };
    case LATEST_TIERED:
      return { timestamp: -1, offset: -1, leaderEpoch: -1 };
    default: {
      const found =
        timestamp === MAX_TIMESTAMP ? log.maxTimestampOffset() : log.offsetForTimestamp(timestamp);
      if (found === null || found.offset >= end)
        return { timestamp: -1, offset: -1, leaderEpoch: -1 };
      return {
        timestamp: found.timestampMs,
        offset: found.offset,
        leaderEpoch: found.leaderEpoch,
      };
    }
  }
}

function partitionsNamedTwice(request: RequestOf<typeof listOffsets>): Set<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`;
      if (seen.has(key)) twice.add(key);
      seen.add(key);
    }
  }
  return twice;
}

function failure(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 };
}

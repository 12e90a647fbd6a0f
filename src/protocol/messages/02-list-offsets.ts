/**
 * ListOffsets: offset by timestamp, or an end of the log by a sentinel in place of the timestamp:
 * -1 latest, -2 earliest, -3 of the largest timestamp (7), -4 earliest local (8), -5 latest tiered
 * (9), -6 earliest pending upload (11).
 */

import { api, array, int8, int16, int32, int64, string } from '../schema.js';

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: int32({ doc: '-1 for a consumer' }),
    isolationLevel: int8({
      versions: '2+',
      doc: '0 read_uncommitted: the high watermark is latest; 1 read_committed: the last stable offset',
    }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: '4+', default: -1 }),
        timestamp: int64({
          rounded: true,
          doc: 'a sentinel, or milliseconds; clients choose it freely',
        }),
      }),
    }),
    timeoutMs: int32({ versions: '10+' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '2+' }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({
          default: -1,
          rounded: true,
          doc: '-1 if no record was found by timestamp, and for the sentinels but -3',
        }),
        offset: int64({ default: -1, doc: '-1 if there is none' }),
        leaderEpoch: int32({ versions: '4+', default: -1 }),
      }),
    }),
  },
});

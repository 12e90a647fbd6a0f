/**
 * Produce: record batches for partitions. From 3 record batches of magic 2 only; 7 allows zstd, 8
 * answers which records were wrong, 10 names the current leader, 13 has topic ids in place of
 * names.
 *
 * Versions 0-2 are shown but not served: librdkafka before 2.11.1 switches compression off unless
 * it sees 0.
 */

import { api, array, int16, int32, int64, records, string, struct, uuid } from '../schema.js';

export const produce = api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  advertised: '0-13',
  flexible: '9+',
  request: {
    transactionalId: string({ nullable: '0+', default: null }),
    acks: int16({ doc: '0 no answer, 1 the leader, -1 all replicas in sync' }),
    timeoutMs: int32(),
    topicData: array({
      name: string({ versions: '3-12' }),
      topicId: uuid({ versions: '13+' }),
      partitionData: array({
        index: int32(),
        records: records(),
      }),
    }),
  },
  response: {
    responses: array({
      name: string({ versions: '3-12' }),
      topicId: uuid({ versions: '13+' }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64({ doc: '-1 on error' }),
        logAppendTimeMs: int64({ default: -1, doc: '-1 unless the topic has LogAppendTime' }),
        logStartOffset: int64({ versions: '5+', default: -1 }),
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullable: '8+', default: null }),
          },
          { versions: '8+' },
        ),
        errorMessage: string({ versions: '8+', nullable: '8+', default: null }),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { versions: '10+', tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ default: 0 }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '10+', default: null }),
      },
      { versions: '10+', tag: 0 },
    ),
  },
});

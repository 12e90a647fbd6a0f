/**
 * Fetch: record batches of partitions from an offset on. 7 has fetch sessions, 9 the leader epoch,
 * 10 allows zstd, 11 rack awareness, 12 divergence, 13 topic ids in place of names, 15 moves the
 * replica id to a tag, 16 names brokers, 17 and 18 are for replicas.
 */

import {
  api,
  array,
  INT64_MAX,
  int8,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  uuid,
} from '../schema.js';

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  request: {
    clusterId: string({ versions: '12+', nullable: '12+', tag: 0, default: null }),
    replicaId: int32({ versions: '4-14', default: -1, doc: '-1 for a consumer' }),
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1 }),
      },
      { versions: '15+', tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({
      default: 2 ** 31 - 1,
      doc: 'a batch larger than this is sent if it is the first',
    }),
    isolationLevel: int8({ default: 0, doc: '0 read_uncommitted, 1 read_committed' }),
    sessionId: int32({ versions: '7+', default: 0, doc: '0 for none' }),
    sessionEpoch: int32({
      versions: '7+',
      default: -1,
      doc: '0 starts a session, -1 ends it or wants none',
    }),
    topics: array({
      topic: string({ versions: '4-12' }),
      topicId: uuid({ versions: '13+' }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ versions: '9+', default: -1 }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ versions: '12+', default: -1 }),
        logStartOffset: int64({ versions: '5+', default: -1 }),
        partitionMaxBytes: int32({ doc: 'a batch larger than this is sent if it is the first' }),
        replicaDirectoryId: uuid({ versions: '17+', tag: 0 }),
        highWatermark: int64({
          versions: '18+',
          tag: 1,
          default: INT64_MAX,
          rounded: true,
          doc: 'that the replica knows',
        }),
      }),
    }),
    forgottenTopicsData: array(
      {
        topic: string({ versions: '7-12' }),
        topicId: uuid({ versions: '13+' }),
        partitions: array(int32()),
      },
      { versions: '7+' },
    ),
    rackId: string({ versions: '11+', default: '' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: '7+' }),
    sessionId: int32({ versions: '7+', default: 0 }),
    responses: array({
      topic: string({ versions: '4-12' }),
      topicId: uuid({ versions: '13+' }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ default: -1 }),
        logStartOffset: int64({ versions: '5+', default: -1 }),
        divergingEpoch: struct(
          {
            epoch: int32({ default: -1 }),
            endOffset: int64({ default: -1 }),
          },
          { versions: '12+', tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { versions: '12+', tag: 1 },
        ),
        snapshotId: struct(
          {
            endOffset: int64({ default: -1 }),
            epoch: int32({ default: -1 }),
          },
          { versions: '12+', tag: 2 },
        ),
        abortedTransactions: array(
          {
            producerId: int64(),
            firstOffset: int64(),
          },
          { nullable: '0+' },
        ),
        preferredReadReplica: int32({ versions: '11+', default: -1, doc: '-1 for the leader' }),
        records: records(),
      }),
    }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '16+', default: null }),
      },
      { versions: '16+', tag: 0 },
    ),
  },
});

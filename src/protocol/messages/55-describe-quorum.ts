/** DescribeQuorum: the voters of the metadata log. 1 times of the replicas, 2 messages and nodes. */

import { api, array, int16, int32, int64, string, uint16, uuid } from '../schema.js';

export const describeQuorum = api({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ versions: '2+', nullable: '2+' }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ versions: '2+', nullable: '2+' }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array({
          replicaId: int32(),
          replicaDirectoryId: uuid({ versions: '2+' }),
          logEndOffset: int64(),
          lastFetchTimestamp: int64({ versions: '1+', default: -1 }),
          lastCaughtUpTimestamp: int64({ versions: '1+', default: -1 }),
        }),
        observers: array({
          replicaId: int32(),
          replicaDirectoryId: uuid({ versions: '2+' }),
          logEndOffset: int64(),
          lastFetchTimestamp: int64({ versions: '1+', default: -1 }),
          lastCaughtUpTimestamp: int64({ versions: '1+', default: -1 }),
        }),
      }),
    }),
    nodes: array(
      {
        nodeId: int32(),
        listeners: array({
          name: string(),
          host: string(),
          port: uint16(),
        }),
      },
      { versions: '2+' },
    ),
  },
});

/**
 * ConsumerGroupHeartbeat (KIP-848): a member joins, lives, learns its assignment and leaves by this one
 * request. From 1 on a regular expression, and member ids made by the client.
 */

import { api, array, int16, int32, string, struct, uuid } from '../schema.js';

const topicPartitions = { topicId: uuid(), partitions: array(int32()) };

export const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32({ doc: '0 joins, -1 leaves, -2 a static member leaves for a while' }),
    instanceId: string({ nullable: '0+', default: null }),
    rackId: string({ nullable: '0+', default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: '0+', default: null }),
    subscribedTopicRegex: string({ versions: '1+', nullable: '1+', default: null }),
    serverAssignor: string({ nullable: '0+', default: null }),
    topicPartitions: array(topicPartitions, { nullable: '0+', default: null }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    memberId: string({ nullable: '0+', default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      { topicPartitions: array(topicPartitions) },
      { nullable: '0+', default: null },
    ),
  },
});

/**
 * Records of `__consumer_offsets`, as Kafka 4.2 writes them. The version of a key is its kind:
 *
 *     0, 1  committed offset of (group, topic, partition)
 *     2     a classic group, whole
 *     3-8   a consumer group (KIP-848): its epoch, members, target and current assignments
 *     16    what a regular expression of a consumer group's subscription matched
 *
 * Others (share and Streams groups) are passed over.
 */

import { array, bytes, int8, int32, int64, string, struct, uuid } from '../schema.js';
import { stored } from './stored-message.js';

/** Kinds: versions of the keys. */
export const OFFSET_COMMIT_KIND = 1;
export const GROUP_METADATA_KIND = 2;
export const CONSUMER_GROUP_METADATA_KIND = 3;
export const CONSUMER_GROUP_MEMBER_METADATA_KIND = 5;
export const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND = 6;
export const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND = 7;
export const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND = 8;
export const CONSUMER_GROUP_REGULAR_EXPRESSION_KIND = 16;

/** Versions in which values are written. */
export const OFFSET_COMMIT_VALUE_VERSION = 4;
/** A commit with a retention of its own. */
export const OFFSET_COMMIT_VALUE_EXPIRING_VERSION = 1;
export const GROUP_METADATA_VALUE_VERSION = 3;

export const offsetCommitKey = stored({
  name: 'OffsetCommitKey',
  versions: '0-1',
  fields: { group: string(), topic: string(), partition: int32() },
});

export const offsetCommitValue = stored({
  name: 'OffsetCommitValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    offset: int64(),
    leaderEpoch: int32({ versions: '3+', default: -1 }),
    metadata: string(),
    commitTimestamp: int64({ rounded: true }),
    expireTimestamp: int64({ versions: '1', default: -1, rounded: true }),
    topicId: uuid({ versions: '4+', tag: 0 }),
  },
});

export const groupMetadataKey = stored({
  name: 'GroupMetadataKey',
  versions: '2',
  fields: { group: string() },
});

export const groupMetadataValue = stored({
  name: 'GroupMetadataValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: '0+' }),
    leader: string({ nullable: '0+' }),
    currentStateTimestamp: int64({ versions: '2+', default: -1, rounded: true }),
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
      clientId: string(),
      clientHost: string(),
      rebalanceTimeout: int32({ versions: '1+', default: -1 }),
      sessionTimeout: int32(),
      subscription: bytes(),
      assignment: bytes(),
    }),
  },
});

/** Keys of kinds 3, 4 and 6. */
export const consumerGroupKey = stored({
  name: 'ConsumerGroupKey',
  versions: '3-6',
  fields: { groupId: string() },
});

/** Keys of kinds 5, 7 and 8. */
export const consumerGroupMemberKey = stored({
  name: 'ConsumerGroupMemberKey',
  versions: '5-8',
  fields: { groupId: string(), memberId: string() },
});

export const consumerGroupMetadataValue = stored({
  name: 'ConsumerGroupMetadataValue',
  versions: '0',
  flexible: '0+',
  fields: { epoch: int32(), metadataHash: int64({ tag: 0, default: 0, rounded: true }) },
});

export const consumerGroupMemberMetadataValue = stored({
  name: 'ConsumerGroupMemberMetadataValue',
  versions: '0',
  flexible: '0+',
  fields: {
    instanceId: string({ nullable: '0+' }),
    rackId: string({ nullable: '0+' }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: '0+' }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullable: '0+' }),
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array({ name: string(), metadata: bytes() }),
      },
      // Where it is left out Kafka reads a struct of zeros: who is no classic member has a null.
      { tag: 0, nullable: '0+' },
    ),
  },
});

export const consumerGroupTargetAssignmentMetadataValue = stored({
  name: 'ConsumerGroupTargetAssignmentMetadataValue',
  versions: '0',
  flexible: '0+',
  fields: { assignmentEpoch: int32() },
});

const topicPartitions = { topicId: uuid(), partitions: array(int32()) };

export const consumerGroupTargetAssignmentMemberValue = stored({
  name: 'ConsumerGroupTargetAssignmentMemberValue',
  versions: '0',
  flexible: '0+',
  fields: { topicPartitions: array(topicPartitions) },
});

export const consumerGroupCurrentMemberAssignmentValue = stored({
  name: 'ConsumerGroupCurrentMemberAssignmentValue',
  versions: '0',
  flexible: '0+',
  fields: {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(topicPartitions),
    partitionsPendingRevocation: array(topicPartitions),
  },
});

export const consumerGroupRegularExpressionKey = stored({
  name: 'ConsumerGroupRegularExpressionKey',
  versions: '16',
  fields: { groupId: string(), regularExpression: string() },
});

export const consumerGroupRegularExpressionValue = stored({
  name: 'ConsumerGroupRegularExpressionValue',
  versions: '0',
  flexible: '0+',
  fields: { topics: array(string()), version: int64({ rounded: true }), timestamp: int64() },
});

/** A member's subscription in the protocols of classic consumers: a version, then this. */
export const consumerProtocolSubscription = stored({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: '0+' }),
    ownedPartitions: array({ topic: string(), partitions: array(int32()) }, { versions: '1+' }),
    generationId: int32({ versions: '2+', default: -1 }),
    rackId: string({ versions: '3+', nullable: '3+', default: null }),
  },
});

/** An assignment to a classic consumer. */
export const consumerProtocolAssignment = stored({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  fields: {
    assignedPartitions: array({ topic: string(), partitions: array(int32()) }),
    userData: bytes({ nullable: '0+' }),
  },
});

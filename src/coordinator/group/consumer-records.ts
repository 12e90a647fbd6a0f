/** State of consumer groups (KIP-848) as records of `__consumer_offsets`, and back. */

import {
  CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND,
  CONSUMER_GROUP_MEMBER_METADATA_KIND,
  CONSUMER_GROUP_METADATA_KIND,
  CONSUMER_GROUP_REGULAR_EXPRESSION_KIND,
  CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND,
  CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND,
  consumerGroupCurrentMemberAssignmentValue,
  consumerGroupKey,
  consumerGroupMemberKey,
  consumerGroupMemberMetadataValue,
  consumerGroupMetadataValue,
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
  consumerGroupTargetAssignmentMemberValue,
  consumerGroupTargetAssignmentMetadataValue,
} from '../../protocol/stored/group-records.js';
import {
  decodeStored,
  encodeStored,
  storedVersionOf,
} from '../../protocol/stored/stored-message.js';
import type { StateRecord } from '../state-topic.js';
import {
  type Assignment,
  assignmentOf,
  type ConsumerGroup,
  ConsumerMember,
  type CurrentAssignment,
  type MemberSubscription,
} from './consumer-group.js';

/** Its epoch, with the topics that it stands for. */
export function groupEpochRecord({
  groupId,
  groupEpoch,
  metadataHash,
}: ConsumerGroup): StateRecord {
  return {
    key: encodeStored(consumerGroupKey, CONSUMER_GROUP_METADATA_KIND, { groupId }),
    value: encodeStored(consumerGroupMetadataValue, 0, { epoch: groupEpoch, metadataHash }),
  };
}

export function assignmentEpochRecord({ groupId, assignmentEpoch }: ConsumerGroup): StateRecord {
  const kind = CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND;
  return {
    key: encodeStored(consumerGroupKey, kind, { groupId }),
    value: encodeStored(consumerGroupTargetAssignmentMetadataValue, 0, { assignmentEpoch }),
  };
}

export function memberRecord(groupId: string, member: ConsumerMember): StateRecord {
  const { memberId, subscription } = member;
  const { classic } = subscription;
  return {
    key: memberKey(groupId, memberId, CONSUMER_GROUP_MEMBER_METADATA_KIND),
    value: encodeStored(consumerGroupMemberMetadataValue, 0, {
      instanceId: subscription.instanceId,
      rackId: subscription.rackId,
      clientId: subscription.clientId,
      clientHost: subscription.clientHost,
      subscribedTopicNames: subscription.topics,
      subscribedTopicRegex: subscription.regex,
      rebalanceTimeoutMs: subscription.rebalanceTimeoutMs,
      serverAssignor: subscription.serverAssignor,
      classicMemberMetadata:
        classic === null
          ? null
          : { sessionTimeoutMs: classic.sessionTimeoutMs, supportedProtocols: classic.protocols },
    }),
  };
}

export function targetRecord(groupId: string, memberId: string, target: Assignment): StateRecord {
  return {
    key: memberKey(groupId, memberId, CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND),
    value: encodeStored(consumerGroupTargetAssignmentMemberValue, 0, {
      topicPartitions: topicPartitionsOf(target),
    }),
  };
}

export function currentRecord(groupId: string, { memberId, current }: ConsumerMember): StateRecord {
  return {
    key: memberKey(groupId, memberId, CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND),
    value: encodeStored(consumerGroupCurrentMemberAssignmentValue, 0, {
      memberEpoch: current.memberEpoch,
      previousMemberEpoch: current.previousMemberEpoch,
      state: current.state,
      assignedPartitions: topicPartitionsOf(current.assigned),
      partitionsPendingRevocation: topicPartitionsOf(current.pendingRevocation),
    }),
  };
}

export function regexRecord(
  groupId: string,
  regularExpression: string,
  topics: readonly string[],
  nowMs: number,
): StateRecord {
  return {
    key: regexKey(groupId, regularExpression),
    value: encodeStored(consumerGroupRegularExpressionValue, 0, {
      topics,
      version: 0,
      timestamp: nowMs,
    }),
  };
}

export function regexTombstone(groupId: string, regularExpression: string): StateRecord {
  return { key: regexKey(groupId, regularExpression), value: null };
}

/** Nothing is left of the member. */
export function memberTombstones(groupId: string, memberId: string): StateRecord[] {
  return [
    CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND,
    CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND,
    CONSUMER_GROUP_MEMBER_METADATA_KIND,
  ].map((kind) => ({ key: memberKey(groupId, memberId, kind), value: null }));
}

/** Nothing is left of the group but its offsets. */
export function consumerGroupTombstones(group: ConsumerGroup): StateRecord[] {
  const { groupId } = group;
  const records: StateRecord[] = [];
  for (const memberId of group.members.keys()) records.push(...memberTombstones(groupId, memberId));
  for (const regex of group.regexTopics.keys()) records.push(regexTombstone(groupId, regex));
  for (const kind of [
    CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND,
    CONSUMER_GROUP_METADATA_KIND,
  ]) {
    records.push({ key: encodeStored(consumerGroupKey, kind, { groupId }), value: null });
  }
  return records;
}

/** The whole group, as of now. */
export function consumerGroupRecords(group: ConsumerGroup): StateRecord[] {
  const { groupId } = group;
  const members = [...group.members.values()];
  return [
    ...members.map((member) => memberRecord(groupId, member)),
    groupEpochRecord(group),
    ...[...group.target].map(([memberId, target]) => targetRecord(groupId, memberId, target)),
    assignmentEpochRecord(group),
    ...members.map((member) => currentRecord(groupId, member)),
  ];
}

/** The group that a record of these kinds is about; null: it is of another kind. */
export function consumerGroupOf(key: Uint8Array): string | null {
  switch (storedVersionOf(key)) {
    case CONSUMER_GROUP_METADATA_KIND:
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND:
      return decodeStored(consumerGroupKey, key).groupId;
    case CONSUMER_GROUP_MEMBER_METADATA_KIND:
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND:
    case CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KIND:
      return decodeStored(consumerGroupMemberKey, key).groupId;
    case CONSUMER_GROUP_REGULAR_EXPRESSION_KIND:
      return decodeStored(consumerGroupRegularExpressionKey, key).groupId;
    default:
      return null;
  }
}

/** Does to the group what a record of these kinds says. False: the group itself is gone. */
export function applyRecord(
  group: ConsumerGroup,
  key: Uint8Array,
  value: Uint8Array | null,
): boolean {
  switch (storedVersionOf(key)) {
    case CONSUMER_GROUP_METADATA_KIND: {
      if (value === null) return false;
      const { epoch, metadataHash } = decodeStored(consumerGroupMetadataValue, value);
      group.groupEpoch = epoch;
      group.metadataHash = metadataHash;
      group.stored = true;
      return true;
    }
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KIND:
      group.assignmentEpoch =
        value === null
          ? 0
          : decodeStored(consumerGroupTargetAssignmentMetadataValue, value).assignmentEpoch;
      return true;
    case CONSUMER_GROUP_REGULAR_EXPRESSION_KIND: {
      const { regularExpression } = decodeStored(consumerGroupRegularExpressionKey, key);
      if (value === null) group.regexTopics.delete(regularExpression);
      else {
        const { topics } = decodeStored(consumerGroupRegularExpressionValue, value);
        group.regexTopics.set(regularExpression, topics);
      }
      return true;
    }
    default:
      applyMemberRecord(group, key, value);
      return true;
  }
}

function applyMemberRecord(group: ConsumerGroup, key: Uint8Array, value: Uint8Array | null): void {
  const { memberId } = decodeStored(consumerGroupMemberKey, key);
  const member = group.members.get(memberId);
  switch (storedVersionOf(key)) {
    case CONSUMER_GROUP_MEMBER_METADATA_KIND:
      if (value === null) group.remove(memberId);
      else if (member === undefined) group.put(new ConsumerMember(memberId, readMember(value)));
      else {
        member.subscription = readMember(value);
        group.put(member);
      }
      return;
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KIND:
      if (value === null) group.target.delete(memberId);
      else group.target.set(memberId, readTarget(value));
      return;
    default:
      if (value !== null && member !== undefined) group.setCurrent(member, readCurrent(value));
  }
}

function readMember(value: Uint8Array): MemberSubscription {
  const stored = decodeStored(consumerGroupMemberMetadataValue, value);
  const { classicMemberMetadata } = stored;
  return {
    instanceId: stored.instanceId,
    rackId: stored.rackId,
    clientId: stored.clientId,
    clientHost: stored.clientHost,
    rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
    topics: [...stored.subscribedTopicNames].sort(),
    regex: stored.subscribedTopicRegex ?? '',
    serverAssignor: stored.serverAssignor,
    classic:
      classicMemberMetadata === null || classicMemberMetadata.supportedProtocols.length === 0
        ? null
        : {
            sessionTimeoutMs: classicMemberMetadata.sessionTimeoutMs,
            protocols: classicMemberMetadata.supportedProtocols,
          },
  };
}

function readTarget(value: Uint8Array): Assignment {
  return fromTopicPartitions(
    decodeStored(consumerGroupTargetAssignmentMemberValue, value).topicPartitions,
  );
}

function readCurrent(value: Uint8Array): CurrentAssignment {
  const stored = decodeStored(consumerGroupCurrentMemberAssignmentValue, value);
  return {
    state: stored.state,
    memberEpoch: stored.memberEpoch,
    previousMemberEpoch: stored.previousMemberEpoch,
    assigned: fromTopicPartitions(stored.assignedPartitions),
    pendingRevocation: fromTopicPartitions(stored.partitionsPendingRevocation),
  };
}

export interface TopicPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export function topicPartitionsOf(assignment: Assignment): TopicPartitions[] {
  return [...assignment].map(([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions].sort((a, b) => a - b),
  }));
}

export function fromTopicPartitions(topics: readonly TopicPartitions[]): Assignment {
  return assignmentOf(topics.map(({ topicId, partitions }) => [topicId, partitions]));
}

function memberKey(groupId: string, memberId: string, kind: number): Uint8Array {
  return encodeStored(consumerGroupMemberKey, kind, { groupId, memberId });
}

function regexKey(groupId: string, regularExpression: string): Uint8Array {
  const kind = CONSUMER_GROUP_REGULAR_EXPRESSION_KIND;
  return encodeStored(consumerGroupRegularExpressionKey, kind, { groupId, regularExpression });
}

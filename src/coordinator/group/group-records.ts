/** State of groups as records of `__consumer_offsets`, and back. */

import {
  GROUP_METADATA_KIND,
  GROUP_METADATA_VALUE_VERSION,
  groupMetadataKey,
  groupMetadataValue,
  OFFSET_COMMIT_KIND,
  OFFSET_COMMIT_VALUE_EXPIRING_VERSION,
  OFFSET_COMMIT_VALUE_VERSION,
  offsetCommitKey,
  offsetCommitValue,
} from '../../protocol/stored/group-records.js';
import { decodeStored, encodeStored } from '../../protocol/stored/stored-message.js';
import type { StateRecord } from '../state-topic.js';
import { ClassicGroup, ClassicMember } from './classic-group.js';
import type { CommittedOffset, TopicPartition } from './group-offsets.js';

export function offsetRecord(
  group: string,
  { topic, partition }: TopicPartition,
  committed: Omit<CommittedOffset, 'recordOffset'>,
): StateRecord {
  const { offset, leaderEpoch, metadata, expireTimestampMs, topicId } = committed;
  const version =
    expireTimestampMs >= 0 ? OFFSET_COMMIT_VALUE_EXPIRING_VERSION : OFFSET_COMMIT_VALUE_VERSION;
  return {
    key: encodeStored(offsetCommitKey, OFFSET_COMMIT_KIND, { group, topic, partition }),
    value: encodeStored(offsetCommitValue, version, {
      offset,
      leaderEpoch,
      metadata,
      commitTimestamp: committed.commitTimestampMs,
      expireTimestamp: expireTimestampMs,
      topicId,
    }),
  };
}

export function offsetTombstone(group: string, { topic, partition }: TopicPartition): StateRecord {
  const key = encodeStored(offsetCommitKey, OFFSET_COMMIT_KIND, { group, topic, partition });
  return { key, value: null };
}

export function readOffset(value: Uint8Array, recordOffset: number): CommittedOffset {
  const stored = decodeStored(offsetCommitValue, value);
  return {
    offset: stored.offset,
    leaderEpoch: stored.leaderEpoch,
    metadata: stored.metadata,
    commitTimestampMs: stored.commitTimestamp,
    expireTimestampMs: stored.expireTimestamp,
    topicId: stored.topicId,
    recordOffset,
  };
}

export function groupRecord(
  group: ClassicGroup,
  assignments: ReadonlyMap<string, Uint8Array>,
): StateRecord {
  const members = [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: member.metadataFor(group.protocolName),
    assignment: assignments.get(member.memberId) ?? member.assignment,
  }));
  return {
    key: encodeStored(groupMetadataKey, GROUP_METADATA_KIND, { group: group.groupId }),
    value: encodeStored(groupMetadataValue, GROUP_METADATA_VALUE_VERSION, {
      protocolType: group.protocolType ?? '',
      generation: group.generationId,
      protocol: group.protocolName,
      leader: group.leader,
      currentStateTimestamp: group.stateTimestampMs,
      members,
    }),
  };
}

export function groupTombstone(groupId: string): StateRecord {
  return {
    key: encodeStored(groupMetadataKey, GROUP_METADATA_KIND, { group: groupId }),
    value: null,
  };
}

export function readGroup(groupId: string, value: Uint8Array): ClassicGroup {
  const stored = decodeStored(groupMetadataValue, value);
  const group = new ClassicGroup({
    groupId,
    protocolType: stored.protocolType === '' ? null : stored.protocolType,
    generationId: stored.generation,
    protocolName: stored.protocol,
    leader: stored.leader,
    stateTimestampMs: stored.currentStateTimestamp,
  });
  group.restore(
    stored.members.map(
      (member) =>
        new ClassicMember({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          sessionTimeoutMs: member.sessionTimeout,
          rebalanceTimeoutMs:
            member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
          // The others that the member supports are not stored, and matter only when it joins again.
          protocols:
            stored.protocol === null
              ? []
              : [{ name: stored.protocol, metadata: member.subscription }],
          assignment: member.assignment,
        }),
    ),
  );
  return group;
}

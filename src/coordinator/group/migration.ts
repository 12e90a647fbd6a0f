/**
 * From one protocol to the other while members go on (KIP-848): the first consumer of the new protocol
 * makes a classic group a consumer group, the last one that leaves makes it a classic group again.
 */

import type { StateRecord } from '../state-topic.js';
import { ClassicGroup, ClassicMember } from './classic-group.js';
import {
  type Assignment,
  ConsumerGroup,
  ConsumerMember,
  NO_PARTITIONS,
  STATE_STABLE,
} from './consumer-group.js';
import { consumerGroupRecords, consumerGroupTombstones } from './consumer-records.js';
import { groupTombstone } from './group-records.js';
import {
  assignmentIn,
  CONSUMER_PROTOCOL,
  decodeAssignment,
  decodeSubscription,
  writeAssignment,
} from './mixed-members.js';
import { type TopicView, topicsHash } from './regex-topics.js';

/** Values of group.consumer.migration.policy. */
export const migrationPolicies = ['disabled', 'upgrade', 'downgrade', 'bidirectional'] as const;
export type MigrationPolicy = (typeof migrationPolicies)[number];

export function allows(policy: string, direction: 'upgrade' | 'downgrade'): boolean {
  return policy === 'bidirectional' || policy === direction;
}

/** The same members with what they have; null: they cannot be understood. */
export function upgrade(
  classic: ClassicGroup,
  topics: readonly TopicView[],
): { readonly group: ConsumerGroup; readonly records: StateRecord[] } | null {
  const group = new ConsumerGroup(classic.groupId);
  group.groupEpoch = classic.generationId;
  group.assignmentEpoch = classic.generationId;
  for (const member of classic.members.values()) {
    const { memberId, protocols } = member;
    const subscription = decodeSubscription(member.metadataFor(classic.protocolName));
    if (subscription === null) return null;
    const assigned: Assignment =
      member.assignment.length === 0
        ? NO_PARTITIONS
        : assignmentIn(decodeAssignment(member.assignment)?.assignedPartitions ?? [], topics);
    group.target.set(memberId, assigned);
    group.put(
      new ConsumerMember(
        memberId,
        {
          instanceId: member.groupInstanceId,
          rackId: subscription.rackId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          rebalanceTimeoutMs: member.rebalanceTimeoutMs,
          topics: [...new Set(subscription.topics)].sort(),
          regex: '',
          serverAssignor: null,
          classic: { sessionTimeoutMs: member.sessionTimeoutMs, protocols },
        },
        {
          state: STATE_STABLE,
          memberEpoch: classic.generationId,
          previousMemberEpoch: classic.generationId,
          assigned,
          pendingRevocation: NO_PARTITIONS,
        },
      ),
    );
  }
  group.metadataHash = topicsHash(group.subscribedTopics(), topics);
  group.stored = true;
  const records = [groupTombstone(classic.groupId), ...consumerGroupRecords(group)];
  return { group, records };
}

/** Whether only classic members are left, so that the group can be one of theirs. */
export function isClassicOnly(group: ConsumerGroup): boolean {
  if (group.members.size === 0) return false;
  for (const { subscription } of group.members.values()) {
    if (subscription.classic === null) return false;
  }
  return true;
}

/** As stable with what each is to have; its record is the caller's to write, after these tombstones. */
export function downgrade(
  group: ConsumerGroup,
  topics: readonly TopicView[],
  nowMs: number,
): { readonly group: ClassicGroup; readonly records: StateRecord[] } {
  const classic = new ClassicGroup({
    groupId: group.groupId,
    protocolType: CONSUMER_PROTOCOL,
    // Of who stays; the one after it is that of the rebalance to come.
    generationId: group.assignmentEpoch,
    protocolName: null,
    leader: null,
    stateTimestampMs: nowMs,
  });
  classic.restore(
    [...group.members.values()].map(({ memberId, subscription }) => {
      const protocols = subscription.classic?.protocols ?? [];
      const metadata = protocols[0]?.metadata ?? new Uint8Array(0);
      const target = group.target.get(memberId) ?? NO_PARTITIONS;
      return new ClassicMember({
        memberId,
        groupInstanceId: subscription.instanceId,
        clientId: subscription.clientId,
        clientHost: subscription.clientHost,
        sessionTimeoutMs: subscription.classic?.sessionTimeoutMs ?? 0,
        rebalanceTimeoutMs: subscription.rebalanceTimeoutMs,
        protocols,
        assignment: writeAssignment(target, metadata, topics),
      });
    }),
  );
  classic.protocolName = classic.selectProtocol();
  return { group: classic, records: consumerGroupTombstones(group) };
}

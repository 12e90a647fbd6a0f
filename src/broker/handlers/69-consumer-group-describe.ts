/** ConsumerGroupDescribe 0-1 (KIP-848): members, epochs and assignments of consumer groups. */

import type { Assignment, ConsumerGroup } from '../../coordinator/group/consumer-group.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, ResponseInput } from '../../protocol/infer.js';
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.js';
import { GROUP_OPERATIONS, OPERATIONS_NOT_ASKED } from '../authorized-operations.js';
import { type BrokerServices, handler } from '../handler.js';

type GroupAnswer = ElementOf<ResponseInput<typeof consumerGroupDescribe>['groups']>;

const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export const consumerGroupDescribeHandler = handler({
  message: consumerGroupDescribe,
  versions: { min: 0, max: 1 },
  notes: '',
  handle({ broker }, { groupIds, includeAuthorizedOperations }) {
    const authorizedOperations = includeAuthorizedOperations
      ? GROUP_OPERATIONS
      : OPERATIONS_NOT_ASKED;
    return {
      groups: groupIds.map((groupId): GroupAnswer => {
        if (groupId === '') return absent(groupId, errorCodes.INVALID_GROUP_ID, null);
        const group = broker.groups.describeConsumer(groupId);
        if (typeof group === 'object') return { ...describe(broker, group), authorizedOperations };
        if (group !== undefined) return absent(groupId, errorCodes[group], null);
        const message = broker.groups.has(groupId)
          ? `Group ${groupId} is not a consumer group.`
          : `Group ${groupId} not found.`;
        return absent(groupId, errorCodes.GROUP_ID_NOT_FOUND, message);
      }),
    };
  },
});

function describe(broker: BrokerServices, group: ConsumerGroup): GroupAnswer {
  const { image } = broker.controller;
  const named = (assignment: Assignment | undefined) => ({
    topicPartitions: [...(assignment ?? [])].map(([topicId, partitions]) => ({
      topicId,
      topicName: image.topicById(topicId)?.name ?? '',
      partitions: [...partitions].sort((a, b) => a - b),
    })),
  });
  return {
    errorCode: errorCodes.NONE,
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: broker.groups.assignorOf(group),
    members: [...group.members.values()].map(({ memberId, subscription, current }) => ({
      memberId,
      instanceId: subscription.instanceId,
      rackId: subscription.rackId,
      memberEpoch: current.memberEpoch,
      clientId: subscription.clientId,
      clientHost: subscription.clientHost,
      subscribedTopicNames: subscription.topics,
      subscribedTopicRegex: subscription.regex === '' ? null : subscription.regex,
      assignment: named(current.assigned),
      targetAssignment: named(group.target.get(memberId)),
      memberType: subscription.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER,
    })),
  };
}

function absent(groupId: string, errorCode: number, errorMessage: string | null): GroupAnswer {
  return {
    errorCode,
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  };
}

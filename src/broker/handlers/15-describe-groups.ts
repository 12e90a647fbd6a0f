/**
 * DescribeGroups 0-6: members and state of classic groups. A group that is not there, or not classic,
 * is told as Dead, from version 6 on with GROUP_ID_NOT_FOUND too.
 */

import type { ClassicGroup } from '../../coordinator/group/classic-group.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, ResponseInput } from '../../protocol/infer.js';
import { describeGroups } from '../../protocol/messages/15-describe-groups.js';
import { GROUP_OPERATIONS, OPERATIONS_NOT_ASKED } from '../authorized-operations.js';
import { handler } from '../handler.js';

type GroupAnswer = ElementOf<ResponseInput<typeof describeGroups>['groups']>;

const NOTHING = new Uint8Array(0);

export const describeGroupsHandler = handler({
  message: describeGroups,
  versions: { min: 0, max: 6 },
  notes: '',
  handle({ broker, version }, request) {
    const authorizedOperations = request.includeAuthorizedOperations
      ? GROUP_OPERATIONS
      : OPERATIONS_NOT_ASKED;
    return {
      groups: request.groups.map((groupId): GroupAnswer => {
        const group = broker.groups.describeClassic(groupId);
        if (typeof group === 'object') return { ...describe(group), authorizedOperations };
        if (group !== undefined) return absent(groupId, errorCodes[group], null);
        if (version < 6) return { ...absent(groupId, errorCodes.NONE, null), authorizedOperations };
        const message = broker.groups.has(groupId)
          ? `Group ${groupId} is not a classic group.`
          : `Group ${groupId} not found.`;
        return absent(groupId, errorCodes.GROUP_ID_NOT_FOUND, message);
      }),
    };
  },
});

function describe(group: ClassicGroup): GroupAnswer {
  // Before that, metadata and assignments of members do not belong together.
  const isStable = group.state === 'Stable';
  return {
    errorCode: errorCodes.NONE,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? member.metadataFor(group.protocolName) : NOTHING,
      memberAssignment: isStable ? member.assignment : NOTHING,
    })),
  };
}

function absent(groupId: string, errorCode: number, errorMessage: string | null): GroupAnswer {
  return {
    errorCode,
    errorMessage,
    groupId,
    groupState: errorCode === errorCodes.NONE || errorMessage !== null ? 'Dead' : '',
    protocolType: '',
    protocolData: '',
    members: [],
  };
}

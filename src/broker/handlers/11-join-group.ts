/** JoinGroup 0-9: answered when the rebalance has all its members, or its time is over. */

import { errorCodes } from '../../protocol/error-codes.js';
import { joinGroup } from '../../protocol/messages/11-join-group.js';
import { handler } from '../handler.js';

export const joinGroupHandler = handler({
  message: joinGroup,
  versions: { min: 0, max: 9 },
  notes: '',
  async handle({ broker, connection, clientId, version }, request) {
    const { groupId, sessionTimeoutMs } = request;
    const ensured = await broker.groups.ensureTopic();
    if (ensured !== 'NONE') {
      return {
        errorCode: errorCodes[ensured],
        protocolName: version >= 7 ? null : '',
        leader: '',
        memberId: request.memberId,
        members: [],
      };
    }
    const reply = await broker.groups.join(groupId, {
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: clientId ?? '',
      clientHost: `/${connection.remoteAddress}`,
      sessionTimeoutMs,
      rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
      needsMemberId: version >= 4,
      skipsAssignment: version >= 9,
    });
    return {
      errorCode: errorCodes[reply.error],
      generationId: reply.generationId,
      protocolType: reply.protocolType,
      protocolName: reply.protocolName ?? (version >= 7 ? null : ''),
      leader: reply.leader,
      skipAssignment: reply.skipAssignment,
      memberId: reply.memberId,
      members: reply.members,
    };
  },
});

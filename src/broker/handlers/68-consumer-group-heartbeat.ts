/** ConsumerGroupHeartbeat 0-1 (KIP-848): membership and assignment of consumer groups. */

import { errorCodes } from '../../protocol/error-codes.js';
import { consumerGroupHeartbeat } from '../../protocol/messages/68-consumer-group-heartbeat.js';
import { handler } from '../handler.js';

export const consumerGroupHeartbeatHandler = handler({
  message: consumerGroupHeartbeat,
  versions: { min: 0, max: 1 },
  notes: 'Racks of members are kept, and not assigned by.',
  async handle({ broker, connection, clientId, version }, request) {
    // From version 1 on clients make their own ids.
    if (version >= 1 && request.memberId.trim() === '') {
      return failure(errorCodes.INVALID_REQUEST, "MemberId can't be empty.");
    }
    const ensured = await broker.groups.ensureTopic();
    if (ensured !== 'NONE') return failure(errorCodes[ensured], null);
    const reply = await broker.groups.consumerHeartbeat(request.groupId, {
      memberId: request.memberId,
      memberEpoch: request.memberEpoch,
      instanceId: request.instanceId,
      rackId: request.rackId,
      clientId: clientId ?? '',
      clientHost: `/${connection.remoteAddress}`,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      topics: request.subscribedTopicNames,
      regex: request.subscribedTopicRegex,
      serverAssignor: request.serverAssignor,
      owned: request.topicPartitions,
    });
    return {
      errorCode: errorCodes[reply.error],
      errorMessage: reply.message,
      memberId: reply.memberId,
      memberEpoch: reply.memberEpoch,
      heartbeatIntervalMs: reply.heartbeatIntervalMs,
      assignment: reply.assignment === null ? null : { topicPartitions: reply.assignment },
    };
  },
});

function failure(errorCode: number, errorMessage: string | null) {
  return { errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0 };
}

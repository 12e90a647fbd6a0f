/** Heartbeat 0-4: a member of a classic group is alive, and learns of rebalances. */

import { errorCodes } from '../../protocol/error-codes.js';
import { heartbeat } from '../../protocol/messages/12-heartbeat.js';
import { handler } from '../handler.js';

export const heartbeatHandler = handler({
  message: heartbeat,
  versions: { min: 0, max: 4 },
  notes: '',
  handle({ broker }, { groupId, generationId, memberId, groupInstanceId }) {
    const error = broker.groups.heartbeat(groupId, { memberId, groupInstanceId }, generationId);
    return { errorCode: errorCodes[error] };
  },
});

/** SyncGroup 0-5: answered when the leader has handed in the assignment and it is in the log. */

import { errorCodes } from '../../protocol/error-codes.js';
import { syncGroup } from '../../protocol/messages/14-sync-group.js';
import { handler } from '../handler.js';

const NOTHING = new Uint8Array(0);

export const syncGroupHandler = handler({
  message: syncGroup,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    const { groupId, protocolType, protocolName } = request;
    if (version >= 5 && (protocolType === null || protocolName === null)) {
      return { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL, assignment: NOTHING };
    }
    const reply = await broker.groups.sync(groupId, request);
    return {
      errorCode: errorCodes[reply.error],
      protocolType: reply.protocolType,
      protocolName: reply.protocolName,
      assignment: reply.assignment,
    };
  },
});

/** LeaveGroup 0-5: members go at once, without waiting for the end of their sessions. */

import { errorCodes } from '../../protocol/error-codes.js';
import { leaveGroup } from '../../protocol/messages/13-leave-group.js';
import { handler } from '../handler.js';

export const leaveGroupHandler = handler({
  message: leaveGroup,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    const members =
      version >= 3 ? request.members : [{ memberId: request.memberId, groupInstanceId: null }];
    const left = await broker.groups.leave(request.groupId, members);
    if (typeof left === 'string') return { errorCode: errorCodes[left], members: [] };
    const codes = left.map((error) => errorCodes[error]);
    // One member was asked for: its error is that of the request.
    if (version < 3) return { errorCode: codes[0] ?? errorCodes.NONE };
    return {
      errorCode: errorCodes.NONE,
      members: members.map(({ memberId, groupInstanceId }, at) => ({
        memberId,
        groupInstanceId,
        errorCode: codes[at] ?? errorCodes.UNKNOWN_SERVER_ERROR,
      })),
    };
  },
});

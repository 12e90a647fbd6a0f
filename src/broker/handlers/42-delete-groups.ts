/** DeleteGroups 0-2: groups without members go, with their offsets. */

import { errorCodes } from '../../protocol/error-codes.js';
import { deleteGroups } from '../../protocol/messages/42-delete-groups.js';
import { handler } from '../handler.js';

export const deleteGroupsHandler = handler({
  message: deleteGroups,
  versions: { min: 0, max: 2 },
  notes: '',
  async handle({ broker }, { groupsNames }) {
    const results = await Promise.all(
      [...new Set(groupsNames)].map(async (groupId) => ({
        groupId,
        errorCode: errorCodes[await broker.groups.deleteGroup(groupId)],
      })),
    );
    return { results };
  },
});

/** ListGroups 0-5: every group, or those in some states (from 4) and of some types (from 5). */

import { errorCodes } from '../../protocol/error-codes.js';
import { listGroups } from '../../protocol/messages/16-list-groups.js';
import { handler } from '../handler.js';

export const listGroupsHandler = handler({
  message: listGroups,
  versions: { min: 0, max: 5 },
  notes: '',
  handle({ broker }, { statesFilter, typesFilter }) {
    const states = new Set(statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(typesFilter.map((type) => type.toLowerCase()));
    const groups = broker.groups
      .list()
      .filter(({ state, type }) => {
        const inState = states.size === 0 || states.has(state.toLowerCase());
        return inState && (types.size === 0 || types.has(type));
      })
      .map(({ groupId, protocolType, state, type }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: type,
      }));
    return { errorCode: errorCodes.NONE, groups };
  },
});

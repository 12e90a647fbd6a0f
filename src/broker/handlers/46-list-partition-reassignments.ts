/** ListPartitionReassignments 0: there is never one under way. */

import { errorCodes } from '../../protocol/error-codes.js';
import { listPartitionReassignments } from '../../protocol/messages/46-list-partition-reassignments.js';
import { handler } from '../handler.js';

export const listPartitionReassignmentsHandler = handler({
  message: listPartitionReassignments,
  versions: { min: 0, max: 0 },
  notes: 'One node: always none.',
  handle: () => ({ errorCode: errorCodes.NONE, errorMessage: null, topics: [] }),
});

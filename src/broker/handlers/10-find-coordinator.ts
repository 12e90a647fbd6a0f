/**
 * FindCoordinator 0-6: this node, for groups and transactions alike, since there is no other.
 *
 * Neither groups nor transactions are served yet, and their requests are not advertised. A client
 * that is told of a coordinator finds that out at once and says so; one that is told that there is
 * none (COORDINATOR_NOT_AVAILABLE) asks for ever.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.js';
import { handler } from '../handler.js';

const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinatorHandler = handler({
  message: findCoordinator,
  versions: { min: 0, max: 6 },
  notes: 'Answers this node. Groups and transactions themselves are not served yet.',
  handle({ broker, advertised, version }, request) {
    const known = request.keyType === GROUP || request.keyType === TRANSACTION;
    const coordinator = known
      ? { errorCode: errorCodes.NONE, errorMessage: null, nodeId: broker.nodeId, ...advertised }
      : {
          errorCode: errorCodes.INVALID_REQUEST,
          errorMessage: `there is no coordinator for key type ${request.keyType}`,
          nodeId: -1,
          host: '',
          port: -1,
        };
    if (version < 4) return { ...coordinator, coordinators: [] };
    return {
      coordinators: request.coordinatorKeys.map((key) => ({ key, ...coordinator })),
    };
  },
});

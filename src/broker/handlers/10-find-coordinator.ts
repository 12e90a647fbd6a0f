/**
 * FindCoordinator 0-6: this node, for groups and transactions alike, since there is no other. The topic
 * that a coordinator keeps its state in is made when it is first asked for, as in Kafka.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.js';
import { type BrokerServices, handler } from '../handler.js';

const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinatorHandler = handler({
  message: findCoordinator,
  versions: { min: 0, max: 6 },
  notes: 'Share groups: INVALID_REQUEST.',
  async handle({ broker, advertised, version }, request) {
    const problem = await problemOf(broker, request.keyType);
    const coordinator =
      problem === null
        ? { errorCode: errorCodes.NONE, errorMessage: null, nodeId: broker.nodeId, ...advertised }
        : { ...problem, nodeId: -1, host: '', port: -1 };
    if (version < 4) return { ...coordinator, coordinators: [] };
    return {
      coordinators: request.coordinatorKeys.map((key) => ({ key, ...coordinator })),
    };
  },
});

async function problemOf(
  broker: BrokerServices,
  keyType: number,
): Promise<{ readonly errorCode: number; readonly errorMessage: string } | null> {
  if (keyType !== GROUP && keyType !== TRANSACTION) {
    const errorMessage = `there is no coordinator for key type ${keyType}`;
    return { errorCode: errorCodes.INVALID_REQUEST, errorMessage };
  }
  const { groups, transactions } = broker;
  const ensured = await (keyType === GROUP ? groups : transactions).ensureTopic();
  if (ensured === 'NONE') return null;
  return { errorCode: errorCodes[ensured], errorMessage: "the coordinator's topic cannot be made" };
}

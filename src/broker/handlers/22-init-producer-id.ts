/**
 * InitProducerId 0-5 for idempotent producers: a fresh id each time, never one that was given before.
 *
 * Transactions are not served yet: with a transactional id the answer is
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which every client takes as final. An answer that says that
 * there is no coordinator would be asked again until the client's patience ends.
 */

import { MillraceError } from '../../base/errors.js';
import { errorCodes } from '../../protocol/error-codes.js';
import { initProducerId } from '../../protocol/messages/22-init-producer-id.js';
import { handler } from '../handler.js';

export const initProducerIdHandler = handler({
  message: initProducerId,
  versions: { min: 0, max: 5 },
  notes:
    'Idempotent producers only; with a transactional id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED.',
  async handle({ broker, clientId }, { transactionalId }) {
    if (transactionalId !== null) {
      if (transactionalId === '') return failure(errorCodes.INVALID_REQUEST);
      broker.logger.warn('transactions are not supported, a transactional producer is refused', {
        transactionalId,
        clientId,
      });
      return failure(errorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    try {
      const producerId = await broker.controller.producerIds.next();
      return { errorCode: errorCodes.NONE, producerId, producerEpoch: 0 };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      broker.logger.error('cannot take new producer ids', { cause: error.message });
      return failure(errorCodes.COORDINATOR_NOT_AVAILABLE);
    }
  },
});

function failure(errorCode: number) {
  return { errorCode, producerId: -1, producerEpoch: -1 };
}

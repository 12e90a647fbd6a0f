/**
 * InitProducerId 0-5. Without a transactional id: a fresh producer id each time, never one that was
 * given before. With one: the id's producer, with an epoch above all before it, so that earlier
 * producers of the same transactional id are fenced and their open transaction is aborted.
 */

import { MillraceError } from '../../base/errors.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { RequestOf } from '../../protocol/infer.js';
import { initProducerId } from '../../protocol/messages/22-init-producer-id.js';
import { type BrokerServices, handler } from '../handler.js';
import { transactionErrorCode } from '../transactions.js';

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION_MIN = 4;

const NO_PRODUCER = -1;

export const initProducerIdHandler = handler({
  message: initProducerId,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    const { transactionalId, transactionTimeoutMs: timeoutMs } = request;
    const expected = expectedProducer(request);
    if (expected === undefined) return failure(errorCodes.INVALID_REQUEST);
    if (transactionalId === null) return freshProducer(broker);
    const { error, producerId, producerEpoch } = await broker.transactions.initProducerId({
      transactionalId,
      timeoutMs,
      expected,
    });
    const errorCode = transactionErrorCode(error, version, FENCED_VERSION_MIN);
    return { errorCode, producerId, producerEpoch };
  },
});

/** Undefined: one of the two is missing. */
function expectedProducer({ producerId, producerEpoch }: RequestOf<typeof initProducerId>) {
  if (producerId === NO_PRODUCER && producerEpoch === NO_PRODUCER) return null;
  if (producerId === NO_PRODUCER || producerEpoch === NO_PRODUCER) return undefined;
  return { producerId, producerEpoch };
}

async function freshProducer(broker: BrokerServices) {
  try {
    const producerId = await broker.controller.producerIds.next();
    return { errorCode: errorCodes.NONE, producerId, producerEpoch: 0 };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    broker.logger.error('cannot take new producer ids', { cause: error.message });
    return failure(errorCodes.COORDINATOR_NOT_AVAILABLE);
  }
}

function failure(errorCode: number) {
  return { errorCode, producerId: NO_PRODUCER, producerEpoch: NO_PRODUCER };
}

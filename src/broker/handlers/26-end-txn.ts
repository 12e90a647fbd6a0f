/**
 * EndTxn 0-5: answered once it is certain how the transaction ends; the markers follow. 5 is for
 * clients of transaction.version 2: the answer has the epoch of the next transaction.
 */

import { endTxn } from '../../protocol/messages/26-end-txn.js';
import { TRANSACTION_VERSION } from '../features.js';
import { handler } from '../handler.js';
import { transactionErrorCode } from '../transactions.js';

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION_MIN = 2;
/** First version of clients for which the epoch rises with every transaction. */
const BUMP_VERSION_MIN = 5;

export const endTxnHandler = handler({
  message: endTxn,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    const { transactionalId, committed: commit } = request;
    const { error, producerId, producerEpoch } = await broker.transactions.endTransaction({
      transactionalId,
      producerId: request.producerId,
      producerEpoch: request.producerEpoch,
      commit,
      clientVersion: version >= BUMP_VERSION_MIN ? TRANSACTION_VERSION : 0,
    });
    const errorCode = transactionErrorCode(error, version, FENCED_VERSION_MIN);
    return { errorCode, producerId, producerEpoch };
  },
});

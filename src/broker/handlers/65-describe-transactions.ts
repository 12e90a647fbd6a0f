/** DescribeTransactions 0: state, producer and partitions of transactional ids. */

import { errorCodes } from '../../protocol/error-codes.js';
import { describeTransactions } from '../../protocol/messages/65-describe-transactions.js';
import { type BrokerServices, handler } from '../handler.js';

export const describeTransactionsHandler = handler({
  message: describeTransactions,
  versions: { min: 0, max: 0 },
  notes: '',
  handle({ broker }, { transactionalIds }) {
    return { transactionStates: transactionalIds.map((id) => describe(broker, id)) };
  },
});

function describe({ transactions }: BrokerServices, transactionalId: string) {
  if (transactionalId === '') return failure(transactionalId, errorCodes.INVALID_REQUEST);
  const metadata = transactions.describe(transactionalId);
  if (metadata === null) return failure(transactionalId, errorCodes.TRANSACTIONAL_ID_NOT_FOUND);
  return {
    errorCode: errorCodes.NONE,
    transactionalId,
    transactionState: metadata.state,
    transactionTimeoutMs: metadata.timeoutMs,
    transactionStartTimeMs: metadata.startMs,
    producerId: metadata.producerId,
    producerEpoch: metadata.producerEpoch,
    topics: [...metadata.partitions].map(([topic, partitions]) => ({
      topic,
      partitions: [...partitions],
    })),
  };
}

function failure(transactionalId: string, errorCode: number) {
  return { errorCode, transactionalId, topics: [] };
}

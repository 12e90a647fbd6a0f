/** Records of `__transaction_state`: a transactional id and what its coordinator knows of it. */

import { array, int8, int16, int32, int64, string } from '../schema.js';
import { stored } from './stored-message.js';

export const transactionLogKey = stored({
  name: 'TransactionLogKey',
  versions: '0',
  fields: { transactionalId: string() },
});

/** Kafka writes version 1 where transaction.version is 1 or more. */
export const transactionLogValue = stored({
  name: 'TransactionLogValue',
  versions: '0-1',
  flexible: '1+',
  fields: {
    producerId: int64(),
    previousProducerId: int64({ versions: '1+', tag: 0, default: -1 }),
    nextProducerId: int64({ versions: '1+', tag: 1, default: -1 }),
    producerEpoch: int16(),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array(
      { topic: string(), partitionIds: array(int32()) },
      { nullable: '0+' },
    ),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ versions: '1+', tag: 2, default: 0 }),
    nextProducerEpoch: int16({ versions: '1+', tag: 3, default: -1 }),
  },
});

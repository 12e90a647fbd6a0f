/** DescribeTransactions: what the coordinator knows of transactional ids. */

import { api, array, int16, int32, int64, string } from '../schema.js';

export const describeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  request: {
    transactionalIds: array(string()),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string({ default: '' }),
      transactionTimeoutMs: int32({ default: 0 }),
      transactionStartTimeMs: int64({ default: 0 }),
      producerId: int64({ default: 0 }),
      producerEpoch: int16({ default: 0 }),
      topics: array({
        topic: string(),
        partitions: array(int32()),
      }),
    }),
  },
});

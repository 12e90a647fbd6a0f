/**
 * InitProducerId: producer id and epoch of an idempotent or transactional producer. 3 bumps the
 * epoch of a known id. 6 is not stable in Kafka 4.2, so it is not here.
 */

import { api, int16, int32, int64, string } from '../schema.js';

export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-5',
  flexible: '2+',
  request: {
    transactionalId: string({ nullable: '0+' }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: '3+', default: -1 }),
    producerEpoch: int16({ versions: '3+', default: -1 }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  },
});

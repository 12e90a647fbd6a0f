/**
 * Produce 0-2: advertised and refused, as Kafka 4 does. Old librdkafka looks for version 0 before it
 * compresses at all, and then sends 3 or later.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import { api, array, int16, int32, int64, records, string } from '../../protocol/schema.js';
import { DISCONNECT, handler } from '../handler.js';

const produceOld = api({
  key: 0,
  name: 'Produce',
  versions: '0-2',
  request: {
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string(),
      partitionData: array({ index: int32(), records: records() }),
    }),
  },
  response: {
    responses: array({
      name: string(),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ versions: '2+', default: -1 }),
      }),
    }),
    throttleTimeMs: int32({ versions: '1+' }),
  },
});

export const produceUnsupportedHandler = handler({
  message: produceOld,
  versions: { min: 0, max: 2 },
  notes: '0-2 are answered with UNSUPPORTED_VERSION.',
  handle(_context, request) {
    if (request.acks === 0) return DISCONNECT;
    return {
      responses: request.topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index }) => ({
          index,
          errorCode: errorCodes.UNSUPPORTED_VERSION,
          baseOffset: -1,
        })),
      })),
    };
  },
});

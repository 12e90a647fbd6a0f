/** PushTelemetry: metrics of a client, as OTLP (KIP-714). */

import { api, bool, bytes, int8, int16, int32, uuid } from '../schema.js';

export const pushTelemetry = api({
  key: 72,
  name: 'PushTelemetry',
  versions: '0-0',
  flexible: '0+',
  request: {
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    terminating: bool(),
    compressionType: int8(),
    metrics: bytes(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
  },
});

/** GetTelemetrySubscriptions: which metrics a client is to push, and how often (KIP-714). */

import { api, array, bool, int8, int16, int32, string, uuid } from '../schema.js';

export const getTelemetrySubscriptions = api({
  key: 71,
  name: 'GetTelemetrySubscriptions',
  versions: '0-0',
  flexible: '0+',
  request: {
    clientInstanceId: uuid({ doc: 'the zero uuid asks for a new one' }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    acceptedCompressionTypes: array(int8()),
    pushIntervalMs: int32(),
    telemetryMaxBytes: int32(),
    deltaTemporality: bool(),
    requestedMetrics: array(string()),
  },
});

/**
 * GetTelemetrySubscriptions 0: which metrics the client is to push (KIP-714). Served only where
 * somebody takes them, as in Kafka: clients ask as soon as it is advertised.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import { getTelemetrySubscriptions } from '../../protocol/messages/71-get-telemetry-subscriptions.js';
import { handler, type RequestContext } from '../handler.js';
import { ACCEPTED_COMPRESSION, type TelemetryClient } from '../telemetry/client-telemetry.js';

export const getTelemetrySubscriptionsHandler = handler({
  message: getTelemetrySubscriptions,
  versions: { min: 0, max: 0 },
  notes: 'Only where the program that embeds the broker takes metrics of clients.',
  handle(context, { clientInstanceId }) {
    const { telemetry } = context.broker;
    const none = {
      clientInstanceId,
      subscriptionId: 0,
      acceptedCompressionTypes: [],
      pushIntervalMs: 0,
      telemetryMaxBytes: 0,
      deltaTemporality: false,
      requestedMetrics: [],
    };
    if (telemetry === null) return { ...none, errorCode: errorCodes.INVALID_REQUEST };
    const subscription = telemetry.subscribe(clientInstanceId, telemetryClientOf(context));
    if (typeof subscription === 'string') {
      return { ...none, errorCode: errorCodes[subscription] };
    }
    return {
      errorCode: errorCodes.NONE,
      ...subscription,
      acceptedCompressionTypes: ACCEPTED_COMPRESSION,
      telemetryMaxBytes: telemetry.pushBytesMax,
      deltaTemporality: true,
    };
  },
});

export function telemetryClientOf({ clientId, connection }: RequestContext): TelemetryClient {
  const [softwareName = '', softwareVersion = ''] = (connection.state.software ?? '').split(' ');
  return {
    clientId: clientId ?? '',
    softwareName,
    softwareVersion,
    address: connection.remoteAddress,
    port: connection.remotePort,
  };
}

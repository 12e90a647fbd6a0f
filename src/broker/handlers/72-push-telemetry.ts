/** PushTelemetry 0: metrics of a client, as OTLP, compressed or not (KIP-714). */

import { errorCodes } from '../../protocol/error-codes.js';
import { pushTelemetry } from '../../protocol/messages/72-push-telemetry.js';
import { handler } from '../handler.js';
import { telemetryClientOf } from './71-get-telemetry-subscriptions.js';

export const pushTelemetryHandler = handler({
  message: pushTelemetry,
  versions: { min: 0, max: 0 },
  notes: 'As GetTelemetrySubscriptions.',
  handle(context, request) {
    const { telemetry } = context.broker;
    const error =
      telemetry === null ? 'INVALID_REQUEST' : telemetry.push(request, telemetryClientOf(context));
    return { errorCode: error === null ? errorCodes.NONE : errorCodes[error] };
  },
});

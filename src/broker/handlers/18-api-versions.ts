/**
 * ApiVersions 0-4: what the list of handlers serves. A version that is not known is answered by the
 * dispatcher in the form of version 0, with `unsupportedApiVersions` (KIP-511).
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ResponseInput } from '../../protocol/infer.js';
import { apiVersions } from '../../protocol/messages/18-api-versions.js';
import { type Handler, handler, servedApis } from '../handler.js';

/** As Kafka asks of names and versions of client software. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const SOFTWARE_LENGTH_MAX = 256;

export const apiVersionsHandler = handler({
  message: apiVersions,
  versions: { min: 0, max: 4 },
  notes:
    'Any later version is answered in the form of version 0 with UNSUPPORTED_VERSION. No features.',
  handle({ broker, connection, version }, request) {
    if (version >= 3) {
      const { clientSoftwareName: name, clientSoftwareVersion: number } = request;
      if (!isSoftware(name) || !isSoftware(number)) {
        return { errorCode: errorCodes.INVALID_REQUEST, apiKeys: [] };
      }
      connection.state.software = `${name} ${number}`;
    }
    return {
      errorCode: errorCodes.NONE,
      apiKeys: servedApis(broker.handlers).map(({ key, versions }) => ({
        apiKey: key,
        minVersion: versions.min,
        maxVersion: versions.max,
      })),
    };
  },
});

/** Tells the client which versions it may ask with. */
export function unsupportedApiVersions(
  handlers: readonly Handler[],
): ResponseInput<typeof apiVersions> {
  const own = servedApis(handlers).find(({ key }) => key === apiVersions.key);
  return {
    errorCode: errorCodes.UNSUPPORTED_VERSION,
    apiKeys:
      own === undefined
        ? []
        : [{ apiKey: own.key, minVersion: own.versions.min, maxVersion: own.versions.max }],
  };
}

function isSoftware(text: string): boolean {
  return text.length <= SOFTWARE_LENGTH_MAX && SOFTWARE.test(text);
}

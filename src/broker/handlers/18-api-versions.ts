/**
 * ApiVersions 0-4: what the list of handlers serves, and the features in force. A version that is not known is answered by the
 * dispatcher in the form of version 0, with `unsupportedApiVersions` (KIP-511).
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ResponseInput } from '../../protocol/infer.js';
import { apiVersions } from '../../protocol/messages/18-api-versions.js';
import { FEATURES_EPOCH, features } from '../features.js';
import { type Handler, handler, servedApis } from '../handler.js';

/** As Kafka asks of names and versions of client software. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const SOFTWARE_LENGTH_MAX = 256;
/** Clients before it cannot read a feature that begins at level 0. */
const FEATURE_ZERO_VERSION_MIN = 4;

export const apiVersionsHandler = handler({
  message: apiVersions,
  versions: { min: 0, max: 4 },
  notes: 'Any later version is answered in the form of version 0 with UNSUPPORTED_VERSION.',
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
      supportedFeatures: features
        .filter(({ minVersion }) => minVersion > 0 || version >= FEATURE_ZERO_VERSION_MIN)
        .map(({ name, minVersion, maxVersion }) => ({ name, minVersion, maxVersion })),
      finalizedFeaturesEpoch: FEATURES_EPOCH,
      finalizedFeatures: features
        .filter(({ level }) => level > 0)
        .map(({ name, level }) => ({ name, minVersionLevel: level, maxVersionLevel: level })),
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

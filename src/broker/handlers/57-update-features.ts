/**
 * UpdateFeatures 0-2: levels of features are those of this program, and in force. To ask for the level
 * that is there is fine; any other is refused.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf } from '../../protocol/infer.js';
import { updateFeatures } from '../../protocol/messages/57-update-features.js';
import { features } from '../features.js';
import { handler } from '../handler.js';

type Update = ElementOf<RequestOf<typeof updateFeatures>['featureUpdates']>;

interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

const OK: Outcome = { errorCode: errorCodes.NONE, errorMessage: null };
const UPGRADE_TYPES = { min: 1, max: 3 };

export const updateFeaturesHandler = handler({
  message: updateFeatures,
  versions: { min: 0, max: 2 },
  notes: 'Levels are fixed: only the one in force is accepted.',
  handle({ broker, version }, { featureUpdates }) {
    const results = featureUpdates.map((update) => ({
      feature: update.feature,
      ...outcome(update, version, broker.nodeId),
    }));
    const failed = results.find(({ errorCode }) => errorCode !== errorCodes.NONE);
    if (failed === undefined) return { ...OK, results };
    const prefix = 'The update failed for all features since the following feature had an error: ';
    return { errorCode: failed.errorCode, errorMessage: prefix + failed.errorMessage };
  },
});

function outcome(update: Update, version: number, nodeId: number): Outcome {
  const { feature: name, maxVersionLevel: level, upgradeType } = update;
  const known = features.find((feature) => feature.name === name);
  const refused = (reason: string): Outcome => ({
    errorCode: errorCodes.INVALID_UPDATE_VERSION,
    errorMessage: `Invalid update version ${level} for feature ${name}. ${reason}`,
  });
  if (version >= 1 && (upgradeType < UPGRADE_TYPES.min || upgradeType > UPGRADE_TYPES.max)) {
    return refused('The controller does not support the given upgrade type.');
  }
  if (known === undefined)
    return refused(`Local controller ${nodeId} does not support this feature.`);
  if (level < known.minVersion || level > known.maxVersion) {
    const range = `${known.minVersion}-${known.maxVersion}`;
    return refused(`Local controller ${nodeId} only supports versions ${range}`);
  }
  return level === known.level ? OK : refused('The level of a feature cannot be changed here.');
}

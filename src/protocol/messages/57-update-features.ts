/** UpdateFeatures: finalizes feature levels. 1 kinds of upgrade and dry runs, 2 one error for all. */

import { api, array, bool, int8, int16, int32, string } from '../schema.js';

export const updateFeatures = api({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ versions: '0' }),
      upgradeType: int8({
        versions: '1+',
        default: 1,
        doc: '1 upgrade, 2 safe downgrade, 3 unsafe downgrade',
      }),
    }),
    validateOnly: bool({ versions: '1+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    results: array(
      {
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0+' }),
      },
      { versions: '0-1' },
    ),
  },
});

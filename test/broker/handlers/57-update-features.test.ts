import t from 'tap';
import { features } from '#src/broker/features.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { updateFeatures } from '#src/protocol/messages/57-update-features.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

t.test('the level in force is accepted, any other is refused, in every version', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const { INVALID_UPDATE_VERSION } = errorCodes;
  const [known] = features;
  if (known === undefined) throw new Error('there is a feature');
  const ask = async (version: number, feature: string, level: number, upgradeType = 1) => {
    const answer = await client.request(updateFeatures, version, {
      featureUpdates: [{ feature, maxVersionLevel: level, upgradeType }],
    });
    t.equal(answer.results.length, answer.errorCode === 0 && version < 2 ? 1 : 0);
    return answer;
  };
  for (const version of [0, 1, 2]) {
    t.match(await ask(version, known.name, known.level), { errorCode: 0, errorMessage: null });
    t.match(await ask(version, known.name, known.maxVersion + 1), {
      errorCode: INVALID_UPDATE_VERSION,
      errorMessage: /only supports versions/,
    });
    t.match(await ask(version, known.name, known.minVersion), {
      errorCode: INVALID_UPDATE_VERSION,
      errorMessage: /cannot be changed/,
    });
    t.match(await ask(version, 'warp.version', 1), {
      errorCode: INVALID_UPDATE_VERSION,
      errorMessage: /does not support this feature/,
    });
  }
  t.match(await ask(1, known.name, known.level, 9), {
    errorCode: INVALID_UPDATE_VERSION,
    errorMessage: /does not support the given upgrade type/,
  });
});

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeUserScramCredentials } from '#src/protocol/messages/50-describe-user-scram-credentials.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

t.test('there are no SCRAM users', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const ask = async (...names: string[]) => {
    const users = names.map((name) => ({ name }));
    return client.request(describeUserScramCredentials, 0, { users });
  };
  t.match(await ask(), { errorCode: 0, results: [] });
  t.match(await client.request(describeUserScramCredentials, 0, { users: null }), { results: [] });
  const { results } = await ask('a', 'b', 'a');
  t.match(results, [
    { user: 'a', errorCode: errorCodes.DUPLICATE_RESOURCE, credentialInfos: [] },
    { user: 'b', errorCode: errorCodes.RESOURCE_NOT_FOUND, credentialInfos: [] },
  ]);
  t.equal(results.length, 2);
});

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { incrementalAlterConfigs } from '#src/protocol/messages/44-incremental-alter-configs.js';
import { listConfigResources } from '#src/protocol/messages/74-list-config-resources.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

t.test('what has configs, of the types asked for', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await client.request(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 16,
        resourceName: 'm',
        configs: [{ name: 'interval.ms', configOperation: 0, value: '1000' }],
      },
    ],
    validateOnly: false,
  });
  const old = await client.request(listConfigResources, 0, {});
  t.same(old.configResources, [{ resourceName: 'm', resourceType: 16 }]);
  const list = async (...resourceTypes: number[]) => {
    const answer = await client.request(listConfigResources, 1, { resourceTypes });
    return answer.configResources.map((one) => `${one.resourceType} ${one.resourceName}`);
  };
  t.same(await list(), ['2 a', '4 1', '8 1', '16 m']);
  t.same(await list(2, 32, 2), ['2 a']);
  const wrong = await client.request(listConfigResources, 1, { resourceTypes: [3] });
  t.match(wrong, { errorCode: errorCodes.UNSUPPORTED_VERSION, configResources: [] });
});

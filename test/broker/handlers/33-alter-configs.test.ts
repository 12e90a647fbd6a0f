import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { alterConfigs } from '#src/protocol/messages/33-alter-configs.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

const TOPIC = 2;
const BROKER = 4;
const CLIENT_METRICS = 16;

t.test('every version replaces all configs of a topic', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (let version = 0; version <= 2; version++) {
    const name = `a${version}`;
    await createTopic(client, name, { configs: { 'retention.ms': '5', 'segment.ms': '6' } });
    const alter = (validateOnly: boolean) =>
      client.request(alterConfigs, version, {
        resources: [
          {
            resourceType: TOPIC,
            resourceName: name,
            configs: [{ name: 'segment.ms', value: '7' }],
          },
        ],
        validateOnly,
      });
    t.match((await alter(true)).responses, [{ errorCode: 0, resourceName: name }]);
    const configs = () => broker.services.controller.image.topic(name)?.configs;
    t.same(configs(), { 'retention.ms': '5', 'segment.ms': '6' });
    t.match((await alter(false)).responses, [{ errorCode: 0, resourceName: name }]);
    t.same(configs(), { 'segment.ms': '7' });
    t.equal(broker.services.logs.getLog(name, 0)?.config.segmentMs, 7);
  }
});

t.test('brokers, and what is refused', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const { responses } = await client.request(alterConfigs, 2, {
    resources: [
      { resourceType: BROKER, resourceName: '1', configs: [{ name: 'log.roll.ms', value: '8' }] },
      { resourceType: BROKER, resourceName: '1', configs: [] },
      { resourceType: TOPIC, resourceName: 'a', configs: [{ name: 'segment.ms', value: null }] },
      { resourceType: TOPIC, resourceName: 'b', configs: [] },
      { resourceType: 9, resourceName: 'm', configs: [] },
    ],
    validateOnly: false,
  });
  t.same(
    responses.map(({ errorCode }) => errorCode),
    [
      errorCodes.INVALID_REQUEST,
      errorCodes.INVALID_REQUEST,
      errorCodes.INVALID_REQUEST,
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
      errorCodes.INVALID_REQUEST,
    ],
  );
  const own = await client.request(alterConfigs, 2, {
    resources: [
      { resourceType: BROKER, resourceName: '1', configs: [{ name: 'log.roll.ms', value: '8' }] },
    ],
    validateOnly: false,
  });
  t.match(own.responses, [{ errorCode: 0 }]);
  t.equal(broker.services.logs.getLog('a', 0)?.config.segmentMs, 8);
  const configs = [{ name: 'interval.ms', value: '500' }];
  const metrics = await client.request(alterConfigs, 2, {
    resources: [{ resourceType: CLIENT_METRICS, resourceName: 'm', configs }],
    validateOnly: false,
  });
  t.match(metrics.responses, [{ errorCode: 0 }]);
});

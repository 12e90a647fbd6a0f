import t from 'tap';
import { brokerConfigTable } from '#src/broker/config.js';
import { topicConfigTable } from '#src/log/topic-config-table.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeConfigs } from '#src/protocol/messages/32-describe-configs.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

const TOPIC = 2;
const BROKER = 4;

t.test(
  'behaviour 14: every topic and broker config, with source, type and documentation',
  async (t) => {
    const broker = await startBroker(t, { 'log.retention.hours': 2, 'ssl.key.password': 'secret' });
    const client = await connectTo(t, broker);
    await createTopic(client, 'a', { configs: { 'segment.bytes': '5000' } });
    for (let version = 1; version <= 4; version++) {
      const { results } = await client.request(describeConfigs, version, {
        resources: [
          { resourceType: TOPIC, resourceName: 'a', configurationKeys: null },
          { resourceType: BROKER, resourceName: '1', configurationKeys: [] },
        ],
        includeSynonyms: true,
        includeDocumentation: true,
      });
      const [topic, own] = results;
      t.same(
        topic?.configs.map(({ name }) => name),
        topicConfigTable.names,
      );
      t.same(
        own?.configs.map(({ name }) => name),
        brokerConfigTable.names,
      );
      const find = (result: typeof topic, name: string) =>
        result?.configs.find((config) => config.name === name);
      t.match(find(topic, 'segment.bytes'), {
        value: '5000',
        configSource: 1,
        readOnly: false,
        isSensitive: false,
        configType: version < 3 ? 0 : 3,
        synonyms: [
          { name: 'segment.bytes', value: '5000', source: 1 },
          { name: 'log.segment.bytes', value: '1073741824', source: 5 },
        ],
      });
      t.match(find(topic, 'retention.ms'), { value: '7200000', configSource: 4 });
      t.match(find(own, 'log.retention.hours'), { value: '2', configSource: 4, readOnly: true });
      t.match(find(own, 'ssl.key.password'), { value: null, isSensitive: true });
      const documented = [...(topic?.configs ?? []), ...(own?.configs ?? [])].filter(
        ({ documentation }) => documentation !== null && documentation !== '',
      );
      const all = topicConfigTable.names.length + brokerConfigTable.names.length;
      t.equal(documented.length, version < 3 ? 0 : all);
    }
  },
);

t.test('only the configs and the extras that were asked for', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  await createTopic(client, 'a');
  const { results } = await client.request(describeConfigs, 4, {
    resources: [
      { resourceType: TOPIC, resourceName: 'a', configurationKeys: ['retention.ms', 'nonsense'] },
    ],
  });
  t.match(results[0]?.configs, [{ name: 'retention.ms', documentation: null }]);
  t.equal(results[0]?.configs.length, 1);
  t.same(results[0]?.configs[0]?.synonyms, []);
});

t.test('errors of single resources', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const resource = (resourceType: number, resourceName: string) => ({
    resourceType,
    resourceName,
    configurationKeys: null,
  });
  const { results } = await client.request(describeConfigs, 4, {
    resources: [
      resource(TOPIC, 'unknown'),
      resource(TOPIC, '../x'),
      resource(BROKER, '2'),
      resource(BROKER, ''),
      resource(8, '1'),
      resource(99, 'x'),
    ],
  });
  t.same(
    results.map(({ errorCode, configs }) => [errorCode, configs.length]),
    [
      [errorCodes.UNKNOWN_TOPIC_OR_PARTITION, 0],
      [errorCodes.INVALID_TOPIC_EXCEPTION, 0],
      [errorCodes.INVALID_REQUEST, 0],
      [0, 0],
      [0, 0],
      [errorCodes.INVALID_REQUEST, 0],
    ],
  );
});

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeConfigs } from '#src/protocol/messages/32-describe-configs.js';
import { incrementalAlterConfigs } from '#src/protocol/messages/44-incremental-alter-configs.js';
import type { RawClient } from '../../support/raw-client.js';
import {
  batchOf,
  connectTo,
  createTopic,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

const TOPIC = 2;
const BROKER = 4;
const BROKER_LOGGER = 8;
const CLIENT_METRICS = 16;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

type Operation = readonly [name: string, operation: number | undefined, value: string | null];

function resource(resourceType: number, resourceName: string, operations: readonly Operation[]) {
  const configs = operations.map(([name, configOperation = SET, value]) => ({
    name,
    configOperation: configOperation as number,
    value,
  }));
  return { resourceType, resourceName, configs };
}

async function alter(
  client: RawClient,
  resources: ReturnType<typeof resource>[],
  options: { version?: number; validateOnly?: boolean } = {},
) {
  const { version = 1, validateOnly = false } = options;
  const answer = await client.request(incrementalAlterConfigs, version, {
    resources,
    validateOnly,
  });
  return answer.responses;
}

async function describe(client: RawClient, resourceType: number, resourceName: string) {
  const { results } = await client.request(describeConfigs, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: null }],
    includeSynonyms: true,
  });
  return new Map(results[0]?.configs.map((config) => [config.name, config]));
}

t.test('sets, deletes, appends and subtracts configs of a topic, in every version', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (const version of [0, 1]) {
    const name = `a${version}`;
    await createTopic(client, name, { configs: { 'retention.ms': '5' } });
    const change = async (...operations: Operation[]) => {
      const [answer] = await alter(client, [resource(TOPIC, name, operations)], { version });
      t.match(answer, { errorCode: 0, errorMessage: null, resourceName: name });
    };
    await change(['segment.bytes', SET, '5000'], ['retention.ms', DELETE, null]);
    await change(['cleanup.policy', APPEND, 'compact']);
    let configs = await describe(client, TOPIC, name);
    t.match(configs.get('segment.bytes'), { value: '5000', configSource: 1 });
    t.match(configs.get('retention.ms'), { value: '604800000', configSource: 5 });
    t.match(configs.get('cleanup.policy'), { value: 'delete,compact', configSource: 1 });
    await change(['cleanup.policy', SUBTRACT, 'delete'], ['cleanup.policy.', DELETE, null]);
    configs = await describe(client, TOPIC, name);
    t.match(configs.get('cleanup.policy'), { value: 'compact' });
  }
});

t.test('what is set is in force with the next request, and after a restart', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  await createTopic(client, 'a');
  t.equal((await produceTo(client, 'a', ['x'.repeat(500)])).errorCode, 0);
  await alter(client, [
    resource(TOPIC, 'a', [
      ['max.message.bytes', SET, '100'],
      ['message.timestamp.type', SET, 'LogAppendTime'],
    ]),
  ]);
  const tooLarge = await produceTo(client, 'a', ['x'.repeat(500)]);
  t.equal(tooLarge.errorCode, errorCodes.MESSAGE_TOO_LARGE);
  const stamped = await produceTo(client, 'a', ['x'], { records: batchOf(['x'], 1000) });
  t.ok(stamped.logAppendTimeMs > 1_600_000_000_000, 'append time');
  await first.close();

  const second = await startBroker(t, { 'log.dirs': dir });
  const again = await connectTo(t, second);
  const refused = await produceTo(again, 'a', ['x'.repeat(500)]);
  t.equal(refused.errorCode, errorCodes.MESSAGE_TOO_LARGE);
});

t.test('validateOnly changes nothing, and finds what is wrong', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const options = { validateOnly: true };
  const good = await alter(client, [resource(TOPIC, 'a', [['segment.ms', SET, '9']])], options);
  t.match(good, [{ errorCode: 0 }]);
  const bad = await alter(client, [resource(TOPIC, 'a', [['segment.ms', SET, 'x']])], options);
  t.match(bad, [
    {
      errorCode: errorCodes.INVALID_CONFIG,
      errorMessage: 'Invalid value x for configuration segment.ms: Not a number of type LONG',
    },
  ]);
  t.match((await describe(client, TOPIC, 'a')).get('segment.ms'), { value: '604800000' });
});

t.test('errors of a topic: one answer per resource, the others are done', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'twice']) await createTopic(client, name);
  const answers = await alter(client, [
    resource(TOPIC, 'none', [['segment.ms', SET, '9']]),
    resource(TOPIC, 'no/name', [['segment.ms', SET, '9']]),
    resource(TOPIC, 'a', [['segmnt.ms', SET, '9']]),
    resource(TOPIC, 'b', [['segment.ms', SET, null]]),
    resource(TOPIC, 'c', [['segment.ms', APPEND, '9']]),
    resource(TOPIC, 'd', [['segment.ms', 7, '9']]),
    resource(TOPIC, 'e', [
      ['segment.ms', SET, '9'],
      ['segment.ms', SET, '8'],
    ]),
    resource(TOPIC, 'f', [['cleanup.policy', APPEND, 'burn']]),
    resource(TOPIC, 'twice', [['segment.ms', SET, '9']]),
    resource(TOPIC, 'twice', [['segment.ms', SET, '9']]),
    resource(99, 'x', []),
    resource(TOPIC, 'g', [['segment.ms', SET, '9']]),
  ]);
  t.match(
    answers.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]),
    [
      [errorCodes.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'none' does not exist."],
      [errorCodes.INVALID_TOPIC_EXCEPTION, /^Topic name is invalid: 'no.name' contains/],
      [errorCodes.INVALID_CONFIG, 'Unknown topic config name: segmnt.ms'],
      [errorCodes.INVALID_REQUEST, 'Null value not supported for : segment.ms'],
      [errorCodes.INVALID_CONFIG, "Can't APPEND to key segment.ms because its type is not LIST."],
      [errorCodes.INVALID_REQUEST, /Unknown operation type 7/],
      [errorCodes.INVALID_REQUEST, 'Error due to duplicate config keys'],
      [
        errorCodes.INVALID_CONFIG,
        /^Invalid value burn for .* String must be one of: compact, delete/,
      ],
      [errorCodes.INVALID_REQUEST, 'Each resource must appear at most once.'],
      [errorCodes.INVALID_REQUEST, 'Each resource must appear at most once.'],
      [errorCodes.INVALID_REQUEST, 'Unknown resource type 99'],
      [0, null],
    ],
  );
  t.match((await describe(client, TOPIC, 'g')).get('segment.ms'), { value: '9' });
});

t.test(
  'configs of this broker go before those of all brokers, static ones and defaults',
  async (t) => {
    const dir = tempDir(t);
    const start = () => startBroker(t, { 'log.dirs': dir, 'log.retention.hours': 5 });
    const first = await start();
    const client = await connectTo(t, first);
    await createTopic(client, 'a');
    t.match(
      await alter(client, [
        resource(BROKER, '', [['log.retention.ms', SET, '7000']]),
        resource(BROKER, '1', [['log.retention.ms', SET, '8000']]),
      ]),
      [{ errorCode: 0 }, { errorCode: 0 }],
    );
    const check = async (connected: RawClient) => {
      t.match((await describe(connected, TOPIC, 'a')).get('retention.ms'), {
        value: '8000',
        configSource: 2,
        synonyms: [
          { name: 'log.retention.ms', value: '8000', source: 2 },
          { name: 'log.retention.ms', value: '7000', source: 3 },
          { name: 'log.retention.hours', value: '5', source: 4 },
          { name: 'log.retention.hours', value: '168', source: 5 },
        ],
      });
      t.match((await describe(connected, BROKER, '1')).get('log.retention.ms'), {
        value: '8000',
        configSource: 2,
        readOnly: false,
      });
      const shared = await describe(connected, BROKER, '');
      t.match([...shared.values()], [{ name: 'log.retention.ms', value: '7000', configSource: 3 }]);
    };
    await check(client);
    t.equal(first.services.logs.getLog('a', 0)?.config.retentionMs, 8000);
    await first.close();
    const second = await start();
    t.equal(second.services.logs.getLog('a', 0)?.config.retentionMs, 8000);
    const again = await connectTo(t, second);
    await check(again);
    await alter(again, [
      resource(BROKER, '', [['log.retention.ms', DELETE, null]]),
      resource(BROKER, '1', [['log.retention.ms', DELETE, null]]),
    ]);
    t.equal(second.services.logs.getLog('a', 0)?.config.retentionMs, 5 * 3_600_000);
  },
);

t.test('errors of brokers, loggers and client metrics', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const errors = async (...resources: ReturnType<typeof resource>[]) =>
    (await alter(client, resources)).map(({ errorCode, errorMessage }) => [
      errorCode,
      errorMessage,
    ]);
  t.match(
    await errors(
      resource(BROKER, '2', [['log.retention.ms', SET, '1']]),
      resource(BROKER, 'me', [['log.retention.ms', SET, '1']]),
      resource(BROKER, '1', [['node.id', SET, '4']]),
      resource(BROKER, '', [['log.retention.ms', SET, 'x']]),
      resource(BROKER_LOGGER, '1', [['kafka.log', SET, 'DEBUG']]),
      resource(CLIENT_METRICS, '', [['interval.ms', SET, '1000']]),
      resource(CLIENT_METRICS, 'a', [['interval.ms', SET, '1']]),
      resource(CLIENT_METRICS, 'b', [['match', APPEND, 'client_name=x']]),
      resource(CLIENT_METRICS, 'c', [['what', SET, 'x']]),
    ),
    [
      [errorCodes.INVALID_REQUEST, 'Unexpected broker id, expected 1, but received 2'],
      [errorCodes.INVALID_REQUEST, 'Node id must be an integer, but it is: me'],
      [errorCodes.INVALID_REQUEST, /Cannot update these configs dynamically: Set\(node.id\)/],
      [errorCodes.INVALID_REQUEST, /Not a number of type LONG/],
      [errorCodes.INVALID_CONFIG, 'Logger kafka.log does not exist!'],
      [errorCodes.INVALID_REQUEST, "Subscription name can't be empty"],
      [errorCodes.INVALID_REQUEST, /interval must be between 100 and 3600000/],
      [errorCodes.INVALID_CONFIG, 'Illegal client matching pattern: client_name=x'],
      [errorCodes.INVALID_REQUEST, 'Unknown client metrics configuration: what'],
    ],
  );
  const metrics = resource(CLIENT_METRICS, 'm', [
    ['interval.ms', SET, '1000'],
    ['metrics', APPEND, 'a.,b.'],
  ]);
  t.same(await errors(metrics), [[0, null]]);
  const described = await describe(client, CLIENT_METRICS, 'm');
  t.match(described.get('interval.ms'), { value: '1000', configSource: 7 });
  t.match(described.get('metrics'), { value: 'a.,b.' });
  t.match(described.get('match'), { value: '', configSource: 5 });
});

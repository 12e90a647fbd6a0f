import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeConfigs } from '#src/protocol/messages/32-describe-configs.js';
import { alterConfigs } from '#src/protocol/messages/33-alter-configs.js';
import { deleteGroups } from '#src/protocol/messages/42-delete-groups.js';
import { incrementalAlterConfigs } from '#src/protocol/messages/44-incremental-alter-configs.js';
import { consumerGroupHeartbeat } from '#src/protocol/messages/68-consumer-group-heartbeat.js';
import { listConfigResources } from '#src/protocol/messages/74-list-config-resources.js';
import type { RawClient } from '../support/raw-client.js';
import { connectTo, createTopic, startBroker, tempDir } from '../support/test-broker.js';

const GROUP = 32;
const GROUP_CONFIG = 8;
const DEFAULT_CONFIG = 5;
const [SET, DELETE, APPEND] = [0, 1, 2] as const;
const SESSION = 'consumer.session.timeout.ms';
const HEARTBEAT = 'consumer.heartbeat.interval.ms';

type Operation = readonly [name: string, value: string | null, operation?: number];

async function alter(
  client: RawClient,
  resourceName: string,
  operations: readonly Operation[],
  validateOnly = false,
) {
  const configs = operations.map(([name, value, configOperation = SET]) => ({
    name,
    value,
    configOperation,
  }));
  const { responses } = await client.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: GROUP, resourceName, configs }],
    validateOnly,
  });
  return responses[0];
}

async function described(client: RawClient, resourceName: string, names: string[] | null = null) {
  const { results } = await client.request(describeConfigs, 4, {
    resources: [{ resourceType: GROUP, resourceName, configurationKeys: names }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  return results[0];
}

async function shown(client: RawClient, group: string, name: string) {
  const found = (await described(client, group, [name]))?.configs[0];
  return `${found?.value} ${found?.configSource}`;
}

/** A member joins with epoch 0, lives with what it was told last. */
function heartbeat(client: RawClient, memberEpoch: number) {
  return client.request(consumerGroupHeartbeat, 1, {
    groupId: 'g',
    memberId: 'm',
    memberEpoch,
    ...(memberEpoch === 0
      ? { rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['a'], topicPartitions: [] }
      : {}),
  });
}

t.test('the configs of a group that has none are the defaults of Kafka 4.2', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const found = await described(client, 'nobody');
  t.match(found, { errorCode: 0, resourceType: GROUP, resourceName: 'nobody' });
  t.same(
    found?.configs.map(({ name, value, configType }) => `${name} ${value} ${configType}`),
    [
      'consumer.heartbeat.interval.ms 5000 3',
      'consumer.session.timeout.ms 45000 3',
      'share.auto.offset.reset latest 2',
      'share.heartbeat.interval.ms 5000 3',
      'share.isolation.level read_uncommitted 2',
      'share.record.lock.duration.ms 30000 3',
      'share.session.timeout.ms 45000 3',
      'streams.heartbeat.interval.ms 5000 3',
      'streams.initial.rebalance.delay.ms 3000 3',
      'streams.num.standby.replicas 0 3',
      'streams.session.timeout.ms 45000 3',
    ],
  );
  for (const { name, value, ...config } of found?.configs ?? []) {
    t.match(config, { configSource: DEFAULT_CONFIG, readOnly: false, isSensitive: false });
    t.same(config.synonyms, [{ name, value, source: DEFAULT_CONFIG }]);
    t.ok(config.documentation);
  }
});

t.test('what is set is described, listed, kept by a restart, and deleted', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  const set = [
    [SESSION, ' 50000'],
    ['share.auto.offset.reset', 'by_duration:PT1H'],
  ] as const;
  t.match(await alter(client, 'g', set, true), { errorCode: 0 });
  t.equal(await shown(client, 'g', SESSION), `45000 ${DEFAULT_CONFIG}`, 'only validated');
  t.match(await alter(client, 'g', set), { errorCode: 0, errorMessage: null, resourceName: 'g' });
  t.equal(await shown(client, 'g', SESSION), `50000 ${GROUP_CONFIG}`);
  const one = await described(client, 'g', [SESSION]);
  t.same(one?.configs[0]?.synonyms, [{ name: SESSION, value: '50000', source: GROUP_CONFIG }]);
  t.equal(await shown(client, 'other', SESSION), `45000 ${DEFAULT_CONFIG}`);
  await first.close();

  const again = await connectTo(t, await startBroker(t, { 'log.dirs': dir }));
  t.equal(await shown(again, 'g', SESSION), `50000 ${GROUP_CONFIG}`);
  t.equal(await shown(again, 'g', 'share.auto.offset.reset'), `by_duration:PT1H ${GROUP_CONFIG}`);
  const list = async (version: number, resourceTypes: number[]) => {
    const answer = await again.request(listConfigResources, version, { resourceTypes });
    return answer.configResources;
  };
  t.same(await list(1, [GROUP]), [{ resourceName: 'g', resourceType: GROUP }]);
  t.same(await list(0, []), [], 'version 0 knows no groups');
  await again.request(deleteGroups, 2, { groupsNames: ['g'] });
  t.equal(await shown(again, 'g', SESSION), `50000 ${GROUP_CONFIG}`, 'configs outlive groups');
  t.match(await alter(again, 'g', [[SESSION, null, DELETE]]), { errorCode: 0 });
  t.equal(await shown(again, 'g', SESSION), `45000 ${DEFAULT_CONFIG}`);
  const { responses } = await again.request(alterConfigs, 2, {
    resources: [
      { resourceType: GROUP, resourceName: 'g', configs: [{ name: HEARTBEAT, value: '6000' }] },
    ],
    validateOnly: false,
  });
  t.match(responses, [{ errorCode: 0 }]);
  t.equal(await shown(again, 'g', HEARTBEAT), `6000 ${GROUP_CONFIG}`);
  t.equal(await shown(again, 'g', 'share.auto.offset.reset'), `latest ${DEFAULT_CONFIG}`);
  t.match(await alter(again, 'g', [[HEARTBEAT, null, DELETE]]), { errorCode: 0 });
  t.same(await list(1, [GROUP]), [], 'nothing is set any more');
});

t.test('bad names, values and bounds are refused in the words of Kafka', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const invalid: [string, string, string | RegExp][] = [
    ['a.b', '1', 'Unknown group config name: a.b'],
    [SESSION, 'x', /^Invalid value x for configuration consumer\.session\.timeout\.ms/],
    [SESSION, '0', /^Invalid value 0 for configuration/],
    ['share.isolation.level', 'none', /^Invalid value none for configuration/],
    ['share.auto.offset.reset', 'by_duration:-PT1H', /^Invalid value by_duration:-PT1H for/],
    ['share.auto.offset.reset', 'by_duration:P', /^Invalid value by_duration:P for/],
  ];
  const bounded: [string, string, string][] = [
    [HEARTBEAT, '4999', '15001'],
    [SESSION, '44999', '60001'],
    ['share.heartbeat.interval.ms', '4999', '15001'],
    ['share.session.timeout.ms', '44999', '60001'],
    ['share.record.lock.duration.ms', '14999', '60001'],
    ['streams.heartbeat.interval.ms', '4999', '15001'],
    ['streams.session.timeout.ms', '44999', '60001'],
  ];
  for (const [name, less, more] of bounded) {
    const [kind, rest] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.'))];
    const least = `${name} must be greater than or equal to group.${kind}.min${rest}`;
    invalid.push([name, less, least]);
    invalid.push([name, more, `${name} must be less than or equal to group.${kind}.max${rest}`]);
  }
  invalid.push([
    'streams.num.standby.replicas',
    '3',
    'streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas',
  ]);
  for (const [name, value, errorMessage] of invalid) {
    const answer = await alter(client, 'g', [[name, value]]);
    t.match(answer, { errorCode: errorCodes.INVALID_CONFIG, errorMessage });
  }
  t.match(await alter(client, 'g', [[SESSION, '1', APPEND]]), {
    errorCode: errorCodes.INVALID_CONFIG,
    errorMessage: `Can't APPEND to key ${SESSION} because its type is not LIST.`,
  });
  t.match(await alter(client, 'g', [[SESSION, null]]), { errorCode: errorCodes.INVALID_REQUEST });
  t.match(await alter(client, '', [[SESSION, '50000']]), {
    errorCode: errorCodes.INVALID_REQUEST,
    errorMessage: 'Default group resources are not allowed.',
  });
  t.match(await described(client, ''), {
    errorCode: errorCodes.INVALID_REQUEST,
    errorMessage: 'Group name must not be empty',
    configs: [],
  });
  t.equal(await shown(client, 'g', SESSION), `45000 ${DEFAULT_CONFIG}`);
});

t.test('the broker gives the defaults and the bounds', async (t) => {
  const broker = await startBroker(t, {
    'group.consumer.min.session.timeout.ms': 100,
    'group.consumer.min.heartbeat.interval.ms': 10,
    'group.consumer.session.timeout.ms': 1000,
    'group.consumer.heartbeat.interval.ms': 300,
  });
  const client = await connectTo(t, broker);
  t.equal(await shown(client, 'g', SESSION), `1000 ${DEFAULT_CONFIG}`);
  t.equal(await shown(client, 'g', HEARTBEAT), `300 ${DEFAULT_CONFIG}`);
  t.match(await alter(client, 'g', [[HEARTBEAT, '1000']]), {
    errorCode: errorCodes.INVALID_CONFIG,
    errorMessage: `${SESSION} must be greater than ${HEARTBEAT}`,
  });
  t.match(await alter(client, 'g', [[HEARTBEAT, '999']]), { errorCode: 0 });
});

t.test('a broker whose own timeouts are out of bounds does not start', async (t) => {
  const start = (name: string, value: number) => startBroker(t, { [name]: value });
  const own = 'group.consumer.session.timeout.ms';
  await t.rejects(start(own, 44_999), {
    code: 'INVALID_CONFIG',
    message: `${own} must be greater than or equal to group.consumer.min.session.timeout.ms`,
  });
  await t.rejects(start('group.consumer.heartbeat.interval.ms', 15_001), {
    message: /less than or equal to group\.consumer\.max\.heartbeat\.interval\.ms/,
  });
  await t.rejects(start('group.consumer.max.heartbeat.interval.ms', 4000), {
    message: /greater than or equal to group\.consumer\.min\.heartbeat\.interval\.ms/,
  });
  await t.rejects(start('group.consumer.max.session.timeout.ms', 44_000), {
    message: /greater than or equal to group\.consumer\.min\.session\.timeout\.ms/,
  });
});

t.test('members are told the interval, and fenced after the timeout, of their group', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, { 'connections.max.idle.ms': -1 }, { clock });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const joined = await heartbeat(client, 0);
  t.match(joined, { errorCode: 0, heartbeatIntervalMs: 5000 });
  const { memberEpoch } = joined;

  const set = [
    [SESSION, '60000'],
    [HEARTBEAT, '7000'],
  ] as const;
  t.match(await alter(client, 'g', set), { errorCode: 0 });
  t.match(await heartbeat(client, memberEpoch), { errorCode: 0, heartbeatIntervalMs: 7000 });
  clock.advance(59_000);
  t.match(await heartbeat(client, memberEpoch), { errorCode: 0 }, 'a longer session than before');

  t.match(await alter(client, 'g', [[SESSION, null, DELETE]]), { errorCode: 0 });
  t.match(await heartbeat(client, memberEpoch), { errorCode: 0, heartbeatIntervalMs: 7000 });
  clock.advance(44_999);
  t.match(await heartbeat(client, memberEpoch), { errorCode: 0 });
  clock.advance(45_000);
  t.match(await heartbeat(client, memberEpoch), { errorCode: errorCodes.UNKNOWN_MEMBER_ID });
});

// Requests of administration, good and bad, whose answers are compared with a real Kafka's. They are sent
// API by API, in order, each to both; nothing is assumed but the topics and configs that they make.

export interface AdministrationCase {
  readonly api: string;
  readonly version: number;
  readonly body: object;
  /** Names of configs to compare; all other configs of an answer are left out. */
  readonly configs?: readonly string[];
  /** Why the answers are not the same. */
  readonly differs?: string;
}

type More = Pick<AdministrationCase, 'configs' | 'differs'>;
type Values = Readonly<Record<string, number | null>>;
type Entity = Readonly<Record<string, string | null>>;
type Component = readonly [type: string, matchType: number, match: string | null];
type Operation = readonly [name: string, operation: number, value: string | null];

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const [TOPIC, BROKER, LOGGER, CLIENT_METRICS] = [2, 4, 8, 16] as const;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3] as const;
const [EXACT, DEFAULT, ANY] = [0, 1, 2] as const;
const timeoutMs = 5000;

function scramUsers(...names: string[]): AdministrationCase {
  const users = names.map((name) => ({ name }));
  return { api: 'DescribeUserScramCredentials', version: 0, body: { users } };
}

function topic(name: string, more: object = {}): object {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...more };
}

function create(topics: readonly object[], more: More = {}, validateOnly = false) {
  const body = { topics, timeoutMs, validateOnly };
  return { api: 'CreateTopics', version: 7, body, configs: [], ...more };
}

const withConfigs = (...configs: readonly (readonly [string, string | null])[]): object =>
  topic('f', { configs: configs.map(([name, value]) => ({ name, value })) });

const assigned = (...brokerIds: readonly (readonly number[])[]): object =>
  topic('h', {
    numPartitions: -1,
    replicationFactor: -1,
    assignments: brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids })),
  });

function grow(
  name: string,
  count: number,
  assignments: readonly (readonly number[])[] | null = null,
  more: More & { readonly validateOnly?: boolean } = {},
) {
  const { validateOnly = false, ...rest } = more;
  const given = assignments?.map((brokerIds) => ({ brokerIds })) ?? null;
  const body = { topics: [{ name, count, assignments: given }], timeoutMs, validateOnly };
  return { api: 'CreatePartitions', version: 3, body, ...rest };
}

function remove(...topics: readonly (readonly [name: string | null, topicId: string])[]) {
  const body = { topics: topics.map(([name, topicId]) => ({ name, topicId })), timeoutMs };
  return { api: 'DeleteTopics', version: 6, body };
}

function alter(
  resourceType: number,
  resourceName: string,
  operations: readonly Operation[],
  more: More = {},
) {
  const configs = operations.map(([name, configOperation, value]) => ({
    name,
    configOperation,
    value,
  }));
  const resources = [{ resourceType, resourceName, configs }];
  const body = { resources, validateOnly: false };
  return { api: 'IncrementalAlterConfigs', version: 1, body, ...more };
}

function replace(resourceType: number, resourceName: string, name: string, value: string | null) {
  const resources = [{ resourceType, resourceName, configs: [{ name, value }] }];
  return { api: 'AlterConfigs', version: 2, body: { resources, validateOnly: false } };
}

function describe(
  resourceType: number,
  resourceName: string,
  configs: readonly string[] | null,
  more: More = {},
) {
  const resources = [{ resourceType, resourceName, configurationKeys: configs }];
  const body = { resources, includeSynonyms: true, includeDocumentation: false };
  return { api: 'DescribeConfigs', version: 4, body, ...more };
}

function quota(entity: Entity, values: Values) {
  const parts = Object.entries(entity).map(([entityType, entityName]) => ({
    entityType,
    entityName,
  }));
  const ops = Object.entries(values).map(([key, value]) => ({
    key,
    value: value ?? 0,
    remove: value === null,
  }));
  const body = { entries: [{ entity: parts, ops }], validateOnly: false };
  return { api: 'AlterClientQuotas', version: 1, body };
}

function quotas(components: readonly Component[], strict = false) {
  const body = {
    components: components.map(([entityType, matchType, match]) => ({
      entityType,
      matchType,
      match,
    })),
    strict,
  };
  return { api: 'DescribeClientQuotas', version: 1, body };
}

function trim(name: string, partitionIndex: number, offset: number) {
  const topics = [{ name, partitions: [{ partitionIndex, offset }] }];
  return { api: 'DeleteRecords', version: 2, body: { topics, timeoutMs } };
}

function epoch(name: string, partition: number, leaderEpoch: number, currentLeaderEpoch = -1) {
  const partitions = [{ partition, currentLeaderEpoch, leaderEpoch }];
  const body = { replicaId: -1, topics: [{ topic: name, partitions }] };
  return { api: 'OffsetForLeaderEpoch', version: 4, body };
}

function elect(electionType: number, topicPartitions: readonly object[] | null, more: More = {}) {
  return { api: 'ElectLeaders', version: 2, body: { electionType, topicPartitions }, ...more };
}

function reassign(name: string, partitionIndex: number, replicas: readonly number[] | null) {
  const body = { topics: [{ name, partitions: [{ partitionIndex, replicas }] }] };
  return { api: 'AlterPartitionReassignments', version: 1, body };
}

function feature(version: number, name: string, maxVersionLevel: number, upgradeType = 1) {
  const featureUpdates = [{ feature: name, maxVersionLevel, upgradeType }];
  return { api: 'UpdateFeatures', version, body: { featureUpdates } };
}

function partitions(names: readonly string[], more: object = {}, why: More = {}) {
  const body = { topics: names.map((name) => ({ name })), cursor: null, ...more };
  return { api: 'DescribeTopicPartitions', version: 0, body, ...why };
}

function move(path: string, name: string) {
  const body = { dirs: [{ path, topics: [{ name, partitions: [0] }] }] };
  return { api: 'AlterReplicaLogDirs', version: 2, body };
}

export const administrationCases: readonly AdministrationCase[] = [
  create([topic('a', { numPartitions: 2 })]),
  create([topic('a')]),
  create([topic('b.c')]),
  create([topic('b_c')]),
  create([topic('x/y'), topic('')]),
  create([topic('d', { replicationFactor: 3 })]),
  create([topic('e', { numPartitions: 0 })]),
  create([topic('e', { numPartitions: -2 })]),
  create([topic('e', { replicationFactor: 0 })]),
  create([topic('e', { replicationFactor: -2 })]),
  create([withConfigs(['nope', '1'])]),
  create([withConfigs(['retention.ms', 'x'])]),
  create([withConfigs(['retention.ms', '-5'])]),
  create([withConfigs(['retention.ms', null])]),
  create([withConfigs(['cleanup.policy', 'burn'])]),
  create([withConfigs(['compression.type', 'lzma'])]),
  create([withConfigs(['compression.gzip.level', '0'])]),
  create([withConfigs(['preallocate', 'maybe'])]),
  create([withConfigs(['min.compaction.lag.ms', '10'], ['max.compaction.lag.ms', '5'])]),
  create([
    topic('g', {
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [
        { partitionIndex: 0, brokerIds: [1] },
        { partitionIndex: 1, brokerIds: [1] },
      ],
    }),
  ]),
  create([topic('h', { assignments: [{ partitionIndex: 0, brokerIds: [1] }] })]),
  create([assigned([2])]),
  create([assigned([])]),
  create([assigned([1, 1])]),
  create([topic('i'), topic('i')]),
  create([topic('__cluster_metadata')]),
  create([topic('v', { numPartitions: 3 })], {}, true),
  create([topic('cfg', { configs: [{ name: 'retention.ms', value: '77' }] })], {
    configs: ['retention.ms', 'segment.bytes', 'cleanup.policy'],
  }),
  grow('a', 2),
  grow('a', 1),
  grow('zz', 1),
  grow('a', 4, [[1]]),
  grow('a', 3, [[2]]),
  grow('a', 3, [[]]),
  grow('a', 3, [[1, 1]]),
  grow('a', 3, null, { validateOnly: true }),
  grow('a', 100_000, null, {
    validateOnly: true,
    differs: 'Kafka: UNKNOWN_SERVER_ERROR; ours: INVALID_PARTITIONS',
  }),
  remove(['zz', NO_ID]),
  remove([null, 'BBBBBBBBBBBBBBBBBBBBBA']),
  remove([null, NO_ID]),
  remove(['i', NO_ID], ['i', NO_ID]),
  alter(TOPIC, 'a', [['retention.ms', SET, '5']]),
  alter(TOPIC, 'a', [['retention.ms', SET, 'x']]),
  alter(TOPIC, 'a', [['nope', SET, '5']]),
  alter(TOPIC, 'zz', [['retention.ms', SET, '5']]),
  alter(TOPIC, 'x/y', [['retention.ms', SET, '5']]),
  alter(TOPIC, '', [['retention.ms', SET, '5']]),
  alter(TOPIC, 'a', [['retention.ms', APPEND, '5']]),
  alter(TOPIC, 'a', [['retention.ms', SUBTRACT, '5']]),
  alter(TOPIC, 'a', [['retention.ms', 9, '5']], {
    differs: 'Kafka: UNKNOWN_SERVER_ERROR; ours: INVALID_REQUEST',
  }),
  alter(TOPIC, 'a', [['retention.ms', SET, null]]),
  alter(TOPIC, 'a', [['retention.ms', DELETE, null]]),
  alter(TOPIC, 'a', [['cleanup.policy', APPEND, 'compact']]),
  alter(TOPIC, 'a', [['cleanup.policy', APPEND, 'burn']]),
  alter(TOPIC, 'a', [['cleanup.policy', SUBTRACT, 'delete']]),
  alter(TOPIC, 'a', [
    ['retention.ms', SET, '1'],
    ['retention.ms', SET, '2'],
  ]),
  describe(TOPIC, 'a', ['cleanup.policy', 'segment.bytes', 'max.message.bytes']),
  describe(TOPIC, 'a', ['segment.ms'], {
    differs: 'Kafka leaves out log.roll.hours, which gives the value, since log.roll.ms is not set',
  }),
  describe(TOPIC, 'zz', null),
  describe(TOPIC, 'x/y', null),
  alter(BROKER, '1', [['log.retention.bytes', SET, '5000']]),
  alter(BROKER, '', [['log.retention.bytes', SET, '6000']]),
  alter(BROKER, '2', [['log.retention.bytes', SET, '5000']]),
  alter(BROKER, 'me', [['log.retention.bytes', SET, '5000']]),
  alter(BROKER, '1', [['node.id', SET, '5000']]),
  alter(BROKER, '1', [['log.retention.bytes', SET, 'x']]),
  alter(BROKER, '1', [['no.such', SET, 'x']], {
    differs: 'Kafka keeps configs that it does not know; ours: INVALID_CONFIG',
  }),
  describe(TOPIC, 'a', ['retention.bytes']),
  describe(BROKER, '1', ['log.retention.bytes', 'compression.type']),
  describe(BROKER, '', ['log.retention.bytes']),
  describe(BROKER, '2', null),
  describe(BROKER, 'me', null),
  describe(99, 'a', null, { differs: 'the text' }),
  alter(CLIENT_METRICS, 'm', [
    ['interval.ms', SET, '1000'],
    ['match', SET, 'client_id=a.*'],
    ['metrics', SET, 'a.,b.'],
  ]),
  alter(CLIENT_METRICS, '', [['interval.ms', SET, '1000']]),
  alter(CLIENT_METRICS, 'm', [['interval.ms', SET, '1']]),
  alter(CLIENT_METRICS, 'm', [['match', SET, 'foo=b']]),
  alter(CLIENT_METRICS, 'm', [['match', SET, 'client_id=(']]),
  alter(CLIENT_METRICS, 'm', [['what', SET, 'b']]),
  describe(CLIENT_METRICS, 'm', null),
  describe(CLIENT_METRICS, '', null),
  alter(LOGGER, '1', [['kafka.nope', SET, 'DEBUG']]),
  alter(99, 'm', []),
  replace(TOPIC, 'a', 'retention.ms', '7'),
  replace(TOPIC, 'a', 'retention.ms', null),
  replace(TOPIC, 'zz', 'retention.ms', '5'),
  replace(TOPIC, 'a', 'nope', '5'),
  replace(CLIENT_METRICS, 'n', 'interval.ms', '500'),
  { api: 'ListConfigResources', version: 1, body: { resourceTypes: [] } },
  { api: 'ListConfigResources', version: 1, body: { resourceTypes: [3] } },
  { api: 'ListConfigResources', version: 0, body: {} },
  trim('a', 0, -1),
  trim('a', 0, 5),
  trim('a', 0, -5),
  trim('a', 9, 0),
  trim('zz', 0, 0),
  epoch('a', 0, 0),
  epoch('a', 0, 5),
  epoch('a', 0, -1),
  epoch('a', 0, 5, 9),
  epoch('zz', 0, 5),
  epoch('a', 7, 5),
  elect(0, [
    { topic: 'a', partitions: [0, 9] },
    { topic: 'zz', partitions: [0] },
  ]),
  elect(1, null),
  elect(7, null),
  reassign('a', 0, [1]),
  reassign('a', 0, null),
  reassign('a', 0, [2]),
  reassign('a', 0, []),
  reassign('a', 0, [1, 1]),
  reassign('a', 9, [1]),
  reassign('zz', 0, [1]),
  { api: 'ListPartitionReassignments', version: 0, body: { topics: null } },
  quota({ user: 'u' }, { producer_byte_rate: 5 }),
  quota({}, { producer_byte_rate: 5 }),
  quota({ host: 'u' }, { producer_byte_rate: 5 }),
  quota({ user: '' }, { producer_byte_rate: 5 }),
  quota({ user: 'u' }, { nope: 5 }),
  quota({ user: 'u' }, { connection_creation_rate: 5 }),
  quota({ ip: '1.2.3.4' }, { producer_byte_rate: 5 }),
  quota({ ip: 'no host at all' }, { connection_creation_rate: 5 }),
  quota({ ip: '1.2.3.4', user: 'u' }, { connection_creation_rate: 5 }),
  quota({ user: 'u' }, { producer_byte_rate: 0 }),
  quota({ user: 'u' }, { producer_byte_rate: 1.5 }),
  quota({ user: 'u' }, { request_percentage: 1.5 }),
  quota({ user: null, 'client-id': 'c' }, { controller_mutation_rate: 1000.5 }),
  quota({ ip: '1.2.3.4' }, { connection_creation_rate: 5 }),
  quota({ user: 'u' }, { producer_byte_rate: null }),
  quota({ user: 'w' }, { producer_byte_rate: null }),
  quotas([['user', EXACT, 'u']]),
  quotas([['user', ANY, null]]),
  quotas([['user', DEFAULT, null]]),
  quotas([['user', EXACT, 'u']], true),
  quotas([['client-id', EXACT, 'c']], true),
  quotas([['ip', ANY, null]]),
  quotas([]),
  quotas([], true),
  quotas([['', EXACT, 'a']]),
  quotas([['host', EXACT, 'a']]),
  quotas([['user', EXACT, null]]),
  quotas([['user', DEFAULT, 'a']]),
  quotas([['user', ANY, 'a']]),
  quotas([['user', 3, null]]),
  quotas([
    ['user', DEFAULT, null],
    ['user', DEFAULT, null],
  ]),
  quotas([
    ['ip', ANY, null],
    ['user', ANY, null],
  ]),
  feature(2, 'nope', 1),
  feature(1, 'nope', 1),
  feature(2, 'transaction.version', 9),
  feature(2, 'transaction.version', 2),
  feature(2, 'transaction.version', 2, 9),
  partitions(['a', 'zz', 'x/y']),
  partitions(['a', 'g'], { responsePartitionLimit: 1 }),
  partitions(['a', 'g'], { responsePartitionLimit: -3 }),
  partitions(['a', 'g'], {
    responsePartitionLimit: 2,
    cursor: { topicName: 'a', partitionIndex: 1 },
  }),
  partitions(['a'], { cursor: { topicName: 'a', partitionIndex: 7 } }),
  partitions(
    ['a'],
    { cursor: { topicName: 'a', partitionIndex: -1 } },
    { differs: 'operations, which nobody asked for' },
  ),
  {
    api: 'DescribeLogDirs',
    version: 4,
    body: {
      topics: [
        { topic: 'a', partitions: [0, 9] },
        { topic: 'zz', partitions: [0] },
      ],
    },
  },
  scramUsers(),
  scramUsers('a', 'b', 'a', ''),
  move('/nowhere', 'a'),
  move('/nowhere', 'zz'),
];

import t from 'tap';
import {
  brokerConfigTable,
  describeBrokerConfigs,
  environmentEntries,
  readBrokerConfig,
} from '#src/broker/config.js';
import { advertisedAddress, parseAddress, servedListeners } from '#src/broker/listeners.js';
import { editDistance, nearestName } from '#src/broker/nearest-name.js';
import { parseProperties } from '#src/broker/properties.js';

t.test('properties are read as Java reads them', async (t) => {
  const text = [
    '# a comment',
    '! another',
    '',
    'a=1',
    '  b : two words ',
    'c three',
    'long=x,\\',
    '     y,\\',
    '  z',
    'escaped\\ name\\:=tab\\tline\\nback\\\\slash\\u0041',
    'even=backslashes\\\\',
    'empty=',
    'bare',
    'a=2',
    'last=cut\\',
  ].join('\r\n');
  t.same(
    parseProperties(text).map(({ name, value, line }) => [name, value, line]),
    [
      ['a', '1', 4],
      ['b', 'two words ', 5],
      ['c', 'three', 6],
      ['long', 'x,y,z', 7],
      ['escaped name:', 'tab\tline\nback\\slashA', 10],
      ['even', 'backslashes\\', 11],
      ['empty', '', 12],
      ['bare', '', 13],
      ['a', '2', 14],
      ['last', 'cut', 15],
    ],
  );
});

t.test('edit distance counts swaps as one', async (t) => {
  t.equal(editDistance('kitten', 'sitting'), 3);
  t.equal(editDistance('log.dris', 'log.dirs'), 1);
  t.equal(editDistance('', 'abc'), 3);
  t.equal(editDistance('abc', 'abc'), 0);
  t.equal(editDistance('abcdef', 'uvwxyz', 3), 3, 'no more than the bound');
});

t.test('an unknown name is a warning that names the nearest', async (t) => {
  const { warnings } = readBrokerConfig({ properties: 'num.partition=3\nlog.dris=/tmp\n' });
  t.same(warnings, [
    'unknown config num.partition, did you mean num.partitions?',
    'unknown config log.dris, did you mean log.dirs?',
  ]);
  t.same(readBrokerConfig({ properties: 'zzzzzzzzzz=1' }).warnings, ['unknown config zzzzzzzzzz']);
  t.same(readBrokerConfig({ properties: 'sasl.oauthbearer.scope.claim.name=x' }).warnings, [
    'config sasl.oauthbearer.scope.claim.name is accepted without effect',
  ]);
  t.equal(nearestName('qqq', brokerConfigTable.names), null);
});

t.test('the later source wins, and problems are errors with every one of them', async (t) => {
  const config = readBrokerConfig({
    properties: 'num.partitions=2\nnode.id=5\nlog.dirs=/a,/b',
    environment: { KAFKA_NUM_PARTITIONS: '3', KAFKA_NODE_ID: '6', PATH: '/bin' },
    overrides: [['num.partitions', '4']],
  });
  t.equal(config.values['num.partitions'], 4);
  t.equal(config.nodeId, 6);
  t.same(config.dataDirs, ['/a', '/b']);
  t.throws(() => readBrokerConfig({ properties: 'num.partitions=0\nlog.segment.bytes=x' }), {
    code: 'INVALID_CONFIG',
    message: /num\.partitions.*; .*log\.segment\.bytes/,
  });
});

t.test('environment variables in the style of the container images', async (t) => {
  t.same(
    environmentEntries({
      KAFKA_LOG_DIRS: '/data',
      KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://h:1',
      KAFKA_HEAP_OPTS: '-Xmx1g',
      KAFKA: 'no',
    }),
    [
      ['log.dirs', '/data'],
      ['advertised.listeners', 'PLAINTEXT://h:1'],
    ],
  );
});

t.test('broker.id stands in for node.id, log.dir for log.dirs', async (t) => {
  t.equal(readBrokerConfig({ properties: 'broker.id=7' }).nodeId, 7);
  t.equal(readBrokerConfig({ properties: 'broker.id=7\nnode.id=8' }).nodeId, 8);
  t.equal(readBrokerConfig({}).nodeId, 1);
  t.same(readBrokerConfig({ properties: 'log.dir=/x' }).dataDirs, ['/x']);
});

t.test("a stock server.properties of Kafka's is taken without a warning", async (t) => {
  const config = readBrokerConfig({
    properties: `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`,
  });
  t.same(config.warnings, []);
  t.same(
    config.listeners.map(({ name, host, port }) => [name, host, port]),
    [['PLAINTEXT', '', 9092]],
  );
});

const texts = {
  listeners: 'PLAINTEXT://127.0.0.1:9092',
  advertised: null,
  protocolMap: 'PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,SSL:SSL',
  controllerNames: [],
};

t.test('listeners that cannot be served are refused with a reason', async (t) => {
  for (const [change, message] of [
    [{ listeners: 'SSL://:9093' }, /only PLAINTEXT/],
    [{ listeners: 'nonsense' }, /NAME:\/\/HOST:PORT/],
    [{ listeners: 'PLAINTEXT://h:99999' }, /NAME:\/\/HOST:PORT/],
    [{ listeners: 'PLAINTEXT://a:1,PLAINTEXT://b:2' }, /twice/],
    [{ listeners: '' }, /no listener/],
    [{ advertised: 'OTHER://h:1' }, /which listeners does not/],
    [{ protocolMap: 'x' }, /NAME:PROTOCOL/],
  ] as const) {
    t.throws(() => servedListeners({ ...texts, ...change }), { code: 'INVALID_CONFIG', message });
  }
});

t.test('what clients are told to connect to', async (t) => {
  const told = (listeners: string, local: string, advertised: string | null = null) => {
    const [listener] = servedListeners({ ...texts, listeners, advertised });
    if (listener === undefined) throw new Error('no listener');
    const { host, port } = advertisedAddress(listener, 4711, local);
    return `${host} ${port}`;
  };
  t.equal(told('PLAINTEXT://127.0.0.1:0', '127.0.0.1'), '127.0.0.1 4711', 'port 0: the bound one');
  t.equal(told('PLAINTEXT://localhost:9092', '127.0.0.1'), '127.0.0.1 9092', 'an IPv4 address');
  t.equal(told('PLAINTEXT://:9092', '10.1.2.3'), '10.1.2.3 9092', 'as the client connected');
  t.equal(told('PLAINTEXT://0.0.0.0:9092', '::ffff:10.1.2.3'), '10.1.2.3 9092');
  t.equal(told('PLAINTEXT://[::]:9092', ''), '127.0.0.1 9092');
  t.equal(
    told('PLAINTEXT://:0', '127.0.0.1', 'PLAINTEXT://kafka.example:19092'),
    'kafka.example 19092',
  );
  t.equal(told('PLAINTEXT://:0', '127.0.0.1', 'PLAINTEXT://localhost:0'), '127.0.0.1 4711');
});

t.test('addresses', async (t) => {
  t.same(parseAddress('h:1'), { host: 'h', port: 1 });
  t.same(parseAddress(':1'), { host: '', port: 1 });
  t.same(parseAddress('[::1]:1'), { host: '::1', port: 1 });
  for (const wrong of ['h', 'h:', 'h:x', '::1:1', 'h:65536', 'a b:1', 'h:1/']) {
    t.equal(parseAddress(wrong), null, wrong);
  }
});

t.test('secrets are not described', async (t) => {
  const config = readBrokerConfig({ properties: 'ssl.key.password=secret\nnum.partitions=3' });
  const described = describeBrokerConfigs(config);
  t.equal(described.length, brokerConfigTable.names.length, 'every config');
  t.notMatch(JSON.stringify(described), /secret"/);
  t.match(
    described.find(({ name }) => name === 'num.partitions'),
    {
      value: '3',
      source: 'STATIC_BROKER_CONFIG',
      type: 'int',
      synonyms: [
        { name: 'num.partitions', value: '3', source: 'STATIC_BROKER_CONFIG' },
        { name: 'num.partitions', value: '1', source: 'DEFAULT_CONFIG' },
      ],
    },
  );
});

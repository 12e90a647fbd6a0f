import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import type { ElementOf, RequestInput } from '#src/protocol/infer.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, startBroker } from '../../support/test-broker.js';

type TopicInput = ElementOf<RequestInput<typeof createTopics>['topics']>;

function asked(name: string, change: Partial<TopicInput> = {}): TopicInput {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...change };
}

async function create(client: RawClient, topics: TopicInput[], version = 7, validateOnly = false) {
  return (await client.request(createTopics, version, { topics, timeoutMs: 1000, validateOnly }))
    .topics;
}

async function topicNames(client: RawClient) {
  const { topics } = await client.request(metadata, 12, { topics: null });
  return topics.map(({ name }) => name);
}

t.test('every version creates, and the topic is in Metadata at once', async (t) => {
  const broker = await startBroker(t, { 'num.partitions': 3 });
  const client = await connectTo(t, broker);
  for (let version = 2; version <= 7; version++) {
    const name = `v${version}`;
    const [answer] = await create(
      client,
      [asked(name, { numPartitions: -1, replicationFactor: -1 })],
      version,
    );
    t.match(answer, { name, errorCode: 0, errorMessage: null });
    if (version >= 5) {
      t.match(answer, { numPartitions: 3, replicationFactor: 1 });
      t.match(
        answer?.configs?.find((config) => config.name === 'retention.ms'),
        { value: '604800000', readOnly: false, configSource: 5, isSensitive: false },
      );
    }
    const { topics } = await client.request(metadata, 12, {
      topics: [{ name }],
      allowAutoTopicCreation: false,
    });
    t.match(topics, [{ errorCode: 0, partitions: { length: 3 } }]);
    t.equal(answer?.topicId, version < 7 ? UUID_ZERO : topics[0]?.topicId);
  }
});

t.test('behaviour 17: one answer per topic, also on error', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await create(client, [asked('there'), asked('dotted.name')]);
  const config = (name: string, value: string | null) => ({ configs: [{ name, value }] });
  const cases: [TopicInput, number][] = [
    [asked('ok'), errorCodes.NONE],
    [asked('there'), errorCodes.TOPIC_ALREADY_EXISTS],
    [asked('dotted_name'), errorCodes.INVALID_TOPIC_EXCEPTION],
    [asked('../escape'), errorCodes.INVALID_TOPIC_EXCEPTION],
    [asked(''), errorCodes.INVALID_TOPIC_EXCEPTION],
    [asked('no-partitions', { numPartitions: 0 }), errorCodes.INVALID_PARTITIONS],
    [asked('minus', { numPartitions: -2 }), errorCodes.INVALID_PARTITIONS],
    [asked('many', { numPartitions: 1_000_000 }), errorCodes.INVALID_PARTITIONS],
    [asked('rf3', { replicationFactor: 3 }), errorCodes.INVALID_REPLICATION_FACTOR],
    [asked('rf0', { replicationFactor: 0 }), errorCodes.INVALID_REPLICATION_FACTOR],
    [asked('bad-value', config('retention.ms', 'x')), errorCodes.INVALID_CONFIG],
    [asked('bad-name', config('no.such.config', '1')), errorCodes.INVALID_CONFIG],
    [asked('null-value', config('retention.ms', null)), errorCodes.INVALID_CONFIG],
    [asked('__cluster_metadata'), errorCodes.INVALID_REQUEST],
  ];
  const answers = await create(
    client,
    cases.map(([topic]) => topic),
  );
  t.same(
    answers.map(({ name, errorCode }) => [name, errorCode]),
    cases.map(([{ name }, errorCode]) => [name, errorCode]),
  );
  for (const { errorCode, errorMessage } of answers)
    t.equal(errorMessage === null, errorCode === 0);
  t.same(await topicNames(client), ['dotted.name', 'ok', 'there']);
});

t.test('a name twice in a request is one error', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const answers = await create(client, [asked('a'), asked('b'), asked('a', { numPartitions: 2 })]);
  t.match(answers, [
    { name: 'a', errorCode: errorCodes.INVALID_REQUEST },
    { name: 'b', errorCode: 0 },
  ]);
  t.equal(answers.length, 2);
  t.same(await topicNames(client), ['b']);
});

t.test('explicit assignments', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const assigned = (name: string, pairs: [number, number[]][], change: Partial<TopicInput> = {}) =>
    asked(name, {
      numPartitions: -1,
      replicationFactor: -1,
      assignments: pairs.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
      ...change,
    });
  const answers = await create(client, [
    assigned('ok', [
      [1, [1]],
      [0, [1]],
    ]),
    assigned('gap', [
      [0, [1]],
      [2, [1]],
    ]),
    assigned('twice', [
      [0, [1]],
      [0, [1]],
    ]),
    assigned('elsewhere', [[0, [2]]]),
    assigned('two-replicas', [[0, [1, 2]]]),
    assigned('both', [[0, [1]]], { numPartitions: 1 }),
  ]);
  const wrong = errorCodes.INVALID_REPLICA_ASSIGNMENT;
  t.same(
    answers.map(({ errorCode }) => errorCode),
    [0, wrong, wrong, wrong, wrong, errorCodes.INVALID_REQUEST],
  );
  t.equal(answers[0]?.numPartitions, 2);
});

t.test('validate_only says what would be and creates nothing', async (t) => {
  const client = await connectTo(t, await startBroker(t));
  const answers = await create(
    client,
    [asked('a', { numPartitions: 5 }), asked('b', { replicationFactor: 2 }), asked('a b')],
    7,
    true,
  );
  t.match(answers, [
    { errorCode: 0, numPartitions: 5, topicId: UUID_ZERO },
    { errorCode: errorCodes.INVALID_REPLICATION_FACTOR },
    { errorCode: errorCodes.INVALID_TOPIC_EXCEPTION },
  ]);
  t.same(await topicNames(client), []);
});

t.test('overrides are stored and told with their source', async (t) => {
  const broker = await startBroker(t, { 'log.retention.hours': 1 });
  const client = await connectTo(t, broker);
  const [answer] = await create(client, [
    asked('a', { configs: [{ name: 'segment.bytes', value: '1000' }] }),
  ]);
  const source = (name: string) => {
    const found = answer?.configs?.find((config) => config.name === name);
    return [found?.value, found?.configSource];
  };
  t.same(source('segment.bytes'), ['1000', 1]);
  t.same(source('retention.ms'), ['3600000', 4]);
  t.same(source('cleanup.policy'), ['delete', 5]);
});

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

t.test(
  'behaviours 4, 19, 20: the controller is listed, IPv4 is told, cluster id from 2',
  async (t) => {
    const broker = await startBroker(t, {
      'node.id': 7,
      'broker.rack': 'r1',
      listeners: 'PLAINTEXT://localhost:0',
    });
    const client = await connectTo(t, broker);
    await createTopic(client, 'a', { partitions: 2 });
    for (let version = 0; version <= 13; version++) {
      const answer = await client.request(metadata, version, { topics: [{ name: 'a' }] });
      t.same(answer.brokers, [
        { nodeId: 7, host: '127.0.0.1', port: broker.port, rack: version === 0 ? null : 'r1' },
      ]);
      t.equal(answer.controllerId, version === 0 ? -1 : 7);
      t.equal(answer.clusterId, version < 2 ? null : broker.clusterId);
      t.equal(answer.clusterId?.length ?? 22, 22);
      t.match(answer.topics, [
        {
          errorCode: 0,
          name: 'a',
          isInternal: false,
          partitions: [
            { errorCode: 0, partitionIndex: 0, leaderId: 7, replicaNodes: [7], isrNodes: [7] },
            { errorCode: 0, partitionIndex: 1, leaderId: 7, leaderEpoch: version < 7 ? -1 : 0 },
          ],
        },
      ]);
      t.equal(answer.topics[0]?.topicId === UUID_ZERO, version < 10, 'behaviour 7: topic ids');
    }
  },
);

t.test('all topics: null, or an empty list in version 0', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'b');
  await createTopic(client, 'a');
  const names = async (version: number, topics: { name: string }[] | null) =>
    (await client.request(metadata, version, { topics })).topics.map(({ name }) => name);
  t.same(await names(0, []), ['a', 'b']);
  t.same(await names(1, []), []);
  t.same(await names(1, null), ['a', 'b']);
  t.same(await names(12, null), ['a', 'b']);
  t.same(await names(9, [{ name: 'a' }, { name: 'a' }]), ['a'], 'one answer per topic');
});

t.test(
  'behaviour 16: an unknown topic is created with num.partitions, and complete at once',
  async (t) => {
    const broker = await startBroker(t, { 'num.partitions': 4 });
    const client = await connectTo(t, broker);
    const ask = async (name: string, version = 9, allowAutoTopicCreation = true) => {
      const answer = await client.request(metadata, version, {
        topics: [{ name }],
        allowAutoTopicCreation,
      });
      return answer.topics[0];
    };
    t.match(await ask('new'), { errorCode: 0, partitions: { length: 4 } });
    t.match(await ask('old.client', 1), { errorCode: 0, partitions: { length: 4 } });
    t.match(await ask('unwanted', 9, false), { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION });
    for (const name of ['', '.', '..', 'a/b', '../../etc/x', 'x'.repeat(250), 'a\nb', 'ü']) {
      t.match(await ask(name), {
        name,
        errorCode: errorCodes.INVALID_TOPIC_EXCEPTION,
        partitions: [],
      });
    }
    t.match(await ask('old_client'), { errorCode: errorCodes.INVALID_TOPIC_EXCEPTION }, 'collides');
    t.match(await ask('__consumer_offsets'), { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION });
  },
);

t.test('auto.create.topics.enable=false', async (t) => {
  const broker = await startBroker(t, { 'auto.create.topics.enable': false });
  const client = await connectTo(t, broker);
  const { topics } = await client.request(metadata, 9, { topics: [{ name: 'new' }] });
  t.match(topics, [{ errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }]);
});

t.test('two connections that ask for a new topic at once both get it', async (t) => {
  const broker = await startBroker(t);
  const clients = [await connectTo(t, broker), await connectTo(t, broker)];
  const answers = await Promise.all(
    clients.map((client) => client.request(metadata, 12, { topics: [{ name: 'new' }] })),
  );
  const [first, second] = answers.map(({ topics }) => topics[0]);
  t.match(first, { errorCode: 0, name: 'new' });
  t.same(first, second);
});

t.test('by topic id', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  const byId = async (version: number, id: string) =>
    (await client.request(metadata, version, { topics: [{ topicId: id, name: null }] })).topics[0];
  t.match(await byId(12, topicId), { errorCode: 0, name: 'a', topicId });
  const unknown = 'BBBBBBBBBBBBBBBBBBBBBA';
  t.match(await byId(12, unknown), {
    errorCode: errorCodes.UNKNOWN_TOPIC_ID,
    name: null,
    topicId: unknown,
  });
  t.match(await byId(10, topicId), { errorCode: errorCodes.INVALID_REQUEST });
  await client.request(deleteTopics, 6, { topics: [{ name: null, topicId }], timeoutMs: 1 });
  t.match(await byId(12, topicId), { errorCode: errorCodes.UNKNOWN_TOPIC_ID });
});

t.test('authorized operations when asked for', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const asked = await client.request(metadata, 9, {
    topics: null,
    includeClusterAuthorizedOperations: true,
    includeTopicAuthorizedOperations: true,
  });
  t.equal(asked.clusterAuthorizedOperations, 8096);
  t.equal(asked.topics[0]?.topicAuthorizedOperations, 3576);
  const not = await client.request(metadata, 9, { topics: null });
  t.equal(not.clusterAuthorizedOperations, -(2 ** 31));
});

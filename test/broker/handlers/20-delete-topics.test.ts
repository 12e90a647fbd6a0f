import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
} from '../../support/test-broker.js';

t.test('every version deletes by name, 6 by id too', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (let version = 1; version <= 6; version++) {
    const topicId = await createTopic(client, 'a', { partitions: 2 });
    const { responses } = await client.request(deleteTopics, version, {
      topicNames: ['a', 'b'],
      topics: [
        { name: null, topicId },
        { name: 'b', topicId: UUID_ZERO },
      ],
      timeoutMs: 1000,
    });
    t.match(responses, [
      { name: 'a', errorCode: 0 },
      { name: 'b', errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    const { topics } = await client.request(metadata, 12, { topics: null });
    t.same(topics, []);
  }
});

t.test('a name created again is another topic: empty, with another id', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const first = await createTopic(client, 'a');
  await produceTo(client, 'a', ['old']);
  await client.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1000 });
  t.equal((await produceTo(client, 'a', ['x'])).errorCode, errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.not(await createTopic(client, 'a'), first);
  t.match(await fetchFrom(client, 'a'), { errorCode: 0, highWatermark: 0 });
});

t.test('a fetch that waits is answered when its topic is deleted, by name and by id', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (const version of [11, 13]) {
    const topicId = await createTopic(client, 'a');
    const waiting = await connectTo(t, broker);
    const options = { version, topicId, maxWaitMs: 120_000 };
    const fetched = fetchFrom(waiting, 'a', options);
    // Answered in turn: the fetch before it has come in by then.
    while (broker.services.delayedFetches.count === 0) {
      await client.request(metadata, 12, { topics: [] });
    }
    await client.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1000 });
    const { errorCode } = await fetched;
    const expected =
      version < 13 ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION : errorCodes.UNKNOWN_TOPIC_ID;
    t.equal(errorCode, expected);
  }
});

t.test('errors, one answer per topic', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  const unknown = 'BBBBBBBBBBBBBBBBBBBBBA';
  const { responses } = await client.request(deleteTopics, 6, {
    topics: [
      { name: null, topicId: unknown },
      { name: 'a', topicId },
      { name: null, topicId: UUID_ZERO },
      { name: 'twice', topicId: UUID_ZERO },
      { name: 'twice', topicId: UUID_ZERO },
    ],
    timeoutMs: 1000,
  });
  t.match(responses, [
    { name: null, topicId: unknown, errorCode: errorCodes.UNKNOWN_TOPIC_ID },
    { name: 'a', errorCode: errorCodes.INVALID_REQUEST },
    { name: null, errorCode: errorCodes.INVALID_REQUEST },
    { name: 'twice', errorCode: errorCodes.INVALID_REQUEST },
  ]);
  t.equal(responses.length, 4);
});

t.test('delete.topic.enable=false', async (t) => {
  const broker = await startBroker(t, { 'delete.topic.enable': false });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const error = async (version: number) =>
    (await client.request(deleteTopics, version, { topicNames: ['a'], timeoutMs: 1 })).responses[0]
      ?.errorCode;
  t.equal(await error(2), errorCodes.INVALID_REQUEST);
  t.equal(await error(3), errorCodes.TOPIC_DELETION_DISABLED);
  t.equal((await fetchFrom(client, 'a')).errorCode, 0);
});

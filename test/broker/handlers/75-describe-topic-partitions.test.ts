import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeTopicPartitions } from '#src/protocol/messages/75-describe-topic-partitions.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

type Cursor = { topicName: string; partitionIndex: number } | null;

async function page(client: RawClient, names: readonly string[], limit: number, cursor: Cursor) {
  const answer = await client.request(describeTopicPartitions, 0, {
    topics: names.map((name) => ({ name })),
    responsePartitionLimit: limit,
    cursor,
  });
  const seen = answer.topics.map(
    ({ name, partitions }) => `${name} ${partitions.map((one) => one.partitionIndex)}`,
  );
  return { seen, next: answer.nextCursor, topics: answer.topics };
}

t.test('topics by name, in pages of so many partitions', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (const name of ['c', 'a', 'b']) await createTopic(client, name, { partitions: 3 });
  const all = await page(client, [], 2000, null);
  t.same(all.seen, ['a 0,1,2', 'b 0,1,2', 'c 0,1,2']);
  t.equal(all.next, null);
  t.match(all.topics[0], { errorCode: 0, isInternal: false });
  t.not(all.topics[0]?.topicId, UUID_ZERO);
  t.match(all.topics[0]?.partitions[0], { leaderId: 1, leaderEpoch: 0, replicaNodes: [1] });
  const seen: string[][] = [];
  let cursor: Cursor = null;
  do {
    const next = await page(client, [], 4, cursor);
    seen.push(next.seen);
    cursor = next.next;
  } while (cursor !== null);
  t.same(seen, [['a 0,1,2', 'b 0'], ['b 1,2', 'c 0,1'], ['c 2']]);
  t.same((await page(client, ['c', 'a', 'c'], 3, null)).next, {
    topicName: 'c',
    partitionIndex: 0,
  });
  t.same((await page(client, [], -5, null)).seen, ['a 0'], 'at least one partition');
  t.same((await page(client, [], 9, { topicName: 'bb', partitionIndex: 1 })).seen, ['c 0,1,2']);
});

t.test('errors are answered per topic', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const { topics } = await page(client, ['b', 'a', 'x/y'], 10, null);
  t.match(topics, [
    { name: 'a', errorCode: 0 },
    { name: 'b', errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, partitions: [] },
    { name: 'x/y', errorCode: errorCodes.INVALID_TOPIC_EXCEPTION },
  ]);
  const wrong = await page(client, ['a'], 10, { topicName: 'a', partitionIndex: -1 });
  t.match(wrong.topics, [{ name: 'a', errorCode: errorCodes.INVALID_REQUEST }]);
});

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { createPartitions } from '#src/protocol/messages/37-create-partitions.js';
import {
  connectTo,
  createTopic,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

t.test('every version adds partitions, which serve at once and after a restart', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  for (let version = 0; version <= 3; version++) {
    const name = `a${version}`;
    await createTopic(client, name);
    const grow = (validateOnly: boolean) =>
      client.request(createPartitions, version, {
        topics: [{ name, count: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }],
        timeoutMs: 1000,
        validateOnly,
      });
    const count = async () =>
      (await client.request(metadata, 9, { topics: [{ name }] })).topics[0]?.partitions.length;
    t.match((await grow(true)).results, [{ name, errorCode: 0, errorMessage: null }]);
    t.equal(await count(), 1);
    t.match((await grow(false)).results, [{ name, errorCode: 0, errorMessage: null }]);
    t.equal(await count(), 3);
    t.equal((await produceTo(client, name, ['x'], { partition: 2 })).errorCode, 0);
  }
  await first.close();
  const second = await startBroker(t, { 'log.dirs': dir });
  const again = await connectTo(t, second);
  t.match(await produceTo(again, 'a0', ['y'], { partition: 2 }), { errorCode: 0, baseOffset: 1 });
});

t.test('errors, one answer per topic', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'twice']) {
    await createTopic(client, name, { partitions: 2 });
  }
  const { results } = await client.request(createPartitions, 3, {
    topics: [
      { name: 'none', count: 3, assignments: null },
      { name: 'a', count: 2, assignments: null },
      { name: 'b', count: 1, assignments: null },
      { name: 'c', count: 4, assignments: [{ brokerIds: [1] }] },
      { name: 'd', count: 3, assignments: [{ brokerIds: [2] }] },
      { name: 'e', count: 3, assignments: [{ brokerIds: [1, 1] }] },
      { name: 'f', count: 100_000, assignments: null },
      { name: 'twice', count: 3, assignments: null },
      { name: 'twice', count: 3, assignments: null },
    ],
    timeoutMs: 1000,
    validateOnly: false,
  });
  t.match(
    results.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage]),
    [
      ['none', errorCodes.UNKNOWN_TOPIC_OR_PARTITION, null],
      ['a', errorCodes.INVALID_PARTITIONS, 'Topic already has 2 partition(s).'],
      [
        'b',
        errorCodes.INVALID_PARTITIONS,
        /currently has 2 partition.* 1 would not be an increase/,
      ],
      ['c', errorCodes.INVALID_REPLICA_ASSIGNMENT, /2 additional partition.* only 1 assignment/],
      ['d', errorCodes.INVALID_REPLICA_ASSIGNMENT, /broker 2, but no such broker is registered/],
      ['e', errorCodes.INVALID_REPLICA_ASSIGNMENT, /the broker 1 more than once/],
      ['f', errorCodes.INVALID_PARTITIONS, /at most/],
      ['twice', errorCodes.INVALID_REQUEST, 'Duplicate topic name.'],
    ],
  );
  const { topics } = await client.request(metadata, 9, { topics: null });
  t.ok(topics.every(({ partitions }) => partitions.length === 2));
});

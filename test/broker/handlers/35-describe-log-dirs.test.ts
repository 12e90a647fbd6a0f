import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { alterReplicaLogDirs } from '#src/protocol/messages/34-alter-replica-log-dirs.js';
import { describeLogDirs } from '#src/protocol/messages/35-describe-log-dirs.js';
import {
  connectTo,
  createTopic,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

t.test('every version tells directories, partitions and their sizes', async (t) => {
  const dirs = [tempDir(t), tempDir(t)];
  const broker = await startBroker(t, { 'log.dirs': dirs.join(',') });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  await createTopic(client, 'b', { partitions: 2 });
  await produceTo(client, 'a', ['x'.repeat(1000)], { partition: 1 });
  for (let version = 1; version <= 4; version++) {
    const { errorCode, results } = await client.request(describeLogDirs, version, { topics: null });
    t.equal(errorCode, 0);
    t.same(
      results.map(({ logDir }) => logDir),
      dirs,
    );
    const sizes = results.flatMap(({ topics }) =>
      topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, partitionSize }) => [
          name,
          partitionIndex,
          partitionSize,
        ]),
      ),
    );
    const size = broker.services.logs.getLog('a', 1)?.sizeInBytes;
    t.ok(size !== undefined && size > 1000);
    t.same(sizes.sort(), [
      ['a', 0, 0],
      ['a', 1, size],
      ['b', 0, 0],
      ['b', 1, 0],
    ]);
    const [first] = results;
    const { totalBytes, usableBytes } = first ?? { totalBytes: 0, usableBytes: 0 };
    if (version < 4) t.equal(totalBytes, -1);
    else t.ok(totalBytes > 0 && usableBytes > 0 && usableBytes <= totalBytes);
  }
  const some = await client.request(describeLogDirs, 4, {
    topics: [
      { topic: 'a', partitions: [1, 7] },
      { topic: 'c', partitions: [0] },
    ],
  });
  const found = some.results.flatMap(({ topics }) => topics);
  t.match(found, [{ name: 'a', partitions: [{ partitionIndex: 1 }] }], 'others are left out');
});

t.test('a partition stays where it is; what cannot be done is said', async (t) => {
  const dirs = [tempDir(t), tempDir(t)] as const;
  const broker = await startBroker(t, { 'log.dirs': dirs.join(',') });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  const home = broker.services.logs.getLog('a', 0)?.path.startsWith(dirs[0]) ? 0 : 1;
  const { NONE, OPERATION_NOT_ATTEMPTED, LOG_DIR_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION } =
    errorCodes;
  for (const version of [1, 2]) {
    for (const [path, name, partition, errorCode] of [
      [dirs[home], 'a', 0, NONE],
      [dirs[1 - home], 'a', 0, OPERATION_NOT_ATTEMPTED],
      ['/nowhere', 'a', 0, LOG_DIR_NOT_FOUND],
      [dirs[home], 'a', 2, UNKNOWN_TOPIC_OR_PARTITION],
      [dirs[home], 'b', 0, UNKNOWN_TOPIC_OR_PARTITION],
    ] as const) {
      const { results } = await client.request(alterReplicaLogDirs, version, {
        dirs: [{ path: path as string, topics: [{ name, partitions: [partition] }] }],
      });
      t.match(results, [
        { topicName: name, partitions: [{ partitionIndex: partition, errorCode }] },
      ]);
    }
  }
});

import t from 'tap';
import { type Env, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { listOffsets } from '#src/protocol/messages/02-list-offsets.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { alterReplicaLogDirs } from '#src/protocol/messages/34-alter-replica-log-dirs.js';
import { describeLogDirs } from '#src/protocol/messages/35-describe-log-dirs.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
  tempDir,
} from '../support/test-broker.js';

const LATEST = -1;

t.test('a disk that fails: Produce is refused, reads and the other disk go on', async (t) => {
  const dirs = [tempDir(t), tempDir(t)] as const;
  let broken = '';
  const env: Env = {
    ...systemEnv,
    open(path, mode) {
      const file = systemEnv.open(path, mode);
      const pwritev = (buffers: readonly Uint8Array[], position: number): void => {
        if (broken !== '' && path.startsWith(broken)) throw new IoError('pwritev', path, 'EIO');
        systemPwritev(buffers, position);
      };
      const systemPwritev = file.pwritev.bind(file);
      return Object.assign(file, { pwritev });
    },
  };
  const broker = await startBroker(t, { 'log.dirs': dirs.join(',') }, { env });
  const client = await connectTo(t, broker);
  // The metadata is in the first directory; a partition in each.
  await createTopic(client, 'a', { partitions: 2 });
  const { logs } = broker.services;
  const failing = logs.getLog('a', 0)?.path.startsWith(dirs[1]) ? 0 : 1;
  for (const partition of [0, 1]) {
    t.match(await produceTo(client, 'a', ['x'], { partition }), { errorCode: 0 });
  }
  broken = dirs[1];
  for (let attempt = 0; attempt < 2; attempt++) {
    t.match(await produceTo(client, 'a', ['y'], { partition: failing }), {
      errorCode: errorCodes.KAFKA_STORAGE_ERROR,
      baseOffset: -1,
    });
    t.match(await produceTo(client, 'a', ['y'], { partition: 1 - failing }), { errorCode: 0 });
  }
  broken = '';
  t.match(await produceTo(client, 'a', ['z'], { partition: failing }), {
    errorCode: errorCodes.KAFKA_STORAGE_ERROR,
  });
  const read = await fetchFrom(client, 'a', { partition: failing });
  t.match(read, { errorCode: 0, highWatermark: 1 });
  t.ok((read.records?.length ?? 0) > 0);
  const { topics } = await client.request(listOffsets, 5, {
    replicaId: -1,
    topics: [{ name: 'a', partitions: [{ partitionIndex: failing, timestamp: LATEST }] }],
  });
  t.match(topics[0]?.partitions[0], { errorCode: 0, offset: 1 });
  const described = await client.request(metadata, 9, { topics: [{ name: 'a' }] });
  const partitions = described.topics[0]?.partitions ?? [];
  for (const { partitionIndex, leaderId, offlineReplicas } of partitions) {
    t.equal(leaderId, broker.nodeId, 'a leader to read from');
    t.same(offlineReplicas, partitionIndex === failing ? [broker.nodeId] : []);
  }
  const { results } = await client.request(describeLogDirs, 4, { topics: null });
  t.match(results, [
    { logDir: dirs[0], errorCode: 0, topics: [{ name: 'a' }] },
    { logDir: dirs[1], errorCode: errorCodes.KAFKA_STORAGE_ERROR, topics: [] },
  ]);
  const moved = await client.request(alterReplicaLogDirs, 2, {
    dirs: [{ path: dirs[1], topics: [{ name: 'a', partitions: [0] }] }],
  });
  t.match(moved.results, [{ partitions: [{ errorCode: errorCodes.KAFKA_STORAGE_ERROR }] }]);
  await createTopic(client, 'b', { partitions: 3 });
  for (const partition of [0, 1, 2]) {
    t.match(await produceTo(client, 'b', ['x'], { partition }), { errorCode: 0 });
  }
});

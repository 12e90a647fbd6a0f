import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { listOffsets } from '#src/protocol/messages/02-list-offsets.js';
import {
  batchOf,
  connectTo,
  createTopic,
  produceTo,
  startBroker,
} from '../../support/test-broker.js';

const T0 = 1_700_000_000_000;

async function setUp(t: Test) {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const ask = async (
    timestamp: number,
    version = 9,
    more: {
      topic?: string;
      partition?: number;
      epoch?: number;
      isolation?: number;
      replica?: number;
    } = {},
  ) => {
    const { topics } = await client.request(listOffsets, version, {
      replicaId: more.replica ?? -1,
      isolationLevel: more.isolation ?? 0,
      topics: [
        {
          name: more.topic ?? 'a',
          partitions: [
            {
              partitionIndex: more.partition ?? 0,
              currentLeaderEpoch: more.epoch ?? -1,
              timestamp,
            },
          ],
        },
      ],
      timeoutMs: 1000,
    });
    return topics[0]?.partitions[0];
  };
  return { client, ask };
}

type Test = Parameters<typeof startBroker>[0];

t.test('behaviour 12: latest, earliest, max timestamp and by time, in every version', async (t) => {
  const { client, ask } = await setUp(t);
  t.match(await ask(-1), { offset: 0, timestamp: -1 }, 'an empty log');
  t.match(await ask(-3), { errorCode: 0, offset: -1, timestamp: -1 });
  await produceTo(client, 'a', [], { records: batchOf(['a', 'b', 'c'], T0) });
  await produceTo(client, 'a', [], { records: batchOf(['d'], T0 + 1000) });
  await produceTo(client, 'a', [], { records: batchOf(['late'], T0 + 500) });
  for (let version = 1; version <= 10; version++) {
    t.match(await ask(-1, version), { errorCode: 0, offset: 5, timestamp: -1 });
    t.match(await ask(-1, version, { isolation: 1 }), { errorCode: 0, offset: 5 });
    t.match(await ask(-2, version), { errorCode: 0, offset: 0, timestamp: -1 });
    t.match(await ask(T0 + 2, version), { errorCode: 0, offset: 2, timestamp: T0 + 2 });
    t.match(await ask(T0 + 3, version), { errorCode: 0, offset: 3, timestamp: T0 + 1000 });
    t.match(await ask(T0 + 1001, version), { errorCode: 0, offset: -1, timestamp: -1 });
    const unsupported = { errorCode: errorCodes.UNSUPPORTED_VERSION };
    t.match(
      await ask(-3, version),
      version < 7 ? unsupported : { errorCode: 0, offset: 3, timestamp: T0 + 1000 },
    );
    t.match(await ask(-4, version), version < 8 ? unsupported : { errorCode: 0, offset: 0 });
    t.match(await ask(-5, version), version < 9 ? unsupported : { errorCode: 0, offset: -1 });
    t.match(await ask(-6, version), unsupported);
  }
});

t.test('errors of single partitions', async (t) => {
  const { client, ask } = await setUp(t);
  t.match(await ask(-1, 9, { topic: 'b' }), { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION });
  t.match(await ask(-1, 9, { partition: 1 }), { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION });
  t.match(await ask(-1, 9, { epoch: 3 }), { errorCode: errorCodes.UNKNOWN_LEADER_EPOCH });
  t.match(await ask(-1, 9, { epoch: 0 }), { errorCode: 0, leaderEpoch: 0 });
  t.match(await ask(-1, 9, { replica: 1 }), { errorCode: errorCodes.TOPIC_AUTHORIZATION_FAILED });
  const twice = await client.request(listOffsets, 5, {
    replicaId: -1,
    topics: [
      {
        name: 'a',
        partitions: [
          { partitionIndex: 0, timestamp: -1 },
          { partitionIndex: 0, timestamp: -2 },
        ],
      },
    ],
  });
  t.same(
    twice.topics[0]?.partitions.map(({ errorCode }) => errorCode),
    [errorCodes.INVALID_REQUEST, errorCodes.INVALID_REQUEST],
  );
});

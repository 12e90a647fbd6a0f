import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { offsetForLeaderEpoch } from '#src/protocol/messages/23-offset-for-leader-epoch.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, createTopic, produceTo, startBroker } from '../../support/test-broker.js';

async function ask(
  client: RawClient,
  topic: string,
  asked: {
    version?: number;
    partition?: number;
    epoch?: number;
    current?: number;
    replica?: number;
  },
) {
  const { topics } = await client.request(offsetForLeaderEpoch, asked.version ?? 4, {
    replicaId: asked.replica ?? -1,
    topics: [
      {
        topic,
        partitions: [
          {
            partition: asked.partition ?? 0,
            currentLeaderEpoch: asked.current ?? -1,
            leaderEpoch: asked.epoch ?? 0,
          },
        ],
      },
    ],
  });
  return topics[0]?.partitions[0];
}

t.test('every version tells where the epoch ends', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  t.match(await ask(client, 'a', {}), { errorCode: 0, leaderEpoch: 0, endOffset: 0 }, 'empty');
  await produceTo(client, 'a', ['0', '1', '2']);
  for (let version = 2; version <= 4; version++) {
    t.match(await ask(client, 'a', { version }), { errorCode: 0, leaderEpoch: 0, endOffset: 3 });
  }
  t.match(await ask(client, 'a', { epoch: 7 }), { errorCode: 0, leaderEpoch: -1, endOffset: -1 });
  t.match(await ask(client, 'a', { epoch: -1 }), { errorCode: 0, leaderEpoch: -1, endOffset: -1 });
});

t.test('errors', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const error = async (
    ...asked: Parameters<typeof ask> extends [unknown, ...infer R] ? R : never
  ) => (await ask(client, ...asked))?.errorCode;
  t.equal(await error('none', {}), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error('a', { partition: 9 }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error('a', { current: 5 }), errorCodes.UNKNOWN_LEADER_EPOCH);
  t.equal(await error('a', { replica: 2 }), errorCodes.TOPIC_AUTHORIZATION_FAILED);
  t.equal(await error('a', { current: 0 }), 0);
});

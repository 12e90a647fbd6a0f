import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { findCoordinator } from '#src/protocol/messages/10-find-coordinator.js';
import { addOffsetsToTxn } from '#src/protocol/messages/25-add-offsets-to-txn.js';
import { txnOffsetCommit } from '#src/protocol/messages/28-txn-offset-commit.js';
import type { RawClient } from '../../support/raw-client.js';
import { connectTo, createTopic, startBroker, tempDir } from '../../support/test-broker.js';
import { endRequest, endWith, initProducer, type Producer } from '../../support/transactions.js';

async function commit(
  client: RawClient,
  producer: Producer,
  offset: number,
  version = 5,
  topic = 'a',
): Promise<number | undefined> {
  const { topics } = await client.request(txnOffsetCommit, version, {
    ...producer,
    groupId: 'g',
    topics: [
      {
        name: topic,
        partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'meta' }],
      },
    ],
  });
  return topics[0]?.partitions[0]?.errorCode;
}

async function addOffsets(client: RawClient, producer: Producer, version = 4): Promise<number> {
  return (await client.request(addOffsetsToTxn, version, { ...producer, groupId: 'g' })).errorCode;
}

/** The committed offset of the group, or the error that it is answered with. */
async function committed(client: RawClient, requireStable = false): Promise<number | string> {
  const { groups } = await client.request(offsetFetch, 8, {
    requireStable,
    groups: [{ groupId: 'g', topics: [{ name: 'a', partitionIndexes: [0] }] }],
  });
  const partition = groups[0]?.topics[0]?.partitions[0];
  if (partition === undefined) return 'no answer';
  return partition.errorCode === 0 ? partition.committedOffset : `error ${partition.errorCode}`;
}

/** Until the marker is in the offsets topic, which the client is not told. */
async function untilStable(client: RawClient): Promise<number | string> {
  const unstable = `error ${errorCodes.UNSTABLE_OFFSET_COMMIT}`;
  for (;;) {
    const offset = await committed(client, true);
    if (offset !== unstable) return offset;
  }
}

t.test('version 2: offsets join by their commit, and count once it is committed', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  let producer = await initProducer(client, 'tx');
  t.equal(await commit(client, producer, 5), 0);
  t.equal(await committed(client), -1);
  t.equal(await committed(client, true), `error ${errorCodes.UNSTABLE_OFFSET_COMMIT}`);
  producer = await endWith(client, producer, true);
  t.equal(await untilStable(client), 5);
  t.equal(await commit(client, producer, 9), 0, 'waits for the end before it');
  const next = await endWith(client, producer, false);
  t.equal(await untilStable(client), 5, 'an aborted commit is none');
  t.equal(await commit(client, producer, 7), errorCodes.INVALID_PRODUCER_EPOCH);
  t.equal(
    await commit(client, { ...next, producerId: 77 }, 7),
    errorCodes.INVALID_PRODUCER_ID_MAPPING,
  );
  t.equal(await commit(client, next, 7, 5, 'none'), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
});

t.test('older clients: the group is added first, in every version', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const producer = await initProducer(client, 'tx');
  t.equal(await commit(client, producer, 1, 3), errorCodes.INVALID_TXN_STATE);
  t.equal(await commit(client, producer, 1, 4), errorCodes.TRANSACTION_ABORTABLE);
  for (let version = 0; version <= 4; version++) {
    t.equal(await addOffsets(client, producer, version), 0);
    t.equal(await commit(client, producer, 10 + version, version), 0);
    t.equal((await endRequest(client, producer, true, 3)).errorCode, 0);
    t.equal(await untilStable(client), 10 + version);
  }
  const zombie = { ...producer, producerEpoch: -1 };
  for (let version = 0; version <= 4; version++) {
    const fenced = version < 2 ? errorCodes.INVALID_PRODUCER_EPOCH : errorCodes.PRODUCER_FENCED;
    t.equal(await addOffsets(client, zombie, version), fenced);
    t.equal(await commit(client, zombie, 1, version), errorCodes.INVALID_PRODUCER_EPOCH);
  }
});

t.test(
  'offsets of an open transaction are pending after a restart, and then decided',
  async (t) => {
    const dir = tempDir(t);
    let broker = await startBroker(t, { 'log.dirs': dir });
    let client = await connectTo(t, broker);
    await createTopic(client, 'a');
    const one = await initProducer(client, 'one');
    t.equal(await commit(client, one, 5), 0);
    const next = await endWith(client, one, true);
    t.equal(await untilStable(client), 5);
    t.equal(await commit(client, next, 6), 0);
    await broker.close();
    broker = await startBroker(t, { 'log.dirs': dir });
    client = await connectTo(t, broker);
    t.equal(await committed(client), 5);
    t.equal(await committed(client, true), `error ${errorCodes.UNSTABLE_OFFSET_COMMIT}`);
    await endWith(client, next, true);
    t.equal(await untilStable(client), 6);
  },
);

t.test('FindCoordinator makes the topic of the transaction coordinator', async (t) => {
  const broker = await startBroker(t, { 'transaction.state.log.num.partitions': '3' });
  const client = await connectTo(t, broker);
  const { coordinators } = await client.request(findCoordinator, 6, {
    keyType: 1,
    coordinatorKeys: ['tx'],
  });
  t.match(coordinators, [{ key: 'tx', errorCode: 0, nodeId: 1, port: broker.port }]);
  const topic = broker.services.controller.image.topic('__transaction_state');
  t.equal(topic?.partitionCount, 3);
});

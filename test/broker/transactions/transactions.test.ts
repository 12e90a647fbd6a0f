import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { BrokerConfigInput } from '#src/broker/config.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { listOffsets } from '#src/protocol/messages/02-list-offsets.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { addPartitionsToTxn } from '#src/protocol/messages/24-add-partitions-to-txn.js';
import { writeTxnMarkers } from '#src/protocol/messages/27-write-txn-markers.js';
import { describeProducers } from '#src/protocol/messages/61-describe-producers.js';
import { describeTransactions } from '#src/protocol/messages/65-describe-transactions.js';
import { listTransactions } from '#src/protocol/messages/66-list-transactions.js';
import type { RawClient } from '../../support/raw-client.js';
import {
  batchOf,
  connectTo,
  createTopic,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';
import {
  addPartitions,
  committedValues,
  endRequest,
  endWith,
  initProducer,
  initRequest,
  markersOf,
  type Producer,
  produceIn,
} from '../../support/transactions.js';

interface Test {
  teardown(callback: () => unknown): void;
}

async function started(t: Test, config: BrokerConfigInput = {}) {
  const broker = await startBroker(t, config);
  const client = await connectTo(t, broker);
  if (broker.services.controller.image.topic('a') === undefined) {
    await createTopic(client, 'a', { partitions: 2 });
  }
  return { broker, client };
}

async function stateOf(client: RawClient, transactionalId: string): Promise<string> {
  const { transactionStates } = await client.request(describeTransactions, 0, {
    transactionalIds: [transactionalId],
  });
  return transactionStates[0]?.transactionState ?? '';
}

/** Until the markers are written. */
async function untilState(client: RawClient, id: string, state: string): Promise<void> {
  for (let attempt = 0; (await stateOf(client, id)) !== state; attempt++) {
    if (attempt === 20_000) throw new Error(`${id} does not become ${state}`);
  }
}

async function stableOffset(client: RawClient, partition = 0): Promise<number | undefined> {
  const { topics } = await client.request(listOffsets, 5, {
    replicaId: -1,
    isolationLevel: 1,
    topics: [{ name: 'a', partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
  });
  return topics[0]?.partitions[0]?.offset;
}

t.test(
  'version 2: partitions join with their records, the epoch rises with every end',
  async (t) => {
    const { client } = await started(t);
    const p0 = await initProducer(client, 'tx');
    t.same((await produceIn(client, p0, 'a', { sequence: 0, values: ['1', '2'] })).errorCode, 0);
    t.equal(await stateOf(client, 'tx'), 'Ongoing');
    t.equal(await stableOffset(client), 0);
    t.same(await committedValues(client, 'a'), []);
    const p1 = await endWith(client, p0, true);
    t.same(p1, { ...p0, producerEpoch: 1 });
    // Waits for the end of the one before.
    t.match(await produceIn(client, p1, 'a', { sequence: 0, values: ['x'] }), { errorCode: 0 });
    const p2 = await endWith(client, p1, false);
    t.equal(p2.producerEpoch, 2);
    await untilState(client, 'tx', 'CompleteAbort');
    t.same(await committedValues(client, 'a'), ['1', '2']);
    t.same(await markersOf(client, 'a'), ['commit 1', 'abort 2']);
    t.equal(await stableOffset(client), 5);
  },
);

t.test('older clients: partitions are added first, the epoch stays', async (t) => {
  const { client } = await started(t);
  for (const version of [0, 1, 2, 3, 4]) {
    const producer = await initProducer(client, `tx${version}`, { version: Math.min(version, 4) });
    const end = () => endRequest(client, producer, true, version);
    const addVersion = Math.min(version, 3);
    t.equal(await addPartitions(client, producer, 'a', [0, 1], addVersion), 0);
    const batch = { sequence: 0, values: [`v${version}`], version: 3 + version };
    t.match(await produceIn(client, producer, 'a', batch), { errorCode: 0 });
    t.match(await produceIn(client, producer, 'a', { ...batch, partition: 1 }), { errorCode: 0 });
    t.equal((await end()).errorCode, 0);
    await untilState(client, producer.transactionalId, 'CompleteCommit');
    t.equal((await end()).errorCode, 0, 'a repeated end');
    t.equal(await addPartitions(client, producer, 'a', [0], addVersion), 0);
    t.equal((await endRequest(client, producer, false, version)).errorCode, 0);
  }
  await untilState(client, 'tx4', 'CompleteAbort');
  t.same(await committedValues(client, 'a'), ['v0', 'v1', 'v2', 'v3', 'v4']);
  t.same(await committedValues(client, 'a', 1), ['v0', 'v1', 'v2', 'v3', 'v4']);
});

t.test('KIP-890: a batch for a partition that is not in the transaction is refused', async (t) => {
  const { client } = await started(t);
  const producer = await initProducer(client, 'tx');
  const produceAt = async (version: number) =>
    (await produceIn(client, producer, 'a', { sequence: 0, version })).errorCode;
  t.equal(await produceAt(9), errorCodes.INVALID_TXN_STATE, 'no transaction yet');
  t.equal(await addPartitions(client, producer, 'a', [1]), 0);
  t.equal(await produceAt(10), errorCodes.INVALID_TXN_STATE);
  t.equal(await produceAt(11), errorCodes.TRANSACTION_ABORTABLE);
  t.equal((await endRequest(client, producer, true, 4)).errorCode, 0);
  await untilState(client, 'tx', 'CompleteCommit');
  const late = await produceIn(client, producer, 'a', { sequence: 0, partition: 1, version: 9 });
  t.equal(late.errorCode, errorCodes.INVALID_TXN_STATE, 'a batch that comes late');
  t.equal(await stableOffset(client, 1), 1, 'and hangs nowhere');
  const stranger = { ...producer, transactionalId: 'nobody' };
  t.match(await produceIn(client, stranger, 'a', { sequence: 0 }), {
    errorCode: errorCodes.INVALID_PRODUCER_ID_MAPPING,
  });
  t.match(await produceIn(client, producer, 'a', { sequence: 0, transactionalId: null }), {
    errorCode: errorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  });
  t.match(await produceIn(client, producer, 'a', { sequence: 0, transactionalId: '' }), {
    errorCode: errorCodes.INVALID_REQUEST,
  });
  t.match(await produceIn(client, producer, 'nothing', { sequence: 0 }), {
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  });
});

t.test(
  'a zombie is fenced by the next producer of its id, and its transaction aborted',
  async (t) => {
    const { client } = await started(t);
    const zombie = await initProducer(client, 'tx');
    t.match(await produceIn(client, zombie, 'a', { sequence: 0, values: ['z'] }), { errorCode: 0 });
    t.match(await initRequest(client, 'tx'), { errorCode: errorCodes.CONCURRENT_TRANSACTIONS });
    const heir = await initProducer(client, 'tx');
    t.same(heir, { ...zombie, producerEpoch: 2 });
    t.match(await produceIn(client, zombie, 'a', { sequence: 1 }), {
      errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    });
    for (const version of [0, 1, 2, 3]) {
      const fenced = version < 2 ? errorCodes.INVALID_PRODUCER_EPOCH : errorCodes.PRODUCER_FENCED;
      t.equal(await addPartitions(client, zombie, 'a', [0], version), fenced);
      t.equal((await endRequest(client, zombie, true, version)).errorCode, fenced);
    }
    t.equal((await endRequest(client, zombie, true, 5)).errorCode, errorCodes.PRODUCER_FENCED);
    const again = { producerId: zombie.producerId, producerEpoch: zombie.producerEpoch };
    t.match(await initRequest(client, 'tx', { ...again, version: 3 }), {
      errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    });
    t.match(await initRequest(client, 'tx', again), { errorCode: errorCodes.PRODUCER_FENCED });
    t.match(await produceIn(client, heir, 'a', { sequence: 0, values: ['h'] }), { errorCode: 0 });
    await endWith(client, heir, true);
    await untilState(client, 'tx', 'CompleteCommit');
    t.same(await committedValues(client, 'a'), ['h']);
  },
);

t.test('version 2: a late end of an earlier transaction does not touch the next one', async (t) => {
  const { client } = await started(t);
  const p0 = await initProducer(client, 'tx');
  await produceIn(client, p0, 'a', { sequence: 0, values: ['1'] });
  const p1 = await endWith(client, p0, true);
  t.same(await endWith(client, p0, true).catch(() => p1), p1, 'at once it is the same end');
  await untilState(client, 'tx', 'CompleteCommit');
  t.same(await endWith(client, p0, true), p1, 'repeated, it has the same answer');
  t.match(await endRequest(client, p0, false), { errorCode: errorCodes.INVALID_TXN_STATE });
  await produceIn(client, p1, 'a', { sequence: 0, values: ['2'] });
  t.match(await endRequest(client, p0, true), { errorCode: errorCodes.PRODUCER_FENCED });
  t.match(await endRequest(client, p0, false), { errorCode: errorCodes.PRODUCER_FENCED });
  t.match(await produceIn(client, p0, 'a', { sequence: 1 }), {
    errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
  });
  t.equal(await stateOf(client, 'tx'), 'Ongoing');
  await endWith(client, p1, true);
  await untilState(client, 'tx', 'CompleteCommit');
  t.same(await committedValues(client, 'a'), ['1', '2']);
});

t.test('version 2: an abort of nothing is an abort, a commit of nothing is not', async (t) => {
  const { client } = await started(t);
  const p0 = await initProducer(client, 'tx');
  t.match(await endRequest(client, p0, true), { errorCode: errorCodes.INVALID_TXN_STATE });
  const p1 = await endWith(client, p0, false);
  t.equal(p1.producerEpoch, 1);
  await untilState(client, 'tx', 'CompleteAbort');
  t.same(await endWith(client, p0, false), p1);
  const p2 = await endWith(client, p1, false);
  t.equal(p2.producerEpoch, 2);
  t.match(await endRequest(client, p0, true, 4), { errorCode: errorCodes.PRODUCER_FENCED });
});

t.test(
  'the five-batch window: repeats, gaps, and an epoch of its own for each transaction',
  async (t) => {
    const { client } = await started(t);
    const p0 = await initProducer(client, 'tx');
    const at = (producer: Producer, sequence: number) =>
      produceIn(client, producer, 'a', { sequence, values: ['v'] });
    t.match(await at(p0, 1), { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER });
    for (let sequence = 0; sequence < 6; sequence++) {
      t.match(await at(p0, sequence), { errorCode: 0, baseOffset: sequence });
    }
    t.match(await at(p0, 3), { errorCode: 0, baseOffset: 3 }, 'a repeat');
    t.match(await at(p0, 0), { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER }, 'too old');
    t.match(await at(p0, 7), { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER }, 'a gap');
    const p1 = await endWith(client, p0, true);
    t.match(await at(p1, 6), { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER });
    t.match(await at(p1, 0), { errorCode: 0, baseOffset: 7 });
    const plain = await produceIn(client, p1, 'a', { sequence: 1, isTransactional: false });
    t.equal(plain.errorCode, errorCodes.INVALID_TXN_STATE, 'not transactional, in a transaction');
  },
);

t.test('requests of one producer that are sent at once stay in order', async (t) => {
  const { client } = await started(t);
  let producer = await initProducer(client, 'tx');
  for (let round = 0; round < 20; round++) {
    const answers = [];
    for (let i = 0; i < 5; i++) {
      const batch = { sequence: i, partition: 0, values: [`${round}.${i}`] };
      answers.push(produceIn(client, producer, 'a', batch));
      answers.push(produceIn(client, producer, 'a', { ...batch, partition: 1 }));
    }
    const codes = (await Promise.all(answers)).map(({ errorCode }) => errorCode);
    t.same(codes, new Array(10).fill(0));
    producer = await endWith(client, producer, round % 3 !== 0);
  }
  await endRequest(client, producer, false);
  const values = (await committedValues(client, 'a')).map(Number);
  t.equal(values.length, 13 * 5);
  t.same(
    values,
    [...values].sort((x, y) => x - y),
  );
});

t.test('InitProducerId: timeouts, ids, and what makes no sense', async (t) => {
  const { client } = await started(t, { 'transaction.max.timeout.ms': '5000' });
  const { INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT } = errorCodes;
  t.match(await initRequest(client, '', { timeoutMs: 1 }), { errorCode: INVALID_REQUEST });
  for (const timeoutMs of [0, -1, 5001]) {
    t.match(await initRequest(client, 'tx', { timeoutMs }), {
      errorCode: INVALID_TRANSACTION_TIMEOUT,
      producerId: -1,
    });
  }
  const half = { timeoutMs: 5000, producerId: 7 };
  t.match(await initRequest(client, 'tx', half), { errorCode: INVALID_REQUEST });
  // Of an id that was forgotten: it begins anew (KIP-360).
  const unknown = await initProducer(client, 'old', { ...half, producerEpoch: 3 });
  t.equal(unknown.producerEpoch, 0);
  const p0 = await initProducer(client, 'tx', { timeoutMs: 5000 });
  const bumped = await initProducer(client, 'tx', { ...p0, timeoutMs: 4000 });
  t.same(bumped, { ...p0, producerEpoch: 1 });
  t.same(await initProducer(client, 'tx', { ...p0, timeoutMs: 4000 }), bumped, 'repeated');
  const { transactionStates } = await client.request(describeTransactions, 0, {
    transactionalIds: ['tx', 'no such id', ''],
  });
  t.match(transactionStates, [
    { errorCode: 0, transactionState: 'Empty', transactionTimeoutMs: 4000, producerEpoch: 1 },
    { errorCode: errorCodes.TRANSACTIONAL_ID_NOT_FOUND },
    { errorCode: INVALID_REQUEST },
  ]);
});

t.test('AddPartitionsToTxn: all or none, and verify only', async (t) => {
  const { client } = await started(t);
  const producer = await initProducer(client, 'tx');
  const { transactionalId, producerId, producerEpoch } = producer;
  const { resultsByTopicV3AndBelow: mixed } = await client.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [
      { name: 'a', partitions: [0, 9] },
      { name: 'b', partitions: [0] },
    ],
  });
  const { OPERATION_NOT_ATTEMPTED, UNKNOWN_TOPIC_OR_PARTITION } = errorCodes;
  t.match(mixed, [
    {
      name: 'a',
      resultsByPartition: [
        { partitionErrorCode: OPERATION_NOT_ATTEMPTED },
        { partitionErrorCode: UNKNOWN_TOPIC_OR_PARTITION },
      ],
    },
    { name: 'b', resultsByPartition: [{ partitionErrorCode: UNKNOWN_TOPIC_OR_PARTITION }] },
  ]);
  t.equal(await stateOf(client, 'tx'), 'Empty');
  const ask = async (version: number, verifyOnly: boolean, partitions: number[]) => {
    const topics = [{ name: 'a', partitions }];
    const transaction = { transactionalId, producerId, producerEpoch, verifyOnly, topics };
    const answer = await client.request(addPartitionsToTxn, version, {
      transactions: [transaction, { ...transaction, transactionalId: 'other' }],
    });
    return answer.resultsByTransaction.map(({ topicResults }) =>
      topicResults[0]?.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
    );
  };
  const { TRANSACTION_ABORTABLE, INVALID_PRODUCER_ID_MAPPING: mapping } = errorCodes;
  t.same(await ask(4, true, [0]), [[TRANSACTION_ABORTABLE], [mapping]]);
  t.same(await ask(5, false, [0]), [[0], [mapping]]);
  t.same(await ask(5, true, [0, 1]), [
    [0, TRANSACTION_ABORTABLE],
    [mapping, mapping],
  ]);
});

t.test(
  'a hanging transaction is seen by DescribeProducers and ended by WriteTxnMarkers',
  async (t) => {
    const { broker, client } = await started(t);
    const producer = await initProducer(client, 'tx');
    t.match(await produceIn(client, producer, 'a', { sequence: 0 }), { errorCode: 0 });
    await produceTo(client, 'a', [], { records: batchOf(['after it']) });
    // As if no coordinator knew of it.
    const log = broker.services.logs.getLog('a', 0);
    t.equal(log?.lastStableOffset, 0);
    const describe = async () => {
      const { topics } = await client.request(describeProducers, 0, {
        topics: [
          { name: 'a', partitionIndexes: [0, 1, 7] },
          { name: 'b', partitionIndexes: [0] },
          { name: 'not/valid', partitionIndexes: [0] },
        ],
      });
      return topics;
    };
    const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION } = errorCodes;
    const seen = await describe();
    t.match(seen, [
      {
        name: 'a',
        partitions: [
          {
            errorCode: 0,
            activeProducers: [
              {
                producerId: producer.producerId,
                producerEpoch: 0,
                lastSequence: 0,
                lastTimestamp: 1_700_000_000_000,
                coordinatorEpoch: -1,
                currentTxnStartOffset: 0,
              },
            ],
          },
          { errorCode: 0, activeProducers: [] },
          { errorCode: UNKNOWN_TOPIC_OR_PARTITION },
        ],
      },
      { partitions: [{ errorCode: UNKNOWN_TOPIC_OR_PARTITION }] },
      { partitions: [{ errorCode: INVALID_TOPIC_EXCEPTION }] },
    ]);
    const write = async (version: number, producerEpoch: number) => {
      const { markers } = await client.request(writeTxnMarkers, version, {
        markers: [
          {
            producerId: producer.producerId,
            producerEpoch,
            transactionResult: false,
            coordinatorEpoch: 0,
            transactionVersion: version === 2 ? 2 : 0,
            topics: [{ name: 'a', partitionIndexes: [0, 7] }],
          },
        ],
      });
      return markers[0]?.topics[0]?.partitions.map(({ errorCode }) => errorCode);
    };
    const { INVALID_PRODUCER_EPOCH } = errorCodes;
    t.same(await write(2, 0), [INVALID_PRODUCER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION]);
    t.same(await write(1, 0), [0, UNKNOWN_TOPIC_OR_PARTITION]);
    t.equal(log?.lastStableOffset, 3);
    t.same(await committedValues(client, 'a'), ['after it']);
    t.equal((await describe())[0]?.partitions[0]?.activeProducers[0]?.currentTxnStartOffset, -1);
  },
);

t.test('transactions are what they were after a restart', async (t) => {
  const dir = tempDir(t);
  const config = { 'log.dirs': dir };
  let { broker, client } = await started(t, config);
  const open = await initProducer(client, 'open');
  await produceIn(client, open, 'a', { sequence: 0, values: ['open'] });
  const done = await initProducer(client, 'done');
  await produceIn(client, done, 'a', { sequence: 0, values: ['done'] });
  const next = await endWith(client, done, true);
  await broker.close();
  ({ broker, client } = await started(t, config));
  t.equal(await stateOf(client, 'open'), 'Ongoing');
  t.equal(await stateOf(client, 'done'), 'CompleteCommit');
  t.same(await endWith(client, done, true), next, 'an end whose answer was lost');
  t.match(await produceIn(client, open, 'a', { sequence: 1, values: ['more'] }), { errorCode: 0 });
  t.match(await produceIn(client, next, 'a', { sequence: 0, values: ['too'] }), { errorCode: 0 });
  await endWith(client, open, true);
  await endWith(client, next, true);
  await untilState(client, 'done', 'CompleteCommit');
  await untilState(client, 'open', 'CompleteCommit');
  t.same(await committedValues(client, 'a'), ['open', 'done', 'more', 'too']);
  const image = broker.services.controller.image.topic('__transaction_state');
  t.match(image, { partitionCount: 1, internal: true, configs: { 'cleanup.policy': 'compact' } });
});

t.test('ApiVersions tells clients that transactions are of version 2', async (t) => {
  const { client } = await started(t);
  const software = { clientSoftwareName: 'raw', clientSoftwareVersion: '1' };
  const newest = await client.request(apiVersions, 4, software);
  t.match(
    newest.supportedFeatures.find(({ name }) => name === 'transaction.version'),
    {
      minVersion: 0,
      maxVersion: 2,
    },
  );
  t.match(
    newest.finalizedFeatures.find(({ name }) => name === 'transaction.version'),
    {
      minVersionLevel: 2,
      maxVersionLevel: 2,
    },
  );
  t.ok(newest.finalizedFeaturesEpoch >= 0);
  // Older clients cannot read a feature that begins at 0.
  const older = await client.request(apiVersions, 3, software);
  t.same(
    older.supportedFeatures.filter(({ minVersion }) => minVersion === 0),
    [],
  );
  t.match(
    older.finalizedFeatures.find(({ name }) => name === 'transaction.version'),
    {
      maxVersionLevel: 2,
    },
  );
});

t.test('ListTransactions: by state, producer, duration and pattern', async (t) => {
  const { client } = await started(t);
  const one = await initProducer(client, 'one');
  const two = await initProducer(client, 'two');
  t.equal(await addPartitions(client, two, 'a'), 0);
  const list = async (filter: {
    stateFilters?: string[];
    producerIdFilters?: number[];
    durationFilter?: number;
    transactionalIdPattern?: string;
  }) => {
    const all = { stateFilters: [], producerIdFilters: [] };
    const answer = await client.request(listTransactions, 2, { ...all, ...filter });
    const ids = answer.transactionStates.map(({ transactionalId }) => transactionalId);
    return { errorCode: answer.errorCode, unknown: answer.unknownStateFilters, ids };
  };
  const found = (...ids: string[]) => ({ errorCode: 0, unknown: [], ids });
  t.same(await list({}), found('one', 'two'));
  t.same(await list({ stateFilters: ['Ongoing'] }), found('two'));
  t.same(await list({ stateFilters: ['Ongoing', 'Nothing'] }), {
    ...found('two'),
    unknown: ['Nothing'],
  });
  t.same(await list({ producerIdFilters: [one.producerId] }), found('one'));
  t.same(await list({ durationFilter: 3_600_000 }), found('one'), 'nothing began: as in Kafka');
  t.same(await list({ transactionalIdPattern: 't.*' }), found('two'));
  t.same(await list({ transactionalIdPattern: '' }), found('one', 'two'));
  t.match(await list({ transactionalIdPattern: '(' }), {
    errorCode: errorCodes.INVALID_REGULAR_EXPRESSION,
  });
});

t.test(
  'a transaction that times out is aborted, and readers of committed records go on',
  async (t) => {
    const clock = new ManualClock(1_700_000_000_000);
    const broker = await startBroker(t, {}, { clock });
    const client = await connectTo(t, broker);
    await createTopic(client, 'a', { partitions: 2 });
    const producer = await initProducer(client, 'tx', { timeoutMs: 1000 });
    t.match(await produceIn(client, producer, 'a', { sequence: 0, values: ['late'] }), {
      errorCode: 0,
    });
    await produceTo(client, 'a', [], { records: batchOf(['behind it']) });
    t.equal(await stableOffset(client), 0);
    clock.advance(11_000);
    await untilState(client, 'tx', 'CompleteAbort');
    t.equal(await stableOffset(client), 3);
    t.same(await committedValues(client, 'a'), ['behind it']);
    t.same(await markersOf(client, 'a'), ['abort 1']);
    t.match(await produceIn(client, producer, 'a', { sequence: 1 }), {
      errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    });
    t.match(await endRequest(client, producer, true), { errorCode: errorCodes.INVALID_TXN_STATE });
    // A new transaction of the id, and then the end of the old one that was under way all the time.
    const next = await initProducer(client, 'tx');
    t.match(await produceIn(client, next, 'a', { sequence: 0, values: ['next'] }), {
      errorCode: 0,
    });
    for (const committed of [true, false]) {
      const late = await endRequest(client, producer, committed);
      t.equal(late.errorCode, errorCodes.PRODUCER_FENCED);
    }
    t.equal(await stateOf(client, 'tx'), 'Ongoing');
    await endWith(client, next, true);
    await untilState(client, 'tx', 'CompleteCommit');
    t.same(await committedValues(client, 'a'), ['behind it', 'next']);
  },
);

t.test('a producer that is silent is forgotten, unless its transaction is open', async (t) => {
  const clock = new ManualClock(1_700_000_000_000);
  const config = {
    'producer.id.expiration.ms': '1000',
    'log.retention.check.interval.ms': '500',
    'transaction.max.timeout.ms': '3600000',
  };
  const broker = await startBroker(t, config, { clock });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { configs: { 'retention.ms': '-1' } });
  const open = await initProducer(client, 'open', { timeoutMs: 3_600_000 });
  await produceIn(client, open, 'a', { sequence: 0 });
  const done = await initProducer(client, 'done');
  await produceIn(client, done, 'a', { sequence: 0 });
  await endWith(client, done, true);
  await untilState(client, 'done', 'CompleteCommit');
  const known = async () => {
    const { topics } = await client.request(describeProducers, 0, {
      topics: [{ name: 'a', partitionIndexes: [0] }],
    });
    return topics[0]?.partitions[0]?.activeProducers.map(({ producerId }) => producerId).sort();
  };
  t.same(await known(), [open.producerId, done.producerId].sort());
  clock.advance(2000);
  while ((await known())?.length === 2) clock.advance(500);
  t.same(await known(), [open.producerId]);
});

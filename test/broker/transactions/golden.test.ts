import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { describeTransactions } from '#src/protocol/messages/65-describe-transactions.js';
import { listTransactions } from '#src/protocol/messages/66-list-transactions.js';
import { connectTo, startBroker, tempDir } from '../../support/test-broker.js';
import { committedValues, endWith, initProducer, produceIn } from '../../support/transactions.js';

const golden = join(import.meta.dirname, '../../../../test/golden/kafka-data/data');

t.test('transactional ids of a real Kafka go on where it ended', async (t) => {
  const dir = tempDir(t);
  cpSync(golden, dir, { recursive: true });
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  const { transactionStates: listed } = await client.request(listTransactions, 2, {
    stateFilters: [],
    producerIdFilters: [],
  });
  t.ok(listed.length > 0, 'its transactional ids are known');
  for (const { transactionalId } of listed) {
    const { transactionStates } = await client.request(describeTransactions, 0, {
      transactionalIds: [transactionalId],
    });
    const before = transactionStates[0];
    t.match(before, { errorCode: 0, transactionState: /^Complete/ });
    const values = await committedValues(client, 'transactions');
    const producer = await initProducer(client, transactionalId);
    t.equal(producer.producerId, before?.producerId);
    t.equal(producer.producerEpoch, (before?.producerEpoch ?? 0) + 1);
    const old = { ...producer, producerEpoch: before?.producerEpoch ?? 0 };
    t.match(await produceIn(client, old, 'transactions', { sequence: 0 }), {
      errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    });
    const batch = { sequence: 0, values: [`after ${transactionalId}`] };
    t.match(await produceIn(client, producer, 'transactions', batch), { errorCode: 0 });
    await endWith(client, producer, true);
    while ((await committedValues(client, 'transactions')).length === values.length);
    t.same(await committedValues(client, 'transactions'), [...values, ...batch.values]);
  }
  const topic = broker.services.controller.image.topic('__transaction_state');
  t.match(topic?.configs, { 'cleanup.policy': 'compact' }, 'and it is compacted, not cut');
});

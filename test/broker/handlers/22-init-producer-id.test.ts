import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { initProducerId } from '#src/protocol/messages/22-init-producer-id.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  connectTo,
  createTopic,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

t.test('behaviour 21: a fresh id each time, in every version, also after a restart', async (t) => {
  const dir = tempDir(t);
  const seen = new Set<number>();
  for (let start = 0; start < 3; start++) {
    const broker = await startBroker(t, { 'log.dirs': dir });
    const client = await connectTo(t, broker);
    for (let version = 0; version <= 5; version++) {
      const answer = await client.request(initProducerId, version, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      });
      t.match(answer, { errorCode: 0, producerEpoch: 0 });
      t.notOk(seen.has(answer.producerId));
      seen.add(answer.producerId);
    }
    await broker.close();
  }
  t.equal(seen.size, 18);
});

t.test('an idempotent producer writes; a repeated batch is written once', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const { producerId } = await client.request(initProducerId, 3, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
  });
  const batch = (baseSequence: number) => {
    const builder = new BatchBuilder({ producerId, producerEpoch: 0, baseSequence });
    builder.append({ timestamp: 1_700_000_000_000, value: Buffer.from('x') });
    return builder.build();
  };
  t.match(await produceTo(client, 'a', [], { records: batch(0) }), { errorCode: 0, baseOffset: 0 });
  t.match(await produceTo(client, 'a', [], { records: batch(0) }), { errorCode: 0, baseOffset: 0 });
  t.match(await produceTo(client, 'a', [], { records: batch(1) }), { errorCode: 0, baseOffset: 1 });
  t.match(await produceTo(client, 'a', [], { records: batch(5) }), {
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
  });
});

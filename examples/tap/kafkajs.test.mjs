import { Kafka, logLevel } from 'kafkajs';
import { startBroker } from 'millrace/testing';
import t from 'tap';
import { startTotals } from '../service/totals-kafkajs.cjs';

const textOf = ({ key, value }) => `${key}=${value}`;

async function setUp(t) {
  const broker = await startBroker({ topics: ['orders', 'totals'] });
  t.teardown(() => broker.dispose());
  const kafka = new Kafka({
    clientId: 'totals',
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20 },
  });
  return { broker, kafka };
}

t.test('each order makes a new total', async (t) => {
  const { broker, kafka } = await setUp(t);
  const service = await startTotals(kafka);
  await broker.produce('orders', [
    { key: 'ann', value: '5' },
    { key: 'ann', value: '7' },
  ]);
  t.same((await broker.consumeAll('totals', { count: 2 })).map(textOf), ['ann=5', 'ann=12']);
  await service.stop();
});

t.test('an answer that is lost after the write makes the total appear twice', async (t) => {
  const { broker, kafka } = await setUp(t);
  await broker.faults.add({ api: 'Produce', topic: 'totals', first: 1 }, 'close-after');
  const service = await startTotals(kafka);
  await broker.produce('orders', { key: 'ann', value: '5' });
  t.same((await broker.consumeAll('totals', { count: 2 })).map(textOf), ['ann=5', 'ann=5']);
  t.match(await broker.requests.explain({ api: 'Produce' }), /closed \(fault: close-after\)/);
  await service.stop();
});

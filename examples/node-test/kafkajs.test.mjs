import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { startBroker } from 'millrace/testing';
import { startTotals } from '../service/totals-kafkajs.cjs';

const ORDERS = [
  { key: 'ann', value: '5' },
  { key: 'bob', value: '2' },
  { key: 'ann', value: '7' },
];

/** A broker of the test's own, gone when the test is over. With Node 24: `await using`. */
async function brokerOf(t, options = { topics: ['orders', 'totals'] }) {
  const broker = await startBroker(options);
  t.after(() => broker.dispose());
  return broker;
}

function clientOf(broker) {
  return new Kafka({
    clientId: 'totals',
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20 },
  });
}

const textOf = ({ key, value }) => `${key}=${value}`;

test('each order makes a new total', async (t) => {
  const broker = await brokerOf(t);
  await broker.produce('orders', ORDERS);
  const service = await startTotals(clientOf(broker));
  const totals = await broker.consumeAll('totals', { count: 3 });
  assert.deepEqual(totals.map(textOf), ['ann=5', 'bob=2', 'ann=12']);
  await service.stop();
});

test('a leader that moves costs a retry and no total', async (t) => {
  const broker = await brokerOf(t);
  const fault = await broker.faults.add(
    { api: 'Produce', topic: 'totals', first: 2 },
    { error: 'NOT_LEADER_OR_FOLLOWER' },
  );
  await broker.produce('orders', ORDERS);
  const service = await startTotals(clientOf(broker));
  const totals = await broker.consumeAll('totals', { count: 3 });
  assert.deepEqual(totals.map(textOf), ['ann=5', 'bob=2', 'ann=12']);
  assert.equal(fault.fired, 2);
  await broker.requests.expect({ api: 'Produce', topic: 'totals', error: 'NONE' }).times(3);
  await service.stop();
});

test('what was committed is not read again after a restart', async (t) => {
  const broker = await brokerOf(t);
  await broker.produce('orders', ORDERS);
  const first = await startTotals(clientOf(broker));
  await broker.consumeAll('totals', { count: 3 });
  // Commits what it has read.
  await first.stop();
  await broker.waitFor({ group: 'totals', topic: 'orders', lag: 0 });
  await broker.restart();
  await broker.produce('orders', { key: 'eve', value: '1' });
  const second = await startTotals(clientOf(broker));
  const totals = await broker.consumeAll('totals', { count: 4 });
  assert.deepEqual(totals.map(textOf), ['ann=5', 'bob=2', 'ann=12', 'eve=1']);
  await second.stop();
});

test('tests share seeded data, and none sees what another wrote', async (t) => {
  const seeded = await brokerOf(t);
  await seeded.produce('orders', ORDERS);
  const snapshot = await seeded.snapshot();
  t.after(() => snapshot.dispose());
  const results = [];
  for (const customer of ['cat', 'dan']) {
    const broker = await brokerOf(t, { from: snapshot });
    await broker.produce('orders', { key: customer, value: '1' });
    const orders = await broker.consumeAll('orders');
    results.push(orders.map(({ key }) => String(key)).join());
  }
  assert.deepEqual(results, ['ann,bob,ann,cat', 'ann,bob,ann,dan']);
});

test('a week passes in no time', async (t) => {
  const config = { 'retention.ms': 7 * 24 * 3600 * 1000 };
  const broker = await brokerOf(t, { topics: [{ name: 'orders', config }], clock: 'virtual' });
  await broker.produce('orders', ORDERS);
  await broker.log('orders').roll();
  await broker.clock.advance('6d');
  assert.equal((await broker.log('orders').offsets()).logStartOffset, 0);
  await broker.clock.advance('1d 1h');
  assert.equal((await broker.log('orders').offsets()).logStartOffset, 3);
});

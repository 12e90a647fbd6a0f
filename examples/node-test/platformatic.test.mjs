import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as kafka from '@platformatic/kafka';
import { startBroker, startCluster } from 'millrace/testing';
import { startTotals } from '../service/totals-platformatic.cjs';

const ORDERS = [
  { key: 'ann', value: '5' },
  { key: 'ann', value: '7' },
];
const textOf = ({ key, value }) => `${key}=${value}`;

test('each order makes a new total', async (t) => {
  const broker = await startBroker({ topics: ['orders', 'totals'] });
  t.after(() => broker.dispose());
  await broker.produce('orders', ORDERS);
  const service = await startTotals(kafka, broker.bootstrap);
  const totals = await broker.consumeAll('totals', { count: 2 });
  assert.deepEqual(totals.map(textOf), ['ann=5', 'ann=12']);
  await broker.requests
    .expect({ api: 'FindCoordinator', group: 'totals' })
    .inOrder(
      { api: 'JoinGroup', group: 'totals' },
      { api: 'SyncGroup', group: 'totals', error: 'NONE' },
      { api: 'Fetch', topic: 'orders' },
    );
  await service.stop();
});

test('it finds its way when the leader and the coordinator are elsewhere', async (t) => {
  const cluster = await startCluster(3, { topics: ['orders', 'totals'] });
  t.after(() => cluster.dispose());
  await cluster.moveLeader('orders', 0, 2);
  await cluster.moveCoordinator({ group: 'totals' }, 3);
  await cluster.produce('orders', ORDERS);
  const [first] = cluster.nodes;
  const service = await startTotals(kafka, first.bootstrap);
  const totals = await cluster.consumeAll('totals', { count: 2 });
  assert.deepEqual(totals.map(textOf), ['ann=5', 'ann=12']);
  await cluster.requests.expect({ api: 'JoinGroup', node: 3, error: 'NONE' }).atLeast(1);
  await cluster.requests.expect({ api: 'Fetch', node: 2, topic: 'orders' }).atLeast(1);
  await service.stop();
});

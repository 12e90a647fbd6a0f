import { afterEach, beforeEach, expect, test } from '@jest/globals';
import * as kafka from '@platformatic/kafka';
import { startBroker } from 'millrace/testing';
import service from '../service/totals-platformatic.cjs';

let broker;

beforeEach(async () => {
  broker = await startBroker({ topics: ['orders', 'totals'] });
});

afterEach(() => broker.dispose());

test('each order makes a new total', async () => {
  await broker.produce('orders', [
    { key: 'ann', value: '5' },
    { key: 'ann', value: '7' },
  ]);
  const running = await service.startTotals(kafka, broker.bootstrap);
  const totals = await broker.consumeAll('totals', { count: 2 });
  expect(totals.map(({ value }) => String(value))).toEqual(['5', '12']);
  await running.stop();
});

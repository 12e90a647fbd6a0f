import * as kafka from '@platformatic/kafka';
import { startBroker } from 'millrace/testing';
import { expect, onTestFinished, test } from 'vitest';
import { startTotals } from '../service/totals-platformatic.cjs';

test('each order makes a new total', async () => {
  const broker = await startBroker({ topics: ['orders', 'totals'] });
  onTestFinished(() => broker.dispose());
  await broker.produce('orders', [
    { key: 'ann', value: '5' },
    { key: 'ann', value: '7' },
  ]);
  const service = await startTotals(kafka, broker.bootstrap);
  const totals = await broker.consumeAll('totals', { count: 2 });
  expect(totals.map(({ key, value }) => `${key}=${value}`)).toEqual(['ann=5', 'ann=12']);
  await service.stop();
});

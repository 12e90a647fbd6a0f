import * as kafka from '@platformatic/kafka';
import { startBroker } from 'millrace/testing';
import t from 'tap';
import { startTotals } from '../service/totals-platformatic.cjs';

t.test('a slow broker makes totals late, not wrong', async (t) => {
  const broker = await startBroker({ topics: ['orders', 'totals'], seed: 42 });
  t.teardown(() => broker.dispose());
  const slow = { api: 'Produce', probability: 0.5, optional: true };
  await broker.faults.add(slow, { delayMs: 50 });
  const service = await startTotals(kafka, broker.bootstrap);
  const orders = Array.from({ length: 10 }, () => ({ key: 'ann', value: '1' }));
  await broker.produce('orders', orders);
  const totals = await broker.consumeAll('totals', { count: 10 });
  t.same(
    totals.map(({ value }) => Number(value)),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  await service.stop();
});

import { Kafka, logLevel } from 'kafkajs';
import { startBroker } from 'millrace/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTotals } from '../service/totals-kafkajs.cjs';

const textOf = ({ key, value }) => `${key}=${value}`;

// One broker for the file, put back to what it was before each test.
describe('totals, with kafkajs', () => {
  let broker;
  let empty;
  let kafka;

  beforeAll(async () => {
    broker = await startBroker({ topics: ['orders', 'totals'] });
    empty = await broker.snapshot();
  });

  afterAll(async () => {
    await empty.dispose();
    await broker.dispose();
  });

  beforeEach(async () => {
    await broker.reset(empty);
    kafka = new Kafka({
      clientId: 'totals',
      brokers: [broker.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20 },
    });
  });

  test('each order makes a new total', async () => {
    await broker.produce('orders', [
      { key: 'ann', value: '5' },
      { key: 'bob', value: '2' },
    ]);
    const service = await startTotals(kafka);
    const totals = await broker.consumeAll('totals', { count: 2 });
    expect(totals.map(textOf)).toEqual(['ann=5', 'bob=2']);
    await service.stop();
  });

  test('a coordinator that is not there yet is asked again', async () => {
    const fault = await broker.faults.add(
      { api: 'FindCoordinator', group: 'totals', first: 2 },
      { error: 'COORDINATOR_NOT_AVAILABLE' },
    );
    await broker.produce('orders', { key: 'ann', value: '5' });
    const service = await startTotals(kafka);
    const totals = await broker.consumeAll('totals', { count: 1 });
    expect(totals.map(textOf)).toEqual(['ann=5']);
    expect(fault.fired).toBe(2);
    await service.stop();
  });
});

const { Kafka, logLevel } = require('kafkajs');
const { startBroker } = require('millrace/testing');
const { startTotals } = require('../service/totals-kafkajs.cjs');

describe('totals, with kafkajs and CommonJS', () => {
  let broker;

  beforeEach(async () => {
    broker = await startBroker({ topics: ['orders', 'totals'] });
  });

  afterEach(() => broker.dispose());

  function client() {
    return new Kafka({
      clientId: 'totals',
      brokers: [broker.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20 },
    });
  }

  test('each order makes a new total', async () => {
    await broker.produce('orders', [
      { key: 'ann', value: '5' },
      { key: 'ann', value: '7' },
    ]);
    const service = await startTotals(client());
    const totals = await broker.consumeAll('totals', { count: 2 });
    expect(totals.map(({ value }) => String(value))).toEqual(['5', '12']);
    await service.stop();
  });

  test('a mistyped rule is told of at once', async () => {
    const mistyped = broker.faults.add({ api: 'Prodcue' }, 'close-before');
    await expect(mistyped).rejects.toThrow('did you mean Produce?');
  });
});

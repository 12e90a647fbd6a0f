/** Faults whose broker is in a thread of its own: counts that need no waiting, restarts, kills. */

import t from 'tap';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { startBroker } from '#src/testing/start-broker.js';
import type { TestBroker } from '#src/testing/test-broker.js';
import { RawClient } from '../support/raw-client.js';
import { produceTo } from '../support/test-broker.js';

type Test = Pick<typeof t, 'teardown'>;

async function brokerOf(t: Test): Promise<TestBroker> {
  const broker = await startBroker({ topics: ['orders'], leaks: 'ignore' });
  t.teardown(() => broker.dispose());
  return broker;
}

async function connectTo(t: Test, broker: TestBroker): Promise<RawClient> {
  const client = await RawClient.connect(broker.port);
  t.teardown(() => client.close());
  return client;
}

t.test('how often a rule fired is known at once in the test’s thread', async (t) => {
  const broker = await brokerOf(t);
  const client = await connectTo(t, broker);
  const fault = await broker.faults.add(
    { api: 'Metadata', first: 2 },
    { error: 'UNKNOWN_SERVER_ERROR' },
  );
  const counts = [fault.fired];
  for (let i = 0; i < 3; i++) {
    await client.request(metadata, 12, { topics: null });
    counts.push(fault.fired);
  }
  t.same(counts, [0, 1, 2, 2]);
  t.equal(await fault.remove(), 2);
  await broker.requests.expect({ api: 'Metadata' }).times(3);
});

t.test('a broker that a fault restarts is back on its port with its data', async (t) => {
  const broker = await brokerOf(t);
  await broker.produce('orders', ['kept']);
  const client = await connectTo(t, broker);
  const fault = await broker.faults.add({ api: 'Produce', nth: 1 }, 'restart');
  await t.rejects(produceTo(client, 'orders', ['lost']));
  t.equal(fault.fired, 1);
  // Answered when it serves again.
  const found = await broker.consumeAll('orders', { count: 1 });
  t.same(
    found.map(({ value }) => String(value)),
    ['kept'],
  );
  const again = await connectTo(t, broker);
  t.equal((await produceTo(again, 'orders', ['next'])).baseOffset, 1);
  await broker.requests.expect({ api: 'Produce', outcome: 'answered' }).times(1);
});

t.test('a broker that a fault kills is down until it is restarted', async (t) => {
  const broker = await brokerOf(t);
  await broker.produce('orders', ['kept']);
  const client = await connectTo(t, broker);
  await broker.faults.add({ api: 'Produce' }, 'kill');
  await t.rejects(produceTo(client, 'orders', ['lost']));
  await t.rejects(broker.consumeAll('orders', { count: 2 }), { code: 'BROKER_DOWN' });
  await broker.restart();
  const again = await connectTo(t, broker);
  const written = await produceTo(again, 'orders', ['next']);
  t.equal(written.errorCode, 0, 'the rule went with its thread');
  t.equal(written.baseOffset, 1);
});

t.test('a mistake is told with the suggestion, from the other thread', async (t) => {
  const broker = await brokerOf(t);
  const mistyped = broker.faults.add({ api: 'Metdata' }, 'close-before');
  await t.rejects(mistyped, { code: 'INVALID_FAULT', message: /did you mean Metadata\?/ });
});

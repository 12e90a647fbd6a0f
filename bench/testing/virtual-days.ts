/** Tests that take days of virtual time, as somebody would write them. Each throws if it fails. */

import type { TestBroker } from '#src/public/testing.js';
import { startMember } from '../../test/support/group-member.js';
import { RawClient } from '../../test/support/raw-client.js';
import { addPartitions, initProducer, produceIn } from '../../test/support/transactions.js';

/** By name; the broker has a topic a. */
export const tests: Readonly<Record<string, (broker: TestBroker) => Promise<void>>> = {
  retention,
  session,
  transaction,
  compaction,
};

async function retention(broker: TestBroker): Promise<void> {
  await broker.produce('a', 'old');
  await broker.log('a').roll();
  await broker.clock.advance('8d');
  await expectOffset(broker, 'logStartOffset', 1);
}

async function session(broker: TestBroker): Promise<void> {
  const client = await RawClient.connect(broker.port);
  await startMember(client, 'g');
  await broker.waitFor({ group: 'g', stable: true, members: 1, timeout: 0 });
  await broker.clock.advance('2d');
  await broker.waitFor({ group: 'g', stable: true, timeout: 0 }).then(
    () => {
      throw new Error('the member is still there');
    },
    () => {},
  );
  client.close();
}

async function transaction(broker: TestBroker): Promise<void> {
  const client = await RawClient.connect(broker.port);
  const producer = await initProducer(client, 'tx');
  await addPartitions(client, producer, 'a');
  await produceIn(client, producer, 'a', { sequence: 0 });
  await expectOffset(broker, 'lastStableOffset', 0);
  await broker.clock.advance('2d');
  await expectOffset(broker, 'lastStableOffset', 2);
  client.close();
}

async function compaction(broker: TestBroker): Promise<void> {
  const config = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': 0 };
  await broker.createTopic({ name: 'compacted', config });
  for (const value of ['1', '2', '3']) await broker.produce('compacted', { key: 'k', value });
  await broker.log('compacted').roll();
  await broker.clock.advance('2d');
  const left = await broker.consumeAll('compacted');
  if (left.length !== 1) throw new Error(`${left.length} records are left`);
}

async function expectOffset(
  broker: TestBroker,
  name: 'logStartOffset' | 'lastStableOffset',
  wanted: number,
): Promise<void> {
  const { [name]: found } = await broker.log('a').offsets();
  if (found !== wanted) throw new Error(`${name} is ${found}, not ${wanted}`);
}

/** One seed and a virtual clock: one session, however often it is run and in whichever thread. */

import t from 'tap';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { heartbeat } from '#src/protocol/messages/12-heartbeat.js';
import { describeGroups } from '#src/protocol/messages/15-describe-groups.js';
import { startBroker } from '#src/public/testing.js';
import { startMember } from '../support/group-member.js';
import { RawClient } from '../support/raw-client.js';
import { createTopic, fetchFrom, produceTo } from '../support/test-broker.js';
import { addPartitions, initProducer, produceIn } from '../support/transactions.js';

interface Ran {
  /** As JSON: what was recorded. */
  readonly session: string;
  readonly explained: string;
  readonly answered: readonly number[];
}

async function run(seed: number, inWorker: boolean): Promise<Ran> {
  await using broker = await startBroker({
    ...{ seed, inWorker, clock: 'virtual', now: 1_700_000_000_000, leaks: 'ignore' },
    topics: [{ name: 'seeded', partitions: 2 }],
  });
  await broker.faults.add(
    { api: 'Produce', probability: 0.5 },
    { error: 'NOT_LEADER_OR_FOLLOWER' },
  );
  await using client = await RawClient.connect(broker.port);
  await client.request(metadata, 12, { topics: null });
  await createTopic(client, 'a');
  const answered: number[] = [];
  for (let i = 0; i < 12; i++) {
    answered.push((await produceTo(client, 'a', [`value ${i}`])).errorCode);
    await broker.clock.advance('10m');
  }
  const { memberId, generationId } = await startMember(client, 'g');
  await client.request(heartbeat, 4, { groupId: 'g', memberId, generationId });
  const producer = await initProducer(client, 'tx');
  await addPartitions(client, producer, 'seeded');
  await produceIn(client, producer, 'seeded', { sequence: 0 });
  await broker.clock.advance('3d');
  await client.request(describeGroups, 5, { groups: ['g'] });
  await fetchFrom(client, 'seeded', { isolationLevel: 1 });
  const session = (await broker.requests.session()).comparable();
  return { session: JSON.stringify(session), explained: session.explain(), answered };
}

t.test('the same seed gives the same session', async (t) => {
  const first = await run(42, false);
  t.ok(first.answered.includes(6) && first.answered.includes(0), 'some fail and some do not');
  const again = await run(42, false);
  t.equal(again.explained, first.explained);
  t.equal(again.session, first.session);
  const inWorker = await run(42, true);
  t.equal(inWorker.explained, first.explained);
  t.equal(inWorker.session, first.session);
});

t.test('another seed another one', async (t) => {
  const [first, second] = [await run(1, false), await run(2, false)];
  t.not(second.session, first.session);
  t.notSame(second.answered, first.answered);
});

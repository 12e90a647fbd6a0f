import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Broker } from '#src/broker/broker.js';
import type { OffsetToCommit } from '#src/coordinator/group/group-coordinator.js';
import { javaHashCode } from '#src/coordinator/state-topic.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import { connectTo, createTopic, startBroker, tempDir } from '../support/test-broker.js';

t.test('String.hashCode of Java', (t) => {
  t.equal(javaHashCode(''), 0);
  t.equal(javaHashCode('a'), 97);
  t.equal(javaHashCode('console-consumer-12345'), hashByDefinition('console-consumer-12345'));
  t.equal(javaHashCode('polygenelubricants'), -(2 ** 31), 'the one without an absolute value');
  t.end();
});

function hashByDefinition(text: string): number {
  let sum = 0n;
  for (const unit of text.split(''))
    sum = BigInt.asIntN(32, sum * 31n + BigInt(unit.charCodeAt(0)));
  return Number(sum);
}

const offset = (topic: string, at: number): OffsetToCommit => ({
  topic,
  partition: 0,
  offset: at,
  leaderEpoch: -1,
  metadata: '',
  topicId: UUID_ZERO,
});

const nobody = { memberId: '', groupInstanceId: null, generationId: -1 };

function committedIn(broker: Broker, groupId: string): Record<string, number> {
  const fetched = broker.services.groups.fetchOffsets(groupId, null, false);
  if (typeof fetched === 'string') throw new Error(fetched);
  return Object.fromEntries(
    fetched.map(({ topic, committed }) => [topic, committed?.offset ?? -1]),
  );
}

function unstable(broker: Broker, groupId: string, topic: string): boolean {
  const fetched = broker.services.groups.fetchOffsets(groupId, [{ topic, partition: 0 }], true);
  return typeof fetched !== 'string' && fetched[0]?.error === 'UNSTABLE_OFFSET_COMMIT';
}

async function endTransaction(
  broker: Broker,
  groupId: string,
  producerId: number,
  commit: boolean,
): Promise<void> {
  const { groups, logs } = broker.services;
  const partition = groups.partitionFor(groupId);
  const written = await logs.getLog('__consumer_offsets', partition)?.appendEndTxnMarker({
    type: commit ? 'commit' : 'abort',
    producerId,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    leaderEpoch: 0,
  });
  if (written?.ok !== true) throw new Error('no marker');
  groups.completeTransaction(partition, producerId, commit);
}

t.test('many commits of one tick are one batch', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const commit = (groupId: string) =>
    broker.services.groups.commitOffsets({
      ...nobody,
      groupId,
      retentionMs: -1,
      knowsEpochs: true,
      offsets: [offset('a', 1)],
    });
  await commit('first');
  const log = broker.services.logs.getLog('__consumer_offsets', 0);
  const before = log?.segments[0]?.size ?? 0;
  await Promise.all(Array.from({ length: 100 }, (_, i) => commit(`g${i}`)));
  t.equal(log?.logEndOffset, 101);
  const size = (log?.segments[0]?.size ?? 0) - before;
  t.ok(size < 100 * 61, `${size} bytes: less than 100 batch headers`);
});

t.test('offsets of a transaction count when it is committed, also over restarts', async (t) => {
  const dir = tempDir(t);
  const config = { 'log.dirs': dir, 'offsets.topic.num.partitions': 3 };
  let broker = await startBroker(t, config);
  const restart = async () => {
    await broker.close();
    broker = await startBroker(t, config);
  };
  const commitBy = async (producerId: number, topic: string, at: number) => {
    const producer = { producerId, producerEpoch: 0 };
    const request = { ...nobody, ...producer, groupId: 'g', offsets: [offset(topic, at)] };
    t.same(await broker.services.groups.commitTransactionalOffsets(request), ['NONE']);
  };
  const commitPlain = async (topic: string, at: number) => {
    const request = {
      ...nobody,
      groupId: 'g',
      retentionMs: -1,
      knowsEpochs: true,
      offsets: [offset(topic, at)],
    };
    t.same(await broker.services.groups.commitOffsets(request), ['NONE']);
  };
  await commitPlain('a', 1);
  await commitBy(7, 'a', 10);
  await commitBy(8, 'b', 20);
  await commitBy(9, 'c', 30);
  for (const _ of ['running', 'restarted']) {
    t.same(committedIn(broker, 'g'), { a: 1 }, 'pending is not committed');
    t.ok(unstable(broker, 'g', 'a'));
    t.ok(unstable(broker, 'g', 'b'));
    t.notOk(unstable(broker, 'g', 'd'));
    await restart();
  }
  await endTransaction(broker, 'g', 7, true);
  await endTransaction(broker, 'g', 8, false);
  for (const _ of ['running', 'restarted']) {
    t.same(committedIn(broker, 'g'), { a: 10 });
    t.notOk(unstable(broker, 'g', 'a'));
    t.notOk(unstable(broker, 'g', 'b'));
    t.ok(unstable(broker, 'g', 'c'));
    await restart();
  }
  await commitPlain('c', 31);
  await endTransaction(broker, 'g', 9, true);
  for (const _ of ['running', 'restarted']) {
    t.same(committedIn(broker, 'g'), { a: 10, c: 31 }, 'the later record wins');
    await restart();
  }
});

t.test('an offset that a transaction is about to change does not expire', async (t) => {
  const clock = new ManualClock();
  const config = { 'offsets.retention.minutes': 1, 'connections.max.idle.ms': -1 };
  const broker = await startBroker(t, config, { clock });
  const { groups } = broker.services;
  const request = { ...nobody, groupId: 'g', retentionMs: -1, knowsEpochs: true };
  await groups.commitOffsets({ ...request, offsets: [offset('a', 1), offset('b', 1)] });
  const producer = { producerId: 7, producerEpoch: 0 };
  await groups.commitTransactionalOffsets({ ...request, ...producer, offsets: [offset('a', 2)] });
  clock.advance(61_000);
  await groups.expire();
  t.same(committedIn(broker, 'g'), { a: 1 });
  await endTransaction(broker, 'g', 7, true);
  t.same(committedIn(broker, 'g'), { a: 2 });
  clock.advance(61_000);
  await groups.expire();
  t.equal(groups.groupCount, 0);
});

t.test(
  'a log that takes no more: the commit is refused, and what was there is still told',
  async (t) => {
    const broker = await startBroker(t);
    const { groups, logs } = broker.services;
    const request = { ...nobody, groupId: 'g', retentionMs: -1, knowsEpochs: true };
    t.same(await groups.commitOffsets({ ...request, offsets: [offset('a', 1)] }), ['NONE']);
    await logs.getLog('__consumer_offsets', 0)?.close();
    const refused = await groups.commitOffsets({ ...request, offsets: [offset('a', 2)] });
    t.same(refused, ['NOT_COORDINATOR']);
    t.same(committedIn(broker, 'g'), { a: 1 });
  },
);

t.test('more than fits into a batch is refused, and no other commit with it', async (t) => {
  const broker = await startBroker(t);
  const { groups } = broker.services;
  const metadata = 'x'.repeat(4096);
  const many = Array.from({ length: 300 }, (_, i) => ({ ...offset(`t${i}`, 1), metadata }));
  const request = { ...nobody, groupId: 'g', retentionMs: -1, knowsEpochs: true };
  const [large, small] = await Promise.all([
    groups.commitOffsets({ ...request, offsets: many }),
    groups.commitOffsets({ ...request, offsets: [offset('a', 1)] }),
  ]);
  t.same(new Set(large), new Set(['INVALID_COMMIT_OFFSET_SIZE']));
  t.same(small, ['NONE']);
  t.same(committedIn(broker, 'g'), { a: 1 });
});

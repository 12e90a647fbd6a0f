import { readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { UUID_ZERO } from '#src/protocol/schema.js';
import {
  batchOf,
  connectTo,
  createTopic,
  fetchFrom,
  fetchRequest,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

t.test('every version reads what was written', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  await produceTo(client, 'a', ['one', 'two']);
  for (let version = 4; version <= 17; version++) {
    const answer = await client.request(fetch, version, fetchRequest('a', { topicId }));
    t.match(answer, {
      errorCode: 0,
      sessionId: 0,
      responses: [version < 13 ? { topic: 'a' } : { topicId }],
    });
    const partition = answer.responses[0]?.partitions[0];
    t.match(partition, {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 2,
      lastStableOffset: 2,
      logStartOffset: version < 5 ? -1 : 0,
      abortedTransactions: null,
      preferredReadReplica: -1,
    });
    t.match(Buffer.from(partition?.records ?? []).toString('latin1'), /one.*two/s);
  }
});

t.test(
  'behaviour 8: the whole batch for an offset inside it, and a first batch over any bound',
  async (t) => {
    const broker = await startBroker(t);
    const client = await connectTo(t, broker);
    await createTopic(client, 'a', { partitions: 2 });
    const batch = batchOf(['0', '1', '2', 'x'.repeat(1000)]);
    await produceTo(client, 'a', [], { records: batch });
    await produceTo(client, 'a', [], { records: batchOf(['x'.repeat(2000)]), partition: 1 });
    const inside = await fetchFrom(client, 'a', { offset: 2 });
    t.equal(inside.records?.length, batch.length);
    const tiny = await fetchFrom(client, 'a', { maxBytes: 1, partitionMaxBytes: 1 });
    t.equal(tiny.records?.length, batch.length);
    const both = await client.request(fetch, 11, {
      ...fetchRequest('a'),
      maxBytes: 1,
      topics: [0, 1].map((partition) => ({
        topic: 'a',
        partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1 }],
      })),
    });
    const sizes = both.responses.flatMap(({ partitions }) =>
      partitions.map(({ records }) => records?.length),
    );
    t.same(sizes, [batch.length, 0], 'but only the first');
  },
);

t.test('the bytes of a request and of a partition are bounded', async (t) => {
  const broker = await startBroker(t, { 'fetch.max.bytes': 1024 });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  for (let i = 0; i < 10; i++) await produceTo(client, 'a', ['x'.repeat(300)]);
  t.equal((await fetchFrom(client, 'a', { maxBytes: 800 })).records?.length, 800);
  t.equal((await fetchFrom(client, 'a', { partitionMaxBytes: 900 })).records?.length, 900);
  t.equal((await fetchFrom(client, 'a')).records?.length, 1024, "the broker's own bound");
});

t.test('errors of single partitions', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  await produceTo(client, 'a', ['x']);
  const error = async (options: Parameters<typeof fetchFrom>[2], topic = 'a') =>
    (await fetchFrom(client, topic, { topicId, maxWaitMs: 5000, ...options })).errorCode;
  t.equal(await error({ offset: 2 }), errorCodes.OFFSET_OUT_OF_RANGE);
  t.equal(await error({ offset: -1 }), errorCodes.OFFSET_OUT_OF_RANGE);
  t.equal(await error({ partition: 1 }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error({}, 'b'), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(
    await error({ version: 13, topicId: 'BBBBBBBBBBBBBBBBBBBBBA' }),
    errorCodes.UNKNOWN_TOPIC_ID,
  );
  t.equal(await error({ currentLeaderEpoch: 1 }), errorCodes.UNKNOWN_LEADER_EPOCH);
  t.equal(await error({ currentLeaderEpoch: -2 }), errorCodes.FENCED_LEADER_EPOCH);
  t.equal(await error({ currentLeaderEpoch: 0 }), errorCodes.NONE);
});

t.test('a request of a replica is refused', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await produceTo(client, 'a', ['secret']);
  for (const version of [4, 7, 14, 15, 17]) {
    const answer = await client.request(fetch, version, {
      ...fetchRequest('a'),
      replicaId: 0,
      replicaState: { replicaId: 0 },
    });
    const partition = answer.responses[0]?.partitions[0];
    t.equal(partition?.errorCode, errorCodes.TOPIC_AUTHORIZATION_FAILED);
    t.equal(partition?.records?.length, 0);
  }
});

t.test('a fetch waits for records and is woken by an append', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  const other = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  const waiting = fetchFrom(client, 'a', { maxWaitMs: 60_000 });
  // Answered after the fetch was taken: requests of one connection are handled in order.
  await produceTo(other, 'a', ['elsewhere'], { partition: 1 });
  while (broker.services.delayedFetches.count === 0)
    await produceTo(other, 'a', ['x'], { partition: 1 });
  t.equal(broker.services.delayedFetches.count, 1);
  await produceTo(other, 'a', ['wake up']);
  const { records } = await waiting;
  t.match(Buffer.from(records ?? []).toString('latin1'), /wake up/);
  t.equal(broker.services.delayedFetches.count, 0);
});

t.test('it waits for minBytes, over several appends and partitions', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  const other = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  const size = batchOf(['x'.repeat(100)]).length;
  const waiting = client.request(fetch, 11, {
    ...fetchRequest('a', { maxWaitMs: 60_000, minBytes: 3 * size }),
    topics: [
      {
        topic: 'a',
        partitions: [0, 1].map((partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 10_000,
        })),
      },
    ],
  });
  let answered = false;
  void waiting.then(() => {
    answered = true;
  });
  await waitingFetches(broker, other, 1);
  await produceTo(other, 'a', ['x'.repeat(100)]);
  await produceTo(other, 'a', ['x'.repeat(100)], { partition: 1 });
  await produceTo(other, 'nothing-there', ['x']);
  t.equal(answered, false);
  await produceTo(other, 'a', ['x'.repeat(100)], { partition: 1 });
  const { responses } = await waiting;
  t.same(
    responses[0]?.partitions.map(({ records }) => records?.length),
    [size, 2 * size],
  );
});

t.test('it answers with what there is when its time is over', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  const other = await connectTo(t, broker);
  await createTopic(client, 'a');
  await produceTo(client, 'a', ['little']);
  const waiting = fetchFrom(client, 'a', { maxWaitMs: 500, minBytes: 1_000_000 });
  await waitingFetches(broker, other, 1);
  clock.advance(499);
  t.equal(broker.services.delayedFetches.count, 1);
  clock.advance(1);
  const { records, highWatermark } = await waiting;
  t.equal(highWatermark, 1);
  t.ok((records?.length ?? 0) > 0);
});

t.test('a connection that goes away takes its waiting fetch with it', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  const other = await connectTo(t, broker);
  await createTopic(client, 'a');
  client.send(fetch, 11, fetchRequest('a', { maxWaitMs: 60_000 })).frame.catch(() => {});
  await waitingFetches(broker, other, 1);
  client.close();
  await waitingFetches(broker, other, 0);
  t.pass('gone');
});

t.test('closing the broker answers what waits', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const other = await connectTo(t, broker);
  await createTopic(client, 'a');
  const waiting = fetchFrom(client, 'a', { maxWaitMs: 60_000 });
  await waitingFetches(broker, other, 1);
  await broker.close();
  t.match(await waiting, { errorCode: 0, highWatermark: 0 });
});

/** Round trips until as many fetches wait: no sleeping, no guessing. */
async function waitingFetches(
  broker: Awaited<ReturnType<typeof startBroker>>,
  other: Awaited<ReturnType<typeof connectTo>>,
  count: number,
): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (broker.services.delayedFetches.count === count) return;
    await produceTo(other, 'nothing-there', ['x']);
  }
  throw new Error(`${broker.services.delayedFetches.count} fetches wait, not ${count}`);
}

t.test('behaviour 9: a session answers only what is new', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a', { partitions: 2 });
  for (const version of [7, 11, 12, 13, 17]) {
    const both = fetchRequest('a', { topicId, sessionEpoch: 0 });
    const first = await client.request(fetch, version, {
      ...both,
      topics: [0, 1].map((partition) => ({
        topic: 'a',
        topicId,
        partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 10_000 }],
      })),
    });
    const { sessionId } = first;
    t.not(sessionId, 0);
    t.equal(first.responses[0]?.partitions.length, 2, 'all partitions, grouped by topic');
    const next = async (sessionEpoch: number, topics: (typeof both)['topics'] = []) =>
      client.request(fetch, version, { ...both, sessionId, sessionEpoch, topics });
    if (version === 7) {
      t.same((await next(1)).responses, [], 'nothing new');
      await produceTo(client, 'a', ['news'], { partition: 1 });
      const news = await next(2);
      t.match(news, { sessionId, responses: [{ partitions: [{ partitionIndex: 1 }] }] });
      t.equal(news.responses[0]?.partitions.length, 1);
      const again = await next(3);
      t.equal(again.responses[0]?.partitions.length, 1, 'unread records are news again');
    } else {
      t.match(await next(1), { sessionId, responses: [{ partitions: [{ partitionIndex: 1 }] }] });
    }
    t.equal((await next(9)).errorCode, errorCodes.INVALID_FETCH_SESSION_EPOCH);
    const closed = await client.request(fetch, version, { ...both, sessionId, sessionEpoch: -1 });
    t.equal(closed.sessionId, 0);
    t.equal((await next(1)).errorCode, errorCodes.FETCH_SESSION_ID_NOT_FOUND);
  }
});

t.test('a session may not change from names to ids', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  const open = fetchRequest('a', { topicId, sessionEpoch: 0 });
  const { sessionId } = await client.request(fetch, 12, open);
  const mixed = await client.request(fetch, 13, {
    ...open,
    sessionId,
    sessionEpoch: 1,
    topics: [],
  });
  t.equal(mixed.errorCode, errorCodes.FETCH_SESSION_TOPIC_ID_ERROR);
});

t.test('a topic deleted under a session is told as an error', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  const open = fetchRequest('a', { topicId, sessionEpoch: 0 });
  const { sessionId } = await client.request(fetch, 13, open);
  await client.request(deleteTopics, 6, {
    topics: [{ name: 'a', topicId: UUID_ZERO }],
    timeoutMs: 1,
  });
  const next = await client.request(fetch, 13, {
    ...open,
    maxWaitMs: 5000,
    sessionId,
    sessionEpoch: 1,
    topics: [],
  });
  t.equal(next.responses[0]?.partitions[0]?.errorCode, errorCodes.UNKNOWN_TOPIC_ID);
});

t.test('no slots: full fetches all the time', async (t) => {
  const broker = await startBroker(t, { 'max.incremental.fetch.session.cache.slots': 0 });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const answer = await client.request(fetch, 11, fetchRequest('a', { sessionEpoch: 0 }));
  t.equal(answer.sessionId, 0);
});

t.test('every descriptor that fetches held is let go', async (t) => {
  const dir = tempDir(t);
  const broker = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await produceTo(client, 'a', ['x'.repeat(20_000)]);
  for (let i = 0; i < 50; i++) {
    await fetchFrom(client, 'a', { maxWaitMs: 1, minBytes: i % 2 === 0 ? 1 : 1e6 });
  }
  if (process.platform === 'linux') t.not(openFiles(dir).length, 0, 'the segment is open');
  await broker.close();
  t.same(openFiles(dir), []);
});

/** Files under `dir` that this process has open; none where /proc does not tell. */
function openFiles(dir: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(dir) ? [path] : [];
    } catch {
      return [];
    }
  });
}

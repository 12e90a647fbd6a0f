import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import {
  type FetchPartition,
  type FetchPlan,
  FetchSessionCache,
  SESSION_EVICTION_MS,
  SESSION_PARTITIONS_MAX,
} from '#src/broker/fetch-sessions.js';

function partition(topic: string, number = 0, fetchOffset = 0): FetchPartition {
  return {
    topic,
    partition: number,
    fetchOffset,
    maxBytes: 1000,
    currentLeaderEpoch: -1,
    toldHighWatermark: -1,
    toldLogStartOffset: -1,
  };
}

function setUp(slotsMax = 10) {
  const clock = new ManualClock();
  const cache = new FetchSessionCache({ slotsMax, clock, random: seededRandom(1) });
  const plan = (
    sessionId: number,
    sessionEpoch: number,
    partitions: FetchPartition[] = [],
    more: { forgotten?: { topic: string; partition: number }[]; usesTopicIds?: boolean } = {},
  ) =>
    cache.plan({
      sessionId,
      sessionEpoch,
      partitions,
      forgotten: more.forgotten ?? [],
      usesTopicIds: more.usesTopicIds ?? false,
    });
  const open = (...partitions: FetchPartition[]): FetchPlan => plan(0, 0, partitions) as FetchPlan;
  return { clock, cache, plan, open };
}

t.test('epoch -1 asks for no session', async (t) => {
  const { cache, plan } = setUp();
  t.match(plan(0, -1, [partition('a')]), { sessionId: 0, incremental: false, session: null });
  t.equal(cache.size, 0);
});

t.test('a session remembers partitions, and moves on by one epoch a request', async (t) => {
  const { open, plan } = setUp();
  const { sessionId, incremental } = open(partition('a'), partition('b'));
  t.not(sessionId, 0);
  t.equal(incremental, false, 'the first answer is a full one');
  const second = plan(sessionId, 1, [partition('b', 0, 7)]) as FetchPlan;
  t.equal(second.incremental, true);
  t.same(
    second.partitions.map(({ topic, fetchOffset }) => [topic, fetchOffset]),
    [
      ['a', 0],
      ['b', 7],
    ],
  );
  const third = plan(sessionId, 2, [partition('c')], {
    forgotten: [{ topic: 'a', partition: 0 }],
  }) as FetchPlan;
  t.same(
    third.partitions.map(({ topic }) => topic),
    ['b', 'c'],
  );
});

t.test('a wrong epoch, an unknown id and mixed topic ids are refused', async (t) => {
  const { open, plan } = setUp();
  const { sessionId } = open(partition('a'));
  t.same(plan(sessionId, 2), { error: 'INVALID_FETCH_SESSION_EPOCH' });
  t.same(plan(sessionId + 1, 1), { error: 'FETCH_SESSION_ID_NOT_FOUND' });
  t.same(plan(sessionId, 1, [], { usesTopicIds: true }), { error: 'FETCH_SESSION_TOPIC_ID_ERROR' });
  t.match(plan(sessionId, 1), { sessionId }, 'none of it moved the epoch');
});

t.test('epoch 0 replaces a session, epoch -1 ends it', async (t) => {
  const { cache, open, plan } = setUp();
  const { sessionId } = open(partition('a'));
  const replaced = plan(sessionId, 0, [partition('a')]) as FetchPlan;
  t.not(replaced.sessionId, sessionId);
  t.equal(cache.size, 1);
  t.match(plan(replaced.sessionId, -1, [partition('a')]), { sessionId: 0, session: null });
  t.equal(cache.size, 0);
});

t.test('a session that forgets all its partitions ends', async (t) => {
  const { cache, open, plan } = setUp();
  const { sessionId } = open(partition('a'));
  const last = plan(sessionId, 1, [], { forgotten: [{ topic: 'a', partition: 0 }] });
  t.match(last, { sessionId: 0, partitions: [] });
  t.equal(cache.size, 0);
});

t.test('the epoch wraps to 1', async (t) => {
  const { open, plan } = setUp();
  const { sessionId, session } = open(partition('a'));
  if (session === null) throw new Error('no session');
  session.epoch = 2 ** 31 - 1;
  plan(sessionId, 2 ** 31 - 1);
  t.equal(session.epoch, 1);
});

t.test('only news is told, and busy partitions go to the end', async (t) => {
  const { open } = setUp();
  const first = partition('a');
  const { session } = open(first, partition('b'));
  if (session === null) throw new Error('no session');
  const quiet = { failed: false, recordsSize: 0, highWatermark: 5, logStartOffset: 0 };
  t.equal(session.tell(first, quiet), true, 'the high watermark is news');
  t.equal(session.tell(first, quiet), false);
  t.equal(session.tell(first, { ...quiet, logStartOffset: 2 }), true);
  t.equal(session.tell(first, { ...quiet, failed: true, highWatermark: -1 }), true);
  t.equal(session.tell(first, { ...quiet, logStartOffset: 2 }), true, 'well again is news');
  t.equal(session.tell(first, { ...quiet, logStartOffset: 2, recordsSize: 9 }), true);
  t.same(
    session.partitions().map(({ topic }) => topic),
    ['b', 'a'],
  );
});

t.test(
  'a full cache gives no session, unless one was left alone or is old and smaller',
  async (t) => {
    const { cache, clock, open, plan } = setUp(2);
    const { sessionId: small } = open(partition('a'));
    const { sessionId: large } = open(partition('a'), partition('b'));
    t.equal(open(partition('c')).sessionId, 0);
    clock.advance(SESSION_EVICTION_MS + 1);
    plan(small, 1);
    plan(large, 1);
    t.equal(open(partition('c')).sessionId, 0, 'no smaller one');
    const bigger = open(partition('c'), partition('d'));
    t.not(bigger.sessionId, 0);
    t.same(plan(small, 2), { error: 'FETCH_SESSION_ID_NOT_FOUND' });
    clock.advance(SESSION_EVICTION_MS + 1);
    t.not(open(partition('e')).sessionId, 0, 'one left alone for long goes first');
    t.equal(cache.size, 2);
  },
);

t.test('no slots, no sessions', async (t) => {
  const { open } = setUp(0);
  t.match(open(partition('a')), { sessionId: 0, session: null });
});

t.test('the partitions of a session are bounded', async (t) => {
  const { cache, open, plan } = setUp();
  const many = Array.from({ length: SESSION_PARTITIONS_MAX }, (_, i) => partition('a', i));
  t.equal(open(...many, partition('b')).sessionId, 0);
  const { sessionId } = open(...many);
  t.not(sessionId, 0);
  t.same(plan(sessionId, 1, [partition('b')]), { error: 'FETCH_SESSION_ID_NOT_FOUND' });
  t.equal(cache.size, 0);
});

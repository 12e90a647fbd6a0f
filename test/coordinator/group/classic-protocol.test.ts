/** The state machine of classic groups, driven by requests and a clock that moves by hand. */

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import {
  ClassicGroup,
  type JoinReply,
  type SyncReply,
} from '#src/coordinator/group/classic-group.js';
import {
  ClassicProtocol,
  type ClassicSettings,
  type JoinRequest,
} from '#src/coordinator/group/classic-protocol.js';
import type { ErrorName } from '#src/protocol/error-codes.js';

const SESSION_MS = 10_000;
const REBALANCE_MS = 60_000;

interface Stored {
  readonly generationId: number;
  readonly memberIds: readonly string[];
}

/** One group, with what it answered. */
class World {
  readonly clock = new ManualClock();
  readonly stored: Stored[] = [];
  /** What the next writes answer; NONE when it is empty. */
  readonly storeErrors: ErrorName[] = [];
  /** Writes are acknowledged when told. */
  held: (() => void)[] | null = null;
  readonly group: ClassicGroup;
  readonly protocol: ClassicProtocol;
  #ids = 0;

  constructor(settings: Partial<ClassicSettings> = {}) {
    this.group = new ClassicGroup({
      groupId: 'g',
      protocolType: null,
      generationId: 0,
      protocolName: null,
      leader: null,
      stateTimestampMs: 0,
    });
    this.protocol = new ClassicProtocol({
      clock: this.clock,
      logger: silentLogger,
      settings: { initialRebalanceDelayMs: 0, memberCountMax: 100, ...settings },
      newMemberId: (prefix) => `${prefix}-${++this.#ids}`,
      store: (group) => {
        const memberIds = [...group.members.keys()];
        this.stored.push({ generationId: group.generationId, memberIds });
        const error = this.storeErrors.shift() ?? 'NONE';
        if (this.held === null) return Promise.resolve(error);
        return new Promise((resolve) => this.held?.push(() => resolve(error)));
      },
    });
  }

  join(fields: Partial<JoinRequest> = {}): Waiting<JoinReply> {
    return waiting((answer) =>
      this.protocol.join(
        this.group,
        {
          memberId: '',
          groupInstanceId: null,
          clientId: 'c',
          clientHost: '/127.0.0.1',
          sessionTimeoutMs: SESSION_MS,
          rebalanceTimeoutMs: REBALANCE_MS,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.from('m') }],
          needsMemberId: false,
          skipsAssignment: true,
          ...fields,
        },
        answer,
      ),
    );
  }

  sync(
    memberId: string,
    options: {
      generationId?: number;
      groupInstanceId?: string;
      assignments?: Record<string, string>;
      protocolName?: string;
    } = {},
  ): Waiting<SyncReply> {
    return waiting((answer) =>
      this.protocol.sync(
        this.group,
        {
          memberId,
          groupInstanceId: options.groupInstanceId ?? null,
          generationId: options.generationId ?? this.group.generationId,
          protocolType: 'consumer',
          protocolName: options.protocolName ?? null,
          assignments: Object.entries(options.assignments ?? {}).map(([id, text]) => ({
            memberId: id,
            assignment: Buffer.from(text),
          })),
        },
        answer,
      ),
    );
  }

  heartbeat(memberId: string, generationId = this.group.generationId): ErrorName {
    return this.protocol.heartbeat(this.group, { memberId, groupInstanceId: null }, generationId);
  }

  leave(memberId: string, groupInstanceId: string | null = null): ErrorName | undefined {
    return this.protocol.leave(this.group, [{ memberId, groupInstanceId }])[0];
  }

  /** Members that have joined and synced; the first leads. */
  async stable(count: number, fields: Partial<JoinRequest>[] = []): Promise<string[]> {
    const joins = Array.from({ length: count }, (_, i) => this.join(fields[i] ?? {}));
    this.clock.advance(0);
    // The first rebalance is over with whoever was there; the others come in by the second.
    if (joins.some(({ reply }) => reply === undefined)) {
      const first = joins.findIndex(({ reply }) => reply !== undefined);
      const memberId = joins[first]?.reply?.memberId as string;
      joins[first] = this.join({ ...fields[first], memberId });
    }
    const ids = joins.map(({ reply }) => reply?.memberId as string);
    const assignments = Object.fromEntries(ids.map((id) => [id, `part of ${id}`]));
    const leader = this.group.leader as string;
    for (const id of ids) this.sync(id, id === leader ? { assignments } : {});
    await settle();
    return ids;
  }
}

interface Waiting<T> {
  reply: T | undefined;
}

function waiting<T>(ask: (answer: (reply: T) => void) => void): Waiting<T> {
  const result: Waiting<T> = { reply: undefined };
  ask((reply) => {
    if (result.reply !== undefined) throw new Error('answered twice');
    result.reply = reply;
  });
  return result;
}

const settle = () => new Promise(setImmediate);

t.test('one member: joins, leads, assigns, beats, leaves', async (t) => {
  const world = new World();
  const join = world.join();
  t.equal(world.group.state, 'PreparingRebalance');
  world.clock.advance(0);
  t.match(join.reply, { error: 'NONE', generationId: 1, leader: 'c-1', memberId: 'c-1' });
  t.equal(join.reply?.members.length, 1, 'the leader is told of all');
  t.equal(join.reply?.protocolName, 'range');
  t.equal(world.group.state, 'CompletingRebalance');
  const sync = world.sync('c-1', { assignments: { 'c-1': 'all' } });
  t.equal(sync.reply, undefined, 'not before it is stored');
  await settle();
  t.equal(Buffer.from(sync.reply?.assignment ?? '').toString(), 'all');
  t.equal(world.group.state, 'Stable');
  t.equal(world.heartbeat('c-1'), 'NONE');
  t.equal(world.leave('c-1'), 'NONE');
  t.equal(world.group.state, 'Empty');
  t.same(world.stored.at(-1), { generationId: 2, memberIds: [] });
  world.clock.advance(2 * REBALANCE_MS);
  t.equal(world.group.state, 'Empty', 'nothing is left that time could move');
});

t.test('a new member is told its id first, from version 4 on', (t) => {
  const world = new World();
  const first = world.join({ needsMemberId: true });
  t.match(first.reply, { error: 'MEMBER_ID_REQUIRED', memberId: 'c-1', generationId: -1 });
  t.equal(world.group.pendingJoins.size, 1);
  const again = world.join({ needsMemberId: true, memberId: 'c-1' });
  world.clock.advance(0);
  t.match(again.reply, { error: 'NONE', memberId: 'c-1', generationId: 1 });
  t.equal(world.group.pendingJoins.size, 0);
  const stranger = world.join({ needsMemberId: true, memberId: 'x' });
  t.match(stranger.reply, { error: 'UNKNOWN_MEMBER_ID' });
  t.end();
});

t.test('an id that is not used is forgotten with its session', (t) => {
  const world = new World();
  world.join({ needsMemberId: true });
  world.clock.advance(SESSION_MS);
  t.equal(world.group.pendingJoins.size, 0);
  t.match(world.join({ memberId: 'c-1' }).reply, { error: 'UNKNOWN_MEMBER_ID' });
  t.end();
});

t.test(
  'a rebalance waits for who was given an id, until it joins or its time is over',
  async (t) => {
    const world = new World();
    const [a] = (await world.stable(1)) as [string];
    const given = world.join({ needsMemberId: true });
    t.match(given.reply, { error: 'MEMBER_ID_REQUIRED' });
    const rejoin = world.join({ memberId: a });
    t.equal(rejoin.reply, undefined);
    const { memberId } = given.reply as JoinReply;
    t.equal(world.join({ memberId }).reply?.error, 'NONE');
    t.equal(rejoin.reply?.members.length, 2);

    const other = new World();
    const [b] = (await other.stable(1)) as [string];
    other.join({ needsMemberId: true });
    const alone = other.join({ memberId: b });
    other.clock.advance(SESSION_MS);
    t.equal(alone.reply?.members.length, 1);
  },
);

t.test('the first rebalance waits for more members, each adding to it up to the limit', (t) => {
  const world = new World({ initialRebalanceDelayMs: 3000 });
  const a = world.join();
  world.clock.advance(2000);
  const b = world.join();
  world.clock.advance(1000);
  t.equal(a.reply, undefined, 'a second one came: the delay begins anew');
  world.clock.advance(3000);
  t.match(a.reply, { error: 'NONE', generationId: 1 });
  t.match(b.reply, { error: 'NONE', generationId: 1 });
  t.equal(a.reply?.members.length, 2);
  t.equal(b.reply?.members.length, 0, 'only the leader assigns');
  t.end();
});

t.test('a member that joins has the others join again', async (t) => {
  const world = new World();
  const [a] = await world.stable(1);
  const b = world.join();
  t.equal(world.heartbeat(a as string), 'REBALANCE_IN_PROGRESS');
  t.equal(b.reply, undefined, 'it waits for the one that is there');
  const again = world.join({ memberId: a as string });
  t.match(again.reply, { error: 'NONE', generationId: 2, leader: a });
  t.match(b.reply, { error: 'NONE', generationId: 2, leader: a, members: [] });
  const bId = b.reply?.memberId as string;
  const sync = world.sync(bId);
  t.equal(sync.reply, undefined, 'until the leader has assigned');
  world.sync(a as string, { assignments: { [bId]: 'half' } });
  await settle();
  t.equal(Buffer.from(sync.reply?.assignment ?? '').toString(), 'half');
  t.end();
});

t.test('three that join and leave at once are never strangers', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const world = new World({ initialRebalanceDelayMs: random.below(2) * 100 });
    await churn(t, world, random.below, seed);
  }
});

/** Three clients, each doing the next thing of a consumer's life whenever chance lets it. */
async function churn(
  t: { equal(a: unknown, b: unknown, text: string): unknown },
  world: World,
  below: (bound: number) => number,
  seed: number,
): Promise<void> {
  type Life = { id: string; join?: Waiting<JoinReply>; sync?: Waiting<SyncReply>; beats: number };
  const lives: Life[] = Array.from({ length: 3 }, () => ({ id: '', beats: 0 }));
  let strangers = 0;
  let rounds = 0;
  const step = (life: Life): void => {
    if (life.sync !== undefined) {
      const reply = life.sync.reply;
      if (reply === undefined) return;
      delete life.sync;
      if (reply.error === 'UNKNOWN_MEMBER_ID') strangers++;
      life.beats = reply.error === 'NONE' ? 1 + below(5) : 0;
    } else if (life.join !== undefined) {
      const reply = life.join.reply;
      if (reply === undefined) return;
      delete life.join;
      if (reply.error === 'UNKNOWN_MEMBER_ID') strangers++;
      life.id = reply.memberId;
      if (reply.error !== 'NONE') return;
      const assignments = Object.fromEntries(reply.members.map(({ memberId }) => [memberId, 'x']));
      life.sync = world.sync(life.id, { generationId: reply.generationId, assignments });
    } else if (life.beats > 0) {
      const error = world.heartbeat(life.id);
      if (error === 'UNKNOWN_MEMBER_ID') strangers++;
      life.beats = error === 'NONE' ? life.beats - 1 : 0;
    } else if (life.id !== '' && below(3) === 0) {
      if (world.leave(life.id) !== 'NONE') strangers++;
      life.id = '';
      rounds++;
    } else {
      life.join = world.join({ memberId: life.id, needsMemberId: true });
    }
  };
  for (let turn = 0; turn < 300; turn++) {
    step(lives[below(3)] as Life);
    world.clock.advance(below(20));
    await Promise.resolve();
    await Promise.resolve();
  }
  t.equal(strangers, 0, `seed ${seed}, ${rounds} goodbyes`);
}

t.test('who does not beat is gone, and the others are told', async (t) => {
  const world = new World();
  const [a, b] = (await world.stable(2)) as [string, string];
  world.clock.advance(SESSION_MS / 2);
  t.equal(world.heartbeat(a), 'NONE');
  world.clock.advance(SESSION_MS / 2);
  t.notOk(world.group.members.has(b));
  t.equal(world.heartbeat(a), 'REBALANCE_IN_PROGRESS');
  t.equal(world.heartbeat(b), 'UNKNOWN_MEMBER_ID');
  t.match(world.join({ memberId: a }).reply, { error: 'NONE', members: [{ memberId: a }] });
});

t.test(
  'who does not join again in time is left behind; the leader among them is replaced',
  async (t) => {
    const world = new World();
    const [a, b] = (await world.stable(2)) as [string, string];
    const rejoin = world.join({
      memberId: b,
      protocols: [{ name: 'range', metadata: Buffer.from('n') }],
    });
    for (let ms = 0; ms < REBALANCE_MS; ms += SESSION_MS / 2) {
      t.equal(rejoin.reply, undefined);
      t.equal(world.heartbeat(a), 'REBALANCE_IN_PROGRESS', 'alive, but does not join');
      world.clock.advance(SESSION_MS / 2);
    }
    t.match(rejoin.reply, { error: 'NONE', leader: b });
    t.equal(rejoin.reply?.members.length, 1);
    t.equal(world.heartbeat(a), 'UNKNOWN_MEMBER_ID');
  },
);

t.test('who does not sync in time is left behind', async (t) => {
  const world = new World();
  const [a, b] = (await world.stable(2)) as [string, string];
  world.join({ memberId: b, protocols: [{ name: 'range', metadata: Buffer.from('n') }] });
  world.join({ memberId: a });
  t.equal(world.group.state, 'CompletingRebalance');
  world.sync(a, { assignments: { [a]: 'x', [b]: 'y' } });
  await settle();
  t.equal(world.group.state, 'Stable');
  for (let ms = 0; ms < REBALANCE_MS; ms += SESSION_MS / 2) {
    world.heartbeat(a);
    world.heartbeat(b);
    world.clock.advance(SESSION_MS / 2);
  }
  t.notOk(world.group.members.has(b));
  t.equal(world.heartbeat(a), 'REBALANCE_IN_PROGRESS');
});

t.test('requests of another generation, member or protocol', async (t) => {
  const world = new World();
  const [a] = (await world.stable(1)) as [string];
  t.equal(world.heartbeat(a, 7), 'ILLEGAL_GENERATION');
  t.equal(world.heartbeat('x'), 'UNKNOWN_MEMBER_ID');
  t.match(world.sync(a, { generationId: 7 }).reply, { error: 'ILLEGAL_GENERATION' });
  t.match(world.sync('x').reply, { error: 'UNKNOWN_MEMBER_ID' });
  t.match(world.sync(a, { protocolName: 'sticky' }).reply, {
    error: 'INCONSISTENT_GROUP_PROTOCOL',
  });
  t.equal(world.leave('x'), 'UNKNOWN_MEMBER_ID');
  const other = [{ name: 'sticky', metadata: Buffer.from('m') }];
  t.match(world.join({ protocols: other }).reply, { error: 'INCONSISTENT_GROUP_PROTOCOL' });
  t.match(world.join({ protocolType: 'connect' }).reply, { error: 'INCONSISTENT_GROUP_PROTOCOL' });
  t.match(new World().join({ protocols: [] }).reply, { error: 'INCONSISTENT_GROUP_PROTOCOL' });
  t.match(new World().join({ protocolType: '' }).reply, { error: 'INCONSISTENT_GROUP_PROTOCOL' });
});

t.test('the protocol that all have and most want', async (t) => {
  const world = new World({ initialRebalanceDelayMs: 10 });
  const named = (...names: string[]) => ({
    protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })),
  });
  const joins = [
    world.join(named('sticky', 'range')),
    world.join(named('range', 'sticky', 'odd')),
    world.join(named('odd', 'range', 'sticky')),
  ];
  world.clock.advance(30);
  for (const { reply } of joins) t.equal(reply?.protocolName, 'range');
  const metadata = joins[0]?.reply?.members.map((member) =>
    Buffer.from(member.metadata).toString(),
  );
  t.same(metadata, ['range', 'range', 'range'], 'metadata is that of the protocol');
});

t.test('a member that asks again is answered anew, and its first request is let go', async (t) => {
  const world = new World();
  const [a, b] = (await world.stable(2)) as [string, string];
  const changed = { protocols: [{ name: 'range', metadata: Buffer.from('n') }] };
  const first = world.join({ memberId: b, ...changed });
  const second = world.join({ memberId: b, ...changed });
  t.match(first.reply, { error: 'REBALANCE_IN_PROGRESS' });
  world.join({ memberId: a });
  t.match(second.reply, { error: 'NONE', memberId: b });
  const repeated = world.join({ memberId: a });
  t.equal(repeated.reply?.members.length, 2, 'the same answer while the group completes');
  t.equal(repeated.reply?.generationId, second.reply?.generationId);
  const sync = world.sync(b);
  const again = world.sync(b);
  t.match(sync.reply, { error: 'REBALANCE_IN_PROGRESS' });
  world.sync(a, { assignments: { [b]: 'x' } });
  await settle();
  t.match(again.reply, { error: 'NONE' });
});

t.test(
  'a follower that asks again in a stable group causes no rebalance, the leader does',
  async (t) => {
    const world = new World();
    const [a, b] = (await world.stable(2)) as [string, string];
    const generation = world.group.generationId;
    t.match(world.join({ memberId: b }).reply, { error: 'NONE', generationId: generation });
    t.equal(world.group.state, 'Stable');
    world.join({ memberId: a });
    t.equal(world.group.state, 'PreparingRebalance');
  },
);

t.test('a member that comes while the assignment is being written', async (t) => {
  const world = new World();
  const [a] = (await world.stable(1)) as [string];
  world.join({ memberId: a });
  world.held = [];
  const sync = world.sync(a, { assignments: { [a]: 'x' } });
  const late = world.join();
  t.match(sync.reply, { error: 'REBALANCE_IN_PROGRESS' });
  for (const acknowledge of world.held) acknowledge();
  world.held = null;
  await settle();
  t.equal(world.group.state, 'PreparingRebalance', "the old assignment is nobody's");
  world.join({ memberId: a });
  t.match(late.reply, { error: 'NONE' });
});

t.test('an assignment is told when it is written, to its own generation alone', async (t) => {
  const world = new World();
  const [a, b] = (await world.stable(2)) as [string, string];
  const again = () => [world.join({ memberId: a }), world.join({ memberId: b })];
  again();
  world.held = [];
  world.sync(a, { assignments: { [a]: 'old', [b]: 'old' } });
  const early = world.sync(b);
  await settle();
  t.equal(early.reply, undefined, 'not written yet');
  t.equal(world.group.state, 'CompletingRebalance');
  // Another rebalance, up to the same point.
  const late = world.join();
  t.match(early.reply, { error: 'REBALANCE_IN_PROGRESS' });
  again();
  const followers = [b, late.reply?.memberId as string].map((id) => world.sync(id));
  for (const acknowledge of world.held) acknowledge();
  await settle();
  t.equal(world.group.state, 'CompletingRebalance');
  for (const { reply } of followers) t.equal(reply, undefined, 'it is of the generation before');
  world.held = null;
  world.sync(a, { assignments: { [b]: 'new' } });
  await settle();
  t.equal(Buffer.from(followers[0]?.reply?.assignment ?? '').toString(), 'new');
});

t.test("an assignment that cannot be stored is nobody's", async (t) => {
  const world = new World();
  const join = world.join();
  world.clock.advance(0);
  world.storeErrors.push('UNKNOWN_SERVER_ERROR');
  const memberId = join.reply?.memberId as string;
  const sync = world.sync(memberId, { assignments: { [memberId]: 'x' } });
  await settle();
  t.match(sync.reply, { error: 'UNKNOWN_SERVER_ERROR' });
  t.equal(world.group.state, 'PreparingRebalance');
});

t.test('a full group takes nobody more', async (t) => {
  const world = new World({ memberCountMax: 2 });
  const [a] = await world.stable(2);
  t.match(world.join().reply, { error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
  t.equal(world.heartbeat(a as string), 'NONE', 'those inside notice nothing');
});

t.test('static members', async (t) => {
  const world = new World();
  const [a, b] = (await world.stable(2, [
    { groupInstanceId: 'i-a' },
    { groupInstanceId: 'i-b' },
  ])) as [string, string];
  const { generationId } = world.group;
  const back = world.join({ groupInstanceId: 'i-b' });
  await settle();
  const { memberId } = back.reply as JoinReply;
  t.not(memberId, b, 'it comes back under a new id');
  t.match(back.reply, { error: 'NONE', generationId, skipAssignment: false });
  t.equal(world.group.state, 'Stable', 'and no rebalance');
  t.match(world.stored.at(-1)?.memberIds, [a, memberId]);
  const kept = world.sync(memberId, { groupInstanceId: 'i-b' });
  t.equal(Buffer.from(kept.reply?.assignment ?? '').toString(), `part of ${b}`);
  t.match(world.sync(b, { groupInstanceId: 'i-b' }).reply, { error: 'FENCED_INSTANCE_ID' });
  t.match(world.join({ memberId: b, groupInstanceId: 'i-b' }).reply, {
    error: 'FENCED_INSTANCE_ID',
  });

  const leader = world.join({ groupInstanceId: 'i-a' });
  await settle();
  t.match(leader.reply, { error: 'NONE', skipAssignment: true }, 'the leader is not to assign');
  t.equal(leader.reply?.members.length, 2);

  t.equal(world.leave('', 'i-b'), 'NONE', 'an administrator removes it by its instance id');
  t.equal(world.leave('', 'i-b'), 'UNKNOWN_MEMBER_ID');
});

t.test('a static member that is away keeps its place until its session ends', async (t) => {
  const world = new World();
  const [a] = (await world.stable(2, [{}, { groupInstanceId: 'i-b' }])) as [string, string];
  world.clock.advance(1);
  const rejoin = world.join({ memberId: a });
  world.clock.advance(SESSION_MS - 2);
  t.equal(rejoin.reply, undefined);
  world.clock.advance(2);
  t.match(rejoin.reply, { error: 'NONE' });
  t.equal(rejoin.reply?.members.length, 1);
});

t.test('killing a group answers who waits, and stops its clocks', async (t) => {
  const world = new World();
  await world.stable(1);
  const join = world.join();
  world.protocol.kill(world.group, 'NOT_COORDINATOR');
  t.match(join.reply, { error: 'NOT_COORDINATOR' });
  t.equal(world.clock.timerCount, 0);
  t.match(world.join().reply, { error: 'COORDINATOR_NOT_AVAILABLE' });
  t.equal(world.heartbeat('x'), 'COORDINATOR_NOT_AVAILABLE');
});

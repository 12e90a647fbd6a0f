/**
 * Consumer groups under chance: members come, go, fall silent and lag behind, topics come and go. At any
 * time a partition is with one member at most; when they rest, everyone has a level share of all; and
 * what was written makes the same group when it is read again.
 */

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { type Random, seededRandom } from '#src/base/random.js';
import { type Assignment, ConsumerGroup } from '#src/coordinator/group/consumer-group.js';
import {
  type ConsumerHeartbeat,
  ConsumerProtocol,
} from '#src/coordinator/group/consumer-protocol.js';
import {
  applyRecord,
  type TopicPartitions,
  topicPartitionsOf,
} from '#src/coordinator/group/consumer-records.js';
import { RegexTopics, type TopicView } from '#src/coordinator/group/regex-topics.js';
import type { StateRecord } from '#src/coordinator/state-topic.js';

const REBALANCE_MS = 30_000;
const SESSION_MS = 10_000;

/** A consumer as its library keeps it: what it owns, and what it was last told to own. */
interface Client {
  readonly memberId: string;
  epoch: number;
  owned: Set<string>;
  /** Keys that it is to give back, and has not yet. */
  revoking: Set<string>;
}

class World {
  readonly clock = new ManualClock();
  readonly group = new ConsumerGroup('g');
  /** Made from the records alone. */
  shadow = new ConsumerGroup('g');
  topics: readonly TopicView[] = [];
  readonly clients: Client[] = [];
  readonly protocol: ConsumerProtocol;
  #ids = 0;

  constructor() {
    this.protocol = new ConsumerProtocol({
      clock: this.clock,
      logger: silentLogger,
      settings: {
        consumerSessionTimeoutMs: () => SESSION_MS,
        consumerHeartbeatIntervalMs: () => 1000,
        consumerMemberCountMax: 100,
        consumerAssignors: ['uniform', 'range'],
      },
      regexes: new RegexTopics(),
      topics: () => this.topics,
      newMemberId: () => 'unused',
      append: (_, records) => this.#append(records),
      onRemoved: () => {},
    });
  }

  setTopics(counts: readonly number[]): void {
    this.topics = counts
      .map((partitionCount, i) => ({
        name: `t${i}`,
        id: Buffer.alloc(16, i + 1).toString('base64url'),
        partitionCount,
      }))
      .filter(({ partitionCount }) => partitionCount > 0);
  }

  add(): void {
    const memberId = `m${++this.#ids}`;
    this.clients.push({ memberId, epoch: 0, owned: new Set(), revoking: new Set() });
  }

  /** One heartbeat; `gives`: it gives back at once what it is told to. */
  async beat(client: Client, gives: boolean): Promise<void> {
    const joins = client.epoch === 0;
    const answer = await this.protocol.heartbeat(this.group, {
      ...QUIET,
      memberId: client.memberId,
      memberEpoch: client.epoch,
      ...(joins
        ? { rebalanceTimeoutMs: REBALANCE_MS, topics: ['t0', 't1', 't2'], owned: [] }
        : { owned: partitionsOf(client.owned) }),
    });
    if (answer.error !== 'NONE') {
      // It lets go of everything and joins again.
      client.epoch = 0;
      client.owned.clear();
      client.revoking.clear();
      return;
    }
    client.epoch = answer.memberEpoch;
    if (answer.assignment !== null) {
      const wanted = new Set(keysOf(answer.assignment));
      client.revoking = new Set([...client.owned].filter((key) => !wanted.has(key)));
      for (const key of wanted) client.owned.add(key);
    }
    if (gives) this.giveBack(client);
  }

  giveBack(client: Client): void {
    for (const key of client.revoking) client.owned.delete(key);
    client.revoking.clear();
  }

  async leave(client: Client): Promise<void> {
    this.clients.splice(this.clients.indexOf(client), 1);
    if (client.epoch === 0) return;
    const { memberId } = client;
    await this.protocol.leave(this.group, { ...QUIET, memberId, memberEpoch: -1 });
  }

  #append(records: readonly StateRecord[]): Promise<'NONE'> {
    for (const { key, value } of records) {
      if (!applyRecord(this.shadow, key, value)) this.shadow = new ConsumerGroup('g');
    }
    return Promise.resolve('NONE');
  }
}

const QUIET: ConsumerHeartbeat = {
  memberId: '',
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  clientId: 'c',
  clientHost: '/h',
  rebalanceTimeoutMs: -1,
  topics: null,
  regex: null,
  serverAssignor: null,
  owned: null,
};

function keysOf(assignment: readonly TopicPartitions[]): string[] {
  return assignment.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId}/${p}`));
}

function partitionsOf(keys: ReadonlySet<string>): TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const key of keys) {
    const [topicId, partition] = key.split('/') as [string, string];
    topics.set(topicId, [...(topics.get(topicId) ?? []), Number(partition)]);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
}

function shape(group: ConsumerGroup): unknown {
  const sorted = (assignment: Assignment) =>
    topicPartitionsOf(assignment).sort((a, b) => (a.topicId < b.topicId ? -1 : 1));
  return {
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    metadataHash: group.metadataHash,
    members: [...group.members.values()]
      .map(({ memberId, subscription, current }) => ({
        memberId,
        subscription,
        current: {
          ...current,
          assigned: sorted(current.assigned),
          pendingRevocation: sorted(current.pendingRevocation),
        },
        target: sorted(group.target.get(memberId) ?? new Map()),
      }))
      .sort((a, b) => (a.memberId < b.memberId ? -1 : 1)),
  };
}

async function step(world: World, { below }: Random): Promise<void> {
  const pick = world.clients[below(Math.max(1, world.clients.length))];
  const what = below(20);
  if (what === 0 || pick === undefined) world.add();
  else if (what === 1) await world.leave(pick);
  else if (what === 2) world.setTopics([below(7), below(5), below(3)]);
  else if (what === 3) {
    // Gone without a word: nobody gives its partitions back but time.
    world.clients.splice(world.clients.indexOf(pick), 1);
    for (let ms = 0; ms <= SESSION_MS; ms += 2500) {
      world.clock.advance(2500);
      for (const client of [...world.clients]) await world.beat(client, true);
    }
  } else if (what === 4) world.giveBack(pick);
  else await world.beat(pick, below(3) > 0);
}

function doubled(world: World): string | undefined {
  const seen = new Set<string>();
  for (const { owned } of world.clients) {
    for (const key of owned) {
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

t.test('one owner at a time, a level rest, and records that tell it all', async (t) => {
  for (let seed = 1; seed <= 120; seed++) {
    const random = seededRandom(seed);
    const world = new World();
    world.setTopics([4, 3, 2]);
    for (let turn = 0; turn < 150; turn++) {
      await step(world, random);
      const key = doubled(world);
      if (key !== undefined) t.fail(`seed ${seed}, turn ${turn}: ${key} has two owners`);
    }
    if (world.clients.length === 0) world.add();
    for (let round = 0; round < 12; round++) {
      for (const client of world.clients) await world.beat(client, true);
    }
    t.equal(world.group.state, 'Stable', `seed ${seed}`);
    const total = world.topics.reduce((sum, { partitionCount }) => sum + partitionCount, 0);
    const shares = world.clients.map(({ owned }) => owned.size);
    t.equal(
      shares.reduce((sum, share) => sum + share, 0),
      total,
    );
    t.ok(Math.max(...shares) - Math.min(...shares) <= 1, `shares ${shares}`);
    t.same(shape(world.shadow), shape(world.group));
  }
});

import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { type AssignorMember, assignors } from '#src/coordinator/group/assignors.js';
import {
  type Assignment,
  assignmentOf,
  NO_PARTITIONS,
} from '#src/coordinator/group/consumer-group.js';

function member(
  memberId: string,
  topics: readonly string[],
  previous: Assignment = NO_PARTITIONS,
  instanceId: string | null = null,
): AssignorMember {
  return { memberId, instanceId, topicIds: new Set(topics), previous };
}

function plain(assignment: Map<string, Assignment>): Record<string, Record<string, number[]>> {
  return Object.fromEntries(
    [...assignment].map(([memberId, topics]) => [
      memberId,
      Object.fromEntries(
        [...topics].map(([id, partitions]) => [id, [...partitions].sort((a, b) => a - b)]),
      ),
    ]),
  );
}

const run = (
  name: 'uniform' | 'range',
  members: AssignorMember[],
  counts: Record<string, number>,
) =>
  (assignors[name] as NonNullable<(typeof assignors)[string]>)({
    members,
    partitionCounts: new Map(Object.entries(counts)),
  });

t.test('range: neighbours, the same cut in every topic, the first ones get the rest', (t) => {
  const members = [member('c', ['x', 'y']), member('a', ['x', 'y']), member('b', ['x', 'y'])];
  t.same(plain(run('range', members, { x: 7, y: 3 })), {
    a: { x: [0, 1, 2], y: [0] },
    b: { x: [3, 4], y: [1] },
    c: { x: [5, 6], y: [2] },
  });
  const some = [member('a', ['x']), member('b', ['y']), member('c', [])];
  t.same(plain(run('range', some, { x: 2, y: 2 })), { a: { x: [0, 1] }, b: { y: [0, 1] }, c: {} });
  const fewer = [member('a', ['x']), member('b', ['x']), member('c', ['x'])];
  t.same(plain(run('range', fewer, { x: 2 })), { a: { x: [0] }, b: { x: [1] }, c: {} });
  t.end();
});

t.test('range: a static member that comes back under another id keeps its place', (t) => {
  const before = [member('m1', ['x'], NO_PARTITIONS, 'i'), member('z', ['x'])];
  const after = [member('zz', ['x'], NO_PARTITIONS, 'i'), member('z', ['x'])];
  t.same(plain(run('range', before, { x: 2 }))['m1'], plain(run('range', after, { x: 2 }))['zz']);
  t.end();
});

t.test('uniform: who has a partition keeps it', (t) => {
  const has = (partitions: number[]) => assignmentOf([['x', partitions]]);
  const joined = [
    member('a', ['x'], has([0, 1, 2])),
    member('b', ['x'], has([3, 4, 5])),
    member('c', ['x']),
  ];
  t.same(plain(run('uniform', joined, { x: 6 })), {
    a: { x: [0, 1] },
    b: { x: [3, 4] },
    c: { x: [2, 5] },
  });
  const left = [member('a', ['x'], has([0, 1])), member('b', ['x'], has([3, 4]))];
  const after = plain(run('uniform', left, { x: 6 }));
  t.same(after['a']?.['x']?.slice(0, 2), [0, 1]);
  t.same(after['b']?.['x']?.includes(3) && after['b']?.['x']?.includes(4), true);
  const extra = [member('a', ['x'], has([0])), member('b', ['x'], has([1, 2]))];
  t.same(plain(run('uniform', extra, { x: 3 })), { a: { x: [0] }, b: { x: [1, 2] } }, 'no move');
  t.end();
});

t.test('uniform: what is no more, or claimed twice, is not kept', (t) => {
  const members = [
    member(
      'a',
      ['x'],
      assignmentOf([
        ['x', [0, 1, 9]],
        ['gone', [0]],
      ]),
    ),
    member('b', ['x'], assignmentOf([['x', [1]]])),
  ];
  t.same(plain(run('uniform', members, { x: 3 })), { a: { x: [0, 1] }, b: { x: [2] } });
  t.end();
});

t.test('random groups: everything once, to a subscriber, level, and stable', (t) => {
  for (let seed = 1; seed <= 300; seed++) {
    const { below } = seededRandom(seed);
    const counts: Record<string, number> = {};
    for (let i = 0; i <= below(4); i++) counts[`t${i}`] = 1 + below(12);
    const topics = Object.keys(counts);
    const isMixed = below(2) === 0;
    const subscription = () => {
      const some = topics.filter(() => below(2) === 0);
      return isMixed && some.length > 0 ? some : topics;
    };
    let members = Array.from({ length: 1 + below(6) }, (_, i) => member(`m${i}`, subscription()));
    for (const name of ['uniform', 'range'] as const) {
      for (let round = 0; round < 3; round++) {
        const assigned = run(name, members, counts);
        check(t, `${name} ${seed}`, members, counts, assigned, name === 'uniform');
        const again = members.map((one) => ({
          ...one,
          previous: assigned.get(one.memberId) ?? NO_PARTITIONS,
        }));
        t.same(plain(run(name, again, counts)), plain(assigned), `seed ${seed}: nothing moves`);
        members = again.filter(() => again.length === 1 || below(4) > 0);
        if (members.length === 0) members = again.slice(0, 1);
        if (below(2) === 0) members.push(member(`n-${name}-${round}`, subscription()));
      }
    }
  }
  t.end();
});

function check(
  t: Pick<Tap, 'fail'>,
  what: string,
  members: readonly AssignorMember[],
  counts: Readonly<Record<string, number>>,
  assigned: Map<string, Assignment>,
  isLevel: boolean,
): void {
  const owners = new Map<string, string>();
  const loads = new Map<string, number>();
  for (const { memberId, topicIds } of members) {
    let load = 0;
    for (const [topicId, partitions] of assigned.get(memberId) ?? []) {
      if (!topicIds.has(topicId)) t.fail(`${what}: ${memberId} does not subscribe to ${topicId}`);
      for (const partition of partitions) {
        const key = `${topicId}/${partition}`;
        if (owners.has(key)) t.fail(`${what}: ${key} twice`);
        owners.set(key, memberId);
        load++;
      }
    }
    loads.set(memberId, load);
  }
  for (const [topicId, count] of Object.entries(counts)) {
    const subscribers = members.filter(({ topicIds }) => topicIds.has(topicId));
    for (let partition = 0; partition < count; partition++) {
      const owner = owners.get(`${topicId}/${partition}`);
      if (subscribers.length > 0 && owner === undefined)
        t.fail(`${what}: ${topicId}/${partition} is nobody's`);
      if (!isLevel || owner === undefined) continue;
      const least = Math.min(...subscribers.map(({ memberId }) => loads.get(memberId) as number));
      if ((loads.get(owner) as number) > least + 1) t.fail(`${what}: ${owner} has too much`);
    }
  }
}

interface Tap {
  fail(text: string): unknown;
}

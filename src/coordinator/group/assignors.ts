/**
 * Server-side assignors of consumer groups (KIP-848): pure, from members with the topics that they
 * subscribe to, to what each is to have.
 *
 *     uniform  everyone the same number, give or take one, of all partitions together; who has a
 *              partition keeps it where that allows it
 *     range    of each topic neighbouring partitions to each member, members in the order of their ids,
 *              so that topics with the same subscribers are cut at the same places
 */

import { assert } from '../../base/assert.js';
import { type Assignment, assignmentOf } from './consumer-group.js';

export interface AssignorMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly topicIds: ReadonlySet<string>;
  /** Its last target. */
  readonly previous: Assignment;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** Of topics; those that nobody subscribes to are nobody's. */
  readonly partitionCounts: ReadonlyMap<string, number>;
}

export type Assignor = (input: AssignorInput) => Map<string, Assignment>;

export const assignors: Readonly<Record<string, Assignor>> = { uniform, range };

function range({ members, partitionCounts }: AssignorInput): Map<string, Assignment> {
  const sorted = [...members].sort((a, b) => compare(idOf(a), idOf(b)));
  const parts = new Map<string, [string, number[]][]>(members.map((m) => [m.memberId, []]));
  for (const [topicId, partitionCount] of partitionCounts) {
    const subscribers = sorted.filter(({ topicIds }) => topicIds.has(topicId));
    if (subscribers.length === 0) continue;
    const least = Math.floor(partitionCount / subscribers.length);
    const extra = partitionCount % subscribers.length;
    let first = 0;
    for (const [at, { memberId }] of subscribers.entries()) {
      const count = least + (at < extra ? 1 : 0);
      parts.get(memberId)?.push([topicId, Array.from({ length: count }, (_, i) => first + i)]);
      first += count;
    }
  }
  return new Map([...parts].map(([memberId, topics]) => [memberId, assignmentOf(topics)]));
}

/** Static members keep their order when they come back under another member id. */
function idOf({ instanceId, memberId }: AssignorMember): string {
  return instanceId ?? memberId;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Load {
  readonly member: AssignorMember;
  /** Partitions by topic id. */
  readonly has: Map<string, Set<number>>;
  count: number;
}

function uniform(input: AssignorInput): Map<string, Assignment> {
  const loads = input.members.map((member): Load => ({ member, has: new Map(), count: 0 }));
  const partitionCounts = new Map(
    [...input.partitionCounts].filter(([topicId]) =>
      input.members.some(({ topicIds }) => topicIds.has(topicId)),
    ),
  );
  const free = keepPrevious(loads, partitionCounts);
  if (isHomogeneous(input.members)) levelAll(loads, free, partitionCounts);
  else levelBySubscription(loads, free);
  return new Map(loads.map(({ member, has }) => [member.memberId, assignmentOf(has)]));
}

/** Everyone keeps what it had and may still have; answers the partitions that are nobody's then. */
function keepPrevious(
  loads: readonly Load[],
  partitionCounts: ReadonlyMap<string, number>,
): [string, number][] {
  const taken = new Map<string, Set<number>>();
  for (const load of loads) {
    for (const [topicId, partitions] of load.member.previous) {
      const partitionCount = partitionCounts.get(topicId) ?? 0;
      if (!load.member.topicIds.has(topicId)) continue;
      for (const partition of partitions) {
        if (partition >= partitionCount || taken.get(topicId)?.has(partition)) continue;
        addTo(taken, topicId, partition);
        give(load, topicId, partition);
      }
    }
  }
  const free: [string, number][] = [];
  for (const [topicId, partitionCount] of partitionCounts) {
    for (let partition = 0; partition < partitionCount; partition++) {
      if (!taken.get(topicId)?.has(partition)) free.push([topicId, partition]);
    }
  }
  return free;
}

/** All subscribe to the same: quotas, the larger ones to those who have most already. */
function levelAll(
  loads: readonly Load[],
  free: [string, number][],
  partitionCounts: ReadonlyMap<string, number>,
): void {
  if (loads.length === 0) return;
  const total = [...partitionCounts.values()].reduce((sum, count) => sum + count, 0);
  const least = Math.floor(total / loads.length);
  let extra = total % loads.length;
  const quotas = new Map<Load, number>();
  // The sort is stable: among equals the first members.
  for (const load of [...loads].sort((a, b) => b.count - a.count)) {
    const quota = least + (extra > 0 ? 1 : 0);
    if (extra > 0) extra--;
    quotas.set(load, quota);
    while (load.count > quota) free.push(takeOne(load));
  }
  let next = 0;
  for (const load of loads) {
    while (load.count < (quotas.get(load) as number)) {
      const [topicId, partition] = free[next++] as [string, number];
      give(load, topicId, partition);
    }
  }
  assert(next === free.length, 'quotas add up to all partitions');
}

/** Subscriptions differ: each partition to the least loaded that may have it, then moved to level. */
function levelBySubscription(loads: readonly Load[], free: readonly [string, number][]): void {
  const subscribers = (topicId: string) =>
    loads.filter(({ member }) => member.topicIds.has(topicId));
  const byTopic = new Map<string, Load[]>();
  const eligible = (topicId: string): Load[] => {
    let found = byTopic.get(topicId);
    if (found === undefined) {
      found = subscribers(topicId);
      byTopic.set(topicId, found);
    }
    return found;
  };
  // Who can have little is served first.
  const ordered = [...free].sort(([a], [b]) => eligible(a).length - eligible(b).length);
  for (const [topicId, partition] of ordered) {
    const to = leastLoaded(eligible(topicId));
    if (to !== null) give(to, topicId, partition);
  }
  // Each move lessens the sum of squares, so it ends.
  for (let moved = true; moved; ) {
    moved = false;
    for (const from of loads) {
      for (const topicId of [...from.has.keys()]) {
        const to = leastLoaded(eligible(topicId));
        while (to !== null && from.count > to.count + 1 && from.has.has(topicId)) {
          const partition = from.has.get(topicId)?.values().next().value as number;
          drop(from, topicId, partition);
          give(to, topicId, partition);
          moved = true;
        }
      }
    }
  }
}

function isHomogeneous(members: readonly AssignorMember[]): boolean {
  const first = members[0]?.topicIds;
  return members.every(
    ({ topicIds }) =>
      first !== undefined &&
      topicIds.size === first.size &&
      [...topicIds].every((topicId) => first.has(topicId)),
  );
}

function leastLoaded(loads: readonly Load[]): Load | null {
  let least: Load | null = null;
  for (const load of loads) if (least === null || load.count < least.count) least = load;
  return least;
}

function give(load: Load, topicId: string, partition: number): void {
  addTo(load.has, topicId, partition);
  load.count++;
}

function drop(load: Load, topicId: string, partition: number): void {
  const partitions = load.has.get(topicId);
  partitions?.delete(partition);
  if (partitions?.size === 0) load.has.delete(topicId);
  load.count--;
}

/** Its last partition of its largest topic. */
function takeOne(load: Load): [string, number] {
  let largest: readonly [string, Set<number>] | null = null;
  for (const entry of load.has) {
    if (largest === null || entry[1].size > largest[1].size) largest = entry;
  }
  assert(largest !== null, 'it has a partition');
  const [topicId, partitions] = largest;
  const partition = [...partitions].at(-1) as number;
  drop(load, topicId, partition);
  return [topicId, partition];
}

function addTo(topics: Map<string, Set<number>>, topicId: string, partition: number): void {
  const partitions = topics.get(topicId);
  if (partitions === undefined) topics.set(topicId, new Set([partition]));
  else partitions.add(partition);
}

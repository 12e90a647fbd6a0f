/**
 * The next step of a member from what it has to what it is to have (KIP-848). Pure.
 *
 *     Stable      ---target moved---> gives back first, if it has what is not its any more
 *     Unrevoked   waits until the member owns nothing of what it was to give back, then goes on
 *     Unreleased  is at the target epoch, and takes what others give back as they do
 */

import {
  type Assignment,
  type CurrentAssignment,
  isReconciledTo,
  STATE_STABLE,
  STATE_UNRELEASED,
  STATE_UNREVOKED,
} from './consumer-group.js';

export interface ReconcileOptions {
  readonly current: CurrentAssignment;
  readonly target: Assignment;
  readonly targetEpoch: number;
  /** What the member says it has; null: it says nothing. */
  readonly owned: Assignment | null;
  /** Whether somebody still has a partition. */
  readonly isOwned: (topicId: string, partition: number) => boolean;
}

/** Answers `current` itself if there is nothing to do. */
export function reconcile(options: ReconcileOptions): CurrentAssignment {
  const { current, targetEpoch, owned } = options;
  switch (current.state) {
    case STATE_STABLE:
      if (isReconciledTo(current, targetEpoch)) return current;
      return next(options, current.memberEpoch);
    case STATE_UNREVOKED:
      if (ownsAny(owned, current.pendingRevocation)) return current;
      return next(options, current.memberEpoch + 1);
    default:
      return next(options, current.memberEpoch);
  }
}

function next(options: ReconcileOptions, memberEpoch: number): CurrentAssignment {
  const { current, target, targetEpoch, owned, isOwned } = options;
  const assigned = new Map<string, Set<number>>();
  const pendingRevocation = new Map<string, Set<number>>();
  const added: [string, number][] = [];
  let isUnreleased = false;
  for (const topicId of new Set([...target.keys(), ...current.assigned.keys()])) {
    const wanted = target.get(topicId) ?? NONE;
    const had = current.assigned.get(topicId) ?? NONE;
    for (const partition of had) {
      add(wanted.has(partition) ? assigned : pendingRevocation, topicId, partition);
    }
    for (const partition of wanted) {
      if (had.has(partition)) continue;
      if (isOwned(topicId, partition)) isUnreleased = true;
      else added.push([topicId, partition]);
    }
  }
  if (pendingRevocation.size > 0 && ownsAny(owned, pendingRevocation)) {
    return {
      ...atEpoch(current, memberEpoch),
      state: STATE_UNREVOKED,
      assigned,
      pendingRevocation,
    };
  }
  for (const [topicId, partition] of added) add(assigned, topicId, partition);
  return {
    ...atEpoch(current, targetEpoch),
    state: isUnreleased ? STATE_UNRELEASED : STATE_STABLE,
    assigned,
    pendingRevocation: new Map(),
  };
}

const NONE: ReadonlySet<number> = new Set();

function add(assignment: Map<string, Set<number>>, topicId: string, partition: number): void {
  const partitions = assignment.get(topicId);
  if (partitions === undefined) assignment.set(topicId, new Set([partition]));
  else partitions.add(partition);
}

function atEpoch(current: CurrentAssignment, memberEpoch: number): CurrentAssignment {
  if (memberEpoch === current.memberEpoch) return current;
  return { ...current, memberEpoch, previousMemberEpoch: current.memberEpoch };
}

/** Who says nothing may have everything. */
function ownsAny(owned: Assignment | null, partitions: Assignment): boolean {
  if (owned === null) return true;
  for (const [topicId, some] of owned) {
    const pending = partitions.get(topicId);
    if (pending === undefined) continue;
    for (const partition of some) if (pending.has(partition)) return true;
  }
  return false;
}

/**
 * A group of the consumer protocol (KIP-848): who is in it and subscribes to what, which partitions each
 * is to have (target) and which it has (current). Data; what heartbeats do to it is in
 * consumer-protocol.ts.
 *
 *     group epoch       rises whenever members, subscriptions or topics change
 *     assignment epoch  of the target: catches up with the group epoch at the next heartbeat
 *     member epoch      of each member: catches up as it gives away and takes partitions
 *
 * A partition belongs to one member at a time: it is taken over only when its old owner said that it is
 * revoked, or is gone.
 */

import type { Timer } from '../../base/clock.js';

/** Partitions by topic id. Not changed once made. */
export type Assignment = ReadonlyMap<string, ReadonlySet<number>>;

export const NO_PARTITIONS: Assignment = new Map();

export const STATE_STABLE = 0;
export const STATE_UNREVOKED = 1;
export const STATE_UNRELEASED = 2;

/** Epoch of a static member that is away and keeps its partitions. */
export const AWAY_EPOCH = -2;

export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead';

export interface ClassicMetadata {
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[];
}

/** What a member has told of itself. */
export interface MemberSubscription {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** Sorted, each once. */
  readonly topics: readonly string[];
  /** Empty: none. */
  readonly regex: string;
  readonly serverAssignor: string | null;
  /** Of a member that still speaks the classic protocol; null: it does not. */
  readonly classic: ClassicMetadata | null;
}

/** Of a member that has said nothing yet. */
export const NO_SUBSCRIPTION: MemberSubscription = {
  instanceId: null,
  rackId: null,
  clientId: '',
  clientHost: '',
  rebalanceTimeoutMs: -1,
  topics: [],
  regex: '',
  serverAssignor: null,
  classic: null,
};

/** What a member has, and is about to give back. */
export interface CurrentAssignment {
  readonly state: number;
  readonly memberEpoch: number;
  readonly previousMemberEpoch: number;
  readonly assigned: Assignment;
  readonly pendingRevocation: Assignment;
}

export class ConsumerMember {
  readonly memberId: string;
  subscription: MemberSubscription;
  #current: CurrentAssignment;
  sessionTimer: Timer | null = null;
  /** For giving back what it was told to; of a classic member also for joining and syncing. */
  rebalanceTimer: Timer | null = null;

  constructor(memberId: string, subscription: MemberSubscription, current = NEW_MEMBER) {
    this.memberId = memberId;
    this.subscription = subscription;
    this.#current = current;
  }

  get current(): CurrentAssignment {
    return this.#current;
  }

  /** Only by the group, which counts whose a partition is. */
  replaceCurrent(current: CurrentAssignment): void {
    this.#current = current;
  }

  cancelTimers(): void {
    this.sessionTimer?.cancel();
    this.rebalanceTimer?.cancel();
    this.sessionTimer = null;
    this.rebalanceTimer = null;
  }
}

export const NEW_MEMBER: CurrentAssignment = {
  state: STATE_STABLE,
  memberEpoch: 0,
  previousMemberEpoch: 0,
  assigned: NO_PARTITIONS,
  pendingRevocation: NO_PARTITIONS,
};

export class ConsumerGroup {
  readonly type = 'consumer';
  readonly groupId: string;
  groupEpoch = 0;
  assignmentEpoch = 0;
  /** Of the topics that the group subscribes to, as the group epoch knows them. */
  metadataHash = 0;
  readonly members = new Map<string, ConsumerMember>();
  readonly staticMembers = new Map<string, string>();
  /** By member id. */
  readonly target = new Map<string, Assignment>();
  /** Regular expressions of members with the topics that they were last found to match, sorted. */
  readonly regexTopics = new Map<string, readonly string[]>();
  isDead = false;
  /** Whether records of it are in the log. */
  stored = false;
  /** How many members have each partition or have not given it back: one, or two after a bad record. */
  readonly #owners = new Map<string, number>();

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get state(): ConsumerGroupState {
    if (this.isDead) return 'Dead';
    if (this.members.size === 0) return 'Empty';
    if (this.groupEpoch > this.assignmentEpoch) return 'Assigning';
    for (const { current } of this.members.values()) {
      if (!isReconciledTo(current, this.assignmentEpoch)) return 'Reconciling';
    }
    return 'Stable';
  }

  put(member: ConsumerMember): void {
    const known = this.members.get(member.memberId);
    if (known !== undefined && known !== member) {
      known.cancelTimers();
      this.#count(known.current, -1);
    }
    if (known !== member) this.#count(member.current, 1);
    this.members.set(member.memberId, member);
    const { instanceId } = member.subscription;
    if (instanceId !== null) this.staticMembers.set(instanceId, member.memberId);
  }

  setCurrent(member: ConsumerMember, current: CurrentAssignment): void {
    this.#count(member.current, -1);
    member.replaceCurrent(current);
    this.#count(current, 1);
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member === undefined) return;
    member.cancelTimers();
    this.#count(member.current, -1);
    this.members.delete(memberId);
    this.target.delete(memberId);
    const { instanceId } = member.subscription;
    if (instanceId !== null && this.staticMembers.get(instanceId) === memberId) {
      this.staticMembers.delete(instanceId);
    }
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    const memberId = this.staticMembers.get(instanceId);
    return memberId === undefined ? undefined : this.members.get(memberId);
  }

  /** Whether a member has the partition, or has not given it back yet. */
  isOwned(topicId: string, partition: number): boolean {
    return this.#owners.has(`${partition}/${topicId}`);
  }

  /** Names that the member subscribes to, by name and by its regular expression. */
  topicsOf({ topics, regex }: MemberSubscription): readonly string[] {
    const matched = this.regexTopics.get(regex);
    if (matched === undefined || matched.length === 0) return topics;
    return topics.length === 0 ? matched : [...new Set([...topics, ...matched])].sort();
  }

  /** Of all members. */
  subscribedTopics(): Set<string> {
    const names = new Set<string>();
    for (const { subscription } of this.members.values()) {
      for (const name of this.topicsOf(subscription)) names.add(name);
    }
    return names;
  }

  cancelTimers(): void {
    for (const member of this.members.values()) member.cancelTimers();
  }

  #count({ assigned, pendingRevocation }: CurrentAssignment, change: 1 | -1): void {
    for (const assignment of [assigned, pendingRevocation]) {
      for (const [topicId, partitions] of assignment) {
        for (const partition of partitions) {
          const key = `${partition}/${topicId}`;
          const count = (this.#owners.get(key) ?? 0) + change;
          if (count <= 0) this.#owners.delete(key);
          else this.#owners.set(key, count);
        }
      }
    }
  }
}

export function isReconciledTo(current: CurrentAssignment, assignmentEpoch: number): boolean {
  return current.state === STATE_STABLE && current.memberEpoch === assignmentEpoch;
}

export function sameAssignment(a: Assignment, b: Assignment): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId);
    if (others === undefined || others.size !== partitions.size) return false;
    for (const partition of partitions) if (!others.has(partition)) return false;
  }
  return true;
}

/** Without topics that have no partition. */
export function assignmentOf(
  topics: Iterable<readonly [topicId: string, partitions: Iterable<number>]>,
): Assignment {
  const assignment = new Map<string, ReadonlySet<number>>();
  for (const [topicId, partitions] of topics) {
    const set = new Set(partitions);
    if (set.size > 0) assignment.set(topicId, set);
  }
  return assignment;
}

/**
 * A group of the classic protocol: who is in it, what they support, in which state it is. Data and
 * the rules about it; what requests and time do to it is in classic-protocol.ts.
 *
 *     Empty ---join---> PreparingRebalance ---all joined, or time over---> CompletingRebalance
 *       ^                    ^      |                                          |
 *       '---- no member -----|------'                         leader's SyncGroup written
 *                            '------ join, leave, expiry ------ Stable <-------'
 *     Dead: removed; whoever still holds it looks for the group anew.
 */

import { assert } from '../../base/assert.js';
import type { Timer } from '../../base/clock.js';
import type { ErrorName } from '../../protocol/error-codes.js';

export type ClassicState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead';

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinReply {
  readonly error: ErrorName;
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  /** For the leader: everyone. */
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Uint8Array;
}

export interface SyncReply {
  readonly error: ErrorName;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

export const NO_BYTES: Uint8Array = Object.freeze(new Uint8Array(0)) as Uint8Array;

export interface ClassicMemberFields {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
  readonly assignment?: Uint8Array;
}

export class ClassicMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** It has not been answered yet, so that it cannot send heartbeats. */
  isNew = false;
  awaitingJoin: ((reply: JoinReply) => void) | null = null;
  awaitingSync: ((reply: SyncReply) => void) | null = null;
  /** Of the session. */
  timer: Timer | null = null;

  constructor(fields: ClassicMemberFields) {
    this.memberId = fields.memberId;
    this.groupInstanceId = fields.groupInstanceId;
    this.clientId = fields.clientId;
    this.clientHost = fields.clientHost;
    this.sessionTimeoutMs = fields.sessionTimeoutMs;
    this.rebalanceTimeoutMs = fields.rebalanceTimeoutMs;
    this.protocols = fields.protocols;
    this.assignment = fields.assignment ?? NO_BYTES;
  }

  metadataFor(protocol: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;
  }

  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, at) => {
        const mine = this.protocols[at];
        return (
          mine !== undefined &&
          mine.name === protocol.name &&
          Buffer.compare(mine.metadata, protocol.metadata) === 0
        );
      })
    );
  }

  answerJoin(reply: JoinReply): boolean {
    const answer = this.awaitingJoin;
    this.awaitingJoin = null;
    answer?.(reply);
    return answer !== null;
  }

  answerSync(reply: SyncReply): boolean {
    const answer = this.awaitingSync;
    this.awaitingSync = null;
    answer?.(reply);
    return answer !== null;
  }
}

export interface ClassicGroupFields {
  readonly groupId: string;
  readonly protocolType: string | null;
  readonly generationId: number;
  readonly protocolName: string | null;
  readonly leader: string | null;
  readonly stateTimestampMs: number;
}

export class ClassicGroup {
  readonly type = 'classic';
  readonly groupId: string;
  generationId: number;
  /** Null: a group that only commits offsets. */
  protocolType: string | null;
  protocolName: string | null;
  leader: string | null;
  /** When it came into its state; of an Empty one offsets expire from then on. */
  stateTimestampMs: number;
  /** A later member came while an Empty group waits for more of them. */
  newMemberAdded = false;
  /** Whether a record of it is in the log, which deletion has to remove. */
  stored = false;
  joinTimer: Timer | null = null;
  syncTimer: Timer | null = null;
  /** In order of joining. */
  readonly members = new Map<string, ClassicMember>();
  readonly staticMembers = new Map<string, string>();
  /** Ids given with MEMBER_ID_REQUIRED that have not joined yet, with their timers. */
  readonly pendingJoins = new Map<string, Timer>();
  /** Members of this generation without a SyncGroup so far. */
  readonly pendingSyncs = new Set<string>();
  #state: ClassicState = 'Empty';
  #previousState: ClassicState = 'Empty';

  constructor(fields: ClassicGroupFields) {
    this.groupId = fields.groupId;
    this.protocolType = fields.protocolType;
    this.generationId = fields.generationId;
    this.protocolName = fields.protocolName;
    this.leader = fields.leader;
    this.stateTimestampMs = fields.stateTimestampMs;
  }

  get state(): ClassicState {
    return this.#state;
  }

  get previousState(): ClassicState {
    return this.#previousState;
  }

  enter(state: ClassicState, nowMs: number): void {
    assert(this.#state !== 'Dead', 'a dead group stays so');
    this.#previousState = this.#state;
    this.#state = state;
    this.stateTimestampMs = nowMs;
  }

  /** As replayed: a group with members was stable when it was written. */
  restore(members: Iterable<ClassicMember>): void {
    for (const member of members) this.add(member);
    if (this.members.size > 0) this.#state = 'Stable';
    this.stored = true;
  }

  get awaitingJoinCount(): number {
    let count = 0;
    for (const member of this.members.values()) if (member.awaitingJoin !== null) count++;
    return count;
  }

  get hasAllMembersJoined(): boolean {
    return this.pendingJoins.size === 0 && this.awaitingJoinCount === this.members.size;
  }

  /** The longest of its members': so long a rebalance waits for the last one. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) {
      longest = Math.max(longest, rebalanceTimeoutMs);
    }
    return longest;
  }

  get usesConsumerProtocol(): boolean {
    return this.protocolType === 'consumer';
  }

  add(member: ClassicMember): void {
    this.members.set(member.memberId, member);
    if (member.groupInstanceId !== null) {
      this.staticMembers.set(member.groupInstanceId, member.memberId);
    }
    this.leader ??= member.memberId;
    this.forgetPending(member.memberId);
  }

  /** Forgets a member or a pending one, with its timer. What it waits for is answered before. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      member.timer?.cancel();
      this.members.delete(memberId);
      const { groupInstanceId } = member;
      if (groupInstanceId !== null && this.staticMembers.get(groupInstanceId) === memberId) {
        this.staticMembers.delete(groupInstanceId);
      }
    }
    if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null;
    this.forgetPending(memberId);
    this.pendingSyncs.delete(memberId);
  }

  forgetPending(memberId: string): void {
    this.pendingJoins.get(memberId)?.cancel();
    this.pendingJoins.delete(memberId);
  }

  /**
   * A static member came back under a new member id: it takes the place of the old one. Its old self,
   * if it still waits for an answer, is fenced.
   */
  replaceStatic(oldMemberId: string, newMemberId: string): ClassicMember {
    const old = this.members.get(oldMemberId);
    assert(old?.groupInstanceId !== null && old !== undefined, 'a static member is replaced');
    old.answerJoin(refusedJoin('FENCED_INSTANCE_ID', oldMemberId));
    old.answerSync(refusedSync('FENCED_INSTANCE_ID'));
    old.timer?.cancel();
    const member = new ClassicMember({
      memberId: newMemberId,
      groupInstanceId: old.groupInstanceId,
      clientId: old.clientId,
      clientHost: old.clientHost,
      sessionTimeoutMs: old.sessionTimeoutMs,
      rebalanceTimeoutMs: old.rebalanceTimeoutMs,
      protocols: old.protocols,
      assignment: old.assignment,
    });
    // In the same place of the order.
    const members = [...this.members.values()].map((other) => (other === old ? member : other));
    this.members.clear();
    for (const other of members) this.members.set(other.memberId, other);
    this.staticMembers.set(old.groupInstanceId as string, newMemberId);
    if (this.leader === oldMemberId) this.leader = newMemberId;
    if (this.pendingSyncs.delete(oldMemberId)) this.pendingSyncs.add(newMemberId);
    return member;
  }

  /** The error that a request of a member gets for who it says it is; null if it is one. */
  memberProblem(memberId: string, groupInstanceId: string | null): ErrorName | null {
    if (groupInstanceId !== null) {
      const known = this.staticMembers.get(groupInstanceId);
      if (known === undefined) return 'UNKNOWN_MEMBER_ID';
      if (known !== memberId) return 'FENCED_INSTANCE_ID';
    }
    return this.members.has(memberId) ? null : 'UNKNOWN_MEMBER_ID';
  }

  /** Whether someone with these protocols may join: one of them is everybody's. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.members.size === 0) return protocolType !== '' && protocols.length > 0;
    if (this.protocolType !== protocolType) return false;
    const common = this.#commonProtocols();
    return protocols.some(({ name }) => common.has(name));
  }

  /** Each member votes for the first of its protocols that all have; most votes win. */
  selectProtocol(): string {
    const common = this.#commonProtocols();
    assert(common.size > 0, 'members have a protocol in common');
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const choice = protocols.find(({ name }) => common.has(name))?.name as string;
      votes.set(choice, (votes.get(choice) ?? 0) + 1);
    }
    let best = '';
    let most = 0;
    for (const [name, count] of votes) {
      if (count > most) [best, most] = [name, count];
    }
    return best;
  }

  /** The leader, or who waits to join in its place; false: nobody does. */
  electJoinedLeader(): boolean {
    const leader = this.leader === null ? undefined : this.members.get(this.leader);
    if (leader === undefined) return false;
    if (leader.awaitingJoin !== null) return true;
    for (const member of this.members.values()) {
      if (member.awaitingJoin === null) continue;
      this.leader = member.memberId;
      return true;
    }
    return false;
  }

  joinedMembers(): JoinedMember[] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadataFor(this.protocolName),
    }));
  }

  cancelTimers(): void {
    this.joinTimer?.cancel();
    this.syncTimer?.cancel();
    for (const member of this.members.values()) member.timer?.cancel();
    for (const timer of this.pendingJoins.values()) timer.cancel();
  }

  #commonProtocols(): Set<string> {
    const counts = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      for (const name of new Set(protocols.map((protocol) => protocol.name))) {
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    const common = new Set<string>();
    for (const [name, count] of counts) if (count === this.members.size) common.add(name);
    return common;
  }
}

export function refusedJoin(error: ErrorName, memberId: string): JoinReply {
  return {
    error,
    memberId,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    members: [],
  };
}

export function refusedSync(error: ErrorName): SyncReply {
  return { error, protocolType: null, protocolName: null, assignment: NO_BYTES };
}

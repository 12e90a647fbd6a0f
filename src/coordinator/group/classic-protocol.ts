/**
 * What requests and time do to a group of the classic protocol: JoinGroup, SyncGroup, Heartbeat,
 * LeaveGroup, sessions and rebalances, answered as Kafka's coordinator does.
 *
 * A state machine without I/O: it reads time and sets timers on the clock it is given, answers by the
 * callbacks that came with the requests, and has the group stored by its host. Only what a crash must
 * not undo waits for the log: the leader's assignment and a static member's new id.
 *
 * A request that takes the place of an earlier one of the same member (it was sent again) has that one
 * answered with REBALANCE_IN_PROGRESS, so that nothing waits for ever.
 */

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import {
  type ClassicGroup,
  ClassicMember,
  type JoinReply,
  type MemberProtocol,
  NO_BYTES,
  refusedJoin,
  refusedSync,
  type SyncReply,
} from './classic-group.js';

/** A new member that waits for its first rebalance is given up after so long: its client is gone. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000;
/** Ids given and not used yet, of one group. */
const PENDING_JOINS_MAX = 10_000;

export interface ClassicSettings {
  readonly initialRebalanceDelayMs: number;
  readonly memberCountMax: number;
}

export interface ClassicHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ClassicSettings;
  /** A member id that nobody had. */
  newMemberId(prefix: string): string;
  /** Writes the group as it is now, with these assignments; NONE once that is acknowledged. */
  store(group: ClassicGroup, assignments: ReadonlyMap<string, Uint8Array>): Promise<ErrorName>;
}

export interface JoinRequest {
  /** Empty: a new member. */
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** From version 4 on a new member is told its id first. */
  readonly needsMemberId: boolean;
  /** From version 9 on a static leader may be told not to assign. */
  readonly skipsAssignment: boolean;
}

export interface SyncRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface MemberIdentity {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export class ClassicProtocol {
  readonly #host: ClassicHost;

  constructor(host: ClassicHost) {
    this.#host = host;
  }

  join(group: ClassicGroup, request: JoinRequest, answer: (reply: JoinReply) => void): void {
    const { memberId } = request;
    if (group.state === 'Dead') {
      answer(refusedJoin('COORDINATOR_NOT_AVAILABLE', memberId));
    } else if (!this.#accepts(group, memberId)) {
      group.members.get(memberId)?.answerJoin(refusedJoin('GROUP_MAX_SIZE_REACHED', ''));
      group.remove(memberId);
      answer(refusedJoin('GROUP_MAX_SIZE_REACHED', ''));
    } else if (!group.supports(request.protocolType, request.protocols)) {
      answer(refusedJoin('INCONSISTENT_GROUP_PROTOCOL', memberId));
    } else if (memberId === '') {
      this.#joinNew(group, request, answer);
    } else if (group.pendingJoins.has(memberId)) {
      this.#addMember(group, request, memberId, answer);
    } else {
      this.#joinKnown(group, request, answer);
    }
  }

  sync(group: ClassicGroup, request: SyncRequest, answer: (reply: SyncReply) => void): void {
    const { memberId, groupInstanceId, generationId } = request;
    const problem = this.#syncProblem(group, request);
    if (problem !== null) {
      answer(refusedSync(problem));
      return;
    }
    const member = group.members.get(memberId) as ClassicMember;
    switch (group.state) {
      case 'PreparingRebalance':
        answer(refusedSync('REBALANCE_IN_PROGRESS'));
        return;
      case 'CompletingRebalance':
        member.answerSync(refusedSync('REBALANCE_IN_PROGRESS'));
        member.awaitingSync = answer;
        this.#synced(group, memberId);
        if (group.leader === memberId) void this.#takeAssignment(group, request);
        return;
      case 'Stable':
        this.#synced(group, memberId);
        answer(assigned(group, member));
        return;
      default:
        this.#host.logger.error('a SyncGroup of a group that has no members', {
          group: group.groupId,
          memberId,
          groupInstanceId,
          generationId,
        });
        answer(refusedSync('UNKNOWN_MEMBER_ID'));
    }
  }

  heartbeat(group: ClassicGroup, identity: MemberIdentity, generationId: number): ErrorName {
    if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    const problem = group.memberProblem(identity.memberId, identity.groupInstanceId);
    if (problem !== null) return problem;
    if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
    if (group.state === 'Empty') return 'UNKNOWN_MEMBER_ID';
    this.touch(group, identity.memberId);
    return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';
  }

  /** The session of a member begins anew. */
  touch(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    if (member !== undefined) this.#startSession(group, member, member.sessionTimeoutMs);
  }

  /** One error per identity; a static member may be removed by its instance id alone. */
  leave(group: ClassicGroup, identities: readonly MemberIdentity[]): ErrorName[] {
    const errors = identities.map((identity) => this.#leaveOne(group, identity));
    if (errors.includes('NONE')) {
      if (group.state === 'Stable' || group.state === 'CompletingRebalance') {
        this.#rebalanceOrComplete(group);
      } else if (group.state === 'PreparingRebalance') {
        this.#maybeCompleteJoin(group);
      }
    }
    return errors;
  }

  /** Sessions of members that were read from the log begin now. */
  resume(group: ClassicGroup): void {
    for (const member of group.members.values()) {
      this.#startSession(group, member, member.sessionTimeoutMs);
    }
  }

  /** Everyone who waits is answered, nothing happens to the group any more. */
  kill(group: ClassicGroup, error: ErrorName): void {
    group.cancelTimers();
    for (const member of group.members.values()) {
      member.answerJoin(refusedJoin(error, member.memberId));
      member.answerSync(refusedSync(error));
    }
    if (group.state !== 'Dead') group.enter('Dead', this.#host.clock.nowMs());
  }

  /** Has every member join again. */
  rebalance(group: ClassicGroup): void {
    this.#rebalanceOrComplete(group);
  }

  #accepts(group: ClassicGroup, memberId: string): boolean {
    const { memberCountMax } = this.#host.settings;
    if (memberId === '' && group.pendingJoins.size >= PENDING_JOINS_MAX) return false;
    switch (group.state) {
      case 'PreparingRebalance':
        // Counted are those who wait: it is the last to join again who is not taken.
        return (
          (group.members.get(memberId)?.awaitingJoin ?? null) !== null ||
          group.awaitingJoinCount < memberCountMax
        );
      case 'CompletingRebalance':
      case 'Stable':
        return group.members.has(memberId) || group.members.size < memberCountMax;
      default:
        return true;
    }
  }

  #joinNew(group: ClassicGroup, request: JoinRequest, answer: (reply: JoinReply) => void): void {
    const { clientId, groupInstanceId } = request;
    const memberId = this.#host.newMemberId(groupInstanceId ?? clientId);
    if (groupInstanceId === null) {
      if (!request.needsMemberId) {
        this.#addMember(group, request, memberId, answer);
        return;
      }
      const { clock } = this.#host;
      const expire = () => this.#expire(group, memberId);
      group.pendingJoins.set(memberId, clock.setTimer(request.sessionTimeoutMs, expire));
      answer(refusedJoin('MEMBER_ID_REQUIRED', memberId));
      return;
    }
    const known = group.staticMembers.get(groupInstanceId);
    if (known === undefined) this.#addMember(group, request, memberId, answer);
    else this.#replaceStatic(group, request, { known, memberId }, answer);
  }

  #joinKnown(group: ClassicGroup, request: JoinRequest, answer: (reply: JoinReply) => void): void {
    const { memberId, groupInstanceId, protocols } = request;
    const problem = group.memberProblem(memberId, groupInstanceId);
    if (problem !== null) {
      answer(refusedJoin(problem, memberId));
      return;
    }
    const member = group.members.get(memberId) as ClassicMember;
    // The leader joins a stable group to have it assigned anew, with the same metadata or not.
    const unchanged =
      member.matches(protocols) &&
      (group.state === 'CompletingRebalance' ||
        (group.state === 'Stable' && group.leader !== memberId));
    if (unchanged) {
      const showsMembers = group.state === 'CompletingRebalance' && group.leader === memberId;
      answer(this.#joined(group, memberId, showsMembers));
    } else if (group.state === 'Empty') {
      answer(refusedJoin('UNKNOWN_MEMBER_ID', memberId));
    } else {
      updateMember(member, request, answer);
      this.#rebalanceOrComplete(group);
    }
  }

  #addMember(
    group: ClassicGroup,
    request: JoinRequest,
    memberId: string,
    answer: (reply: JoinReply) => void,
  ): void {
    const member = new ClassicMember({ ...request, memberId });
    member.isNew = true;
    member.awaitingJoin = answer;
    if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') {
      group.newMemberAdded = true;
    }
    if (group.members.size === 0) group.protocolType = request.protocolType;
    group.add(member);
    this.#startSession(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.#rebalanceOrComplete(group);
  }

  #replaceStatic(
    group: ClassicGroup,
    request: JoinRequest,
    { known, memberId }: { readonly known: string; readonly memberId: string },
    answer: (reply: JoinReply) => void,
  ): void {
    const leaderBefore = group.leader;
    const member = group.replaceStatic(known, memberId);
    this.#startSession(group, member, request.sessionTimeoutMs);
    updateMember(member, request, answer);
    if (group.state === 'Stable') {
      if (group.selectProtocol() !== group.protocolName) this.#rebalanceOrComplete(group);
      else void this.#storeReplaced(group, member, request, leaderBefore);
    } else if (group.state === 'CompletingRebalance') {
      // The leader may have assigned to the old id already.
      this.#prepareRebalance(group);
    } else {
      this.#maybeCompleteJoin(group);
    }
  }

  async #storeReplaced(
    group: ClassicGroup,
    member: ClassicMember,
    request: JoinRequest,
    leaderBefore: string | null,
  ): Promise<void> {
    const error = await this.#host.store(group, assignmentsOf(group));
    // A rebalance that began meanwhile answers it.
    if (group.state !== 'Stable' && error === 'NONE') return;
    const { memberId } = member;
    if (error !== 'NONE') {
      member.answerJoin(refusedJoin(error, ''));
      if (group.members.get(memberId) === member && group.state === 'Stable') {
        this.#rebalanceOrComplete(group);
      }
      return;
    }
    const isLeader = group.leader === memberId;
    const reply = this.#joined(group, memberId, isLeader && request.skipsAssignment);
    member.answerJoin(
      request.skipsAssignment
        ? { ...reply, skipAssignment: isLeader }
        : // Older clients would assign anew if they were told that they lead.
          { ...reply, leader: leaderBefore ?? '' },
    );
  }

  #joined(group: ClassicGroup, memberId: string, showsMembers: boolean): JoinReply {
    return {
      error: 'NONE',
      memberId,
      generationId: group.generationId,
      protocolType: group.protocolType,
      protocolName: group.protocolName,
      leader: group.leader ?? '',
      skipAssignment: false,
      members: showsMembers ? group.joinedMembers() : [],
    };
  }

  #leaveOne(group: ClassicGroup, { memberId, groupInstanceId }: MemberIdentity): ErrorName {
    if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    let leaving = memberId;
    if (memberId === '') {
      const known = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId);
      if (known === undefined) return 'UNKNOWN_MEMBER_ID';
      leaving = known;
    } else if (group.pendingJoins.has(memberId)) {
      group.forgetPending(memberId);
      return 'NONE';
    } else {
      const problem = group.memberProblem(memberId, groupInstanceId);
      if (problem !== null) return problem;
    }
    this.#drop(group, leaving);
    return 'NONE';
  }

  /** Removes a member; what it waits for is answered so that a live client joins anew. */
  #drop(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    member?.answerJoin(refusedJoin('UNKNOWN_MEMBER_ID', ''));
    member?.answerSync(refusedSync('UNKNOWN_MEMBER_ID'));
    group.remove(memberId);
  }

  #rebalanceOrComplete(group: ClassicGroup): void {
    if (group.state === 'PreparingRebalance') this.#maybeCompleteJoin(group);
    else if (group.state !== 'Dead') this.#prepareRebalance(group);
  }

  #prepareRebalance(group: ClassicGroup): void {
    if (group.state === 'CompletingRebalance') {
      this.#propagate(group, new Map(), 'REBALANCE_IN_PROGRESS');
    }
    this.#stopSyncTimer(group);
    const { clock, settings } = this.#host;
    const isInitial = group.state === 'Empty';
    const { rebalanceTimeoutMs } = group;
    group.enter('PreparingRebalance', clock.nowMs());
    if (isInitial) {
      // It is new: more members are about to come, and each would be a rebalance.
      const delayMs = settings.initialRebalanceDelayMs;
      const remainingMs = Math.max(rebalanceTimeoutMs - delayMs, 0);
      this.#waitForMore(group, delayMs, remainingMs);
    } else if (group.hasAllMembersJoined) {
      this.#completeJoin(group);
    } else {
      this.#setJoinTimer(group, rebalanceTimeoutMs, () => this.#completeJoin(group));
    }
  }

  #waitForMore(group: ClassicGroup, delayMs: number, remainingMs: number): void {
    this.#setJoinTimer(group, delayMs, () => {
      if (!group.newMemberAdded || remainingMs === 0) {
        this.#completeJoin(group);
        return;
      }
      group.newMemberAdded = false;
      const next = Math.min(this.#host.settings.initialRebalanceDelayMs, remainingMs);
      this.#waitForMore(group, next, Math.max(remainingMs - delayMs, 0));
    });
  }

  #maybeCompleteJoin(group: ClassicGroup): void {
    // A group that was Empty waits its time for more.
    if (group.state !== 'PreparingRebalance' || group.previousState === 'Empty') return;
    if (group.hasAllMembersJoined) this.#completeJoin(group);
  }

  /** Everyone has joined, or the time for it is over. */
  #completeJoin(group: ClassicGroup): void {
    if (group.state !== 'PreparingRebalance') return;
    group.joinTimer?.cancel();
    group.joinTimer = null;
    for (const member of [...group.members.values()]) {
      // A static member may come back: its session decides.
      if (member.awaitingJoin === null && member.groupInstanceId === null) {
        group.remove(member.memberId);
      }
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Static members alone, none of which joined: until their sessions end.
      this.#setJoinTimer(group, group.rebalanceTimeoutMs, () => this.#completeJoin(group));
      return;
    }
    group.generationId++;
    group.pendingSyncs.clear();
    const nowMs = this.#host.clock.nowMs();
    if (group.members.size === 0) {
      group.protocolName = null;
      group.enter('Empty', nowMs);
      void this.#host.store(group, new Map());
      return;
    }
    group.protocolName = group.selectProtocol();
    group.enter('CompletingRebalance', nowMs);
    this.#answerJoins(group);
  }

  #answerJoins(group: ClassicGroup): void {
    const { generationId } = group;
    for (const member of group.members.values()) {
      group.pendingSyncs.add(member.memberId);
      member.isNew = false;
      const isLeader = group.leader === member.memberId;
      member.answerJoin(this.#joined(group, member.memberId, isLeader));
      this.#startSession(group, member, member.sessionTimeoutMs);
    }
    const { clock } = this.#host;
    group.syncTimer?.cancel();
    group.syncTimer = clock.setTimer(group.rebalanceTimeoutMs, () =>
      this.#expireSyncs(group, generationId),
    );
  }

  #syncProblem(group: ClassicGroup, request: SyncRequest): ErrorName | null {
    const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request;
    if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    const problem = group.memberProblem(memberId, groupInstanceId);
    if (problem !== null) return problem;
    if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
    const differs =
      (protocolType !== null &&
        group.protocolType !== null &&
        protocolType !== group.protocolType) ||
      (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName);
    return differs ? 'INCONSISTENT_GROUP_PROTOCOL' : null;
  }

  async #takeAssignment(group: ClassicGroup, request: SyncRequest): Promise<void> {
    const given = new Map(
      request.assignments.map(({ memberId, assignment }) => [memberId, assignment]),
    );
    const assignments = new Map<string, Uint8Array>();
    for (const memberId of group.members.keys()) {
      assignments.set(memberId, given.get(memberId) ?? NO_BYTES);
    }
    const { generationId } = group;
    const error = await this.#host.store(group, assignments);
    // Members may have come or gone meanwhile: then there is another rebalance.
    if (group.state !== 'CompletingRebalance' || group.generationId !== generationId) return;
    if (error !== 'NONE') {
      this.#propagate(group, new Map(), error);
      this.#rebalanceOrComplete(group);
      return;
    }
    group.enter('Stable', this.#host.clock.nowMs());
    this.#propagate(group, assignments, 'NONE');
  }

  /** Answers every SyncGroup that waits. */
  #propagate(
    group: ClassicGroup,
    assignments: ReadonlyMap<string, Uint8Array>,
    error: ErrorName,
  ): void {
    for (const member of group.members.values()) {
      member.assignment = assignments.get(member.memberId) ?? NO_BYTES;
      const reply = error === 'NONE' ? assigned(group, member) : refusedSync(error);
      if (member.answerSync(reply)) this.#startSession(group, member, member.sessionTimeoutMs);
    }
  }

  #synced(group: ClassicGroup, memberId: string): void {
    group.pendingSyncs.delete(memberId);
    if (group.pendingSyncs.size === 0) this.#stopSyncTimer(group);
  }

  #stopSyncTimer(group: ClassicGroup): void {
    group.pendingSyncs.clear();
    group.syncTimer?.cancel();
    group.syncTimer = null;
  }

  #expireSyncs(group: ClassicGroup, generationId: number): void {
    if (generationId !== group.generationId || group.pendingSyncs.size === 0) return;
    if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
    for (const memberId of [...group.pendingSyncs]) this.#drop(group, memberId);
    this.#prepareRebalance(group);
  }

  #startSession(group: ClassicGroup, member: ClassicMember, timeoutMs: number): void {
    member.timer?.cancel();
    member.timer = this.#host.clock.setTimer(timeoutMs, () => this.#expire(group, member.memberId));
  }

  #setJoinTimer(group: ClassicGroup, delayMs: number, callback: () => void): void {
    group.joinTimer?.cancel();
    group.joinTimer = this.#host.clock.setTimer(delayMs, callback);
  }

  /** A session is over. Who waits for an answer cannot send heartbeats, so it lives on. */
  #expire(group: ClassicGroup, memberId: string): void {
    if (group.state === 'Dead') return;
    if (group.pendingJoins.has(memberId)) {
      group.forgetPending(memberId);
      this.#maybeCompleteAfterLoss(group);
      return;
    }
    const member = group.members.get(memberId);
    if (member === undefined) return;
    const waits = member.awaitingJoin !== null || member.awaitingSync !== null;
    if (waits && !member.isNew) return;
    this.#host.logger.info('a group member is gone', { group: group.groupId, memberId });
    this.#drop(group, memberId);
    if (group.state === 'Stable' || group.state === 'CompletingRebalance') {
      this.#rebalanceOrComplete(group);
    } else {
      this.#maybeCompleteAfterLoss(group);
    }
  }

  #maybeCompleteAfterLoss(group: ClassicGroup): void {
    if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined)
      this.#completeJoin(group);
  }
}

function updateMember(
  member: ClassicMember,
  request: JoinRequest,
  answer: (reply: JoinReply) => void,
): void {
  member.answerJoin(refusedJoin('REBALANCE_IN_PROGRESS', member.memberId));
  member.awaitingJoin = answer;
  member.protocols = request.protocols;
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
}

function assigned(group: ClassicGroup, member: ClassicMember): SyncReply {
  return {
    error: 'NONE',
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  };
}

function assignmentsOf(group: ClassicGroup): Map<string, Uint8Array> {
  return new Map([...group.members].map(([id, { assignment }]) => [id, assignment]));
}

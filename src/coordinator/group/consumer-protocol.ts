/**
 * What heartbeats and time do to a consumer group (KIP-848), answered as Kafka's coordinator does:
 *
 *     heartbeat > who is it > subscription > group epoch > target assignment > its next step > answer
 *
 * The group is changed at once; its records are written in one batch, and the answer is given when they
 * are. If that fails the log takes no more, so that what is in memory is never read again.
 */

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import type { StateRecord } from '../state-topic.js';
import { type AssignorMember, assignors } from './assignors.js';
import {
  type Assignment,
  AWAY_EPOCH,
  type ConsumerGroup,
  ConsumerMember,
  type MemberSubscription,
  NEW_MEMBER,
  NO_PARTITIONS,
  NO_SUBSCRIPTION,
  STATE_UNREVOKED,
  sameAssignment,
} from './consumer-group.js';
import {
  assignmentEpochRecord,
  currentRecord,
  fromTopicPartitions,
  groupEpochRecord,
  memberRecord,
  memberTombstones,
  type TopicPartitions,
  targetRecord,
  topicPartitionsOf,
} from './consumer-records.js';
import { reconcile } from './current-assignment.js';
import { type RegexTopics, type TopicView, topicsHash } from './regex-topics.js';

export interface ConsumerSettings {
  consumerSessionTimeoutMs(groupId: string): number;
  consumerHeartbeatIntervalMs(groupId: string): number;
  readonly consumerMemberCountMax: number;
  /** Names; the first is the default. */
  readonly consumerAssignors: readonly string[];
}

export interface ConsumerHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ConsumerSettings;
  readonly regexes: RegexTopics;
  /** All topics; another array after each change. */
  topics(): readonly TopicView[];
  newMemberId(): string;
  /** NONE once the records are written. */
  append(group: ConsumerGroup, records: readonly StateRecord[]): Promise<ErrorName>;
  /** Somebody left, by itself or by time. */
  onRemoved(group: ConsumerGroup): void;
}

export interface ConsumerHeartbeat {
  readonly memberId: string;
  /** 0 joins, -1 leaves, -2 leaves for a while (static members). */
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** -1: as before; as null in the following. */
  readonly rebalanceTimeoutMs: number;
  readonly topics: readonly string[] | null;
  readonly regex: string | null;
  readonly serverAssignor: string | null;
  /** What the member has; null: as before. */
  readonly owned: readonly TopicPartitions[] | null;
}

export interface ConsumerReply {
  readonly error: ErrorName;
  readonly message: string | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** Null: as before. */
  readonly assignment: readonly TopicPartitions[] | null;
}

export class ConsumerProtocol {
  readonly #host: ConsumerHost;
  /** The topics that the group epoch of a group was made with. */
  readonly #seen = new WeakMap<ConsumerGroup, readonly TopicView[]>();

  constructor(host: ConsumerHost) {
    this.#host = host;
  }

  /** `seed`: records that come before, of a group that is being made. */
  async heartbeat(
    group: ConsumerGroup,
    request: ConsumerHeartbeat,
    seed: readonly StateRecord[] = [],
  ): Promise<ConsumerReply> {
    const found = this.#memberOf(group, request);
    if ('error' in found) return found;
    const { member, isNew } = found;
    const records = [...seed, ...found.records];
    const before = member.current;
    const subscription = updated(member.subscription, request);
    const isResubscribed = isNew || !sameTopics(member.subscription, subscription);
    if (isNew || !sameSubscription(member.subscription, subscription)) {
      member.subscription = subscription;
      records.push(memberRecord(group.groupId, member));
    }
    group.put(member);
    this.advance(group, member, isResubscribed, records);
    this.step(
      group,
      member,
      request.owned === null ? null : fromTopicPartitions(request.owned),
      records,
    );
    this.startSession(group, member);
    const isFull =
      request.memberEpoch === 0 ||
      (request.rebalanceTimeoutMs !== -1 && request.topics !== null && request.owned !== null);
    const { current } = member;
    const isChanged = !sameAssignment(before.assigned, current.assigned);
    const reply: ConsumerReply = {
      error: 'NONE',
      message: null,
      memberId: member.memberId,
      memberEpoch: current.memberEpoch,
      heartbeatIntervalMs: this.#host.settings.consumerHeartbeatIntervalMs(group.groupId),
      assignment: isFull || isChanged ? topicPartitionsOf(current.assigned) : null,
    };
    return this.#answer(group, records, reply);
  }

  async leave(group: ConsumerGroup, request: ConsumerHeartbeat): Promise<ConsumerReply> {
    const { memberId, memberEpoch, instanceId } = request;
    const found = memberToLeave(group, memberId, instanceId);
    if ('error' in found) return found;
    const { member } = found;
    const records: StateRecord[] = [];
    if (memberEpoch === AWAY_EPOCH && instanceId !== null) {
      const current = { ...member.current, memberEpoch, pendingRevocation: NO_PARTITIONS };
      group.setCurrent(member, current);
      records.push(currentRecord(group.groupId, member));
    } else {
      this.remove(group, [member], records);
    }
    const left = { error: 'NONE', message: null, memberId, memberEpoch } as const;
    return this.#answer(group, records, { ...left, heartbeatIntervalMs: 0, assignment: null });
  }

  /** Sessions of members that were read from the log begin now. */
  resume(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.startSession(group, member);
      if (member.current.state === STATE_UNREVOKED) this.#startRebalanceTimer(group, member);
    }
  }

  /**
   * Raises the group epoch if a member has changed its subscription or topics have changed, and has
   * the target assignment catch up with it. With nobody new `member` may be null.
   */
  advance(
    group: ConsumerGroup,
    member: ConsumerMember | null,
    isResubscribed: boolean,
    records: StateRecord[],
  ): void {
    const { regexes, clock } = this.#host;
    const topics = this.#host.topics();
    let bump = isResubscribed;
    if (bump || this.#seen.get(group) !== topics) {
      records.push(...regexes.refresh(group, topics, clock.nowMs()));
      const hash = topicsHash(group.subscribedTopics(), topics);
      if (hash !== group.metadataHash) bump = true;
      group.metadataHash = hash;
      this.#seen.set(group, topics);
    }
    if (bump) {
      group.groupEpoch++;
      group.stored = true;
      records.push(groupEpochRecord(group));
    }
    if (group.groupEpoch > group.assignmentEpoch && member !== null) {
      this.#assign(group, topics, records);
    }
  }

  /** Brings the member nearer to its target. */
  step(
    group: ConsumerGroup,
    member: ConsumerMember,
    owned: Assignment | null,
    records: StateRecord[],
  ): void {
    const before = member.current;
    const current = reconcile({
      current: before,
      target: group.target.get(member.memberId) ?? NO_PARTITIONS,
      targetEpoch: group.assignmentEpoch,
      owned,
      isOwned: (topicId, partition) => group.isOwned(topicId, partition),
    });
    const isSame =
      current.state === before.state &&
      current.memberEpoch === before.memberEpoch &&
      sameAssignment(current.assigned, before.assigned) &&
      sameAssignment(current.pendingRevocation, before.pendingRevocation);
    if (isSame) return;
    group.setCurrent(member, current);
    records.push(currentRecord(group.groupId, member));
    if (member.subscription.classic !== null) return;
    member.rebalanceTimer?.cancel();
    member.rebalanceTimer = null;
    if (current.state === STATE_UNREVOKED) this.#startRebalanceTimer(group, member);
  }

  /** Members go; those who stay get their partitions with their next heartbeats. */
  remove(group: ConsumerGroup, members: readonly ConsumerMember[], records: StateRecord[]): void {
    for (const { memberId } of members) {
      group.remove(memberId);
      records.push(...memberTombstones(group.groupId, memberId));
    }
    this.advance(group, null, true, records);
    this.#host.onRemoved(group);
  }

  /** Removes the member and writes that. */
  fence(group: ConsumerGroup, member: ConsumerMember, reason: string): void {
    if (group.isDead || group.members.get(member.memberId) !== member) return;
    const { memberId } = member;
    this.#host.logger.info('a group member is gone', { group: group.groupId, memberId, reason });
    const records: StateRecord[] = [];
    this.remove(group, [member], records);
    void this.#host.append(group, records);
  }

  startSession(group: ConsumerGroup, member: ConsumerMember): void {
    const { clock, settings } = this.#host;
    const { classic } = member.subscription;
    member.sessionTimer?.cancel();
    member.sessionTimer = clock.setTimer(
      classic?.sessionTimeoutMs ?? settings.consumerSessionTimeoutMs(group.groupId),
      () => this.fence(group, member, 'no heartbeat'),
    );
  }

  #startRebalanceTimer(group: ConsumerGroup, member: ConsumerMember): void {
    const { memberEpoch } = member.current;
    member.rebalanceTimer?.cancel();
    member.rebalanceTimer = this.#host.clock.setTimer(
      Math.max(0, member.subscription.rebalanceTimeoutMs),
      () => {
        if (member.current.memberEpoch !== memberEpoch) return;
        this.fence(group, member, 'partitions not given back in time');
      },
    );
  }

  async #answer(
    group: ConsumerGroup,
    records: readonly StateRecord[],
    reply: ConsumerReply,
  ): Promise<ConsumerReply> {
    if (records.length === 0) return reply;
    const error = await this.#host.append(group, records);
    return error === 'NONE' ? reply : refused(error, null, reply.memberId);
  }

  #memberOf(
    group: ConsumerGroup,
    request: ConsumerHeartbeat,
  ): ConsumerReply | { member: ConsumerMember; isNew: boolean; records: StateRecord[] } {
    const { memberId, memberEpoch, instanceId } = request;
    const joins = memberEpoch === 0;
    const known =
      instanceId === null ? group.members.get(memberId) : group.staticMember(instanceId);
    const { consumerMemberCountMax } = this.#host.settings;
    if (known === undefined) {
      if (!joins) {
        return instanceId === null
          ? refused(
              'UNKNOWN_MEMBER_ID',
              `Member ${memberId} is not a member of group ${group.groupId}.`,
            )
          : refused('UNKNOWN_MEMBER_ID', `Instance id ${instanceId} is unknown.`);
      }
      if (group.members.size >= consumerMemberCountMax) {
        const message = `The consumer group has reached its maximum capacity of ${consumerMemberCountMax} members.`;
        return refused('GROUP_MAX_SIZE_REACHED', message);
      }
      const id = memberId === '' ? this.#host.newMemberId() : memberId;
      return { member: new ConsumerMember(id, NO_SUBSCRIPTION), isNew: true, records: [] };
    }
    if (joins && known.memberId !== memberId) return this.#replaceStatic(group, known, request);
    if (known.memberId !== memberId) {
      const message = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${known.memberId}.`;
      return refused('FENCED_INSTANCE_ID', message);
    }
    if (joins) {
      // It begins anew, and has nothing.
      group.setCurrent(known, NEW_MEMBER);
      return { member: known, isNew: false, records: [currentRecord(group.groupId, known)] };
    }
    const problem = epochProblem(known, request);
    return problem ?? { member: known, isNew: false, records: [] };
  }

  #replaceStatic(
    group: ConsumerGroup,
    known: ConsumerMember,
    { memberId, instanceId }: ConsumerHeartbeat,
  ): ConsumerReply | { member: ConsumerMember; isNew: boolean; records: StateRecord[] } {
    if (known.current.memberEpoch !== AWAY_EPOCH && known.subscription.classic === null) {
      const message = `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${known.memberId} member.`;
      return refused('UNRELEASED_INSTANCE_ID', message);
    }
    const id = memberId === '' ? this.#host.newMemberId() : memberId;
    return { isNew: false, ...this.replaceMember(group, known, id) };
  }

  /** The member goes on under another id, with the partitions that it has. */
  replaceMember(
    group: ConsumerGroup,
    known: ConsumerMember,
    memberId: string,
  ): { member: ConsumerMember; records: StateRecord[] } {
    const { groupId } = group;
    const target = group.target.get(known.memberId) ?? NO_PARTITIONS;
    const current = { ...known.current, memberEpoch: 0, previousMemberEpoch: 0 };
    group.remove(known.memberId);
    const member = new ConsumerMember(memberId, known.subscription, current);
    group.put(member);
    group.target.set(memberId, target);
    const records = [
      ...memberTombstones(groupId, known.memberId),
      memberRecord(groupId, member),
      targetRecord(groupId, memberId, target),
      currentRecord(groupId, member),
    ];
    return { member, records };
  }

  #assign(group: ConsumerGroup, topics: readonly TopicView[], records: StateRecord[]): void {
    const byName = new Map(topics.map((topic) => [topic.name, topic]));
    const partitionCounts = new Map<string, number>();
    const members: AssignorMember[] = [];
    for (const { memberId, subscription } of group.members.values()) {
      const topicIds = new Set<string>();
      for (const name of group.topicsOf(subscription)) {
        const topic = byName.get(name);
        if (topic === undefined) continue;
        topicIds.add(topic.id);
        partitionCounts.set(topic.id, topic.partitionCount);
      }
      const previous = group.target.get(memberId) ?? NO_PARTITIONS;
      members.push({ memberId, instanceId: subscription.instanceId, topicIds, previous });
    }
    const assign = assignors[this.preferredAssignor(group)] ?? assignors['uniform'];
    for (const [memberId, target] of assign?.({ members, partitionCounts }) ?? []) {
      const before = group.target.get(memberId);
      group.target.set(memberId, target);
      if (before !== undefined && sameAssignment(before, target)) continue;
      records.push(targetRecord(group.groupId, memberId, target));
    }
    group.assignmentEpoch = group.groupEpoch;
    records.push(assignmentEpochRecord(group));
  }

  /** What most members ask for, else the default. */
  preferredAssignor(group: ConsumerGroup): string {
    const votes = new Map<string, number>();
    let best = this.#host.settings.consumerAssignors[0] ?? 'uniform';
    let most = 0;
    for (const { subscription } of group.members.values()) {
      const { serverAssignor } = subscription;
      if (serverAssignor === null) continue;
      const count = (votes.get(serverAssignor) ?? 0) + 1;
      votes.set(serverAssignor, count);
      if (count > most) [best, most] = [serverAssignor, count];
    }
    return best;
  }
}

export function refused(
  error: ErrorName,
  message: string | null = null,
  memberId: string | null = null,
): ConsumerReply {
  return {
    error,
    message,
    memberId,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}

/** What is wrong with a request whoever it is from; null: nothing. */
export function requestProblem(
  groupId: string,
  request: ConsumerHeartbeat,
  supported: readonly string[],
): ConsumerReply | null {
  const invalid = (message: string) => refused('INVALID_REQUEST', message);
  const { memberEpoch, memberId, instanceId, rackId, serverAssignor } = request;
  if (groupId.trim() === '') return invalid("GroupId can't be empty.");
  if (instanceId !== null && instanceId.trim() === '') return invalid("InstanceId can't be empty.");
  if (rackId !== null && rackId.trim() === '') return invalid("RackId can't be empty.");
  if (memberEpoch < AWAY_EPOCH) return invalid('MemberEpoch is invalid.');
  if (memberEpoch !== 0 && memberId.trim() === '') return invalid("MemberId can't be empty.");
  if (memberEpoch === AWAY_EPOCH && instanceId === null)
    return invalid("InstanceId can't be null.");
  if (memberEpoch === 0) {
    if (request.rebalanceTimeoutMs === -1) {
      return invalid('RebalanceTimeoutMs must be provided in first request.');
    }
    if (request.owned === null || request.owned.length > 0) {
      return invalid('TopicPartitions must be empty when (re-)joining.');
    }
    if ((request.topics === null || request.topics.length === 0) && request.regex === null) {
      return invalid('SubscribedTopicNames or SubscribedTopicRegex must be set in first request.');
    }
  }
  if (serverAssignor !== null && !supported.includes(serverAssignor)) {
    const message = `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${supported.join(', ')}.`;
    return refused('UNSUPPORTED_ASSIGNOR', message);
  }
  return null;
}

/** What the member has not said again stays. */
function updated(before: MemberSubscription, request: ConsumerHeartbeat): MemberSubscription {
  const { rebalanceTimeoutMs, topics } = request;
  return {
    instanceId: request.instanceId ?? before.instanceId,
    rackId: request.rackId ?? before.rackId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : rebalanceTimeoutMs,
    topics: topics === null ? before.topics : [...new Set(topics)].sort(),
    regex: request.regex ?? before.regex,
    serverAssignor: request.serverAssignor ?? before.serverAssignor,
    classic: null,
  };
}

function sameTopics(a: MemberSubscription, b: MemberSubscription): boolean {
  return (
    a.regex === b.regex &&
    a.topics.length === b.topics.length &&
    a.topics.every((topic, at) => topic === b.topics[at])
  );
}

export function sameSubscription(a: MemberSubscription, b: MemberSubscription): boolean {
  return (
    sameTopics(a, b) &&
    a.instanceId === b.instanceId &&
    a.rackId === b.rackId &&
    a.clientId === b.clientId &&
    a.clientHost === b.clientHost &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.serverAssignor === b.serverAssignor &&
    a.classic === b.classic
  );
}

function epochProblem(
  { current }: ConsumerMember,
  { memberEpoch, owned }: ConsumerHeartbeat,
): ConsumerReply | null {
  if (memberEpoch === current.memberEpoch) return null;
  const isLost =
    memberEpoch < current.memberEpoch &&
    memberEpoch === current.previousMemberEpoch &&
    owned !== null &&
    owned.every(({ topicId, partitions }) =>
      partitions.every((partition) => current.assigned.get(topicId)?.has(partition)),
    );
  // The answer with the next epoch did not reach it.
  if (isLost) return null;
  const relation = memberEpoch > current.memberEpoch ? 'greater' : 'smaller';
  const message = `The consumer group member has a ${relation} member epoch (${memberEpoch}) than the one known by the group coordinator (${current.memberEpoch}). The member must abandon all its partitions and rejoin.`;
  return refused('FENCED_MEMBER_EPOCH', message);
}

function memberToLeave(
  group: ConsumerGroup,
  memberId: string,
  instanceId: string | null,
): ConsumerReply | { member: ConsumerMember } {
  if (instanceId === null) {
    const member = group.members.get(memberId);
    if (member !== undefined) return { member };
    return refused(
      'UNKNOWN_MEMBER_ID',
      `Member ${memberId} is not a member of group ${group.groupId}.`,
    );
  }
  const member = group.staticMember(instanceId);
  if (member === undefined) {
    return refused('UNKNOWN_MEMBER_ID', `Instance id ${instanceId} is unknown.`);
  }
  if (member.memberId === memberId) return { member };
  const message = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.memberId}.`;
  return refused('FENCED_INSTANCE_ID', message);
}

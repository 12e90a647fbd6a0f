/**
 * Members that speak the classic protocol in a consumer group (KIP-848, online migration). JoinGroup is
 * their heartbeat with a subscription, SyncGroup tells what they have, Heartbeat when to join again:
 * partitions are assigned by the broker, and handed over one owner at a time as for the others. Such a
 * member gives back what it is to lose by joining again without it.
 */

import type { Clock } from '../../base/clock.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import { ProtocolError } from '../../protocol/protocol-error.js';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../protocol/stored/group-records.js';
import {
  decodeStored,
  encodeStored,
  storedVersionOf,
} from '../../protocol/stored/stored-message.js';
import type { StateRecord } from '../state-topic.js';
import { type JoinReply, refusedJoin, refusedSync, type SyncReply } from './classic-group.js';
import type { JoinRequest, MemberIdentity, SyncRequest } from './classic-protocol.js';
import {
  type Assignment,
  assignmentOf,
  type ConsumerGroup,
  ConsumerMember,
  type MemberSubscription,
  NO_SUBSCRIPTION,
  STATE_UNRELEASED,
  STATE_UNREVOKED,
} from './consumer-group.js';
import type { ConsumerProtocol } from './consumer-protocol.js';
import { memberRecord } from './consumer-records.js';
import type { TopicView } from './regex-topics.js';

export const CONSUMER_PROTOCOL = 'consumer';
/** The newest of subscriptions and assignments that we know; later ones begin like it. */
const VERSION_MAX = 3;

export interface MixedHost {
  readonly clock: Clock;
  topics(): readonly TopicView[];
  newMemberId(): string;
  memberCountMax(): number;
  append(group: ConsumerGroup, records: readonly StateRecord[]): Promise<ErrorName>;
}

export class MixedMembers {
  readonly #protocol: ConsumerProtocol;
  readonly #host: MixedHost;

  constructor(protocol: ConsumerProtocol, host: MixedHost) {
    this.#protocol = protocol;
    this.#host = host;
  }

  async join(group: ConsumerGroup, request: JoinRequest): Promise<JoinReply> {
    const { memberId, groupInstanceId } = request;
    const { groupId } = group;
    if (group.members.size >= this.#host.memberCountMax() && !group.members.has(memberId)) {
      return refusedJoin('GROUP_MAX_SIZE_REACHED', memberId);
    }
    const subscription = readSubscription(request);
    if (subscription === null || !supports(group, request)) {
      return refusedJoin('INCONSISTENT_GROUP_PROTOCOL', memberId);
    }
    const id = memberId === '' ? this.#host.newMemberId() : memberId;
    if (memberId === '' && groupInstanceId === null && request.needsMemberId) {
      return refusedJoin('MEMBER_ID_REQUIRED', id);
    }
    const records: StateRecord[] = [];
    const found = this.#memberOf(group, request, id, records);
    if (typeof found === 'string') return refusedJoin(found, memberId);
    const isNew = !group.members.has(found.memberId);
    const before = found.subscription;
    found.subscription = subscriptionOf(request, subscription.topics, subscription.rackId);
    records.push(memberRecord(groupId, found));
    group.put(found);
    const isResubscribed =
      isNew || before.regex !== '' || before.topics.join() !== found.subscription.topics.join();
    this.#protocol.advance(group, found, isResubscribed, records);
    const owned = assignmentIn(subscription.ownedPartitions, this.#host.topics());
    this.#protocol.step(group, found, owned, records);
    this.#protocol.startSession(group, found);
    this.#setTimer(group, found, 'no SyncGroup in time');
    const { memberEpoch } = found.current;
    const error = await this.#host.append(group, records);
    if (error !== 'NONE') return refusedJoin(error, memberId);
    return {
      error: 'NONE',
      memberId: found.memberId,
      generationId: memberEpoch,
      protocolType: CONSUMER_PROTOCOL,
      protocolName: request.protocols[0]?.name ?? null,
      // Nobody assigns but the broker.
      leader: '',
      skipAssignment: false,
      members: [],
    };
  }

  sync(group: ConsumerGroup, request: SyncRequest): SyncReply {
    const member = memberFor(group, request);
    if (typeof member === 'string') return refusedSync(member);
    const { classic } = member.subscription;
    if (classic === null) return refusedSync('UNKNOWN_MEMBER_ID');
    const { memberEpoch, state } = member.current;
    if (memberEpoch !== request.generationId) return refusedSync('ILLEGAL_GENERATION');
    const protocol = classic.protocols[0];
    const differs =
      (request.protocolType !== null && request.protocolType !== CONSUMER_PROTOCOL) ||
      (request.protocolName !== null && request.protocolName !== protocol?.name);
    if (protocol === undefined || differs) return refusedSync('INCONSISTENT_GROUP_PROTOCOL');
    // Who is to give something back first learns what it keeps.
    if (group.groupEpoch > memberEpoch && state !== STATE_UNREVOKED) {
      return refusedSync('REBALANCE_IN_PROGRESS');
    }
    member.rebalanceTimer?.cancel();
    member.rebalanceTimer = null;
    this.#protocol.startSession(group, member);
    return {
      error: 'NONE',
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      assignment: writeAssignment(member.current.assigned, protocol.metadata, this.#host.topics()),
    };
  }

  heartbeat(group: ConsumerGroup, identity: MemberIdentity, generationId: number): ErrorName {
    const member = memberFor(group, identity);
    if (typeof member === 'string') return member;
    if (member.subscription.classic === null) return 'UNKNOWN_MEMBER_ID';
    const { memberEpoch, state } = member.current;
    if (memberEpoch !== generationId) return 'ILLEGAL_GENERATION';
    this.#protocol.startSession(group, member);
    const isToJoin =
      memberEpoch < group.groupEpoch ||
      state === STATE_UNREVOKED ||
      (state === STATE_UNRELEASED && !waitsForOthers(group, member));
    if (!isToJoin) return 'NONE';
    if (member.rebalanceTimer === null) this.#setTimer(group, member, 'no JoinGroup in time');
    return 'REBALANCE_IN_PROGRESS';
  }

  /** Errors by identity, and who goes; the caller removes them. */
  leaving(
    group: ConsumerGroup,
    identities: readonly MemberIdentity[],
  ): { readonly errors: ErrorName[]; readonly members: ConsumerMember[] } {
    const members: ConsumerMember[] = [];
    const errors = identities.map(({ memberId, groupInstanceId }): ErrorName => {
      const known = groupInstanceId === null ? undefined : group.staticMember(groupInstanceId);
      const id = memberId === '' ? (known?.memberId ?? '') : memberId;
      const member = memberFor(group, { memberId: id, groupInstanceId });
      if (typeof member === 'string') return member;
      if (member.subscription.classic === null) return 'UNKNOWN_MEMBER_ID';
      members.push(member);
      return 'NONE';
    });
    return { errors, members };
  }

  #memberOf(
    group: ConsumerGroup,
    { memberId, groupInstanceId }: JoinRequest,
    id: string,
    records: StateRecord[],
  ): ConsumerMember | ErrorName {
    const fresh = () => new ConsumerMember(id, NO_SUBSCRIPTION);
    if (groupInstanceId === null) return group.members.get(id) ?? fresh();
    const known = group.staticMember(groupInstanceId);
    if (memberId !== '') return memberFor(group, { memberId, groupInstanceId });
    if (known === undefined) return fresh();
    const replaced = this.#protocol.replaceMember(group, known, id);
    records.push(...replaced.records);
    return replaced.member;
  }

  #setTimer(group: ConsumerGroup, member: ConsumerMember, reason: string): void {
    member.rebalanceTimer?.cancel();
    member.rebalanceTimer = this.#host.clock.setTimer(
      Math.max(0, member.subscription.rebalanceTimeoutMs),
      () => this.#protocol.fence(group, member, reason),
    );
  }
}

function subscriptionOf(
  request: JoinRequest,
  topics: readonly string[],
  rackId: string | null,
): MemberSubscription {
  return {
    instanceId: request.groupInstanceId,
    rackId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    topics: [...new Set(topics)].sort(),
    regex: '',
    serverAssignor: null,
    classic: { sessionTimeoutMs: request.sessionTimeoutMs, protocols: request.protocols },
  };
}

/** Whether one of the protocols is that of all classic members. */
function supports(group: ConsumerGroup, { protocolType, protocols }: JoinRequest): boolean {
  if (protocolType !== CONSUMER_PROTOCOL) return false;
  const others = [...group.members.values()].flatMap(
    ({ subscription }) => subscription.classic ?? [],
  );
  return protocols.some(({ name }) =>
    others.every((classic) => classic.protocols.some((protocol) => protocol.name === name)),
  );
}

function memberFor(
  group: ConsumerGroup,
  { memberId, groupInstanceId }: MemberIdentity,
): ConsumerMember | ErrorName {
  if (groupInstanceId === null) return group.members.get(memberId) ?? 'UNKNOWN_MEMBER_ID';
  const member = group.staticMember(groupInstanceId);
  if (member === undefined) return 'UNKNOWN_MEMBER_ID';
  return member.memberId === memberId ? member : 'FENCED_INSTANCE_ID';
}

/** Whether all that the member still misses is with somebody. */
function waitsForOthers(group: ConsumerGroup, { memberId, current }: ConsumerMember): boolean {
  for (const [topicId, partitions] of group.target.get(memberId) ?? []) {
    for (const partition of partitions) {
      if (current.assigned.get(topicId)?.has(partition)) continue;
      if (!group.isOwned(topicId, partition)) return false;
    }
  }
  return true;
}

function readSubscription({ protocols }: { readonly protocols: JoinRequest['protocols'] }) {
  const metadata = protocols[0]?.metadata;
  return metadata === undefined ? null : decodeSubscription(metadata);
}

/** Null: it is not one. */
export function decodeSubscription(metadata: Uint8Array) {
  return decodeKnown(metadata, (bytes) => decodeStored(consumerProtocolSubscription, bytes));
}

export function decodeAssignment(assignment: Uint8Array) {
  return decodeKnown(assignment, (bytes) => decodeStored(consumerProtocolAssignment, bytes));
}

function decodeKnown<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | null {
  const version = storedVersionOf(bytes);
  if (version < 0) return null;
  const known = Buffer.from(bytes);
  known.writeInt16BE(Math.min(version, VERSION_MAX), 0);
  try {
    return decode(known);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

type NamedPartitions = readonly {
  readonly topic: string;
  readonly partitions: readonly number[];
}[];

/** By topic id; topics that are not there are left out. */
export function assignmentIn(named: NamedPartitions, topics: readonly TopicView[]): Assignment {
  const ids = new Map(topics.map(({ name, id }) => [name, id]));
  return assignmentOf(
    named.flatMap(({ topic, partitions }) => {
      const topicId = ids.get(topic);
      return topicId === undefined ? [] : [[topicId, partitions] as const];
    }),
  );
}

/** As a classic consumer reads it, in the version of its subscription. */
export function writeAssignment(
  assignment: Assignment,
  metadata: Uint8Array,
  topics: readonly TopicView[],
): Uint8Array {
  const names = new Map(topics.map(({ name, id }) => [id, name]));
  const version = Math.min(Math.max(storedVersionOf(metadata), 0), VERSION_MAX);
  const assignedPartitions = [...assignment].flatMap(([topicId, partitions]) => {
    const topic = names.get(topicId);
    const sorted = [...partitions].sort((a, b) => a - b);
    return topic === undefined ? [] : [{ topic, partitions: sorted }];
  });
  return encodeStored(consumerProtocolAssignment, version, { assignedPartitions, userData: null });
}

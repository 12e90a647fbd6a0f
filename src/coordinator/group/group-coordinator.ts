/**
 * The group coordinator: membership and offsets of every group, behind what the group APIs ask.
 *
 *     handlers > GroupCoordinator > ClassicProtocol (members, rebalances)
 *                                 > OffsetCommits   (offsets)
 *                                 > GroupTable      (what there is) <- replay of __consumer_offsets
 *
 * Expected refusals are values: names of Kafka's errors. One thread: between two awaits nothing else
 * happens to a group. What was answered as done is in the log.
 *
 * For the transaction coordinator: `commitTransactionalOffsets`, and `completeTransaction` once the
 * marker of a transaction is in a partition of the offsets topic.
 */

import { type Clock, setCheckTimer, type Timer } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Random } from '../../base/random.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import { type StateRecord, StateTopic, type StateTopicOptions } from '../state-topic.js';
import {
  type ClassicGroup,
  type JoinReply,
  refusedJoin,
  refusedSync,
  type SyncReply,
} from './classic-group.js';
import {
  type ClassicHost,
  ClassicProtocol,
  type ClassicSettings,
  type JoinRequest,
  type MemberIdentity,
  type SyncRequest,
} from './classic-protocol.js';
import { type CommitKind, commitProblem } from './commit-problem.js';
import { ConsumerGroup } from './consumer-group.js';
import {
  type ConsumerHeartbeat,
  ConsumerProtocol,
  type ConsumerReply,
  type ConsumerSettings,
  refused,
  requestProblem,
} from './consumer-protocol.js';
import { consumerGroupTombstones } from './consumer-records.js';
import type { CommittedOffset, TopicPartition } from './group-offsets.js';
import { groupRecord, groupTombstone } from './group-records.js';
import { type GroupEntry, GroupTable } from './group-table.js';
import { uuidText } from './member-id.js';
import { allows, downgrade, isClassicOnly, upgrade } from './migration.js';
import { MixedMembers } from './mixed-members.js';
import {
  type Committer,
  commitError,
  type OffsetCommitRequest,
  OffsetCommits,
  type OffsetSettings,
  type TransactionalCommitRequest,
} from './offset-commits.js';
import { RegexTopics, type TopicView } from './regex-topics.js';
import { subscribedTopicsOf } from './subscription.js';

export type { CommittedOffset, TopicPartition } from './group-offsets.js';
export type {
  OffsetCommitRequest,
  OffsetToCommit,
  TransactionalCommitRequest,
} from './offset-commits.js';
export type { JoinReply, JoinRequest, MemberIdentity, SyncReply, SyncRequest };

/** Read at each use: may change while the broker runs. */
export interface GroupSettings extends ClassicSettings, OffsetSettings, ConsumerSettings {
  /** disabled, upgrade, downgrade or bidirectional. */
  readonly migrationPolicy: string;
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly retentionCheckIntervalMs: number;
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: GroupSettings;
  /** All topics; another array after each change. */
  readonly topics: () => readonly TopicView[];
  /** Of the offsets topic. */
  readonly topic: Omit<StateTopicOptions, 'replay' | 'clock' | 'logger'>;
}

/** Most bytes that a member may join with: all of its group together are to fit into one record. */
const MEMBER_METADATA_BYTES_MAX = 4 * 2 ** 20;

export interface FetchedOffset extends TopicPartition {
  readonly error: ErrorName;
  /** Undefined: none is committed. */
  readonly committed: CommittedOffset | undefined;
}

export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: string;
  readonly type: string;
}

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions;
  readonly #topic: StateTopic;
  readonly #table: GroupTable;
  readonly #classic: ClassicProtocol;
  readonly #commits: OffsetCommits;
  readonly #regexes = new RegexTopics();
  readonly #consumer: ConsumerProtocol;
  readonly #mixed: MixedMembers;
  #expiryTimer: Timer | null = null;
  #closed = false;

  constructor(options: GroupCoordinatorOptions) {
    const { clock, logger, settings } = options;
    this.#options = options;
    this.#table = new GroupTable({
      logger,
      nowMs: () => clock.nowMs(),
      partitionFor: (groupId) => this.#topic.partitionFor(groupId),
    });
    this.#topic = new StateTopic({ ...options.topic, clock, logger, replay: this.#table });
    const host: ClassicHost = {
      clock,
      logger,
      settings,
      newMemberId: (prefix) => `${prefix}-${uuidText(options.random)}`,
      store: (group, assignments) => this.#store(group, assignments),
    };
    this.#classic = new ClassicProtocol(host);
    this.#commits = new OffsetCommits({ clock, topic: this.#topic, table: this.#table, settings });
    const append = (group: ConsumerGroup, records: readonly StateRecord[]) =>
      this.#append(group.groupId, records);
    const newMemberId = () => uuidText(options.random);
    this.#consumer = new ConsumerProtocol({
      clock,
      logger,
      settings,
      regexes: this.#regexes,
      topics: options.topics,
      newMemberId,
      append,
      onRemoved: (group) => this.#maybeDowngrade(group),
    });
    this.#mixed = new MixedMembers(this.#consumer, {
      clock,
      topics: options.topics,
      newMemberId,
      memberCountMax: () => settings.consumerMemberCountMax,
      append,
    });
  }

  /** Replays the offsets topic. Once, before the first request. */
  async open(): Promise<void> {
    await this.#topic.open();
    this.#table.dropEmpty();
    for (const { group } of this.#table.entries()) {
      if (group.type === 'classic') this.#classic.resume(group);
      else this.#consumer.resume(group);
    }
    this.#armExpiry();
  }

  /** Answers who waits; every request from now on gets NOT_COORDINATOR. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#expiryTimer?.cancel();
    for (const entry of this.#table.entries()) this.#kill(entry, 'NOT_COORDINATOR');
  }

  get groupCount(): number {
    return this.#table.count;
  }

  has(groupId: string): boolean {
    return this.#table.get(groupId) !== undefined;
  }

  get topicName(): string {
    return this.#topic.name;
  }

  /** The partition of the offsets topic that a group's records are in. */
  partitionFor(groupId: string): number {
    return this.#topic.partitionFor(groupId);
  }

  /** Has the offsets topic made, if it is not there; NONE when it is. */
  async ensureTopic(): Promise<ErrorName> {
    return (await this.#topic.ensure()) === null ? 'NONE' : 'COORDINATOR_NOT_AVAILABLE';
  }

  join(groupId: string, request: JoinRequest): Promise<JoinReply> {
    const { memberId, sessionTimeoutMs } = request;
    const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = this.#options.settings;
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return Promise.resolve(refusedJoin(problem, memberId));
    if (!(sessionTimeoutMs >= sessionTimeoutMinMs && sessionTimeoutMs <= sessionTimeoutMaxMs)) {
      return Promise.resolve(refusedJoin('INVALID_SESSION_TIMEOUT', memberId));
    }
    const metadataBytes = request.protocols.reduce((sum, one) => sum + one.metadata.length, 0);
    if (metadataBytes > MEMBER_METADATA_BYTES_MAX) {
      return Promise.resolve(refusedJoin('INVALID_REQUEST', memberId));
    }
    const known = this.#table.get(groupId);
    if (known === undefined && memberId !== '') {
      return Promise.resolve(refusedJoin('UNKNOWN_MEMBER_ID', memberId));
    }
    const entry = known ?? this.#table.getOrMake(groupId);
    const { group } = entry;
    if (group.type === 'consumer' && group.state !== 'Empty') {
      return this.#whileKept(entry, this.#mixed.join(group, request));
    }
    const classic = this.#classicOf(entry);
    return new Promise((resolve) => {
      this.#classic.join(classic, request, resolve);
      this.#dropIfUnused(entry);
    });
  }

  sync(groupId: string, request: SyncRequest): Promise<SyncReply> {
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return Promise.resolve(refusedSync(problem));
    const entry = this.#table.get(groupId);
    if (entry === undefined || entry.group.state === 'Empty') {
      return Promise.resolve(refusedSync('UNKNOWN_MEMBER_ID'));
    }
    const { group } = entry;
    if (group.type === 'consumer') return Promise.resolve(this.#mixed.sync(group, request));
    return new Promise((resolve) => this.#classic.sync(group, request, resolve));
  }

  heartbeat(groupId: string, identity: MemberIdentity, generationId: number): ErrorName {
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    if (entry === undefined) return 'UNKNOWN_MEMBER_ID';
    const { group } = entry;
    return group.type === 'consumer'
      ? this.#mixed.heartbeat(group, identity, generationId)
      : this.#classic.heartbeat(group, identity, generationId);
  }

  /** One error per member; or one for all. */
  async leave(
    groupId: string,
    members: readonly MemberIdentity[],
  ): Promise<readonly ErrorName[] | ErrorName> {
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    if (entry === undefined) return members.map(() => 'UNKNOWN_MEMBER_ID');
    const { group } = entry;
    if (group.type === 'classic') return this.#classic.leave(group, members);
    const leaving = this.#mixed.leaving(group, members);
    if (leaving.members.length === 0) return leaving.errors;
    const records: StateRecord[] = [];
    this.#consumer.remove(group, leaving.members, records);
    const error = await this.#append(groupId, records);
    return error === 'NONE' ? leaving.errors : error;
  }

  /** KIP-848: a member joins, lives and leaves by this. */
  async consumerHeartbeat(groupId: string, request: ConsumerHeartbeat): Promise<ConsumerReply> {
    const { settings } = this.#options;
    const invalid = requestProblem(groupId, request, settings.consumerAssignors);
    if (invalid !== null) return invalid;
    const problem = this.#problemOf(groupId);
    if (problem !== null) return refused(problem);
    if (this.#regexes.isMissing(this.#consumerGroup(groupId), request.regex)) {
      const wrong = await this.#regexes.prepare(this.#consumerGroup(groupId), request.regex);
      if (wrong !== null) {
        const message = `SubscribedTopicRegex \`${request.regex}\` is not a valid regular expression: ${wrong}.`;
        return refused('INVALID_REGULAR_EXPRESSION', message);
      }
    }
    const entry = this.#table.get(groupId);
    if (request.memberEpoch !== 0) {
      if (entry === undefined) {
        return refused('GROUP_ID_NOT_FOUND', `Consumer group ${groupId} not found.`);
      }
      if (entry.group.type === 'classic')
        return refused('GROUP_ID_NOT_FOUND', notConsumer(groupId));
      if (request.memberEpoch > 0) return this.#consumer.heartbeat(entry.group, request);
      return this.#consumer.leave(entry.group, request);
    }
    const made = this.#toConsumer(entry ?? this.#table.getOrMake(groupId));
    if (made === null) return refused('GROUP_ID_NOT_FOUND', notConsumer(groupId));
    const reply = this.#consumer.heartbeat(made.group, request, made.records);
    return this.#whileKept(made.entry, reply);
  }

  /** One error per offset. */
  async commitOffsets(request: OffsetCommitRequest): Promise<readonly ErrorName[]> {
    const problem = this.#commitProblem(request, {
      isTransactional: false,
      knowsEpochs: request.knowsEpochs,
    });
    if (problem !== null) return request.offsets.map(() => problem);
    const entry = this.#table.getOrMake(request.groupId);
    if (entry.group.type === 'classic') this.#classic.touch(entry.group, request.memberId);
    return this.#whileKept(entry, this.#commits.commit(entry, request));
  }

  /** One error per offset. The offsets count when `completeTransaction` says so. */
  async commitTransactionalOffsets(
    request: TransactionalCommitRequest,
  ): Promise<readonly ErrorName[]> {
    const problem = this.#commitProblem(request, { isTransactional: true, knowsEpochs: true });
    if (problem !== null) return request.offsets.map(() => problem);
    const entry = this.#table.getOrMake(request.groupId);
    return this.#whileKept(entry, this.#commits.commitTransactional(entry, request));
  }

  /** The marker of a transaction is written to this partition of the offsets topic. */
  completeTransaction(partition: number, producerId: number, committed: boolean): void {
    this.#table.endTransaction(partition, producerId, committed);
  }

  /** Why a member, if it is one, is not told offsets; null if it is. */
  fetchProblem(groupId: string, memberId: string | null, memberEpoch: number): ErrorName | null {
    const problem = this.#problemOf(groupId);
    const group = this.#consumerGroup(groupId);
    if (problem !== null || group === null || memberId === null || memberEpoch < 0) return problem;
    const member = group.members.get(memberId);
    if (member === undefined) return 'UNKNOWN_MEMBER_ID';
    return member.current.memberEpoch === memberEpoch ? null : 'STALE_MEMBER_EPOCH';
  }

  /**
   * What is committed for the partitions, or for all there are; with `requireStable`
   * UNSTABLE_OFFSET_COMMIT where a transaction is about to change it.
   */
  fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | null,
    requireStable: boolean,
  ): readonly FetchedOffset[] | ErrorName {
    const problem = this.#problemOf(groupId);
    if (problem !== null) return problem;
    const offsets = this.#table.get(groupId)?.offsets;
    const asked = partitions ?? (offsets === undefined ? [] : [...offsets.entries()]);
    return asked.map(({ topic, partition }) => {
      const unstable = requireStable && (offsets?.isPending(topic, partition) ?? false);
      return {
        topic,
        partition,
        error: unstable ? 'UNSTABLE_OFFSET_COMMIT' : 'NONE',
        committed: unstable ? undefined : offsets?.get(topic, partition),
      };
    });
  }

  /** One error per partition; or one for all. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly ErrorName[] | ErrorName> {
    const problem = this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    if (entry === undefined || entry.group.state === 'Dead') return 'GROUP_ID_NOT_FOUND';
    const { group } = entry;
    const isConsumer = group.type === 'consumer' || group.usesConsumerProtocol;
    if (group.state !== 'Empty' && !isConsumer) return 'NON_EMPTY_GROUP';
    const inUse = group.state === 'Empty' ? new Set<string>() : subscribedTopicsOf(group);
    const isUsed = (topic: string) => inUse === null || inUse.has(topic);
    const error = await this.#commits.remove(
      entry,
      partitions.filter(({ topic }) => !isUsed(topic)),
    );
    return partitions.map(({ topic }) => (isUsed(topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' : error));
  }

  async deleteGroup(groupId: string): Promise<ErrorName> {
    const problem = this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    while (entry !== undefined && entry.inFlight.size > 0) await Promise.all(entry.inFlight);
    if (entry === undefined || entry.group.state === 'Dead') return 'GROUP_ID_NOT_FOUND';
    if (entry.group.state !== 'Empty') return 'NON_EMPTY_GROUP';
    return this.#remove(entry);
  }

  /** Undefined: there is none, or it is of another type. */
  describeClassic(groupId: string): ClassicGroup | ErrorName | undefined {
    const problem = this.#problemOf(groupId);
    if (problem !== null) return problem;
    const group = this.#table.get(groupId)?.group;
    return group?.type !== 'classic' || group.state === 'Dead' ? undefined : group;
  }

  /** Undefined: there is none, or it is of another type. */
  describeConsumer(groupId: string): ConsumerGroup | ErrorName | undefined {
    const problem = this.#problemOf(groupId);
    if (problem !== null) return problem;
    return this.#consumerGroup(groupId) ?? undefined;
  }

  /** What the server assigns by in a group. */
  assignorOf(group: ConsumerGroup): string {
    return this.#consumer.preferredAssignor(group);
  }

  list(): ListedGroup[] {
    return [...this.#table.entries()].map(({ groupId, group }) => ({
      groupId,
      protocolType: group.type === 'consumer' ? 'consumer' : (group.protocolType ?? ''),
      state: group.state,
      type: group.type,
    }));
  }

  /** Topics are gone: nobody reads on in them. */
  async topicsDeleted(topics: ReadonlySet<string>): Promise<void> {
    for (const entry of [...this.#table.entries()]) {
      const partitions = [...entry.offsets.entries()].filter(({ topic }) => topics.has(topic));
      if (partitions.length > 0) await this.#commits.remove(entry, partitions);
    }
  }

  /** Removes expired offsets, and groups that nothing is left of; by itself every so often. */
  async expire(): Promise<void> {
    for (const entry of [...this.#table.entries()]) {
      if (this.#closed) return;
      const expired = this.#commits.expired(entry);
      if (expired.length === entry.offsets.count && isIdle(entry)) {
        await this.#remove(entry);
      } else if (expired.length > 0) {
        await this.#commits.remove(entry, expired);
      }
    }
  }

  #consumerGroup(groupId: string): ConsumerGroup | null {
    const group = this.#table.get(groupId)?.group;
    return group?.type === 'consumer' ? group : null;
  }

  /** An empty consumer group becomes a classic one when somebody joins it so. */
  #classicOf(entry: GroupEntry): ClassicGroup {
    if (entry.group.type === 'classic') return entry.group;
    const records = consumerGroupTombstones(entry.group);
    this.#kill(entry, 'COORDINATOR_NOT_AVAILABLE');
    const group = this.#table.emptyClassic(entry.groupId);
    entry.group = group;
    void this.#append(entry.groupId, records);
    return group;
  }

  /** The group as a consumer group, with the records that make it one; null: it cannot be one. */
  #toConsumer(entry: GroupEntry): {
    readonly entry: GroupEntry;
    readonly group: ConsumerGroup;
    readonly records: StateRecord[];
  } | null {
    const { group: classic, groupId } = entry;
    if (classic.type === 'consumer') return { entry, group: classic, records: [] };
    const { settings, topics } = this.#options;
    const isEmpty = classic.state === 'Empty';
    if (!isEmpty) {
      const mayUpgrade =
        allows(settings.migrationPolicy, 'upgrade') && classic.usesConsumerProtocol;
      if (!mayUpgrade || classic.members.size > settings.consumerMemberCountMax) return null;
    }
    const made = isEmpty
      ? {
          group: new ConsumerGroup(groupId),
          records: classic.stored ? [groupTombstone(groupId)] : [],
        }
      : upgrade(classic, topics());
    if (made === null) return null;
    // Who waits for a rebalance joins the new group.
    this.#classic.kill(classic, 'REBALANCE_IN_PROGRESS');
    entry.group = made.group;
    for (const member of made.group.members.values()) {
      this.#consumer.startSession(made.group, member);
    }
    return { entry, ...made };
  }

  /** When the last consumer of the new protocol has left, the others have a classic group again. */
  #maybeDowngrade(group: ConsumerGroup): void {
    const { settings, topics, clock, logger } = this.#options;
    const entry = this.#table.get(group.groupId);
    if (entry?.group !== group || !isClassicOnly(group)) return;
    const isAllowed =
      allows(settings.migrationPolicy, 'downgrade') &&
      group.members.size <= settings.memberCountMax;
    if (!isAllowed) return;
    const made = downgrade(group, topics(), clock.nowMs());
    logger.info('a consumer group is a classic group again', { group: group.groupId });
    this.#kill(entry, 'COORDINATOR_NOT_AVAILABLE');
    entry.group = made.group;
    // After the records of the one who left, which are appended when this returns.
    queueMicrotask(() => {
      void this.#append(group.groupId, [...made.records, groupRecord(made.group, new Map())]);
      this.#classic.resume(made.group);
      this.#classic.rebalance(made.group);
    });
  }

  #kill({ group }: GroupEntry, error: ErrorName): void {
    if (group.type === 'classic') {
      this.#classic.kill(group, error);
      return;
    }
    group.isDead = true;
    group.cancelTimers();
  }

  async #append(groupId: string, records: readonly StateRecord[]): Promise<ErrorName> {
    const error = await this.#commits.append(this.#topic.partitionFor(groupId), records);
    return error === 'INVALID_COMMIT_OFFSET_SIZE' ? 'UNKNOWN_SERVER_ERROR' : error;
  }

  async #remove(entry: GroupEntry): Promise<ErrorName> {
    this.#kill(entry, 'COORDINATOR_NOT_AVAILABLE');
    this.#table.remove(entry);
    return this.#commits.removeGroup(entry);
  }

  async #store(
    group: ClassicGroup,
    assignments: ReadonlyMap<string, Uint8Array>,
  ): Promise<ErrorName> {
    const partition = this.#topic.partitionFor(group.groupId);
    const records = [groupRecord(group, assignments)];
    if (this.#topic.sizeOf(records) > this.#topic.batchBytesMax(partition)) {
      return 'UNKNOWN_SERVER_ERROR';
    }
    const written = await this.#topic.append(partition, records);
    if (written.ok) {
      group.stored = true;
      return 'NONE';
    }
    const { groupId: name } = group;
    this.#options.logger.warn('cannot store a group', { group: name, cause: written.message });
    const error = commitError(written);
    return error === 'INVALID_COMMIT_OFFSET_SIZE' ? 'UNKNOWN_SERVER_ERROR' : error;
  }

  /** Why this broker answers nothing about the group. */
  #problemOf(groupId: string): ErrorName | null {
    if (this.#closed) return 'NOT_COORDINATOR';
    const problem = this.#topic.problemOf(this.#topic.partitionFor(groupId));
    return problem === null ? null : 'COORDINATOR_NOT_AVAILABLE';
  }

  #commitProblem(request: Committer, kind: CommitKind): ErrorName | null {
    const group = this.#table.get(request.groupId)?.group;
    return this.#problemOf(request.groupId) ?? commitProblem(group, request, kind);
  }

  async #whileKept<T>(entry: GroupEntry, work: Promise<T>): Promise<T> {
    entry.inFlight.add(work);
    try {
      return await work;
    } finally {
      entry.inFlight.delete(work);
      this.#dropIfUnused(entry);
    }
  }

  /** A group that a refused request made is forgotten again. */
  #dropIfUnused(entry: GroupEntry): void {
    if (isIdle(entry) && !entry.group.stored && entry.offsets.isEmpty) this.#table.remove(entry);
  }

  #armExpiry(): void {
    const { clock, settings } = this.#options;
    this.#expiryTimer = setCheckTimer(clock, settings.retentionCheckIntervalMs, () => {
      void this.expire().then(() => {
        if (!this.#closed) this.#armExpiry();
      });
    });
  }
}

/** Nobody is in the group or about to change it. */
function isIdle({ group, offsets, inFlight }: GroupEntry): boolean {
  const isEmpty =
    group.state === 'Empty' && (group.type === 'consumer' || group.pendingJoins.size === 0);
  return isEmpty && inFlight.size === 0 && !offsets.hasPending;
}

function notConsumer(groupId: string): string {
  return `Group ${groupId} is not a consumer group.`;
}

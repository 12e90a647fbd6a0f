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

import { assert } from '../../base/assert.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Random } from '../../base/random.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import { StateTopic, type StateTopicOptions } from '../state-topic.js';
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
import type { CommittedOffset, TopicPartition } from './group-offsets.js';
import { groupRecord } from './group-records.js';
import { type GroupEntry, GroupTable } from './group-table.js';
import {
  type Committer,
  commitError,
  type OffsetCommitRequest,
  OffsetCommits,
  type OffsetSettings,
  type TransactionalCommitRequest,
} from './offset-commits.js';
import { subscribedTopicsOf } from './subscription.js';

export type { CommittedOffset, TopicPartition } from './group-offsets.js';
export type {
  OffsetCommitRequest,
  OffsetToCommit,
  TransactionalCommitRequest,
} from './offset-commits.js';
export type { JoinReply, JoinRequest, MemberIdentity, SyncReply, SyncRequest };

/** Read at each use: may change while the broker runs. */
export interface GroupSettings extends ClassicSettings, OffsetSettings {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly retentionCheckIntervalMs: number;
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: GroupSettings;
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
  }

  /** Replays the offsets topic. Once, before the first request. */
  async open(): Promise<void> {
    await this.#topic.open();
    this.#table.dropEmpty();
    for (const { group } of this.#table.entries()) this.#classic.resume(group);
    this.#armExpiry();
  }

  /** Answers who waits; every request from now on gets NOT_COORDINATOR. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#expiryTimer?.cancel();
    for (const { group } of this.#table.entries()) this.#classic.kill(group, 'NOT_COORDINATOR');
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
    return new Promise((resolve) => {
      this.#classic.join(entry.group, request, resolve);
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
    return new Promise((resolve) => this.#classic.sync(entry.group, request, resolve));
  }

  heartbeat(groupId: string, identity: MemberIdentity, generationId: number): ErrorName {
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    if (entry === undefined) return 'UNKNOWN_MEMBER_ID';
    return this.#classic.heartbeat(entry.group, identity, generationId);
  }

  /** One error per member; or one for all. */
  leave(groupId: string, members: readonly MemberIdentity[]): readonly ErrorName[] | ErrorName {
    const problem = groupId === '' ? 'INVALID_GROUP_ID' : this.#problemOf(groupId);
    if (problem !== null) return problem;
    const entry = this.#table.get(groupId);
    if (entry === undefined) return members.map(() => 'UNKNOWN_MEMBER_ID');
    return this.#classic.leave(entry.group, members);
  }

  /** One error per offset. */
  async commitOffsets(request: OffsetCommitRequest): Promise<readonly ErrorName[]> {
    const problem = this.#problemOf(request.groupId) ?? this.#commitProblem(request, false);
    if (problem !== null) return request.offsets.map(() => problem);
    const entry = this.#table.getOrMake(request.groupId);
    this.#classic.touch(entry.group, request.memberId);
    return this.#whileKept(entry, this.#commits.commit(entry, request));
  }

  /** One error per offset. The offsets count when `completeTransaction` says so. */
  async commitTransactionalOffsets(
    request: TransactionalCommitRequest,
  ): Promise<readonly ErrorName[]> {
    const problem = this.#problemOf(request.groupId) ?? this.#commitProblem(request, true);
    if (problem !== null) return request.offsets.map(() => problem);
    const entry = this.#table.getOrMake(request.groupId);
    return this.#whileKept(entry, this.#commits.commitTransactional(entry, request));
  }

  /** The marker of a transaction is written to this partition of the offsets topic. */
  completeTransaction(partition: number, producerId: number, committed: boolean): void {
    this.#table.endTransaction(partition, producerId, committed);
  }

  /** Why a member, if it is one, is not told offsets; null if it is. */
  fetchProblem(groupId: string, _memberId: string | null, _memberEpoch: number): ErrorName | null {
    return this.#problemOf(groupId);
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
    if (group.state !== 'Empty' && !group.usesConsumerProtocol) return 'NON_EMPTY_GROUP';
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
    return group === undefined || group.state === 'Dead' ? undefined : group;
  }

  list(): ListedGroup[] {
    return [...this.#table.entries()].map(({ groupId, group }) => ({
      groupId,
      protocolType: group.protocolType ?? '',
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

  async #remove(entry: GroupEntry): Promise<ErrorName> {
    this.#classic.kill(entry.group, 'COORDINATOR_NOT_AVAILABLE');
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

  #commitProblem(committer: Committer, isTransactional: boolean): ErrorName | null {
    const { groupId, memberId, groupInstanceId, generationId } = committer;
    const group = this.#table.get(groupId)?.group;
    if (group === undefined) return generationId < 0 ? null : 'ILLEGAL_GENERATION';
    if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    if (generationId < 0 && group.state === 'Empty') return null;
    if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
      const problem = group.memberProblem(memberId, groupInstanceId);
      if (problem !== null) return problem;
      if (generationId !== group.generationId) return 'ILLEGAL_GENERATION';
    } else if (!isTransactional) {
      return 'UNKNOWN_MEMBER_ID';
    }
    // The member was told to sync; it commits again afterwards.
    if (!isTransactional && group.state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS';
    return null;
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
    this.#expiryTimer = clock.setTimer(settings.retentionCheckIntervalMs, () => {
      void this.expire().then(() => {
        if (!this.#closed) this.#armExpiry();
      });
    });
  }
}

/** Nobody is in the group or about to change it. */
function isIdle({ group, offsets, inFlight }: GroupEntry): boolean {
  const isEmpty = group.state === 'Empty' && group.pendingJoins.size === 0;
  return isEmpty && inFlight.size === 0 && !offsets.hasPending;
}

function uuidText(random: Random): string {
  const bytes = Buffer.from(random.fill(new Uint8Array(16)));
  assert(bytes.length === 16, 'a uuid has 16 bytes');
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

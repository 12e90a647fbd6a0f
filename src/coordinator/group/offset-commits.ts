/**
 * Offsets of groups: commit, transactional commit, fetch, delete, expiry. An offset is changed in
 * memory when its record is in the log, and answered then: what a client was told survives a crash.
 */

import type { Clock } from '../../base/clock.js';
import type { ErrorName } from '../../protocol/error-codes.js';
import type { StateAppendResult, StateRecord, StateTopic } from '../state-topic.js';
import { consumerGroupTombstones } from './consumer-records.js';
import type { CommittedOffset, TopicPartition } from './group-offsets.js';
import { groupTombstone, offsetRecord, offsetTombstone } from './group-records.js';
import type { GroupEntry, GroupTable } from './group-table.js';
import { subscribedTopicsOf } from './subscription.js';

export interface OffsetToCommit extends TopicPartition {
  readonly offset: number;
  /** -1: not told. */
  readonly leaderEpoch: number;
  readonly metadata: string | null;
  /** UUID_ZERO: not known. */
  readonly topicId: string;
}

/** Who commits, as it says; generation -1 and no member id: nobody in particular. */
export interface Committer {
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** The member epoch, in a group of the consumer protocol. */
  readonly generationId: number;
}

export interface OffsetCommitRequest extends Committer {
  /** Of clients before 2.1, with the commit; -1: the broker's. */
  readonly retentionMs: number;
  /** Whether the request can tell of member epochs (version 9 on): members of consumer groups must. */
  readonly knowsEpochs: boolean;
  readonly offsets: readonly OffsetToCommit[];
}

export interface TransactionalCommitRequest extends Committer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly offsets: readonly OffsetToCommit[];
}

export interface OffsetSettings {
  readonly offsetMetadataBytesMax: number;
  readonly offsetsRetentionMs: number;
}

export interface OffsetCommitsOptions {
  readonly clock: Clock;
  readonly topic: StateTopic;
  readonly table: GroupTable;
  readonly settings: OffsetSettings;
}

export class OffsetCommits {
  readonly #options: OffsetCommitsOptions;

  constructor(options: OffsetCommitsOptions) {
    this.#options = options;
  }

  /** One error per offset. The committer has been checked. */
  async commit(entry: GroupEntry, request: OffsetCommitRequest): Promise<ErrorName[]> {
    const { clock, topic } = this.#options;
    const nowMs = clock.nowMs();
    const expireTimestampMs = request.retentionMs < 0 ? -1 : nowMs + request.retentionMs;
    const { errors, taken, records } = this.#prepare(entry, request.offsets, expireTimestampMs);
    if (records.length === 0) return errors;
    if (topic.sizeOf(records) > topic.batchBytesMax(entry.partition)) {
      return withError(errors, 'INVALID_COMMIT_OFFSET_SIZE');
    }
    const written = await topic.append(entry.partition, records);
    if (!written.ok) return withError(errors, commitError(written));
    for (const [at, { topic: name, partition, committed }] of taken.entries()) {
      const recordOffset = written.firstOffset + at;
      entry.offsets.put(name, partition, { ...committed, recordOffset });
    }
    return errors;
  }

  /** As `commit`; the offsets count once the transaction is committed. */
  async commitTransactional(
    entry: GroupEntry,
    request: TransactionalCommitRequest,
  ): Promise<ErrorName[]> {
    const { topic, table } = this.#options;
    const { producerId, producerEpoch } = request;
    const { errors, taken, records } = this.#prepare(entry, request.offsets, -1);
    if (records.length === 0) return errors;
    if (topic.sizeOf(records) > topic.batchBytesMax(entry.partition)) {
      return withError(errors, 'INVALID_COMMIT_OFFSET_SIZE');
    }
    const written = await topic.appendTransactional(
      entry.partition,
      { producerId, producerEpoch },
      records,
    );
    if (!written.ok) return withError(errors, commitError(written));
    for (const [at, { topic: name, partition, committed }] of taken.entries()) {
      const recordOffset = written.firstOffset + at;
      entry.offsets.putPending(producerId, name, partition, { ...committed, recordOffset });
    }
    table.notePending(entry, producerId);
    return errors;
  }

  /** NONE once the offsets are gone. */
  async remove(entry: GroupEntry, partitions: readonly TopicPartition[]): Promise<ErrorName> {
    const known = partitions.filter(
      ({ topic, partition }) => entry.offsets.get(topic, partition) !== undefined,
    );
    if (known.length === 0) return 'NONE';
    const records = known.map((partition) => offsetTombstone(entry.groupId, partition));
    const error = await this.append(entry.partition, records);
    if (error !== 'NONE') return error;
    for (const { topic, partition } of known) entry.offsets.remove(topic, partition);
    return 'NONE';
  }

  /** Records that leave nothing of the group. */
  tombstones(entry: GroupEntry): StateRecord[] {
    const { groupId, offsets, group } = entry;
    const partitions = new Map<string, TopicPartition>();
    for (const found of [...offsets.entries(), ...offsets.pendingPartitions()]) {
      partitions.set(`${found.partition}/${found.topic}`, found);
    }
    const records = [...partitions.values()].map((found) => offsetTombstone(groupId, found));
    if (group.type === 'consumer') records.push(...consumerGroupTombstones(group));
    else if (group.stored) records.push(groupTombstone(groupId));
    return records;
  }

  /** Removes the group, in as many batches as it takes; NONE once it is gone. */
  async removeGroup(entry: GroupEntry): Promise<ErrorName> {
    const records = this.tombstones(entry);
    return this.append(entry.partition, records);
  }

  /** What is older than its retention and nobody's current reading position. */
  expired(entry: GroupEntry): TopicPartition[] {
    const { clock, settings } = this.#options;
    const nowMs = clock.nowMs();
    const subscribed = subscribedTopicsOf(entry.group);
    const found: TopicPartition[] = [];
    for (const { topic, partition, committed } of entry.offsets.entries()) {
      if (entry.offsets.isPending(topic, partition)) continue;
      const sinceMs = expiresFrom(entry.group, subscribed, topic, committed);
      if (sinceMs === null) continue;
      const isOver =
        committed.expireTimestampMs >= 0
          ? nowMs >= committed.expireTimestampMs
          : nowMs - sinceMs >= settings.offsetsRetentionMs;
      if (isOver) found.push({ topic, partition });
    }
    return found;
  }

  #prepare(entry: GroupEntry, offsets: readonly OffsetToCommit[], expireTimestampMs: number) {
    const { clock, settings } = this.#options;
    const commitTimestampMs = clock.nowMs();
    const errors: ErrorName[] = [];
    const taken: (TopicPartition & { committed: Omit<CommittedOffset, 'recordOffset'> })[] = [];
    const records: StateRecord[] = [];
    for (const { topic, partition, offset, leaderEpoch, metadata, topicId } of offsets) {
      const text = metadata ?? '';
      if (Buffer.byteLength(text) > settings.offsetMetadataBytesMax) {
        errors.push('OFFSET_METADATA_TOO_LARGE');
        continue;
      }
      const committed = {
        offset,
        leaderEpoch,
        metadata: text,
        commitTimestampMs,
        expireTimestampMs,
        topicId,
      };
      errors.push('NONE');
      taken.push({ topic, partition, committed });
      records.push(offsetRecord(entry.groupId, { topic, partition }, committed));
    }
    return { errors, taken, records };
  }

  /** In one batch if they fit into one, else in several. */
  async append(partition: number, records: readonly StateRecord[]): Promise<ErrorName> {
    const { topic } = this.#options;
    const sizeMax = topic.batchBytesMax(partition);
    const appends: Promise<StateAppendResult>[] = [];
    let part: StateRecord[] = [];
    let size = 0;
    for (const record of records) {
      const added = topic.sizeOf([record]);
      if (part.length > 0 && size + added > sizeMax) {
        appends.push(topic.append(partition, part));
        part = [];
        size = 0;
      }
      part.push(record);
      size += added;
    }
    if (part.length > 0) appends.push(topic.append(partition, part));
    for (const written of await Promise.all(appends)) {
      if (!written.ok) return commitError(written);
    }
    return 'NONE';
  }
}

/** From when on the retention of an offset counts; null: it is in use. */
function expiresFrom(
  group: GroupEntry['group'],
  subscribed: ReadonlySet<string> | null,
  topic: string,
  committed: CommittedOffset,
): number | null {
  if (group.type === 'consumer') {
    return subscribed?.has(topic) ? null : committed.commitTimestampMs;
  }
  if (group.protocolType === null) return committed.commitTimestampMs;
  if (group.state === 'Empty') {
    return Math.max(group.stateTimestampMs, committed.commitTimestampMs);
  }
  const reads = group.state !== 'Stable' || subscribed === null || subscribed.has(topic);
  return reads ? null : committed.commitTimestampMs;
}

/** What a client is told when the records of its commit were not written. */
export function commitError(written: Extract<StateAppendResult, { ok: false }>): ErrorName {
  switch (written.error) {
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'INVALID_PRODUCER_EPOCH':
    case 'INVALID_TXN_STATE':
      return written.error;
    case 'KAFKA_STORAGE_ERROR':
      return 'NOT_COORDINATOR';
    case 'MESSAGE_TOO_LARGE':
      return 'INVALID_COMMIT_OFFSET_SIZE';
    default:
      return 'UNKNOWN_SERVER_ERROR';
  }
}

function withError(errors: readonly ErrorName[], error: ErrorName): ErrorName[] {
  return errors.map((one) => (one === 'NONE' ? error : one));
}

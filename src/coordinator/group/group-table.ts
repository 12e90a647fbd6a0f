/**
 * Every group of this broker, with its offsets: what the records of `__consumer_offsets` say, applied
 * one by one, at the start by replay. Requests find groups here.
 */

import type { Logger } from '../../base/logger.js';
import {
  GROUP_METADATA_KIND,
  groupMetadataKey,
  OFFSET_COMMIT_KIND,
  offsetCommitKey,
} from '../../protocol/stored/group-records.js';
import { decodeStored, storedVersionOf } from '../../protocol/stored/stored-message.js';
import type { ReplayedRecord, StateReplay } from '../state-topic.js';
import { ClassicGroup } from './classic-group.js';
import { ConsumerGroup } from './consumer-group.js';
import { applyRecord, consumerGroupOf } from './consumer-records.js';
import { GroupOffsets } from './group-offsets.js';
import { readGroup, readOffset } from './group-records.js';

export interface GroupEntry {
  readonly groupId: string;
  /** Of `__consumer_offsets`. */
  readonly partition: number;
  readonly offsets: GroupOffsets;
  group: ClassicGroup | ConsumerGroup;
  /** Commits that are on their way to the log: the entry is kept for them. */
  readonly inFlight: Set<Promise<unknown>>;
}

export interface GroupTableOptions {
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly partitionFor: (groupId: string) => number;
}

export class GroupTable implements StateReplay {
  readonly #options: GroupTableOptions;
  readonly #entries = new Map<string, GroupEntry>();
  /** Groups with offsets of an open transaction, by producer. */
  readonly #pendingByProducer = new Map<number, Set<GroupEntry>>();

  constructor(options: GroupTableOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#entries.size;
  }

  get(groupId: string): GroupEntry | undefined {
    return this.#entries.get(groupId);
  }

  entries(): Iterable<GroupEntry> {
    return this.#entries.values();
  }

  /** The group, made as an empty one if there is none. */
  getOrMake(groupId: string): GroupEntry {
    const known = this.#entries.get(groupId);
    if (known !== undefined) return known;
    const entry: GroupEntry = {
      groupId,
      partition: this.#options.partitionFor(groupId),
      offsets: new GroupOffsets(),
      group: this.emptyClassic(groupId),
      inFlight: new Set(),
    };
    this.#entries.set(groupId, entry);
    return entry;
  }

  emptyClassic(groupId: string): ClassicGroup {
    return new ClassicGroup({
      groupId,
      protocolType: null,
      generationId: 0,
      protocolName: null,
      leader: null,
      stateTimestampMs: this.#options.nowMs(),
    });
  }

  /** The entry is gone, whoever still holds it. */
  remove(entry: GroupEntry): void {
    if (this.#entries.get(entry.groupId) === entry) this.#entries.delete(entry.groupId);
  }

  /** An offset of an open transaction was written. */
  notePending(entry: GroupEntry, producerId: number): void {
    const entries = this.#pendingByProducer.get(producerId);
    if (entries === undefined) this.#pendingByProducer.set(producerId, new Set([entry]));
    else entries.add(entry);
  }

  record(partition: number, record: ReplayedRecord): void {
    switch (storedVersionOf(record.key)) {
      case 0:
      case OFFSET_COMMIT_KIND:
        this.#applyOffset(record);
        return;
      case GROUP_METADATA_KIND:
        this.#applyGroup(record);
        return;
      default:
        if (this.#applyConsumer(record)) return;
        this.#options.logger.info('a record of another kind of group is passed over', {
          partition,
          offset: record.offset,
          kind: storedVersionOf(record.key),
        });
    }
  }

  endTransaction(partition: number, producerId: number, committed: boolean): void {
    const entries = this.#pendingByProducer.get(producerId);
    if (entries === undefined) return;
    for (const entry of entries) {
      if (entry.partition !== partition) continue;
      entry.offsets.endTransaction(producerId, committed);
      entries.delete(entry);
    }
    if (entries.size === 0) this.#pendingByProducer.delete(producerId);
  }

  #applyOffset({ key, value, offset, producerId }: ReplayedRecord): void {
    const { group, topic, partition } = decodeStored(offsetCommitKey, key);
    if (value === null) {
      this.#entries.get(group)?.offsets.remove(topic, partition);
      return;
    }
    const committed = readOffset(value, offset);
    const entry = this.getOrMake(group);
    if (producerId < 0) {
      entry.offsets.put(topic, partition, committed);
      return;
    }
    entry.offsets.putPending(producerId, topic, partition, committed);
    this.notePending(entry, producerId);
  }

  #applyGroup({ key, value }: ReplayedRecord): void {
    const { group: groupId } = decodeStored(groupMetadataKey, key);
    if (value !== null) {
      this.getOrMake(groupId).group = readGroup(groupId, value);
      return;
    }
    const entry = this.#entries.get(groupId);
    // A group that was migrated has its classic record removed, and goes on.
    if (entry?.group.type === 'classic') entry.group = this.emptyClassic(groupId);
  }

  /** False: the record is of another kind. */
  #applyConsumer({ key, value }: ReplayedRecord): boolean {
    const groupId = consumerGroupOf(key);
    if (groupId === null) return false;
    let entry = this.#entries.get(groupId);
    // What is removed from a group that is not there is gone already.
    if (value === null && entry?.group.type !== 'consumer') return true;
    entry ??= this.getOrMake(groupId);
    if (entry.group.type !== 'consumer') entry.group = new ConsumerGroup(groupId);
    if (!applyRecord(entry.group, key, value)) entry.group = this.emptyClassic(groupId);
    return true;
  }

  /** Once everything is replayed: entries of which nothing is left. */
  dropEmpty(): void {
    for (const entry of this.#entries.values()) {
      if (!entry.group.stored && entry.offsets.isEmpty) this.remove(entry);
    }
  }
}

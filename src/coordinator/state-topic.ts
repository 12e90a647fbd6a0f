/**
 * A coordinator's state in a topic: what was appended is replayed at the next start, the last record
 * of a key counts, a null value removes it. `__consumer_offsets` and `__transaction_state` are two.
 *
 *     open():   topic there? -> read every partition from its start -> replay.record / endTransaction
 *     append(): the records of all calls of one tick to one partition -> one batch -> one write
 *
 * The topic is made by the first append (or `ensure`), with the configs given. `open` is over before
 * the first request is served, so that nobody is answered from half of a state. The records of one
 * call are in one batch: after a crash they are all there or none is. Promises settle in the order of
 * the calls of a partition; a coordinator answers its client after that, never before.
 *
 * A partition whose log cannot be read is failed: it takes no appends, and its keys have no
 * coordinator. Does not know what the records mean, and keeps none.
 */

import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { atTickEnd } from '../base/tick.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { AppendError, AppendResult } from '../log/results.js';
import { BatchBuilder } from '../record/batch-builder.js';
import type { CompressionName } from '../record/compression/codec.js';
import { HEADER_SIZE } from '../record/layout.js';
import type { StateReplay } from './state-replay.js';
import { replayLog } from './state-replay.js';

export type { ReplayedRecord, StateReplay } from './state-replay.js';

/** Null as value: the key is gone. Bytes are copied by `append`. */
export interface StateRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface StateProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export type StateAppendError =
  | AppendError
  /** The topic could not be made, or the partition is not there or not readable. */
  | 'COORDINATOR_NOT_AVAILABLE';

export type StateAppendResult =
  | { readonly ok: true; readonly firstOffset: number; readonly lastOffset: number }
  | { readonly ok: false; readonly error: StateAppendError; readonly message: string };

export interface StateTopicOptions {
  readonly name: string;
  /** Of a topic that is yet to be made; one that exists has its own. */
  readonly partitionCount: number;
  /** Overrides of the topic, when it is made. */
  readonly configs: Readonly<Record<string, string>>;
  readonly compression?: CompressionName;
  /** Most bytes of one read at the start. */
  readonly loadBufferBytes?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Partitions of the topic as it is now; 0: there is no such topic. */
  readonly existingPartitionCount: (topic: string) => number;
  readonly getLog: (topic: string, partition: number) => PartitionLog | undefined;
  /** Makes the topic; null, or why it could not be made. */
  readonly createTopic: (topic: {
    readonly name: string;
    readonly partitionCount: number;
    readonly configs: Readonly<Record<string, string>>;
  }) => Promise<string | null>;
  readonly replay: StateReplay;
}

interface PendingAppend {
  readonly records: readonly StateRecord[];
  readonly settle: (result: StateAppendResult) => void;
}

const LOAD_BUFFER_BYTES = 5 * 2 ** 20;
/** Beside key and value: lengths, deltas and the like of one record. */
const RECORD_OVERHEAD_BYTES = 32;

export class StateTopic {
  readonly name: string;
  readonly #options: StateTopicOptions;
  #partitionCount: number;
  /** Appends of this tick by partition. */
  readonly #pending = new Map<number, PendingAppend[]>();
  readonly #failed = new Map<number, string>();
  #creating: Promise<string | null> | null = null;
  #opened = false;

  constructor(options: StateTopicOptions) {
    assert(options.partitionCount > 0, 'a state topic has a partition');
    this.name = options.name;
    this.#options = options;
    this.#partitionCount = options.partitionCount;
  }

  /** As it is, or as it will be made. Fixed while the process runs. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** The partition that has the records of a group or transactional id. */
  partitionFor(id: string): number {
    const hash = Math.abs(javaHashCode(id));
    // As Kafka has it: the one value without an absolute is 0.
    return hash === 2 ** 31 ? 0 : hash % this.#partitionCount;
  }

  /** Why the keys of a partition have no coordinator; null if they have. */
  problemOf(partition: number): string | null {
    return this.#failed.get(partition) ?? null;
  }

  /** Replays what there is. Once, before the first request is served. Never rejects. */
  async open(): Promise<void> {
    assert(!this.#opened, 'opened once');
    this.#opened = true;
    const { existingPartitionCount, getLog, logger, replay, loadBufferBytes } = this.#options;
    const count = existingPartitionCount(this.name);
    if (count === 0) return;
    this.#partitionCount = count;
    for (let partition = 0; partition < count; partition++) {
      const log = getLog(this.name, partition);
      const problem =
        log === undefined
          ? 'its log is not there'
          : await replayLog({
              log,
              partition,
              replay,
              logger,
              bufferBytes: loadBufferBytes ?? LOAD_BUFFER_BYTES,
            });
      if (problem === null) continue;
      this.#failed.set(partition, problem);
      logger.error('a coordinator partition cannot be used', {
        topic: this.name,
        partition,
        problem,
      });
    }
  }

  /** The topic is there when it resolves to null; else why it could not be made. */
  ensure(): Promise<string | null> {
    if (this.#exists()) return Promise.resolve(null);
    this.#creating ??= this.#create().finally(() => {
      this.#creating = null;
    });
    return this.#creating;
  }

  /**
   * Appends to the partition, in one batch, at the end of this tick. Never rejects. Ok: written, as an
   * acknowledged produce is. MESSAGE_TOO_LARGE concerns these records alone; after another error the
   * log takes no more, and what a coordinator has in memory is ahead of what the next start reads.
   */
  append(partition: number, records: readonly StateRecord[]): Promise<StateAppendResult> {
    assert(partition >= 0 && partition < this.#partitionCount, 'a partition of the topic');
    assert(records.length > 0, 'an append has records');
    return new Promise((settle) => {
      const queue = this.#pending.get(partition);
      if (queue !== undefined) {
        queue.push({ records, settle });
        return;
      }
      this.#pending.set(partition, [{ records, settle }]);
      if (this.#exists()) this.#flushAtTickEnd(partition);
      else void this.ensure().then(() => this.#flush(partition));
    });
  }

  /**
   * As `append`, with a producer's id: undecided until the marker of its transaction. What was queued
   * before goes first. The log refuses an epoch that was fenced (INVALID_PRODUCER_EPOCH).
   */
  async appendTransactional(
    partition: number,
    producer: StateProducer,
    records: readonly StateRecord[],
  ): Promise<StateAppendResult> {
    if (!this.#exists()) await this.ensure();
    const log = this.#logOf(partition);
    if (typeof log === 'string') return unavailable(log);
    this.#flush(partition);
    const batch = this.#build(records, producer);
    return settled(
      await log.append(batch, {
        leaderEpoch: leaderEpochOf(log),
        owned: true,
        transactional: true,
        coordinator: true,
      }),
    );
  }

  /** Bytes of a batch with these records, at most; compared with `batchBytesMax` before an append. */
  sizeOf(records: readonly StateRecord[]): number {
    let size = HEADER_SIZE;
    for (const { key, value } of records) {
      size += RECORD_OVERHEAD_BYTES + key.length + (value?.length ?? 0);
    }
    return size;
  }

  /** max.message.bytes of the topic; of a topic that is yet to be made a safe guess. */
  batchBytesMax(partition: number): number {
    const log = this.#options.getLog(this.name, partition);
    return log?.config.messageBytesMax ?? BATCH_BYTES_GUESS;
  }

  #exists(): boolean {
    return this.#options.existingPartitionCount(this.name) > 0;
  }

  async #create(): Promise<string | null> {
    const { createTopic, configs, logger } = this.#options;
    const { name } = this;
    const problem = await createTopic({ name, partitionCount: this.#partitionCount, configs });
    if (problem !== null && !this.#exists()) {
      logger.error('cannot make the topic of a coordinator', { topic: name, problem });
      return problem;
    }
    return null;
  }

  #logOf(partition: number): PartitionLog | string {
    const problem = this.#failed.get(partition);
    if (problem !== undefined) return problem;
    const log = this.#options.getLog(this.name, partition);
    return log ?? `${this.name}-${partition} is not there`;
  }

  #flushAtTickEnd(partition: number): void {
    // Before the logs write: an append made in this phase is written in the same tick.
    atTickEnd('append', () => this.#flush(partition));
  }

  /** Makes batches of what is queued, as few as the topic's largest batch allows. */
  #flush(partition: number): void {
    const queue = this.#pending.get(partition);
    if (queue === undefined) return;
    this.#pending.delete(partition);
    const log = this.#logOf(partition);
    if (typeof log === 'string') {
      for (const { settle } of queue) settle(unavailable(log));
      return;
    }
    const sizeMax = log.config.messageBytesMax;
    let part: PendingAppend[] = [];
    let size = 0;
    for (const pending of queue) {
      const added = this.sizeOf(pending.records);
      if (part.length > 0 && size + added > sizeMax) {
        this.#write(log, part);
        part = [];
        size = 0;
      }
      part.push(pending);
      size += added;
    }
    this.#write(log, part);
  }

  #write(log: PartitionLog, part: readonly PendingAppend[]): void {
    const batch = this.#build(part.flatMap(({ records }) => records));
    const appended = log.append(batch, { leaderEpoch: leaderEpochOf(log), owned: true });
    // At the end of this very tick, whichever of the two callbacks was queued first.
    log.writeQueued();
    appended.then(
      (result) => {
        let next = result.ok ? (result.baseOffset as number) : -1;
        for (const { records, settle } of part) {
          const firstOffset = next;
          next += records.length;
          settle(
            result.ok
              ? { ok: true, firstOffset, lastOffset: next - 1 }
              : { ok: false, error: result.error, message: result.message },
          );
        }
      },
      (error: unknown) => {
        for (const { settle } of part) settle(unavailable(String(error)));
      },
    );
  }

  #build(records: readonly StateRecord[], producer?: StateProducer): Uint8Array {
    const { compression, clock } = this.#options;
    const builder = new BatchBuilder({
      compression: compression ?? 'none',
      ...(producer === undefined ? {} : { ...producer, baseSequence: -1, isTransactional: true }),
      sizeExpected: this.sizeOf(records),
    });
    const timestamp = clock.nowMs();
    for (const { key, value } of records) {
      const taken = builder.append({ timestamp, key, value });
      if (!taken) throw new MillraceError('a state batch is too large', { code: 'INTERNAL' });
    }
    return builder.build();
  }
}

/** Kafka's default of max.message.bytes. */
const BATCH_BYTES_GUESS = 1_048_588;

/** As Java's String.hashCode, a signed int32: over UTF-16 units, which JavaScript's strings have too. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0;
  return hash;
}

function leaderEpochOf(log: PartitionLog): number {
  return Math.max(0, log.latestLeaderEpoch);
}

function unavailable(message: string): StateAppendResult {
  return { ok: false, error: 'COORDINATOR_NOT_AVAILABLE', message };
}

function settled(result: AppendResult): StateAppendResult {
  if (!result.ok) return { ok: false, error: result.error, message: result.message };
  return { ok: true, firstOffset: result.baseOffset, lastOffset: result.lastOffset };
}

/**
 * World: a log manager on a simulated disk, driven step by step, and the model that takes note of each
 * question and answer. A scenario is a function of a world; its seed decides everything.
 */

import { ManualClock } from '#src/base/clock.js';
import { MillraceError } from '#src/base/errors.js';
import { silentLogger } from '#src/base/logger.js';
import { type Random, seededRandom } from '#src/base/random.js';
import { randomUuid } from '#src/base/uuid.js';
import type { Env } from '#src/file/env.js';
import { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { defaultLogConfig, type LogConfig } from '#src/log/topic-config.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { maxTimestampOf } from '#src/record/batch-view.js';
import { SimulatedDisk, type SimulatedProcess } from '../support/simulated-disk.js';
import { type Attempt, type Keyed, Model, type PartitionModel, type Transaction } from './model.js';

export const START_MS = 1_700_000_000_000;
export const DATA_DIR = '/data';
export const LEADER_EPOCH = 3;
const PRODUCER_ID = 77;
const TRANSACTIONAL_ID = 100_000;
/** The header that bears the number of the batch, then the index of the record. */
export const NUMBER_HEADER = 'n';

/** Small segments and indexes, so that a short run passes many boundaries. */
const smallConfig: LogConfig = {
  ...defaultLogConfig,
  segmentBytes: 1500,
  indexIntervalBytes: 200,
  retentionMs: Number.POSITIVE_INFINITY,
  fileDeleteDelayMs: 1000,
};

export interface WorldOptions {
  readonly seed: number;
  readonly config?: Partial<LogConfig>;
  /** What the manager gets instead of the disk's own Env. */
  readonly wrap?: (env: Env) => Env;
  /** See LogManagerOptions. */
  readonly rollChecksums?: boolean;
}

export interface AppendShape {
  readonly count?: number;
  /** Bytes of each record's value. */
  readonly valueSize?: number;
  readonly idempotent?: boolean;
  /** Of a hundred records of a compacted topic, those without a value. */
  readonly tombstonePercent?: number;
}

/** A transactional producer with a transaction under way. */
interface OpenTransaction {
  readonly transaction: Transaction;
  /** The next one. */
  sequence: number;
}

/** Who signs a batch. */
interface Signature {
  readonly producerId: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
}

export class World {
  readonly random: Random;
  readonly clock = new ManualClock(START_MS);
  readonly disk: SimulatedDisk;
  readonly model = new Model();
  readonly config: LogConfig;
  readonly #options: WorldOptions;
  #process: SimulatedProcess | null = null;
  #manager: LogManager | null = null;
  #opening = false;
  #batchCount = 0;
  /** Next sequence of the one producer of each partition; gone when the producer starts anew. */
  readonly #sequences = new Map<PartitionModel, number>();
  /** A producer that starts anew gets a new id. */
  #producerId = PRODUCER_ID;
  #nextTransactionalId = TRANSACTIONAL_ID;
  /** Transactions that were begun and not ended, of each partition. */
  readonly #open = new Map<PartitionModel, OpenTransaction[]>();
  /** The disk's events in which a process was starting. */
  readonly openings: { readonly from: number; to: number }[] = [];

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.config = { ...smallConfig, ...options.config };
    this.disk = new SimulatedDisk({ clock: this.clock, random: this.random });
  }

  /** Whether an answer means that the records are durable. */
  get durable(): boolean {
    return this.config.flushMessages === 1;
  }

  get manager(): LogManager {
    if (this.#manager === null) throw new MillraceError('no process', { code: 'NOT_OPEN' });
    return this.#manager;
  }

  /** Its process lives. */
  get alive(): boolean {
    return this.#manager !== null || this.#opening;
  }

  async open(): Promise<void> {
    this.#opening = true;
    const opening = { from: this.disk.moment, to: this.disk.moment };
    this.openings.push(opening);
    this.#process = this.disk.process();
    const env = this.#options.wrap?.(this.#process.env) ?? this.#process.env;
    try {
      const manager = await openManager(
        env,
        this.clock,
        this.random,
        this.config,
        this.#options.rollChecksums,
      );
      // It may have been killed meanwhile.
      if (this.#opening) this.#manager = manager;
    } finally {
      this.#opening = false;
      opening.to = this.disk.moment;
    }
    this.#sequences.clear();
    this.#producerId++;
    this.sample();
  }

  /** The process dies; what it asked and was not answered stays open. */
  kill(): void {
    this.#process?.kill();
    this.#manager = null;
    this.#opening = false;
    for (const { attempts } of this.model.partitions) {
      for (const attempt of attempts) {
        if (attempt.outcome === 'open') attempt.outcome = 'unknown';
      }
    }
  }

  async close(): Promise<void> {
    const { manager } = this;
    const logs = manager.logs();
    await manager.close();
    this.#manager = null;
    this.#process?.kill();
    this.#takeAtWord(logs);
  }

  log(topic: string): PartitionLog {
    const log = this.manager.getLog(topic, 0);
    // What is left of a creation that failed is not the partition.
    const isOther = log?.topicId !== this.model.current(topic)?.topicId;
    if (log === undefined || isOther)
      throw new MillraceError(`no log ${topic}-0`, { code: 'NO_LOG' });
    return log;
  }

  async create(topic: string): Promise<void> {
    const topicId = randomUuid(this.random);
    const partition = this.model.create({
      name: topic,
      topicId,
      createAsked: this.disk.moment,
      deleteRetentionMs: this.config.deleteRetentionMs,
    });
    await this.manager.createLog({ topic, partition: 0, topicId, config: this.config });
    partition.createAnswered = this.disk.moment;
  }

  async delete(topic: string): Promise<void> {
    const partition = this.#partition(topic);
    partition.deleteAsked = this.disk.moment;
    // What was never made whole is not deleted either.
    if (await this.manager.deleteLog(topic, 0)) partition.deleteAnswered = this.disk.moment;
  }

  /** Settles with the answer, which the model has noted. */
  async append(topic: string, shape: AppendShape = {}): Promise<Attempt> {
    const partition = this.#partition(topic);
    if (shape.idempotent !== true) return this.#append(topic, shape, null, null);
    const baseSequence = this.#sequences.get(partition) ?? 0;
    this.#sequences.set(partition, baseSequence + (shape.count ?? 1));
    const signature = { producerId: this.#producerId, baseSequence, isTransactional: false };
    const attempt = await this.#append(topic, shape, signature, null);
    // What was refused is sent again under the same number, or never was.
    if (isRefused(attempt)) this.#sequences.set(partition, baseSequence);
    return attempt;
  }

  async #append(
    topic: string,
    shape: AppendShape,
    signature: Signature | null,
    transaction: Transaction | null,
  ): Promise<Attempt> {
    const log = this.log(topic);
    const { count = 1 } = shape;
    const { bytes, keyed } = this.#batch(shape, signature);
    const partition = this.#partition(topic);
    const attempt = this.model.ask(partition, {
      bytes,
      recordsCount: count,
      leaderEpoch: LEADER_EPOCH,
      timestampMs: maxTimestampOf(bytes, 0),
      asked: this.disk.moment,
      keyed,
      transaction,
    });
    // The log patches what it owns, and the model keeps what was asked.
    const submitted = Uint8Array.from(bytes);
    const owned = this.random.below(2) === 0;
    const options = { leaderEpoch: LEADER_EPOCH, owned, transactional: transaction !== null };
    const result = await log.append(submitted, options);
    if (attempt.outcome !== 'open') return attempt;
    attempt.answered = this.disk.moment;
    if (!result.ok) {
      attempt.outcome = log.offline ? 'unknown' : 'refused';
      return attempt;
    }
    attempt.outcome = 'acked';
    attempt.baseOffset = result.baseOffset;
    if (this.durable) {
      partition.durableBelow(this.disk.moment, result.baseOffset + count);
    }
    return attempt;
  }

  /** Transactions of the partition that were begun and not ended. */
  openTransactions(topic: string): number {
    return this.#open.get(this.#partition(topic))?.length ?? 0;
  }

  /** Appends to the open transaction in `slot`; a slot that is free begins one. */
  async appendInTransaction(topic: string, slot: number, shape: AppendShape = {}): Promise<void> {
    const partition = this.#partition(topic);
    const open = this.#open.get(partition) ?? [];
    this.#open.set(partition, open);
    let producer = open[slot];
    if (producer === undefined) {
      const producerId = this.#nextTransactionalId++;
      const transaction: Transaction = {
        producerId,
        type: null,
        decided: Number.POSITIVE_INFINITY,
        markers: [],
      };
      partition.transactions.push(transaction);
      producer = { transaction, sequence: 0 };
      open.push(producer);
    }
    const { transaction, sequence: baseSequence } = producer;
    const { producerId } = transaction;
    producer.sequence += shape.count ?? 1;
    const signature = { producerId, baseSequence, isTransactional: true };
    const attempt = await this.#append(topic, shape, signature, transaction);
    if (isRefused(attempt)) producer.sequence = baseSequence;
    this.sample();
  }

  /** Ends the transaction in `slot`, which becomes free if that was answered. */
  async endTransaction(topic: string, slot: number, type: 'commit' | 'abort'): Promise<void> {
    const partition = this.#partition(topic);
    const open = this.#open.get(partition) ?? [];
    const transaction = open[slot]?.transaction;
    if (transaction === undefined) return;
    const asked = this.disk.moment;
    if (transaction.type === null) {
      transaction.type = type;
      transaction.decided = asked;
    }
    const marker = { asked, answered: Number.POSITIVE_INFINITY, baseOffset: -1 };
    transaction.markers.push(marker);
    const result = await this.log(topic).appendEndTxnMarker({
      type: transaction.type,
      producerId: transaction.producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      leaderEpoch: LEADER_EPOCH,
    });
    if (!result.ok) return;
    marker.answered = this.disk.moment;
    marker.baseOffset = result.baseOffset;
    if (this.durable) partition.durableBelow(this.disk.moment, result.baseOffset + 1);
    const at = open.findIndex((producer) => producer.transaction === transaction);
    if (at >= 0) open.splice(at, 1);
    this.sample();
  }

  /** What a coordinator does after a start: what was decided is ended so, the rest is aborted. */
  async endHanging(topic: string): Promise<void> {
    for (let count = this.openTransactions(topic); count > 0; count--) {
      await this.endTransaction(topic, 0, 'abort');
    }
  }

  /** Several at once, as connections send them. */
  async burst(topic: string, count: number, shape: AppendShape = {}): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.append(topic, shape)));
    this.sample();
  }

  async flush(topic: string): Promise<void> {
    const log = this.log(topic);
    const end = log.logEndOffset;
    await log.flush();
    this.#partition(topic).durableBelow(this.disk.moment, end);
    this.sample();
  }

  async roll(topic: string): Promise<void> {
    await this.log(topic).roll();
    this.sample();
  }

  /** DeleteRecords: what is below `offset` goes. */
  async deleteRecords(topic: string, offset: number): Promise<void> {
    const partition = this.#partition(topic);
    partition.startMayRise(this.disk.moment, offset);
    const result = await this.log(topic).deleteRecordsBefore(offset);
    if (result.ok) partition.trimmedTo(this.disk.moment, offset);
    this.sample();
  }

  async truncate(topic: string, offset: number): Promise<void> {
    const partition = this.#partition(topic);
    // The batch that holds the offset goes as a whole.
    const holder = partition
      .acked(this.disk.moment)
      .find((one) => one.baseOffset < offset && one.baseOffset + one.recordsCount > offset);
    const answer = partition.endMayFall(this.disk.moment, holder?.baseOffset ?? offset);
    await this.log(topic).truncateTo(offset);
    answer(this.disk.moment);
    // What they have appended may be gone: they begin anew.
    this.#sequences.clear();
    this.#producerId++;
    this.#reopen(topic, partition);
    await this.endHanging(topic);
    this.sample();
  }

  /** Transactions of which the marker was cut off are to be ended again. */
  #reopen(topic: string, partition: PartitionModel): void {
    const { logEndOffset } = this.log(topic);
    const open = this.#open.get(partition) ?? [];
    this.#open.set(partition, open);
    for (const transaction of partition.transactions) {
      const isCut = transaction.markers.some(({ baseOffset }) => baseOffset >= logEndOffset);
      if (isCut && !open.some((producer) => producer.transaction === transaction)) {
        open.push({ transaction, sequence: 0 });
      }
    }
  }

  async compact(): Promise<void> {
    const pass = { moment: this.disk.moment, nowMs: this.clock.nowMs() };
    for (const partition of this.model.partitions) partition.compactions.push(pass);
    await this.manager.runCompaction({ force: true });
    this.sample();
  }

  async retain(): Promise<void> {
    const asked = this.disk.moment;
    // Its process may die in it.
    const { manager } = this;
    await manager.runRetention();
    for (const { topic, topicId, logStartOffset } of manager.logs()) {
      // Without an id: its file cannot be read.
      const { partitions } = this.model;
      const isIt = (one: PartitionModel): boolean => one.topicId === (topicId ?? one.topicId);
      const partition = partitions.findLast((one) => one.name === topic && isIt(one));
      partition?.startMayRise(asked, logStartOffset);
    }
    this.sample();
  }

  async checkpoint(): Promise<void> {
    await this.manager.checkpoint();
    this.sample();
  }

  /** A turn of the event loop, in which what runs in the background goes on. */
  async turn(count = 1): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise(setImmediate);
    this.sample();
  }

  /** Takes the logs at their word: what they call durable has to be. */
  sample(): void {
    if (this.#manager === null) return;
    this.#takeAtWord(this.#manager.logs());
  }

  #takeAtWord(logs: readonly PartitionLog[]): void {
    for (const { topicId, recoveryPoint } of logs) {
      const partition = this.model.partitions.find((one) => one.topicId === topicId);
      partition?.durableBelow(this.disk.moment, recoveryPoint);
    }
  }

  #partition(topic: string): PartitionModel {
    const partition = this.model.current(topic);
    if (partition === undefined) throw new Error(`${topic} was never created`);
    return partition;
  }

  #batch(
    { count = 1, valueSize = 40, tombstonePercent = 0 }: AppendShape,
    signature: Signature | null,
  ): { readonly bytes: Uint8Array; readonly keyed: Keyed | null } {
    const { random } = this;
    const number = this.#batchCount++;
    const value = Buffer.alloc(Math.max(valueSize, 16));
    random.fill(value);
    value.writeUInt32BE(number, 0);
    this.clock.advance(1);
    const askedMs = this.clock.nowMs();
    // Not in order, and no two the same.
    const timestamp = askedMs - 5000 * random.below(2);
    const builder =
      signature === null
        ? new BatchBuilder()
        : new BatchBuilder({ ...signature, producerEpoch: 0 });
    const keys: string[] = [];
    const tombstones: boolean[] = [];
    for (let i = 0; i < count; i++) {
      value.writeUInt32BE(i, 4);
      const bytes = Uint8Array.from(value);
      if (!this.config.cleanupCompact) {
        builder.append({ timestamp, key: null, value: bytes });
        continue;
      }
      const key = `k${random.below(6)}`;
      keys.push(key);
      tombstones.push(random.below(100) < tombstonePercent);
      builder.append({
        timestamp,
        key: Buffer.from(key),
        value: tombstones[i] === true ? null : bytes,
        headers: [{ key: NUMBER_HEADER, value: bytes.subarray(0, 8) }],
      });
    }
    const isKeyed = this.config.cleanupCompact;
    return {
      bytes: builder.build(),
      keyed: isKeyed ? { number, keys, tombstones, askedMs } : null,
    };
  }
}

/** Answered with an error; not one that was never answered. */
function isRefused({ outcome, answered }: Attempt): boolean {
  return outcome !== 'acked' && Number.isFinite(answered);
}

export async function openManager(
  env: Env,
  clock: ManualClock,
  random: Random,
  config: LogConfig,
  rollChecksums = true,
): Promise<LogManager> {
  return LogManager.open({
    env,
    clock,
    random,
    logger: silentLogger,
    dirs: [DATA_DIR],
    config,
    nodeId: 1,
    clusterId: null,
    rollChecksums,
  });
}

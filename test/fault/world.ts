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
import { type Attempt, Model, type PartitionModel } from './model.js';

export const START_MS = 1_700_000_000_000;
export const DATA_DIR = '/data';
export const LEADER_EPOCH = 3;
const PRODUCER_ID = 77;

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
}

export interface AppendShape {
  readonly count?: number;
  /** Bytes of each record's value. */
  readonly valueSize?: number;
  readonly idempotent?: boolean;
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
    this.#process = this.disk.process();
    const env = this.#options.wrap?.(this.#process.env) ?? this.#process.env;
    try {
      const manager = await openManager(env, this.clock, this.random, this.config);
      // It may have been killed meanwhile.
      if (this.#opening) this.#manager = manager;
    } finally {
      this.#opening = false;
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
    for (const log of logs) {
      this.model.current(log.topic)?.durableBelow(this.disk.moment, log.recoveryPoint);
    }
  }

  log(topic: string): PartitionLog {
    const log = this.manager.getLog(topic, 0);
    if (log === undefined) throw new MillraceError(`no log ${topic}-0`, { code: 'NO_LOG' });
    return log;
  }

  async create(topic: string): Promise<void> {
    const topicId = randomUuid(this.random);
    const partition = this.model.create(topic, topicId, this.disk.moment);
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
    const log = this.log(topic);
    const partition = this.#partition(topic);
    const { count = 1, idempotent = false } = shape;
    const baseSequence = this.#sequences.get(partition) ?? 0;
    const { bytes, keyed } = this.#batch(shape, idempotent ? partition : null);
    const attempt = this.model.ask(partition, {
      bytes,
      recordsCount: count,
      leaderEpoch: LEADER_EPOCH,
      timestampMs: maxTimestampOf(bytes, 0),
      asked: this.disk.moment,
      keyed,
    });
    // The log patches what it owns, and the model keeps what was asked.
    const submitted = Uint8Array.from(bytes);
    const owned = this.random.below(2) === 0;
    const result = await log.append(submitted, { leaderEpoch: LEADER_EPOCH, owned });
    if (attempt.outcome !== 'open') return attempt;
    attempt.answered = this.disk.moment;
    if (!result.ok) {
      attempt.outcome = log.offline ? 'unknown' : 'refused';
      // What was refused is sent again under the same number, or never was.
      if (idempotent) this.#sequences.set(partition, baseSequence);
      return attempt;
    }
    attempt.outcome = 'acked';
    attempt.baseOffset = result.baseOffset;
    if (this.durable) {
      partition.durableBelow(this.disk.moment, result.baseOffset + count);
    }
    return attempt;
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
    this.#sequences.clear();
    this.#producerId++;
    this.sample();
  }

  async compact(): Promise<void> {
    await this.manager.runCompaction({ force: true });
    this.sample();
  }

  async retain(): Promise<void> {
    const asked = this.disk.moment;
    await this.manager.runRetention();
    for (const log of this.manager.logs()) {
      this.model.current(log.topic)?.startMayRise(asked, log.logStartOffset);
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
    for (const log of this.#manager.logs()) {
      this.model.current(log.topic)?.durableBelow(this.disk.moment, log.recoveryPoint);
    }
  }

  #partition(topic: string): PartitionModel {
    const partition = this.model.current(topic);
    if (partition === undefined) throw new Error(`${topic} was never created`);
    return partition;
  }

  #batch(
    { count = 1, valueSize = 40 }: AppendShape,
    producer: PartitionModel | null,
  ): { readonly bytes: Uint8Array; readonly keyed: Attempt['keyed'] } {
    const number = this.#batchCount++;
    const value = Buffer.alloc(Math.max(valueSize, 16));
    this.random.fill(value);
    value.writeUInt32BE(number, 0);
    this.clock.advance(1);
    // Not in order, and no two the same.
    const timestamp = this.clock.nowMs() - 5000 * this.random.below(2);
    const baseSequence = producer === null ? -1 : (this.#sequences.get(producer) ?? 0);
    const builder =
      producer === null
        ? new BatchBuilder()
        : new BatchBuilder({ producerId: this.#producerId, producerEpoch: 0, baseSequence });
    const keys: string[] = [];
    for (let i = 0; i < count; i++) {
      const key = this.config.cleanupCompact ? `k${this.random.below(6)}` : null;
      if (key !== null) keys.push(key);
      value.writeUInt32BE(i, 4);
      const bytes = Uint8Array.from(value);
      builder.append({ timestamp, key: key === null ? null : Buffer.from(key), value: bytes });
    }
    if (producer !== null) this.#sequences.set(producer, baseSequence + count);
    const keyed = this.config.cleanupCompact ? { number, keys } : null;
    return { bytes: builder.build(), keyed };
  }
}

export async function openManager(
  env: Env,
  clock: ManualClock,
  random: Random,
  config: LogConfig,
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
  });
}

/**
 * The controller of one node: creates and deletes topics, in the store and in the log directories,
 * so that a crash anywhere leaves something that the next start finishes.
 *
 *     create  1 store: live       2 directories                 crash between: made at the next start
 *     delete  1 store: deleting   2 directories   3 store: gone crash between: gone at the next start
 *     grow    1 store: more       2 directories                 crash between: made at the next start
 *
 * Configs and quotas are in the store before they take effect.
 *
 * A topic is in the image, and so seen by clients, only after step 2 of its creation. At start the
 * store and the directories are reconciled; a topic of which there are only directories (a real Kafka
 * wrote them) is taken over with the id in its partition.metadata. Its overrides are not known, so
 * that retention is switched off for it: no default may delete what an override had kept.
 *
 * One change at a time: everything runs under one mutex. Expected refusals are values.
 */

import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import type { Random } from '../base/random.js';
import type { LogManager, PartitionDirectory } from '../log/log-manager.js';
import { type BrokerLogSettings, deriveLogConfig, type LogConfig } from '../log/topic-config.js';
import { topicNameProblem } from '../log/topic-name.js';
import {
  type ClientQuota,
  type ConfigResourceType,
  type MetadataImage,
  type Topic,
  topic,
} from './metadata-image.js';
import type { MetadataStore } from './metadata-store.js';
import { ProducerIds } from './producer-ids.js';

/** Directories of Kafka's own that are no topics to clients. */
const NOT_TOPICS: ReadonlySet<string> = new Set(['__cluster_metadata']);

/** Logs made at a time; each costs a few fsyncs. */
const CREATE_CONCURRENCY = 8;

/** Partitions of one topic, as Kafka bounds one request. */
export const PARTITION_COUNT_MAX = 10_000;

/** Above it an id was not counted but made up: it would leave too few for all that are to come. */
const PRODUCER_ID_COUNTED_MAX = 2 ** 53 - 2 ** 40;

/** For topics whose overrides are not known. */
const KEEP_ALL: Readonly<Record<string, string>> = {
  'retention.ms': '-1',
  'retention.bytes': '-1',
};

/** What the coordinators' topics have in Kafka: the last record of a key is all that is needed. */
const COMPACTED: Readonly<Record<string, string>> = { 'cleanup.policy': 'compact' };

export interface NewTopic {
  readonly name: string;
  readonly partitionCount: number;
  readonly configs: Readonly<Record<string, string>>;
}

export type CreateTopicResult =
  | { readonly ok: true; readonly topic: Topic }
  | {
      readonly ok: false;
      readonly error:
        | 'INVALID_TOPIC_EXCEPTION'
        | 'TOPIC_ALREADY_EXISTS'
        | 'INVALID_PARTITIONS'
        | 'INVALID_CONFIG'
        | 'KAFKA_STORAGE_ERROR';
      readonly message: string;
    };

/** A change that was refused: the name of a Kafka error, and why. */
export interface Refused {
  readonly ok: false;
  readonly error:
    | 'INVALID_CONFIG'
    | 'INVALID_PARTITIONS'
    | 'INVALID_REQUEST'
    | 'INVALID_TOPIC_EXCEPTION'
    | 'KAFKA_STORAGE_ERROR'
    | 'UNKNOWN_TOPIC_OR_PARTITION';
  readonly message: string;
}

export type ChangeResult = { readonly ok: true } | Refused;

/** From the configs that are set to those that are to be. */
export type ConfigChange = (
  current: Readonly<Record<string, string>>,
) => { readonly ok: true; readonly configs: Readonly<Record<string, string>> } | Refused;

export interface ChangeOptions {
  /** Answers what the change would answer, and changes nothing. */
  readonly validateOnly: boolean;
}

export interface ControllerOptions {
  readonly store: MetadataStore;
  /** Read at each use: it may change at run time. */
  readonly settings: BrokerLogSettings;
  /** Configs of brokers have changed in the image: `settings` is to follow. */
  readonly onBrokerConfigs?: (image: MetadataImage) => void;
  readonly random: Random;
  readonly logger: Logger;
}

export class Controller {
  readonly producerIds: ProducerIds;
  readonly #store: MetadataStore;
  readonly #settings: BrokerLogSettings;
  readonly #onBrokerConfigs: (image: MetadataImage) => void;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #mutex = new Mutex();
  #logs: LogManager | null = null;

  constructor(options: ControllerOptions) {
    this.#store = options.store;
    this.#settings = options.settings;
    this.#onBrokerConfigs = options.onBrokerConfigs ?? (() => {});
    this.#random = options.random;
    this.#logger = options.logger;
    this.producerIds = new ProducerIds(this.#store, (task) => this.#mutex.run(task));
    this.#onBrokerConfigs(this.image);
  }

  get image(): MetadataImage {
    return this.#store.image;
  }

  /** Of any topic; one that is not in the store is about to be taken over. */
  logConfigOf(name: string): LogConfig {
    return this.#logConfig(name, this.image.entry(name)?.configs ?? KEEP_ALL);
  }

  /** Once, after the logs are open and before anyone is served: makes store and directories agree. */
  async reconcile(logs: LogManager): Promise<void> {
    assert(this.#logs === null, 'reconciled once');
    this.#logs = logs;
    await this.#mutex.run(async () => {
      const directories = new Map<string, PartitionDirectory[]>();
      for (const directory of logs.partitions()) {
        const known = directories.get(directory.topic);
        if (known === undefined) directories.set(directory.topic, [directory]);
        else known.push(directory);
      }
      const deleting = [...this.image.entries()].filter((entry) => entry.state === 'deleting');
      for (const entry of deleting) await this.#finishDelete(entry, directories.get(entry.name));
      for (const entry of deleting) directories.delete(entry.name);
      await this.#adopt(directories);
      for (const entry of this.image.topics()) await this.#makeMissingLogs(entry);
      await this.#skipProducerIds(logs.partitions());
    });
  }

  /** Why a topic could not be created, or null; what `createTopic` would answer now. */
  problemOf(request: NewTopic): Extract<CreateTopicResult, { ok: false }> | null {
    const { name, partitionCount, configs } = request;
    const nameProblem = topicNameProblem(name);
    if (nameProblem !== null) return refused('INVALID_TOPIC_EXCEPTION', nameProblem);
    if (this.image.entry(name) !== undefined) {
      return refused('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`);
    }
    const collision = this.image.collision(name);
    if (collision !== undefined) {
      const text = `Topic '${name}' collides with existing topic: ${collision}`;
      return refused('INVALID_TOPIC_EXCEPTION', text);
    }
    if (partitionCount < 1 || partitionCount > PARTITION_COUNT_MAX) {
      const text = `a topic has 1 to ${PARTITION_COUNT_MAX} partitions, not ${partitionCount}`;
      return refused('INVALID_PARTITIONS', text);
    }
    const derived = deriveLogConfig(this.#settings, new Map(Object.entries(configs)));
    return derived.ok ? null : refused(derived.error, derived.message);
  }

  /** The topic's logs are open and durable, and it is in the image, when this resolves. */
  async createTopic(request: NewTopic): Promise<CreateTopicResult> {
    return this.#mutex.run(async () => {
      await this.#finishDeleteOf(request.name);
      const problem = this.problemOf(request);
      if (problem !== null) return problem;
      const created = topic({ ...request, id: this.#newTopicId(), state: 'live' });
      try {
        await this.#store.write({ put: [created] });
        await this.#createLogs(created, partitionNumbers(created));
      } catch (error) {
        await this.#undoCreate(created);
        return storageProblem(error, this.#logger, `cannot create topic ${request.name}`);
      }
      this.image.put(created);
      return { ok: true, topic: created };
    });
  }

  /** False: no such topic. Rejects with a MillraceError when a file operation fails. */
  async deleteTopic(name: string): Promise<boolean> {
    return this.#mutex.run(async () => {
      const entry = this.image.topic(name);
      if (entry === undefined) return false;
      await this.#store.commit({ put: [topic({ ...entry, state: 'deleting' })] });
      await this.#deleteLogs(entry.name, partitionNumbers(entry));
      await this.#store.commit({ remove: [name] });
      return true;
    });
  }

  /** The new partitions are open and durable, and in the image, when this resolves. */
  createPartitions(
    name: string,
    partitionCount: number,
    { validateOnly }: ChangeOptions,
  ): Promise<ChangeResult> {
    return this.#mutex.run(async (): Promise<ChangeResult> => {
      const entry = this.image.topic(name);
      if (entry === undefined) return unknownTopic(name);
      const problem = partitionCountProblem(entry, partitionCount);
      if (problem !== null) return { ok: false, error: 'INVALID_PARTITIONS', message: problem };
      if (validateOnly) return { ok: true };
      const grown = topic({ ...entry, partitionCount });
      const added = partitionNumbers(grown).slice(entry.partitionCount);
      try {
        await this.#store.write({ put: [grown] });
        // Left by an attempt that failed and could not be taken back.
        const missing = added.filter((one) => this.#openLogs().getLog(name, one) === undefined);
        await this.#createLogs(grown, missing);
      } catch (error) {
        await this.#undoGrowth(entry, added);
        return storageRefusal(error, this.#logger, `cannot add partitions to ${name}`);
      }
      this.image.put(grown);
      return { ok: true };
    });
  }

  /** In force for appends and housekeeping, and durable, when this resolves. */
  alterTopicConfigs(
    name: string,
    change: ConfigChange,
    { validateOnly }: ChangeOptions,
  ): Promise<ChangeResult> {
    return this.#mutex.run(async (): Promise<ChangeResult> => {
      const entry = this.image.topic(name);
      if (entry === undefined) return unknownTopic(name);
      const changed = change(entry.configs);
      if (!changed.ok) return changed;
      const { configs } = changed;
      const derived = deriveLogConfig(this.#settings, new Map(Object.entries(configs)));
      if (!derived.ok) return derived;
      if (validateOnly) return { ok: true };
      try {
        await this.#store.commit({ put: [topic({ ...entry, configs })] });
      } catch (error) {
        return storageRefusal(error, this.#logger, `cannot change the configs of ${name}`);
      }
      this.#openLogs().updateConfig(name, derived.config);
      return { ok: true };
    });
  }

  /** Configs of a broker, of client metrics or of a group, as `alterTopicConfigs`. */
  alterResourceConfigs(
    type: ConfigResourceType,
    name: string,
    change: ConfigChange,
    { validateOnly }: ChangeOptions,
  ): Promise<ChangeResult> {
    return this.#mutex.run(async (): Promise<ChangeResult> => {
      const changed = change(this.image.configsOf(type, name));
      if (!changed.ok || validateOnly) return changed.ok ? { ok: true } : changed;
      try {
        await this.#store.commit({ configs: [{ type, name, configs: changed.configs }] });
      } catch (error) {
        return storageRefusal(error, this.#logger, `cannot change the configs of ${type} ${name}`);
      }
      if (type === 'broker') {
        this.#onBrokerConfigs(this.image);
        for (const entry of this.image.topics()) {
          this.#openLogs().updateConfig(entry.name, this.#logConfig(entry.name, entry.configs));
        }
      }
      return { ok: true };
    });
  }

  /**
   * Sets all of `quotas`, each of which replaces what there was for its entity; `change` computes them
   * from what is set. In the image, and durable, when this resolves.
   */
  alterQuotas(change: (image: MetadataImage) => readonly ClientQuota[]): Promise<ChangeResult> {
    return this.#mutex.run(async (): Promise<ChangeResult> => {
      const quotas = change(this.image);
      if (quotas.length === 0) return { ok: true };
      try {
        await this.#store.commit({ quotas });
      } catch (error) {
        return storageRefusal(error, this.#logger, 'cannot change client quotas');
      }
      return { ok: true };
    });
  }

  /** After new partitions could not all be made. What cannot be taken back, a restart takes over. */
  async #undoGrowth(entry: Topic, added: readonly number[]): Promise<void> {
    try {
      await this.#deleteLogs(entry.name, added);
      await this.#store.write({});
    } catch (error) {
      this.#logger.error('cannot take back partitions that were not created', {
        topic: entry.name,
        cause: (error as Error).message,
      });
    }
  }

  async #finishDelete(
    entry: Topic,
    directories: readonly PartitionDirectory[] = [],
  ): Promise<void> {
    this.#logger.info('finishing the deletion of a topic', { topic: entry.name });
    await this.#deleteLogs(
      entry.name,
      directories.map((directory) => directory.partition),
    );
    await this.#store.commit({ remove: [entry.name] });
  }

  async #adopt(directories: ReadonlyMap<string, readonly PartitionDirectory[]>): Promise<void> {
    const adopted: Topic[] = [];
    for (const [name, found] of directories) {
      const entry = this.image.entry(name);
      const partitionCount = Math.max(...found.map((directory) => directory.partition)) + 1;
      if (entry !== undefined) {
        if (partitionCount <= entry.partitionCount) continue;
        this.#logger.warn('a topic has more directories than partitions', { topic: name });
        adopted.push(topic({ ...entry, partitionCount }));
      } else if (!NOT_TOPICS.has(name) && topicNameProblem(name) === null) {
        const id = found.find((directory) => directory.topicId !== null)?.topicId;
        this.#logger.warn('taking over a topic from its directories; retention is off for it', {
          topic: name,
          partitionCount,
        });
        const taken = topic({
          name,
          id: id ?? this.#newTopicId(),
          partitionCount,
          configs: KEEP_ALL,
          state: 'live',
        });
        adopted.push(taken.internal ? topic({ ...taken, configs: COMPACTED }) : taken);
      }
    }
    if (adopted.length > 0) await this.#store.commit({ put: adopted });
  }

  /**
   * Directories that another broker wrote know producers that the store does not. A new producer with
   * such an id would be refused, or worse: its first batch would be answered as a repeated one.
   * Clients may write any id into a batch, so one near the end of the numbers counts for nothing.
   */
  async #skipProducerIds(directories: readonly PartitionDirectory[]): Promise<void> {
    let nextProducerId = 0;
    for (const { largestProducerId } of directories) {
      if (largestProducerId > PRODUCER_ID_COUNTED_MAX) continue;
      nextProducerId = Math.max(nextProducerId, largestProducerId + 1);
    }
    if (nextProducerId > this.#store.nextProducerId) await this.#store.commit({ nextProducerId });
  }

  async #makeMissingLogs(entry: Topic): Promise<void> {
    const logs = this.#openLogs();
    // One that could not be opened is there, and stays as it is: it is served as offline.
    const missing = partitionNumbers(entry).filter(
      (partition) =>
        logs.getLog(entry.name, partition) === undefined &&
        !logs.failures.has(`${entry.name}-${partition}`),
    );
    if (missing.length === 0) return;
    this.#logger.warn('making directories that a topic misses', {
      topic: entry.name,
      partitions: missing.length,
    });
    await this.#createLogs(entry, missing);
  }

  async #createLogs(entry: Topic, partitions: readonly number[]): Promise<void> {
    const logs = this.#openLogs();
    const config = this.#logConfig(entry.name, entry.configs);
    for (let first = 0; first < partitions.length; first += CREATE_CONCURRENCY) {
      const made = await Promise.allSettled(
        partitions
          .slice(first, first + CREATE_CONCURRENCY)
          .map((partition) =>
            logs.createLog({ topic: entry.name, partition, topicId: entry.id, config }),
          ),
      );
      const failed = made.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  }

  /** After a failed creation: takes back what there is of it. What fails is left for later. */
  async #undoCreate(created: Topic): Promise<void> {
    // From now on every write of the store has it as one to be deleted.
    this.image.put(topic({ ...created, state: 'deleting' }));
    try {
      await this.#store.write({});
      await this.#deleteLogs(created.name, partitionNumbers(created));
      await this.#store.commit({ remove: [created.name] });
    } catch (error) {
      this.#logger.error('cannot take back a topic that was not created', {
        topic: created.name,
        cause: (error as Error).message,
      });
    }
  }

  /** A deletion that failed half way, or a creation that could not be taken back. */
  async #finishDeleteOf(name: string): Promise<void> {
    const entry = this.image.entry(name);
    if (entry?.state !== 'deleting') return;
    try {
      await this.#deleteLogs(name, partitionNumbers(entry));
      await this.#store.commit({ remove: [name] });
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#logger.error('cannot finish the deletion of a topic', {
        topic: name,
        cause: error.message,
      });
    }
  }

  async #deleteLogs(name: string, partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) await this.#openLogs().deleteLog(name, partition);
  }

  #logConfig(name: string, configs: Readonly<Record<string, string>>): LogConfig {
    const derived = deriveLogConfig(this.#settings, new Map(Object.entries(configs)));
    if (derived.ok) return derived.config;
    // It was checked when it was set; another version of this program may have known other names.
    this.#logger.error('topic configs are not usable, nothing of the topic will be deleted', {
      topic: name,
      problem: derived.message,
    });
    const fallback = deriveLogConfig(this.#settings, new Map(Object.entries(KEEP_ALL)));
    assert(fallback.ok, 'the configs that keep everything are valid');
    return fallback.config;
  }

  /** Random, but as Kafka's: not zero, and not beginning with '-', which tools take for an option. */
  #newTopicId(): string {
    for (;;) {
      const bytes = this.#random.fill(new Uint8Array(16));
      bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
      const id = Buffer.from(bytes).toString('base64url');
      if (!id.startsWith('-')) return id;
    }
  }

  #openLogs(): LogManager {
    assert(this.#logs !== null, 'reconcile comes first');
    return this.#logs;
  }
}

function partitionNumbers(entry: Topic): number[] {
  return Array.from({ length: entry.partitionCount }, (_, partition) => partition);
}

function refused(
  error: Extract<CreateTopicResult, { ok: false }>['error'],
  message: string,
): Extract<CreateTopicResult, { ok: false }> {
  return { ok: false, error, message };
}

/** Why a topic cannot have that many partitions, in Kafka's words; null if it can. */
export function partitionCountProblem(entry: Topic, count: number): string | null {
  const has = entry.partitionCount;
  if (count === has) return `Topic already has ${has} partition(s).`;
  if (count < has) {
    return `The topic ${entry.name} currently has ${has} partition(s); ${count} would not be an increase.`;
  }
  return count > PARTITION_COUNT_MAX
    ? `a topic has at most ${PARTITION_COUNT_MAX} partitions`
    : null;
}

function unknownTopic(name: string): Refused {
  const message = `The topic '${name}' does not exist.`;
  return { ok: false, error: 'UNKNOWN_TOPIC_OR_PARTITION', message };
}

function storageRefusal(error: unknown, logger: Logger, what: string): Refused {
  if (!(error instanceof MillraceError)) throw error;
  logger.error(what, { code: error.code, cause: error.message });
  return { ok: false, error: 'KAFKA_STORAGE_ERROR', message: `${what}: ${error.message}` };
}

function storageProblem(error: unknown, logger: Logger, what: string): CreateTopicResult {
  if (!(error instanceof MillraceError)) throw error;
  logger.error(what, { code: error.code, cause: error.message });
  return refused('KAFKA_STORAGE_ERROR', `${what}: ${error.message}`);
}

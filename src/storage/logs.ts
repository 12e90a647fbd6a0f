/**
 * Logs: a data directory with its partitions, as a broker lays it out and serves it, before or after.
 *
 *     const logs = await openLogs('data');
 *     const log = await logs.open('orders', 0);      data/orders-0/
 *
 *     const log = await openLog('data/orders-0');    that partition alone
 *
 * Both take the data directory for this process (R12). openLog opens and checks only its partition;
 * what the others need after a crash is left for whoever opens them.
 */

import { EventEmitter } from 'node:events';
import { basename, dirname, join, resolve } from 'node:path';
import type { MillraceError } from '../base/errors.js';
import { silentLogger } from '../base/logger.js';
import { randomUuid } from '../base/uuid.js';
import { KeptFile } from '../log/kept-file.js';
import { LogManager } from '../log/log-manager.js';
import { META_PROPERTIES_FILE, parseMetaProperties } from '../log/meta-properties.js';
import { formatPartitionDir, type PartitionName, parsePartitionDir } from '../log/partition-dir.js';
import type { PartitionLog } from '../log/partition-log.js';
import { answerError } from './answer-error.js';
import { Log } from './log.js';
import { type StorageOptions, type StorageSettings, settingsOf } from './storage-options.js';

/** node.id of a directory that has none yet: that of a broker on its defaults. */
const NODE_ID = 1;

/** What a data directory tells; with `on`, `once`, `off`. */
export interface LogsEvents {
  /** The disk failed: appends to every log answer errors until it is opened anew, reads go on. Once. */
  offline: [error: MillraceError];
}

export class Logs extends EventEmitter<LogsEvents> implements AsyncDisposable {
  /** The data directory. */
  readonly path: string;
  readonly #manager: LogManager;
  readonly #settings: StorageSettings;
  readonly #logs = new Map<PartitionLog, Log>();
  #closing: Promise<void> | null = null;

  constructor(path: string, manager: LogManager, settings: StorageSettings) {
    super();
    this.path = path;
    this.#manager = manager;
    this.#settings = settings;
  }

  /** Partitions whose directory could not be opened, by `TOPIC-PARTITION`. */
  get failures(): ReadonlyMap<string, Error> {
    return this.#manager.failures;
  }

  /** Why the directory is offline, code LOG_DIR_OFFLINE; null while all is well. */
  get error(): MillraceError | null {
    return this.#manager.logDirs()[0]?.error ?? null;
  }

  /** Tells everyone that the directory is offline. For `openLogs`. */
  noteOffline(error: MillraceError): void {
    for (const log of this.#logs.values()) log.noteOffline(error);
    this.emit('offline', error);
  }

  /** Partitions that are there, by topic, then number. */
  list(): readonly PartitionName[] {
    return this.#manager.logs().map(({ topic, partition }) => ({ topic, partition }));
  }

  /** Undefined: no such partition. */
  get(topic: string, partition = 0): Log | undefined {
    const found = this.#manager.getLog(topic, partition);
    return found === undefined ? undefined : this.#log(found);
  }

  /**
   * The log of a partition, made if it is missing, durable when it resolves. Rejects with
   * INVALID_TOPIC, with why its directory could not be opened, or with an I/O error.
   */
  async open(topic: string, partition = 0): Promise<Log> {
    return this.#log(await openPartition(this.#manager, { topic, partition }, this.#settings));
  }

  /** Deletes a partition: its directory is renamed at once, its files go later. False: none. */
  async delete(topic: string, partition = 0): Promise<boolean> {
    await this.get(topic, partition)?.close();
    return this.#manager.deleteLog(topic, partition);
  }

  /** Makes all that was appended to any of them durable; their syncs run side by side. */
  async flush(): Promise<void> {
    await Promise.all([...this.#logs.values()].map((log) => log.flush()));
  }

  /** Closes every log and leaves the directory as a broker does that was stopped. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
    await this.#manager.close();
  }

  #log(partition: PartitionLog): Log {
    const known = this.#logs.get(partition);
    if (known !== undefined) return known;
    const closeFiles = async (): Promise<void> => {
      this.#logs.delete(partition);
      // With openLog the directory closes with its log; here the files stay for the next `open`.
      if (this.#closing === null && !partition.offline) await partition.flush();
    };
    const log = new Log({ ...this.#settings, partition, closeFiles });
    this.#logs.set(partition, log);
    return log;
  }
}

/**
 * Opens a data directory, made if it is missing, with all partitions in it. Rejects with
 * DIRECTORY_LOCKED, INVALID_OPTION or an I/O error; a partition that cannot be opened is in `failures`.
 */
export async function openLogs(dir: string, options: StorageOptions = {}): Promise<Logs> {
  const settings = settingsOf(options);
  const path = resolve(dir);
  let logs: Logs | null = null;
  const onOffline = (error: MillraceError): void => logs?.noteOffline(error);
  logs = new Logs(path, await openManager(path, settings, null, onOffline), settings);
  return logs;
}

/**
 * Opens one partition, made if it is missing: a directory `TOPIC-PARTITION` in a data directory.
 * Rejects as `openLogs`, with INVALID_DIRECTORY for another name, or with why it cannot be opened.
 */
export async function openLog(dir: string, options: StorageOptions = {}): Promise<Log> {
  const settings = settingsOf(options);
  const path = resolve(dir);
  const name = parsePartitionDir(basename(path));
  if (name === null) {
    const message = `${path}: the directory of a log is named TOPIC-PARTITION, ${basename(path)}-0 for one`;
    throw answerError('INVALID_DIRECTORY', message);
  }
  let log: Log | null = null;
  const onOffline = (error: MillraceError): void => log?.noteOffline(error);
  const manager = await openManager(dirname(path), settings, name, onOffline);
  try {
    const partition = await openPartition(manager, name, settings);
    log = new Log({ ...settings, partition, closeFiles: () => manager.close() });
    return log;
  } catch (error) {
    await manager.close();
    throw error;
  }
}

async function openPartition(
  manager: LogManager,
  { topic, partition }: PartitionName,
  { random, config }: StorageSettings,
): Promise<PartitionLog> {
  const found = manager.getLog(topic, partition);
  if (found !== undefined) return found;
  const failure = manager.failures.get(formatPartitionDir(topic, partition));
  if (failure !== undefined) throw failure;
  // All partitions of a topic have one id.
  const other = manager.logs().find((log) => log.topic === topic);
  const topicId = other?.topicId ?? randomUuid(random);
  return manager.createLog({ topic, partition, topicId, config });
}

function openManager(
  path: string,
  settings: StorageSettings,
  only: PartitionName | null,
  onOffline: (error: MillraceError) => void,
): Promise<LogManager> {
  const { env, clock, random, logger, config } = settings;
  return LogManager.open({
    ...{ env, clock, random, logger, config },
    dirs: [path],
    nodeId: nodeIdOf(settings, path),
    clusterId: null,
    onDirOffline: ({ error }) => {
      if (error !== null) onOffline(error);
    },
    ...(only === null ? {} : { only }),
  });
}

function nodeIdOf({ env }: StorageSettings, path: string): number {
  // What is wrong with it is said when the directory is opened.
  const options = { env, logger: silentLogger, path: join(path, META_PROPERTIES_FILE) };
  const bytes = new KeptFile(options).read();
  const meta = bytes === null ? null : parseMetaProperties(bytes.toString('utf8'));
  return meta?.nodeId ?? NODE_ID;
}

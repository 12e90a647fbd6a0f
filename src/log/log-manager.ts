/**
 * LogManager: all partition logs of one process, in one or more data directories.
 *
 *     open:   lock every directory -> meta.properties -> beforeLogs (cluster metadata) ->
 *             take the clean-shutdown markers -> open the logs, a few at a time
 *     run:    retention and checkpoints by the clock
 *     close:  close the logs -> checkpoints -> markers -> unlock
 *
 * It knows directories, not topics: which topics ought to exist is the cluster metadata's business.
 * A log that cannot be opened does not stop the others; it is in `failures`. Nor does a directory whose
 * disk fails (log-dir.ts): its logs are read and not written, new ones go to the others.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { type Clock, setCheckTimer, type Timer } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import { OFFSET_ZERO } from '../base/offset.js';
import type { Random } from '../base/random.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import { isOfflineError, offlineError } from '../file/guarded-env.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import { ChecksumMaker } from './checksum-maker.js';
import {
  type CleanerSettings,
  type CompactionOptions,
  type CompactionSummary,
  DEFAULT_CLEANER,
  LogCleaner,
} from './cleaner.js';
import { rewriteUnsynced } from './failed-sync.js';
import { FileReaper } from './file-reaper.js';
import { LogDir, type PartitionDirEntry } from './log-dir.js';
import { LogFiles } from './log-files.js';
import { type OpenLog, OpenLogs } from './open-logs.js';
import { formatDeletedDir, formatPartitionDir, type PartitionName } from './partition-dir.js';
import { PartitionLog, type PartitionLogOptions } from './partition-log.js';
import { Scrubber, type ScrubStats } from './scrubber.js';
import { settleMeta } from './settle-meta.js';
import type { LogConfig } from './topic-config.js';
import { topicNameProblem } from './topic-name.js';

export interface LogManagerOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Data directories (log.dirs); made if missing. A new partition goes to the one with the fewest. */
  readonly dirs: readonly string[];
  /** Of topics without an entry in `topicConfig`. */
  readonly config: LogConfig;
  /** Asked for each partition while logs are opened, after `beforeLogs`. */
  readonly topicConfig?: (topic: string) => LogConfig | undefined;
  /** Opens this partition and leaves the others alone, as they are; all where not given. */
  readonly only?: PartitionName;
  /** node.id, compared with and written to meta.properties. */
  readonly nodeId: number;
  /** 22 characters; null: the one in meta.properties, or a new one for a new directory. */
  readonly clusterId: string | null;
  /**
   * Runs when every directory is locked and its meta.properties read, before a partition is opened:
   * the place to load cluster metadata that lives in a data directory.
   */
  readonly beforeLogs?: (found: BeforeLogs) => Promise<void>;
  /** log.retention.check.interval.ms */
  readonly retentionCheckIntervalMs?: number;
  /** log.flush.offset.checkpoint.interval.ms: all three checkpoint files. */
  readonly checkpointIntervalMs?: number;
  /** log.cleaner.*; DEFAULT_CLEANER for what is not given. */
  readonly cleaner?: Partial<CleanerSettings>;
  /** num.recovery.threads.per.data.dir: logs of a directory that are opened at a time. */
  readonly recoveryConcurrency?: number;
  /** Producers that are silent for so long are forgotten by a retention check. */
  readonly producerIdExpirationMs?: number;
  /** Of the scrubber (scrubber.ts); 0 where not given: there is none. */
  readonly scrubBytesPerSecond?: number;
  /** Whether segments get their checksums when they are rolled, not only from the scrubber; default: yes. */
  readonly rollChecksums?: boolean;
  /** A directory went offline; must not throw. */
  readonly onDirOffline?: (dir: LogDirStatus) => void;
}

/** A data directory, and how it is. */
export interface LogDirStatus {
  readonly path: string;
  /** From meta.properties. */
  readonly directoryId: string | null;
  /** Code LOG_DIR_OFFLINE: its logs are read and not written until it is opened anew. Null: it is well. */
  readonly error: MillraceError | null;
  /** The open logs in it, by topic, then partition. */
  readonly logs: readonly PartitionLog[];
}

export interface BeforeLogs {
  readonly clusterId: string;
  readonly dirs: readonly string[];
  /** For files in one of `dirs`: an error that takes the directory offline is seen. */
  envOf(dir: string): Env;
}

export interface CreateLogOptions {
  readonly topic: string;
  readonly partition: number;
  /** Base64url uuid, 22 characters. */
  readonly topicId: string;
  readonly config: LogConfig;
}

export interface PartitionDirectory {
  readonly topic: string;
  readonly partition: number;
  /** From partition.metadata; null if there is none. */
  readonly topicId: string | null;
  /** Of the idempotent producers that the log remembers, -1 if none. */
  readonly largestProducerId: number;
}

const RETENTION_CHECK_INTERVAL_MS = 300_000;
const CHECKPOINT_INTERVAL_MS = 60_000;
const RECOVERY_CONCURRENCY = 2;
/** How long a sealed segment keeps its descriptor and its indexes in memory after a read, at least. */
const UNLOAD_INTERVAL_MS = 60_000;

/** What the directory's checkpoints and marker say of a log. */
type LogStart = Pick<PartitionLogOptions, 'clean' | 'recoveryPoint' | 'logStartOffset'>;

const NEW_LOG: LogStart = { clean: true, recoveryPoint: OFFSET_ZERO, logStartOffset: OFFSET_ZERO };

export class LogManager implements AsyncDisposable {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly #options: LogManagerOptions;
  readonly #logger: Logger;
  readonly #dirs: readonly LogDir[];
  readonly #reaper: FileReaper;
  /** By `TOPIC-PARTITION`. */
  readonly #logs = new OpenLogs();
  /** Names that are being created, opened or deleted. */
  readonly #busy = new Set<string>();
  /** Where the partitions under creation go: they count as there. */
  readonly #creating = new Map<string, LogDir>();
  readonly #failures = new Map<string, Error>();
  /** Partition directories that were left alone (`only`). */
  readonly #leftAlone = new Set<string>();
  /** Directories that a clean shutdown can vouch for. */
  readonly #clean = new Set<LogDir>();
  readonly #housekeeping = new Mutex();
  readonly #checkpoints: CheckpointWriter;
  readonly #compacting = new Mutex();
  readonly #cleanerSettings: CleanerSettings;
  readonly #cleaner: LogCleaner;
  readonly #timers = new Set<Timer>();
  readonly #scrubber: Scrubber | null;
  readonly #checksums: ChecksumMaker;
  #closing: Promise<void> | null = null;

  /**
   * Rejects with DIRECTORY_LOCKED (naming the holder), INCONSISTENT_META_PROPERTIES, or an I/O error;
   * then nothing is left open or locked.
   */
  static async open(options: LogManagerOptions): Promise<LogManager> {
    const dirs: LogDir[] = [];
    const { env, logger = silentLogger } = options;
    try {
      for (const path of options.dirs) dirs.push(LogDir.open({ env, logger, path }));
      const clusterId = await settleMeta(dirs, options);
      await options.beforeLogs?.({
        clusterId,
        dirs: options.dirs,
        envOf: (path) => dirs.find((dir) => dir.path === path)?.env ?? env,
      });
      const manager = new LogManager(options, dirs, clusterId);
      try {
        await Promise.all(dirs.map((dir) => manager.#openDir(dir)));
      } catch (error) {
        await manager.#abandon();
        throw error;
      }
      manager.#start();
      return manager;
    } catch (error) {
      for (const dir of dirs) dir.release();
      throw error;
    }
  }

  private constructor(options: LogManagerOptions, dirs: readonly LogDir[], clusterId: string) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#dirs = dirs;
    for (const dir of dirs) dir.onOffline = () => this.#wentOffline(dir);
    this.clusterId = clusterId;
    this.nodeId = options.nodeId;
    this.#checkpoints = new CheckpointWriter(this.#logs.byName, () => [
      ...this.#failures.keys(),
      ...this.#leftAlone,
    ]);
    this.#reaper = new FileReaper(options.clock, this.#logger);
    this.#checksums = new ChecksumMaker(this.#logger, options.rollChecksums);
    const { env, clock, scrubBytesPerSecond: bytesPerSecond = 0 } = options;
    const logs = (): readonly PartitionLog[] => this.logs().filter((log) => !log.offline);
    const scrubbed = { env, clock, logger: this.#logger, bytesPerSecond, logs };
    this.#scrubber = bytesPerSecond > 0 ? new Scrubber(scrubbed) : null;
    this.#cleanerSettings = { ...DEFAULT_CLEANER, ...options.cleaner };
    this.#cleaner = new LogCleaner(this.#logger, this.#cleanerSettings);
  }

  /** Of the first data directory, as in meta.properties. */
  get directoryId(): string {
    return this.#dirs[0]?.meta?.directoryId ?? '';
  }

  /** Partitions whose directory could not be opened, by `TOPIC-PARTITION`. */
  get failures(): ReadonlyMap<string, Error> {
    return this.#failures;
  }

  /** What the scrubber has read and found; null where there is none. */
  get scrubStats(): ScrubStats | null {
    return this.#scrubber?.stats ?? null;
  }

  /** In the order of `dirs`. */
  logDirs(): readonly LogDirStatus[] {
    return this.#dirs.map((dir) => this.#statusOf(dir));
  }

  /** Settles when the segments that were rolled and are durable have their checksum side files. */
  checksumsMade(): Promise<void> {
    return this.#checksums.idle();
  }

  getLog(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.find(topic, partition);
  }

  /** Every open log, by topic, then partition. */
  logs(): readonly PartitionLog[] {
    const logs = [...this.#logs.values()].map(({ log }) => log);
    return logs.sort(
      (a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0) || a.partition - b.partition,
    );
  }

  #statusOf(dir: LogDir): LogDirStatus {
    const logs = this.logs().filter(
      (log) => this.#logs.byName.get(formatPartitionDir(log.topic, log.partition))?.dir === dir,
    );
    const { path, meta, failure: error } = dir;
    return { path, directoryId: meta?.directoryId ?? null, error, logs };
  }

  #wentOffline(dir: LogDir): void {
    this.#clean.delete(dir);
    const status = this.#statusOf(dir);
    for (const log of status.logs) log.takeOffline(status.error?.message ?? '');
    this.#options.onDirOffline?.(status);
  }

  /** What is on disk, in the same order. */
  partitions(): readonly PartitionDirectory[] {
    return this.logs();
  }

  /** Names of the topics that have an open log, sorted. */
  topics(): readonly string[] {
    return [...new Set(this.logs().map((log) => log.topic))];
  }

  /**
   * Makes the directory and its first segment, durable when it resolves. Rejects with ALREADY_EXISTS,
   * INVALID_TOPIC, LOG_DIR_OFFLINE if no directory is left, or an I/O error, and then leaves nothing
   * behind unless the disk failed.
   */
  async createLog({ topic, partition, topicId, config }: CreateLogOptions): Promise<PartitionLog> {
    const name = formatPartitionDir(topic, partition);
    const problem = topicNameProblem(topic);
    if (problem !== null) throw new MillraceError(problem, { code: 'INVALID_TOPIC' });
    if (this.#closing !== null)
      throw new MillraceError('the log manager is closed', { code: 'CLOSED' });
    if (this.#logs.byName.has(name) || this.#busy.has(name) || this.#failures.has(name)) {
      throw new MillraceError(`${name} exists`, { code: 'ALREADY_EXISTS' });
    }
    const dir = this.#emptiestDir();
    const { env } = dir;
    const path = dir.pathOf(name);
    if (env.exists(path)) throw new MillraceError(`${path} exists`, { code: 'ALREADY_EXISTS' });
    this.#busy.add(name);
    this.#creating.set(name, dir);
    try {
      await dir.forgetPartition(name);
      env.mkdir(path);
      await new LogFiles({ env, logger: this.#logger, dir: path }).writeTopicId(topicId);
      const log = await this.#openLog(dir, { topic, partition }, config, NEW_LOG);
      await env.syncDir(path);
      await env.syncDir(dir.path);
      this.#logs.add(name, { log, dir });
      return log;
    } catch (error) {
      this.#removeCreated(env, path);
      throw error;
    } finally {
      this.#creating.delete(name);
      this.#busy.delete(name);
    }
  }

  /**
   * Closes the log and renames its directory, durable when it resolves; its files are unlinked after
   * file.delete.delay.ms. Bytes of slices that are on their way stay. False: no such log. Rejects with
   * LOG_DIR_OFFLINE or an I/O error: the log stays, opened anew if it was closed already.
   */
  async deleteLog(topic: string, partition: number): Promise<boolean> {
    const name = formatPartitionDir(topic, partition);
    const entry = this.#logs.byName.get(name);
    if (entry === undefined) return false;
    if (entry.dir.failure !== null) throw entry.dir.failure;
    this.#logs.delete(name);
    this.#busy.add(name);
    try {
      await this.#delete(entry);
    } catch (error) {
      // What was not synced of it is not to be vouched for at the end.
      this.#clean.delete(entry.dir);
      this.#busy.delete(name);
      const { dir, log } = entry;
      const isThere = dir.failure === null && dir.env.exists(log.path);
      if (isThere) await this.#openPartition(dir, { topic, partition, name }, false);
      throw error;
    }
    this.#busy.delete(name);
    return true;
  }

  async #delete({ log, dir }: OpenLog): Promise<void> {
    await log.discard();
    const deleted = dir.pathOf(formatDeletedDir(log.topic, log.partition, this.#options.random));
    dir.env.rename(log.path, deleted);
    await dir.env.syncDir(dir.path);
    this.#reaper.schedule(log.config.fileDeleteDelayMs, () => this.#reap(dir, deleted));
  }

  /** For every open partition of the topic. */
  updateConfig(topic: string, config: LogConfig): void {
    for (const { log } of this.#logs.values()) if (log.topic === topic) log.updateConfig(config);
  }

  /** One retention pass over every log; answers the count of segments deleted. */
  runRetention(): Promise<number> {
    return this.#housekeeping.run(async () => {
      let deleted = 0;
      for (const { log } of [...this.#logs.values()]) {
        try {
          deleted += await log.applyRetention();
        } catch (error) {
          this.#logger.warn('retention failed', { dir: log.path, reason: String(error) });
        }
      }
      return deleted;
    });
  }

  /**
   * One round of compaction over the logs that are due, or with `force` over all that have something to
   * compact. Never rejects: what fails is reported and the log stays as it was.
   */
  runCompaction(options?: CompactionOptions): Promise<CompactionSummary> {
    return this.#compacting.run(() => {
      const logs = [...this.#logs.byName].map(([name, { log, dir }]) => ({ name, log, dir }));
      return this.#cleaner.run(logs, options);
    });
  }

  /**
   * Writes the checkpoint files of every directory that is not offline. Rejects with the first I/O error,
   * when all were tried; the old files then stay.
   */
  async checkpoint(): Promise<void> {
    const written = await Promise.allSettled(
      this.#dirs.filter((dir) => dir.failure === null).map((dir) => this.#checkpoints.write(dir)),
    );
    for (const result of written) if (result.status === 'rejected') throw result.reason;
  }

  async #checkpoint(): Promise<void> {
    await this.checkpoint();
    for (const dir of this.#dirs) await this.#checksums.makeLasts(dir, this.#logs.values());
  }

  /**
   * Closes every log, writes checkpoints and, where all went well, the clean-shutdown marker; unlocks.
   * Never rejects: what could not be written is reported, and checked at the next start. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#stopTimers();
    await this.#scrubber?.close();
    await this.#checksums.close();
    await this.#housekeeping.run(async () => {
      this.#reaper.close();
      const unclean = new Set<LogDir>();
      await Promise.all(
        [...this.#logs.values()].map(async ({ log, dir }) => {
          if (!(await log.close())) unclean.add(dir);
        }),
      );
      await Promise.all(this.#dirs.map((dir) => this.#leave(dir, !unclean.has(dir))));
    });
    for (const dir of this.#dirs) dir.release();
  }

  /** The last files of a directory whose logs are closed. */
  async #leave(dir: LogDir, closedWell: boolean): Promise<void> {
    if (dir.failure !== null) return;
    try {
      if (closedWell) await this.#checksums.makeLasts(dir, this.#logs.values());
      await this.#checkpoints.write(dir);
      if (closedWell && this.#clean.has(dir)) await dir.leaveCleanMarker();
    } catch (error) {
      if (dir.failure !== null) return;
      this.#logger.error('checkpoints not written', { dir: dir.path, reason: String(error) });
    }
  }

  /** After a failed open. */
  async #abandon(): Promise<void> {
    this.#closing = Promise.resolve();
    this.#reaper.close();
    for (const { log } of this.#logs.values()) await log.discard();
  }

  async #openDir(dir: LogDir): Promise<void> {
    const clean = await this.#takeCleanMarker(dir);
    for (const name of dir.deletedDirs()) {
      this.#reaper.schedule(0, () => this.#reap(dir, dir.pathOf(name)));
    }
    const waiting = this.#wanted(dir.partitionDirs());
    // Nobody has looked at the others: after a crash they stay in doubt.
    if (this.#leftAlone.size > 0 && !clean) this.#clean.delete(dir);
    const concurrency = this.#options.recoveryConcurrency ?? RECOVERY_CONCURRENCY;
    const work = async (): Promise<void> => {
      for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
        await this.#openPartition(dir, entry, clean);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    const isWhole = this.#leftAlone.size === 0 && this.#failures.size === 0;
    if (isWhole && dir.failure === null && dir.hasFailedSync) await dir.forgetFailedSync();
  }

  async #takeCleanMarker(dir: LogDir): Promise<boolean> {
    try {
      const clean = await dir.takeCleanMarker();
      this.#clean.add(dir);
      return clean;
    } catch (error) {
      // The others can be served, and of this one what needs no repair.
      if (dir.failure !== null) return false;
      throw error;
    }
  }

  #wanted(entries: PartitionDirEntry[]): PartitionDirEntry[] {
    const { only } = this.#options;
    if (only === undefined) return entries;
    const wanted = formatPartitionDir(only.topic, only.partition);
    for (const { name } of entries) if (name !== wanted) this.#leftAlone.add(name);
    return entries.filter(({ name }) => name === wanted);
  }

  async #openPartition(dir: LogDir, entry: PartitionDirEntry, clean: boolean): Promise<void> {
    const { name, topic } = entry;
    const config = this.#options.topicConfig?.(topic) ?? this.#options.config;
    const { recoveryPoints, logStartOffsets } = dir.checkpoints;
    try {
      if (this.#logs.byName.has(name) || this.#busy.has(name)) {
        throw new MillraceError(`${name} is in two data directories`, { code: 'DUPLICATE_LOG' });
      }
      this.#busy.add(name);
      const recoveryPoint = recoveryPoints.get(name) ?? OFFSET_ZERO;
      const logStartOffset = logStartOffsets.get(name) ?? OFFSET_ZERO;
      const start = { clean, recoveryPoint, logStartOffset };
      if (dir.hasFailedSync) await rewriteUnsynced(dir.env, dir.pathOf(name), recoveryPoint);
      const log = await this.#openLog(dir, entry, config, start);
      this.#busy.delete(name);
      this.#logs.add(name, { log, dir });
      if (dir.failure !== null) log.takeOffline(dir.failure.message);
    } catch (error) {
      // The next start looks at it again, and closely.
      this.#clean.delete(dir);
      this.#failures.set(name, error instanceof Error ? error : new Error(String(error)));
      if (isOfflineError(error)) return;
      this.#logger.error('log not opened', { dir: dir.pathOf(name), reason: String(error) });
    }
  }

  #openLog(
    dir: LogDir,
    { topic, partition }: PartitionName,
    config: LogConfig,
    start: LogStart,
  ): Promise<PartitionLog> {
    const { clock, random, producerIdExpirationMs } = this.#options;
    const name = formatPartitionDir(topic, partition);
    return PartitionLog.open({
      env: dir.env,
      ...{ clock, random, logger: this.#logger, reaper: this.#reaper, producerIdExpirationMs },
      ...{ topic, partition, dir: dir.pathOf(name), config },
      ...start,
      neverCompacted: !config.cleanupCompact && !dir.mayBeCompacted(name),
      onOffline: (error) => dir.fail(error),
      onSealed: (segment) => {
        this.#checksums.add(dir.env, dir.pathOf(name), segment);
      },
      checkpoint: async (truncatedTo) => {
        await this.#checkpoints.write(dir);
        const cleaned = dir.cleanerOffsets.get(name);
        if (truncatedTo === undefined || cleaned === undefined || cleaned <= truncatedTo) return;
        await dir.writeCleanerOffset(name, truncatedTo);
      },
    });
  }

  #start(): void {
    const { retentionCheckIntervalMs, checkpointIntervalMs } = this.#options;
    this.#every(retentionCheckIntervalMs ?? RETENTION_CHECK_INTERVAL_MS, () => this.runRetention());
    this.#every(checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS, () => this.#checkpoint());
    this.#every(UNLOAD_INTERVAL_MS, async () => {
      for (const log of this.logs()) log.unloadIdle();
    });
    this.#scrubber?.start();
    const { enable, backoffMs } = this.#cleanerSettings;
    if (enable) this.#every(backoffMs, () => this.runCompaction());
  }

  /** Runs `task` again and again, an interval after it ended. */
  #every(intervalMs: number, task: () => Promise<unknown>): void {
    if (this.#closing !== null) return;
    const timer = setCheckTimer(this.#options.clock, intervalMs, () => {
      this.#timers.delete(timer);
      task()
        .catch((error: unknown) => {
          this.#logger.error('housekeeping failed', { reason: String(error) });
        })
        .finally(() => this.#every(intervalMs, task));
    });
    this.#timers.add(timer);
  }

  #stopTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #emptiestDir(): LogDir {
    const counts = new Map(this.#dirs.map((dir) => [dir, 0]));
    for (const { dir } of this.#logs.values()) counts.set(dir, (counts.get(dir) ?? 0) + 1);
    for (const dir of this.#creating.values()) counts.set(dir, (counts.get(dir) ?? 0) + 1);
    const [first] = this.#dirs;
    assert(first !== undefined, 'a log manager has a data directory');
    const online = [...counts].filter(([dir]) => dir.failure === null);
    const emptiest = online.sort((a, b) => a[1] - b[1])[0];
    if (emptiest === undefined) throw first.failure ?? offlineError(first.path, null);
    return emptiest[0];
  }

  /** Unlinks the files of a deleted partition, a turn of the event loop each. */
  async #reap({ env, failure }: LogDir, path: string): Promise<void> {
    if (failure !== null) return;
    for (const name of env.readdir(path)) {
      // The directory may be another process's by now; it finds the rest.
      if (this.#closing !== null) return;
      env.unlink(join(path, name));
      await yieldToLoop();
    }
    env.rmdir(path);
  }

  /** After a failed creation; what stays is an empty log at the next start. */
  #removeCreated(env: Env, path: string): void {
    try {
      for (const name of env.readdir(path)) env.unlink(join(path, name));
      env.rmdir(path);
    } catch (error) {
      this.#logger.warn('directory not removed', { path, reason: String(error) });
    }
  }
}

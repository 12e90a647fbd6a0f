/**
 * LogDir: one data directory, taken by this process.
 *
 *     .lock                 the kernel lock (R12)
 *     meta.properties       node and cluster it belongs to
 *     .kafka_cleanshutdown  there from a clean close to the next open
 *     .millrace-failed-sync there from a disk error to the next open (failed-sync.ts)
 *     *-checkpoint          recovery points, log start offsets, high watermarks
 *     TOPIC-PARTITION/      see partition-dir.ts
 *
 * The marker goes before the first log is opened and comes back after everything else was written, so
 * a crash in between is never taken for a clean shutdown.
 *
 * A disk error in any of its files, whoever wrote, takes the whole directory offline (R3): one error
 * is logged, nothing more is written but a mark of it, reads go on. Only opening it anew, which checks what is there, heals
 * that. A full disk is no such error.
 */

import { dirname, join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Mutex } from '../base/mutex.js';
import type { Offset } from '../base/offset.js';
import type { DirLock } from '../file/dir-lock.js';
import type { Env } from '../file/env.js';
import { type EnvGuard, guardEnv } from '../file/guarded-env.js';
import { IoError } from '../file/io-error.js';
import { withLastingSyncErrors } from '../file/lasting-sync-errors.js';
import {
  CLEAN_SHUTDOWN_FILE,
  CLEANER_FILE,
  formatCleanShutdown,
  formatOffsetCheckpoint,
  HIGH_WATERMARK_FILE,
  LOG_START_FILE,
  type OffsetCheckpoint,
  parseCleanShutdown,
  parseOffsetCheckpoint,
  RECOVERY_POINT_FILE,
} from './checkpoints.js';
import { FAILED_SYNC_FILE, markFailedSync } from './failed-sync.js';
import { KeptFile } from './kept-file.js';
import {
  formatMetaProperties,
  META_PROPERTIES_FILE,
  type MetaProperties,
  parseMetaProperties,
} from './meta-properties.js';
import { isDeletedDir, type PartitionName, parsePartitionDir } from './partition-dir.js';

/** What the checkpoint files say, by `TOPIC-PARTITION`. */
export interface LogDirCheckpoints {
  readonly recoveryPoints: OffsetCheckpoint;
  readonly logStartOffsets: OffsetCheckpoint;
  readonly highWatermarks: OffsetCheckpoint;
}

export interface PartitionDirEntry extends PartitionName {
  readonly name: string;
}

export interface LogDirOptions {
  readonly env: Env;
  readonly logger: Logger;
  readonly path: string;
}

export class LogDir implements EnvGuard {
  readonly path: string;
  /** Every file operation in the directory goes through it. */
  readonly env: Env;
  /** Runs once, when the directory goes offline; must not throw. */
  onOffline: () => void = () => {};
  readonly #logger: Logger;
  /** It went offline in an earlier process: see failed-sync.ts. */
  readonly hasFailedSync: boolean;
  /** It writes whatever happened. */
  readonly #disk: Env;
  readonly #lock: DirLock;
  readonly #writing = new Mutex();
  /** By name. */
  readonly #kept = new Map<string, KeptFile>();
  #meta: MetaProperties | null;
  /** As in the clean-shutdown marker that was taken, -1 if none. */
  #brokerEpoch = -1;
  #checkpoints: LogDirCheckpoints;
  /** A checkpoint file could not be read: it may say what is not known here. */
  #checkpointsUnread = false;
  #cleanerOffsets: OffsetCheckpoint;
  readonly #cleanerUnread: boolean;
  #failure: MillraceError | null = null;

  /** Makes the directory if it is missing and locks it; DirLockedError if another process has it. */
  static open({ env, logger, path }: LogDirOptions): LogDir {
    makeDir(env, path);
    const lock = env.lockDir(path);
    try {
      return new LogDir(env, logger, path, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(env: Env, logger: Logger, path: string, lock: DirLock) {
    this.path = path;
    this.#disk = env;
    this.hasFailedSync = env.exists(join(path, FAILED_SYNC_FILE));
    this.env = guardEnv(withLastingSyncErrors(env), this);
    this.#logger = logger;
    this.#lock = lock;
    const meta = this.#read(META_PROPERTIES_FILE);
    this.#meta = meta === null ? null : parseMetaProperties(meta);
    if (meta !== null && this.#meta === null) {
      logger.warn('meta.properties is corrupt and is written anew', { dir: path });
    }
    this.#cleanerOffsets = this.#readCheckpoint(CLEANER_FILE);
    this.#cleanerUnread = this.#checkpointsUnread;
    this.#checkpoints = {
      recoveryPoints: this.#readCheckpoint(RECOVERY_POINT_FILE),
      logStartOffsets: this.#readCheckpoint(LOG_START_FILE),
      highWatermarks: this.#readCheckpoint(HIGH_WATERMARK_FILE),
    };
  }

  /** Why the directory is offline: nothing is written there any more. Null while all is well. */
  get failure(): MillraceError | null {
    return this.#failure;
  }

  /** A file of the directory is in doubt: takes it offline. Later errors say nothing new. */
  fail(error: Error): void {
    if (this.#failure !== null) return;
    const at = error instanceof IoError ? { path: error.path, operation: error.syscall } : {};
    const message = `the log directory ${this.path} is offline: ${error.message}`;
    this.#failure = new MillraceError(message, { code: 'LOG_DIR_OFFLINE', cause: error });
    this.#logger.error('log directory offline: nothing more is written there, reads go on', {
      dir: this.path,
      ...at,
      cause: error.message,
      action: 'check the disk, then restart: what is there is checked when it is opened again',
    });
    markFailedSync(this.#disk, this.path, error);
    this.onOffline();
  }

  /** All that was in doubt was written again. */
  async forgetFailedSync(): Promise<void> {
    this.env.unlink(join(this.path, FAILED_SYNC_FILE));
    await this.env.syncDir(this.path);
  }

  /** Null in a new directory. */
  get meta(): MetaProperties | null {
    return this.#meta;
  }

  /** As last read or written. */
  get checkpoints(): LogDirCheckpoints {
    return this.#checkpoints;
  }

  /** Where compaction has come to in each partition, as last read or written. */
  get cleanerOffsets(): OffsetCheckpoint {
    return this.#cleanerOffsets;
  }

  /** It was compacted once, or nobody knows. */
  mayBeCompacted(name: string): boolean {
    return this.#cleanerUnread || this.#cleanerOffsets.has(name);
  }

  /** Sets a partition's offset in the file, null to take it out. Rejects with an I/O error. */
  writeCleanerOffset(name: string, offset: Offset | null): Promise<void> {
    return this.#writing.run(async () => {
      const offsets = new Map(this.#cleanerOffsets);
      if (offset === null && !offsets.delete(name)) return;
      if (offset !== null) offsets.set(name, offset);
      await this.#write(CLEANER_FILE, formatOffsetCheckpoint(offsets));
      this.#cleanerOffsets = offsets;
    });
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  async writeMeta(meta: MetaProperties): Promise<void> {
    await this.#write(META_PROPERTIES_FILE, formatMetaProperties(meta));
    this.#meta = meta;
  }

  /**
   * Takes the clean-shutdown marker away, durably; answers whether it was there. The directory is ours by
   * now, so files that are damaged are written anew.
   */
  async takeCleanMarker(): Promise<boolean> {
    for (const file of this.#kept.values()) file.settle();
    const path = join(this.path, CLEAN_SHUTDOWN_FILE);
    if (!this.env.exists(path)) return false;
    this.#brokerEpoch = parseCleanShutdown(this.#readText(CLEAN_SHUTDOWN_FILE) ?? '');
    this.env.unlink(path);
    await this.env.syncDir(this.path);
    return true;
  }

  /**
   * With the broker epoch of the marker that was taken: what Kafka left here is still there, and its
   * controller, which compares the epoch with its own, has no election to hold for it.
   */
  leaveCleanMarker(): Promise<void> {
    const text = formatCleanShutdown(this.#brokerEpoch);
    return this.env.writeFileAtomic(join(this.path, CLEAN_SHUTDOWN_FILE), Buffer.from(text));
  }

  /** Live partition directories, in no particular order. */
  partitionDirs(): PartitionDirEntry[] {
    const found: PartitionDirEntry[] = [];
    for (const name of this.env.readdir(this.path)) {
      const parsed = parsePartitionDir(name);
      if (parsed !== null && this.env.stat(join(this.path, name))?.directory === true) {
        found.push({ ...parsed, name });
      }
    }
    return found;
  }

  /** Directories that were deleted before the process ended. */
  deletedDirs(): string[] {
    return this.env.readdir(this.path).filter(isDeletedDir);
  }

  /** Replaces the three files, one after the other; each is whole after a crash. */
  writeCheckpoints(checkpoints: LogDirCheckpoints): Promise<void> {
    return this.#writing.run(() => this.#writeCheckpoints(checkpoints));
  }

  async #writeCheckpoints(checkpoints: LogDirCheckpoints): Promise<void> {
    const { recoveryPoints, logStartOffsets, highWatermarks } = checkpoints;
    await this.#write(RECOVERY_POINT_FILE, formatOffsetCheckpoint(recoveryPoints));
    await this.#write(LOG_START_FILE, formatOffsetCheckpoint(logStartOffsets));
    await this.#write(HIGH_WATERMARK_FILE, formatOffsetCheckpoint(highWatermarks));
    this.#checkpoints = checkpoints;
    this.#checkpointsUnread = false;
  }

  /** Drops what the files say of a partition, so that a new one of its name does not inherit it. */
  async forgetPartition(name: string): Promise<void> {
    await this.writeCleanerOffset(name, null);
    // In turn: what is being written may name it.
    return this.#writing.run(async () => {
      const { recoveryPoints, logStartOffsets, highWatermarks } = this.#checkpoints;
      const isKnown = [recoveryPoints, logStartOffsets, highWatermarks].some((map) =>
        map.has(name),
      );
      if (!isKnown && !this.#checkpointsUnread) return;
      await this.#writeCheckpoints({
        recoveryPoints: without(recoveryPoints, name),
        logStartOffsets: without(logStartOffsets, name),
        highWatermarks: without(highWatermarks, name),
      });
    });
  }

  /** Unlocks. Idempotent. */
  release(): void {
    this.#lock.release();
  }

  #write(name: string, text: string): Promise<void> {
    return this.#keptFile(name).write(Buffer.from(text));
  }

  #readCheckpoint(name: string): OffsetCheckpoint {
    const text = this.#read(name);
    const offsets = text === null ? null : parseOffsetCheckpoint(text);
    if (text !== null && offsets === null) {
      this.#logger.warn('checkpoint ignored', { dir: this.path, name });
      this.#checkpointsUnread = true;
    }
    return offsets ?? new Map<string, Offset>();
  }

  #keptFile(name: string): KeptFile {
    let file = this.#kept.get(name);
    if (file === undefined) {
      file = new KeptFile({ env: this.env, logger: this.#logger, path: join(this.path, name) });
      this.#kept.set(name, file);
    }
    return file;
  }

  #read(name: string): string | null {
    const file = this.#keptFile(name);
    const bytes = file.read();
    this.#checkpointsUnread ||= file.unread;
    return bytes?.toString('utf8') ?? null;
  }

  #readText(name: string): string | null {
    const path = join(this.path, name);
    try {
      return this.env.exists(path) ? this.env.readFile(path).toString('utf8') : null;
    } catch (error) {
      this.#logger.warn('file not read', { path, reason: String(error) });
      return null;
    }
  }
}

/** With its missing parents; each is there after a crash before anything in it is acknowledged. */
function makeDir(env: Env, path: string): void {
  const made: string[] = [];
  for (let at = path; !env.exists(at); at = dirname(at)) made.push(at);
  env.mkdir(path);
  for (const dir of made) env.syncDirSync(dirname(dir));
}

function without(offsets: OffsetCheckpoint, name: string): OffsetCheckpoint {
  const rest = new Map(offsets);
  rest.delete(name);
  return rest;
}

/**
 * An Env that writes until the disk fails, and never after (R3): the one place that sees every write of
 * a log directory, and so the one that can say "offline" for all of it.
 *
 *     write, sync, rename, ... fails with EIO or EROFS   the guard is told, once for each such call
 *     any write once the guard has failed                LOG_DIR_OFFLINE, and nothing is done
 *     reads                                              go on, and their errors are nobody's but theirs
 *
 * No space, no descriptors, a file that is missing: those pass, and are their callers' business. After
 * the write that failed its file may still be cut back to what it was, once.
 */

import { MillraceError } from '../base/errors.js';
import {
  type Env,
  type EnvFile,
  type OpenMode,
  writeFileAtomic,
  writeFileAtomicSync,
} from './env.js';
import { IoError } from './io-error.js';
import type { Overwritten } from './sync-together.js';

export interface EnvGuard {
  /** Why nothing is written any more; null while all is well. */
  readonly failure: Error | null;
  /** What is on the disk is in doubt. Does not throw. */
  fail(error: IoError): void;
}

/** Refusal of a write to a log directory that is offline. */
export function offlineError(what: string, cause: unknown): MillraceError {
  const message = `${what}: the log directory is offline`;
  return new MillraceError(message, { code: 'LOG_DIR_OFFLINE', cause });
}

export function isOfflineError(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'LOG_DIR_OFFLINE';
}

export function guardEnv(inner: Env, guard: EnvGuard): Env {
  const write = <T>(path: string, call: () => T): T => {
    if (guard.failure !== null) throw offlineError(path, guard.failure);
    try {
      return call();
    } catch (error) {
      if (isDiskFailure(error)) guard.fail(error);
      throw error;
    }
  };
  const sync = async (path: string, call: () => Promise<void>): Promise<void> => {
    if (guard.failure !== null) throw offlineError(path, guard.failure);
    try {
      await call();
    } catch (error) {
      if (isDiskFailure(error)) guard.fail(error);
      throw error;
    }
  };
  const open = (path: string, mode: OpenMode): EnvFile =>
    mode === 'read' ? inner.open(path, mode) : write(path, () => inner.open(path, mode));
  const env: Env = {
    ...inner,
    open: (path, mode) => new GuardedFile(open(path, mode), guard, write, sync),
    mkdir: (path) => write(path, () => inner.mkdir(path)),
    rename: (from, to) => write(from, () => inner.rename(from, to)),
    unlink: (path) => write(path, () => inner.unlink(path)),
    rmdir: (path) => write(path, () => inner.rmdir(path)),
    syncDir: (path) => sync(path, () => inner.syncDir(path)),
    syncDirSync: (path) => write(path, () => inner.syncDirSync(path)),
    writeFileAtomic: (path, bytes) => writeFileAtomic(env, path, bytes),
    writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(env, path, bytes),
  };
  return env;
}

/** What the disk says when it is at an end: an error of its own, or a file system made read-only by one. */
function isDiskFailure(error: unknown): error is IoError {
  return error instanceof IoError && (error.code === 'IO_ERROR' || error.errno === 'EROFS');
}

class GuardedFile implements EnvFile {
  readonly fd: number;
  readonly path: string;
  readonly preadLater?: NonNullable<EnvFile['preadLater']>;
  readonly walkBatches?: NonNullable<EnvFile['walkBatches']>;
  readonly checksumBlocks?: NonNullable<EnvFile['checksumBlocks']>;
  readonly #file: EnvFile;
  readonly #guard: EnvGuard;
  readonly #write: <T>(path: string, call: () => T) => T;
  readonly #sync: (path: string, call: () => Promise<void>) => Promise<void>;
  /** A write of this file failed and was not undone yet. */
  #undo = false;

  constructor(
    file: EnvFile,
    guard: EnvGuard,
    write: <T>(path: string, call: () => T) => T,
    sync: (path: string, call: () => Promise<void>) => Promise<void>,
  ) {
    this.fd = file.fd;
    this.path = file.path;
    this.#file = file;
    this.#guard = guard;
    this.#write = write;
    this.#sync = sync;
    // Reads that a file may be without.
    const { preadLater, walkBatches, checksumBlocks } = file;
    if (preadLater !== undefined) this.preadLater = preadLater.bind(file);
    if (walkBatches !== undefined) this.walkBatches = walkBatches.bind(file);
    if (checksumBlocks !== undefined) this.checksumBlocks = checksumBlocks.bind(file);
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    return this.#file.pread(target, targetOffset, length, position);
  }

  size(): number {
    return this.#file.size();
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    const online = this.#guard.failure === null;
    try {
      this.#write(this.path, () => this.#file.pwritev(buffers, position));
    } catch (error) {
      this.#undo = online;
      throw error;
    }
  }

  truncate(size: number): void {
    if (this.#undo) {
      this.#undo = false;
      this.#file.truncate(size);
      return;
    }
    this.#write(this.path, () => this.#file.truncate(size));
  }

  allocate(position: number, length: number): boolean {
    return this.#guard.failure === null && this.#file.allocate(position, length);
  }

  datasync(overwritten?: Overwritten): Promise<void> {
    return this.#sync(this.path, () => this.#file.datasync(overwritten));
  }

  datasyncSync(): void {
    this.#write(this.path, () => this.#file.datasyncSync());
  }

  close(): void {
    this.#file.close();
  }
}

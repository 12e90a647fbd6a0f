/**
 * Env: every file operation of the engine, behind one interface. `systemEnv` is the
 * operating system; a test passes one that fails at its n-th call or loses what was not synced.
 * Nothing else in the engine touches node:fs, and nothing keeps file state outside an Env.
 *
 * What is on the append or fetch path is synchronous (a page cache copy costs less than a hop to a
 * thread); what waits for a disk has a promise. Every failure is thrown as an IoError with a code.
 * An EnvFile may be used from several places of one thread; calls on it are not ordered against an
 * fsync under way, which covers at least what was written before it was called.
 */

import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import { native } from '../native/binding.js';
import { type DirLock, lockDir } from './dir-lock.js';
import { ioErrorFrom, ioErrorFromResult } from './io-error.js';
import { type Overwritten, type SyncGroup, syncGroupOf } from './sync-together.js';

/**
 * - `read`: must exist, read only
 * - `update`: must exist, read and write
 * - `create`: read and write, created if absent
 * - `create-new`: read and write, ALREADY_EXISTS if present
 */
export type OpenMode = 'read' | 'update' | 'create' | 'create-new';

export interface FileStat {
  readonly size: number;
  readonly modifiedMs: number;
  /** Of files that are there at one time no two have the same. */
  readonly inode: number;
  readonly directory: boolean;
}

export interface EnvFile {
  /** Descriptor for sendfile; valid until `close`. */
  readonly fd: number;
  /** Where it was opened; a later rename does not change it. For messages. */
  readonly path: string;
  /**
   * Reads up to `length` bytes at `position` into `target`; answers how many were there, fewer than
   * `length` only at the end of the file.
   */
  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number;
  // The next three are in the thread pool, and reject with CLOSED after `close`.
  /** As pread; not there: pread. `target` is the call's until it settles. */
  preadLater?(
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<number>;
  /** Native.walkFile; not there: read and walk. */
  walkBatches?(position: number, end: number, limit: number): Promise<number>;
  /** Native.checksumBlocks: fewer CRCs than blocks if the file is shorter. Not there: read and sum. */
  checksumBlocks?(position: number, length: number, blockSize: number): Promise<Uint32Array>;
  /**
   * Writes all of `buffers`, in order, at `position`. Short writes are continued; if that fails the
   * error is thrown and some of the bytes may be in the file: the caller truncates back.
   */
  pwritev(buffers: readonly Uint8Array[], position: number): void;
  truncate(size: number): void;
  size(): number;
  /**
   * Reserves blocks for [position, position + length) without changing the visible size. False if
   * the file system or platform cannot: an optimisation, never an error.
   */
  allocate(position: number, length: number): boolean;
  /**
   * fdatasync in the thread pool. An error means that the file's bytes are in doubt for good. With
   * `overwritten`: nothing else changed since an earlier sync, so the file may share one with others.
   */
  datasync(overwritten?: Overwritten): Promise<void>;
  datasyncSync(): void;
  /** Idempotent. A sync under way keeps the descriptor until it is done. */
  close(): void;
}

export interface Env {
  open(path: string, mode: OpenMode): EnvFile;
  /** Creates `path` and its missing parents; no error if it is there. */
  mkdir(path: string): void;
  /** Names in no particular order, without '.' and '..'. */
  readdir(path: string): string[];
  rename(from: string, to: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  /** Null if nothing is there. */
  stat(path: string): FileStat | null;
  exists(path: string): boolean;
  /** Makes creations, renames and deletions in the directory durable. */
  syncDir(path: string): Promise<void>;
  syncDirSync(path: string): void;
  /** The whole of a small file. */
  readFile(path: string): Buffer;
  /**
   * Replaces `path`: writes a temporary file beside it (`.tmp`), syncs it, renames it, syncs the
   * directory. After a crash inside it the old or the new content is there, never a mixture.
   */
  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void>;
  writeFileAtomicSync(path: string, bytes: Uint8Array): void;
  /** Takes the directory for this process, or throws DirLockedError (code DIRECTORY_LOCKED). */
  lockDir(path: string): DirLock;
}

/** Node's file system, with the addon where that is better. Stateless. */
export const systemEnv: Env = {
  open: (path, mode) => new SystemFile(path, openFlags(mode)),
  mkdir: (path) => run('mkdir', path, () => void fs.mkdirSync(path, { recursive: true })),
  readdir: (path) => run('readdir', path, () => fs.readdirSync(path)),
  rename: (from, to) => run('rename', from, () => fs.renameSync(from, to)),
  unlink: (path) => run('unlink', path, () => unlinkFile(path)),
  rmdir: (path) => run('rmdir', path, () => fs.rmdirSync(path)),
  stat(path) {
    const stat = run('stat', path, () => fs.statSync(path, { throwIfNoEntry: false }));
    if (stat === undefined) return null;
    const { size, mtimeMs: modifiedMs, ino: inode } = stat;
    return { size, modifiedMs, inode, directory: stat.isDirectory() };
  },
  exists: (path) => systemEnv.stat(path) !== null,
  async syncDir(path) {
    if (!directoriesSync) return;
    try {
      const handle = await fs.promises.open(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw ioErrorFrom('fsync', path, error);
    }
  },
  syncDirSync(path) {
    if (!directoriesSync) return;
    if (native !== null) {
      const result = native.fsyncDir(path);
      if (result < 0) throw ioErrorFromResult('fsync', path, result);
      return;
    }
    run('fsync', path, () => {
      const fd = fs.openSync(path, 'r');
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  },
  readFile: (path) => run('read', path, () => fs.readFileSync(path)),
  writeFileAtomic: (path, bytes) => writeFileAtomic(systemEnv, path, bytes),
  writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(systemEnv, path, bytes),
  lockDir,
};

/** What an atomic replacement is made of; other Envs build theirs on it too. */
type AtomicSteps = Pick<Env, 'open' | 'rename' | 'syncDir' | 'syncDirSync'>;

/** See Env.writeFileAtomic. Not for two callers of one path at a time. */
export async function writeFileAtomic(
  env: AtomicSteps,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = writeTemporary(env, path, bytes);
  try {
    await file.datasync();
  } finally {
    file.close();
  }
  env.rename(`${path}.tmp`, path);
  await env.syncDir(dirname(path));
}

/** See Env.writeFileAtomicSync. */
export function writeFileAtomicSync(env: AtomicSteps, path: string, bytes: Uint8Array): void {
  const file = writeTemporary(env, path, bytes);
  try {
    file.datasyncSync();
  } finally {
    file.close();
  }
  env.rename(`${path}.tmp`, path);
  env.syncDirSync(dirname(path));
}

/** A `.tmp` left by a crash is overwritten. */
function writeTemporary(env: AtomicSteps, path: string, bytes: Uint8Array): EnvFile {
  const file = env.open(`${path}.tmp`, 'create');
  try {
    file.truncate(0);
    file.pwritev([bytes], 0);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** Windows has no way to sync a directory. */
const directoriesSync = process.platform !== 'win32';

function openFlags(mode: OpenMode): number {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  if (mode === 'read') return O_RDONLY;
  if (mode === 'update') return O_RDWR;
  return mode === 'create' ? O_RDWR | O_CREAT : O_RDWR | O_CREAT | O_EXCL;
}

/**
 * Without its time of access where that can be had (Linux, own files): keeping it is a hundredth of what
 * sendfile(2) costs.
 */
function openFile(path: string, flags: number): number {
  const { O_NOATIME } = fs.constants;
  if (O_NOATIME !== undefined) {
    try {
      return fs.openSync(path, flags | O_NOATIME, 0o644);
    } catch (error) {
      // Of another owner.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
  }
  return fs.openSync(path, flags, 0o644);
}

/**
 * With a file go its blocks, which the file system may have the disk discard (a millisecond), and its page
 * cache (20 ms for 100 MiB). That is spent in the pool: the file goes with its last descriptor, not its name.
 */
function unlinkFile(path: string): void {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  const fd = stat?.isFile() && stat.size > 0 ? openToHold(path) : null;
  try {
    fs.unlinkSync(path);
  } finally {
    if (fd !== null && heldFds.push(fd) === 1) closeHeld(fd);
  }
}

/** One after the other: a topic that goes must not have all threads of the pool, and all cores. */
const heldFds: number[] = [];
let onHeldClosed: (() => void)[] = [];

function closeHeld(fd: number): void {
  fs.close(fd, () => {
    heldFds.shift();
    const [next] = heldFds;
    if (next !== undefined) {
      closeHeld(next);
      return;
    }
    const callbacks = onHeldClosed;
    onHeldClosed = [];
    for (const callback of callbacks) callback();
  });
}

/** Settles when no file that was unlinked in this thread has a descriptor any more. */
export function unlinkedFilesGone(): Promise<void> {
  if (heldFds.length === 0) return Promise.resolve();
  return new Promise((resolve) => onHeldClosed.push(resolve));
}

/** Null: no descriptor to be had, and none is needed. */
function openToHold(path: string): number | null {
  try {
    return fs.openSync(path, fs.constants.O_RDONLY);
  } catch {
    return null;
  }
}

function run<T>(syscall: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw ioErrorFrom(syscall, path, error);
  }
}

/** A call of the addon in the thread pool, which owns its descriptor. Rejects with an IoError. */
function poolCall(
  syscall: string,
  path: string,
  call: (done: (result: number) => void) => number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const done = (result: number): void => {
      if (result < 0) reject(ioErrorFromResult(syscall, path, result));
      else resolve(result);
    };
    const queued = call(done);
    if (queued < 0) done(queued);
  });
}

class SystemFile implements EnvFile {
  readonly fd: number;
  readonly path: string;
  readonly walkBatches?: NonNullable<EnvFile['walkBatches']>;
  readonly checksumBlocks?: NonNullable<EnvFile['checksumBlocks']>;
  #open = true;
  /** Calls in the pool that use our descriptor: it must not be closed, its number reused. */
  #poolCount = 0;
  /** Not asked yet: undefined. */
  #syncGroup: SyncGroup | null | undefined;

  constructor(path: string, flags: number) {
    this.path = path;
    this.fd = run('open', path, () => openFile(path, flags));
    if (native === null) return;
    this.walkBatches = (position, end, limit) => this.#walkNative(position, end, limit);
    this.checksumBlocks = (position, length, block) =>
      this.#checksumNative(position, length, block);
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    assert(this.#open, 'pread of a closed file');
    let done = 0;
    try {
      while (done < length) {
        const { fd } = this;
        const count = fs.readSync(fd, target, targetOffset + done, length - done, position + done);
        if (count === 0) break;
        done += count;
      }
    } catch (error) {
      throw ioErrorFrom('pread', this.path, error);
    }
    return done;
  }

  async preadLater(
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<number> {
    let done = 0;
    while (done < length) {
      const count = await this.#readOnce(
        target,
        targetOffset + done,
        length - done,
        position + done,
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  #readOnce(target: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    if (!this.#open) return Promise.reject(this.#closed());
    this.#poolCount++;
    return new Promise((resolve, reject) => {
      fs.read(this.fd, target, offset, length, position, (error, count) => {
        this.#poolDone();
        if (error === null) resolve(count);
        else reject(ioErrorFrom('pread', this.path, error));
      });
    });
  }

  #walkNative(position: number, end: number, limit: number): Promise<number> {
    assert(native !== null, 'the addon is loaded');
    const { fd, path } = this;
    if (!this.#open) return Promise.reject(this.#closed());
    const walk = native.walkFile;
    return poolCall('pread', path, (done) => walk(fd, position, end, limit, done));
  }

  async #checksumNative(position: number, length: number, block: number): Promise<Uint32Array> {
    assert(native !== null, 'the addon is loaded');
    const { fd, path } = this;
    if (!this.#open) throw this.#closed();
    const sum = native.checksumBlocks;
    let found: Uint32Array = new Uint32Array(0);
    await poolCall('pread', path, (done) =>
      sum(fd, position, length, block, (result, crcs) => {
        found = crcs;
        done(result);
      }),
    );
    return found;
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    assert(this.#open, 'pwritev to a closed file');
    const [first] = buffers;
    if (buffers.length === 1 && first !== undefined) this.#write(first, position);
    else if (native !== null) this.#writeNative(buffers, position);
    else this.#writeVector(buffers, position);
  }

  /** One buffer: node:fs is as fast as the addon. A short count is followed by its error. */
  #write(bytes: Uint8Array, position: number): void {
    let done = 0;
    try {
      while (done < bytes.length) {
        const count = fs.writeSync(this.fd, bytes, done, bytes.length - done, position + done);
        if (count === 0) throw Object.assign(new Error('no progress'), { code: 'EIO' });
        done += count;
      }
    } catch (error) {
      throw ioErrorFrom('pwrite', this.path, error);
    }
  }

  #writeNative(buffers: readonly Uint8Array[], position: number): void {
    assert(native !== null, 'the addon is loaded');
    let size = 0;
    for (const bytes of buffers) size += bytes.length;
    let done = 0;
    while (done < size) {
      const result = native.pwritev(this.fd, buffers, position + done, done);
      if (result < 0) throw ioErrorFromResult('pwritev', this.path, result);
      if (result === 0) throw ioErrorFromResult('pwritev', this.path, -native.constants.EIO);
      done += result;
    }
  }

  #writeVector(buffers: readonly Uint8Array[], position: number): void {
    let rest = buffers.filter((bytes) => bytes.length > 0);
    let at = position;
    while (rest.length > 0) {
      let count = run('pwritev', this.path, () => fs.writevSync(this.fd, rest, at));
      if (count === 0) {
        throw ioErrorFrom('pwritev', this.path, Object.assign(new Error(), { code: 'EIO' }));
      }
      at += count;
      let whole = 0;
      while (whole < rest.length && count >= (rest[whole] as Uint8Array).length) {
        count -= (rest[whole] as Uint8Array).length;
        whole++;
      }
      rest = rest.slice(whole);
      if (count > 0) rest[0] = (rest[0] as Uint8Array).subarray(count);
    }
  }

  truncate(size: number): void {
    assert(this.#open, 'truncate of a closed file');
    run('ftruncate', this.path, () => fs.ftruncateSync(this.fd, size));
  }

  size(): number {
    assert(this.#open, 'size of a closed file');
    return run('fstat', this.path, () => fs.fstatSync(this.fd).size);
  }

  allocate(position: number, length: number): boolean {
    assert(this.#open, 'allocate in a closed file');
    if (native === null || native.constants.FALLOC_FL_KEEP_SIZE === undefined) return false;
    const { FALLOC_FL_KEEP_SIZE } = native.constants;
    return native.fallocate(this.fd, FALLOC_FL_KEEP_SIZE, position, length) >= 0;
  }

  datasync(overwritten?: Overwritten): Promise<void> {
    assert(this.#open, 'sync of a closed file');
    return new Promise((resolve, reject) => {
      this.#poolCount++;
      const done = (error: Error | null): void => {
        this.#poolDone();
        if (error === null) resolve();
        else reject(error);
      };
      if (native === null) {
        fs.fdatasync(this.fd, (error) => {
          done(error === null ? null : ioErrorFrom('fdatasync', this.path, error));
        });
        return;
      }
      const answer = (result: number): void => {
        done(result < 0 ? ioErrorFromResult('fdatasync', this.path, result) : null);
      };
      if (overwritten !== undefined) {
        if (this.#syncGroup === undefined) this.#syncGroup = syncGroupOf(this.fd);
        if (this.#syncGroup !== null) {
          this.#syncGroup.add({ fd: this.fd, ...overwritten, done: answer });
          return;
        }
      }
      const queued = native.fdatasync(this.fd, answer);
      if (queued < 0) answer(queued);
    });
  }

  datasyncSync(): void {
    assert(this.#open, 'sync of a closed file');
    run('fdatasync', this.path, () => fs.fdatasyncSync(this.fd));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#poolCount === 0) this.#close();
  }

  #closed(): MillraceError {
    return new MillraceError(`${this.path} was closed`, { code: 'CLOSED' });
  }

  #poolDone(): void {
    this.#poolCount--;
    if (!this.#open && this.#poolCount === 0) this.#close();
  }

  #close(): void {
    run('close', this.path, () => fs.closeSync(this.fd));
  }
}

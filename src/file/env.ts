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

import type { DirLock } from './dir-lock.js';

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
  /** fdatasync in the thread pool. An error means that the file's bytes are in doubt for good. */
  datasync(): Promise<void>;
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

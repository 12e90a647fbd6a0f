/**
 * LogFile: a file that only grows at its end and is cut there. It owns the size (what is beyond it
 * in the file does not count), the blocks reserved ahead, and what a failed write means:
 *
 *     NO_SPACE, also after a short count   cut back to the last good end; appends may go on later
 *     any other error of a write           cut back, and poisoned
 *     the cut fails                        poisoned
 *     an error of fdatasync                poisoned: the page cache and the disk may differ for ever
 *
 * Poisoned: no append and no sync succeeds again until the file is opened anew and verified (R3).
 * Reads go on. Blocks are reserved with fallocate(KEEP_SIZE), so the visible size never lies and a
 * crash leaves at worst blocks that the next trim gives back.
 */

import { assert } from '../base/assert.js';
import type { FileSlice } from '../base/chunk.js';
import { MillraceError } from '../base/errors.js';
import type { Env, EnvFile, OpenMode } from './env.js';
import { SharedFile } from './file-slice.js';

/** Largest step in which blocks are reserved. */
const RESERVE_STEP = 16 * 1024 * 1024;
/** A smaller file reserves nothing: a thousand idle partitions must not hold 16 GiB. */
const RESERVE_FROM = 1024 * 1024;

export class LogFile {
  readonly path: string;
  #shared: SharedFile;
  #size: number;
  #reservedEnd: number;
  #reserveMax = 0;
  #poison: MillraceError | null = null;
  #open = true;
  #syncing: Promise<void> | null = null;
  #nextSync: Promise<void> | null = null;

  private constructor(file: EnvFile, size: number) {
    this.path = file.path;
    this.#shared = new SharedFile(file);
    this.#size = size;
    this.#reservedEnd = size;
  }

  static open(env: Env, path: string, mode: OpenMode): LogFile {
    const file = env.open(path, mode);
    try {
      return new LogFile(file, file.size());
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** For reads; the bytes below `size` are there. */
  get file(): EnvFile {
    return this.#shared.file;
  }

  /** In bytes: position of the next append. */
  get size(): number {
    return this.#size;
  }

  /** A sync is under way. */
  get syncing(): boolean {
    return this.#syncing !== null;
  }

  /** Why nothing can be appended any more, or null. */
  get poison(): MillraceError | null {
    return this.#poison;
  }

  /** Reserves blocks ahead of the end, up to `size` bytes in all; 0 (the default) for none. */
  reserveUpTo(size: number): void {
    this.#reserveMax = size;
  }

  /** Appends all of `buffers`, `size` bytes together, by one write; else throws and appends nothing. */
  append(buffers: readonly Uint8Array[], size: number): void {
    assert(this.#open, 'append to a closed file');
    if (this.#poison !== null) throw this.#poisoned();
    this.#reserve(this.#size + size);
    try {
      this.#shared.file.pwritev(buffers, this.#size);
    } catch (error) {
      this.#undoWrite(error);
      throw error;
    }
    this.#size += size;
  }

  /** Cuts the tail off. Slices of what is cut fall short. Not synced. */
  truncate(size: number): void {
    assert(this.#open && size >= 0 && size <= this.#size, 'truncate within the file');
    this.#shared.file.truncate(size);
    this.#size = size;
    this.#reservedEnd = size;
  }

  /** Gives back the blocks reserved beyond the end; if that fails they stay until the file goes. */
  trim(): void {
    if (this.#reservedEnd === this.#size) return;
    try {
      this.truncate(this.#size);
    } catch {
      // The size is what it was: only blocks are lost, and an error that matters comes again.
    }
  }

  /**
   * Makes what was appended before the call durable. One sync runs at a time: callers during it share
   * the next one, which covers them all.
   */
  datasync(): Promise<void> {
    if (this.#syncing === null) return this.#startSync();
    if (this.#nextSync === null) {
      const next = (): Promise<void> => {
        this.#nextSync = null;
        return this.#startSync();
      };
      this.#nextSync = this.#syncing.then(next, next);
    }
    return this.#nextSync;
  }

  #startSync(): Promise<void> {
    const syncing = this.#sync().finally(() => {
      if (this.#syncing === syncing) this.#syncing = null;
    });
    this.#syncing = syncing;
    return syncing;
  }

  async #sync(): Promise<void> {
    if (!this.#open) throw new MillraceError(`${this.path} was closed`, { code: 'CLOSED' });
    if (this.#poison !== null) throw this.#poisoned();
    try {
      await this.#shared.file.datasync();
    } catch (error) {
      this.#poison ??= poisonFrom(error);
      throw error;
    }
    // A write that failed meanwhile leaves the file in doubt: no ack on the strength of this sync.
    if (this.#poison !== null) throw this.#poisoned();
  }

  datasyncSync(): void {
    if (this.#poison !== null) throw this.#poisoned();
    try {
      this.#shared.file.datasyncSync();
    } catch (error) {
      this.#poison ??= poisonFrom(error);
      throw error;
    }
  }

  /** A slice of what is there now; the caller is its one holder. */
  slice(position: number, length: number): FileSlice {
    assert(position + length <= this.#size, 'slice within the file');
    return this.#shared.slice(position, length);
  }

  /** The descriptor lives on as long as slices do. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#shared.release();
  }

  /** Settles when it is closed and no slice of it is held. */
  idle(): Promise<void> {
    return this.#shared.idle();
  }

  #reserve(end: number): void {
    if (end <= this.#reservedEnd || this.#reserveMax === 0 || end < RESERVE_FROM) return;
    const target = Math.min(this.#reserveMax, end + Math.min(RESERVE_STEP, end));
    if (target <= end) return;
    if (this.#shared.file.allocate(this.#size, target - this.#size)) this.#reservedEnd = target;
    else this.#reserveMax = 0;
  }

  #undoWrite(cause: unknown): void {
    const noSpace = cause instanceof MillraceError && cause.code === 'NO_SPACE';
    try {
      this.#shared.file.truncate(this.#size);
      this.#reservedEnd = this.#size;
    } catch (error) {
      this.#poison = poisonFrom(error);
      return;
    }
    if (!noSpace) this.#poison = poisonFrom(cause);
  }

  #poisoned(): MillraceError {
    return new MillraceError(`${this.path}: no more writes after an earlier error`, {
      code: 'IO_ERROR',
      cause: this.#poison,
    });
  }
}

function poisonFrom(cause: unknown): MillraceError {
  return new MillraceError('the bytes on the disk are in doubt', { code: 'IO_ERROR', cause });
}

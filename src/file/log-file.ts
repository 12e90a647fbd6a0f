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
 * Reads go on.
 *
 * Two things may lie beyond the end, and a trim gives both back:
 *
 *     | appended          | zeros            | reserved blocks        |
 *     0                   size               size of the file
 *
 * Blocks are reserved with fallocate(KEEP_SIZE), which changes no size. Zeros are written ahead of small
 * appends that are synced one by one: the next ones overwrite them, and a sync that has no size and no
 * block to record is one write of the disk instead of three (docs/adr/0005). After a crash, zeros behind
 * the last batch are cut like a torn tail that never began. What overwrites zeros that were synced, and
 * nothing else since, may share its sync with other files (docs/adr/0007).
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
/** Nor does one that will not get larger than this. */
const RESERVE_MAX_MIN = 64 * 1024 * 1024;

/** Most zeros written ahead; a smaller file gets as many as it has bytes, a page at least. */
const ZEROS_STEP = 256 * 1024;
const PAGE_SIZE = 4096;
/** More bytes than this between two syncs are not small: zeros would only double what is written. */
const SMALL_SIZE = 32 * 1024;
/** So many small syncs in a row before zeros are written. */
const SMALL_SYNCS_MIN = 2;
/** After a full disk, zeros are tried again when so many syncs were made. */
const SYNCS_UNTIL_RETRY = 1000;
const ZEROS = new Uint8Array(ZEROS_STEP + SMALL_SIZE + PAGE_SIZE);

export class LogFile {
  readonly path: string;
  #shared: SharedFile;
  #size: number;
  #reservedEnd: number;
  #reserveMax = 0;
  /** What is in the file from `#size` up to here is zeros. */
  #zerosEnd: number;
  #zerosMax = 0;
  /** Appended since the last sync began. */
  #unsyncedSize = 0;
  /** Up to here the disk has the file's blocks and its size, zeros or not; -1: nobody knows. */
  #settledEnd = -1;
  /** Counts cuts: a sync that began before one says nothing of the file's size. */
  #cutsCount = 0;
  /** Syncs in a row with little to sync; below 0: not to be counted yet. */
  #smallSyncsCount = 0;
  #poison: MillraceError | null = null;
  #open = true;
  #syncing: Promise<void> | null = null;
  #nextSync: Promise<void> | null = null;

  private constructor(file: EnvFile, size: number) {
    this.path = file.path;
    this.#shared = new SharedFile(file);
    this.#size = size;
    this.#reservedEnd = size;
    this.#zerosEnd = size;
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
    this.#reserveMax = size >= RESERVE_MAX_MIN ? size : 0;
  }

  /**
   * Writes zeros ahead of small synced appends, up to `size` bytes in all; 0 (the default): none, and
   * those that are there are given back.
   */
  writeZerosUpTo(size: number): void {
    this.#zerosMax = size;
    if (size === 0 && this.#zerosEnd > this.#size) this.trim();
  }

  /** Appends all of `buffers`, `size` bytes together, by one write; else throws and appends nothing. */
  append(buffers: readonly Uint8Array[], size: number): void {
    assert(this.#open, 'append to a closed file');
    if (this.#poison !== null) throw this.#poisoned();
    const end = this.#size + size;
    this.#reserve(end);
    if (end > this.#zerosEnd) this.#maybeWriteZeros(end);
    try {
      this.#shared.file.pwritev(buffers, this.#size);
    } catch (error) {
      this.#undoWrite(error);
      throw error;
    }
    this.#size = end;
    this.#unsyncedSize += size;
    if (end > this.#zerosEnd) this.#zerosEnd = end;
  }

  /** Bytes of it are on their way. */
  get hasSlices(): boolean {
    return this.#shared.hasSlices;
  }

  /** The file was cut at `position` by way of another LogFile: slices of this one fall short too. */
  noteCut(position: number): void {
    this.#shared.cut(position);
    this.#unsettle();
  }

  /** Cuts the tail off. Slices of what is cut fall short. Not synced. */
  truncate(size: number): void {
    assert(this.#open && size >= 0 && size <= this.#size, 'truncate within the file');
    this.#shared.cut(size);
    this.#cut(size);
    this.#size = size;
  }

  /**
   * Gives back what is beyond the end. True: zeros were, so the file has another size, which a sync
   * makes durable. Blocks that cannot be given back stay until the file goes; zeros that cannot be cut
   * throw, and poison.
   */
  trim(): boolean {
    const hadZeros = this.#zerosEnd > this.#size;
    if (!hadZeros && this.#reservedEnd <= this.#size) return false;
    try {
      this.#cut(this.#size);
    } catch (error) {
      // Of mere blocks only space is lost, and an error that matters comes again.
      if (!hadZeros) return false;
      this.#poison ??= poisonFrom(error);
      throw error;
    }
    return hadZeros;
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
    const length = this.#unsyncedSize;
    const zerosEnd = this.#zerosEnd;
    const cutsCount = this.#cutsCount;
    const isOverwritten = length > 0 && this.#size <= this.#settledEnd;
    const position = this.#size - length;
    this.#noteSync();
    try {
      await this.#shared.file.datasync(isOverwritten ? { position, length } : undefined);
      if (!isOverwritten && cutsCount === this.#cutsCount) this.#settledEnd = zerosEnd;
    } catch (error) {
      this.#poison ??= poisonFrom(error);
      throw error;
    }
    // A write that failed meanwhile leaves the file in doubt: no ack on the strength of this sync.
    if (this.#poison !== null) throw this.#poisoned();
  }

  datasyncSync(): void {
    if (this.#poison !== null) throw this.#poisoned();
    this.#noteSync();
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

  #noteSync(): void {
    if (this.#unsyncedSize === 0) return;
    if (this.#unsyncedSize <= SMALL_SIZE) this.#smallSyncsCount++;
    else this.#smallSyncsCount = Math.min(this.#smallSyncsCount, 0);
    this.#unsyncedSize = 0;
  }

  /** Before an append that ends at `end`, beyond the zeros. Throws if the disk fails, not if it is full. */
  #maybeWriteZeros(end: number): void {
    const isSmall = this.#unsyncedSize + end - this.#size <= SMALL_SIZE;
    if (!isSmall || this.#smallSyncsCount < SMALL_SYNCS_MIN) return;
    const step = Math.max(PAGE_SIZE, Math.min(end, ZEROS_STEP));
    const target = Math.min(this.#zerosMax, Math.ceil((end + step) / PAGE_SIZE) * PAGE_SIZE);
    if (target <= end) return;
    const from = this.#zerosEnd;
    try {
      this.#shared.file.pwritev([ZEROS.subarray(0, target - from)], from);
      this.#zerosEnd = target;
    } catch (error) {
      this.#undoWrite(error);
      if (this.#poison !== null) throw error;
      this.#smallSyncsCount = -SYNCS_UNTIL_RETRY;
    }
  }

  #unsettle(): void {
    this.#cutsCount++;
    this.#settledEnd = -1;
  }

  /** Nothing is in the file beyond `size`. */
  #cut(size: number): void {
    this.#unsettle();
    this.#shared.file.truncate(size);
    this.#reservedEnd = size;
    this.#zerosEnd = size;
  }

  #undoWrite(cause: unknown): void {
    const noSpace = cause instanceof MillraceError && cause.code === 'NO_SPACE';
    try {
      this.#cut(this.#size);
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

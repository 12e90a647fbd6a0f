/**
 * A small file in Kafka's format, which has no checksum, and beside it a copy that has one (R5):
 *
 *     leader-epoch-checkpoint          as Kafka reads it
 *     leader-epoch-checkpoint.copy     what it said when it was written here
 *
 *         at  size  field of the copy, big-endian
 *          0     4  magic "MRCP"
 *          4     4  version (1)
 *          8     8  inode of the file, a double
 *         16     8  modification time of the file in ms, a double
 *         24     n  the bytes of the file
 *          +     4  CRC-32C of everything before
 *
 * Inode and time tell who wrote the file last: a file is replaced, never written to, so whoever replaced
 * it, Kafka or a person, left another inode.
 *
 *     copy      file                                       what is read
 *     not good  any                                        the file
 *     good      the one that the copy is of, same bytes    the file
 *     good      the one that the copy is of, other bytes   the copy: the file rotted
 *     good      gone, or cannot be read                    the copy
 *     good      another                                    the file: it is newer, or a crash undid a newer one
 *
 * The copy is written behind the file and never synced: after a crash it is torn, and then no copy, or of
 * another file. `settle` writes what is wrong of the two anew. Kafka's loaders and tools look at the names
 * that they know, and leave the copy alone.
 */

import type { Logger } from '../base/logger.js';
import type { Env } from '../file/env.js';
import { isOfflineError } from '../file/guarded-env.js';
import { replaceFile } from '../file/replace-file.js';
import { writeInt32 } from '../record/batch-patch.js';
import { readInt32 } from '../record/batch-view.js';
import { crc32c } from '../record/checksum.js';

export const COPY_SUFFIX = '.copy';
const MAGIC = 0x4d524350;
const VERSION = 1;
const HEAD_SIZE = 24;
const TAIL_SIZE = 4;

export interface KeptFileOptions {
  readonly env: Env;
  readonly logger: Logger;
  readonly path: string;
}

/** Which file it is, as far as the file system tells. */
interface FileIdentity {
  readonly inode: number;
  readonly modifiedMs: number;
}

interface KeptCopy extends FileIdentity {
  readonly bytes: Buffer;
}

export class KeptFile {
  readonly #env: Env;
  readonly #logger: Logger;
  readonly #path: string;
  /** What `read` found to be done. */
  #due: { readonly heal: Buffer | null } | null = null;
  #unread = false;
  #verified = false;

  constructor({ env, logger, path }: KeptFileOptions) {
    this.#env = env;
    this.#logger = logger;
    this.#path = path;
  }

  /** The file is there, or was, and could not be read when `read` was called. */
  get unread(): boolean {
    return this.#unread;
  }

  /** What was read is what was written here last, for sure. */
  get verified(): boolean {
    return this.#verified;
  }

  /** What the file says, or said when it was written; null: neither can be known. Writes nothing. */
  read(): Buffer | null {
    const copy = this.#readCopy();
    const file = this.#readFile();
    this.#verified = copy !== null && file?.equals(copy.bytes) === true;
    this.#due = null;
    const isOther = copy === null || !isSame(copy, this.#identity());
    if (file !== null && (isOther || this.#verified)) {
      // Never kept, or kept as another one, or its copy is damaged.
      if (isOther) this.#due = { heal: null };
      return file;
    }
    if (copy === null) return null;
    this.#verified = true;
    this.#unread = false;
    this.#due = { heal: copy.bytes };
    const fields = { path: this.#path, found: file === null ? 'nothing' : 'other bytes' };
    this.#logger.warn('a file is damaged: its copy is taken, and it is written anew', fields);
    return copy.bytes;
  }

  /** Writes what `read` found damaged, stale or missing. What cannot be written is reported. */
  settle(): void {
    const due = this.#due;
    if (due === null) return;
    this.#due = null;
    try {
      if (due.heal !== null) this.#env.writeFileAtomicSync(this.#path, due.heal);
      const bytes = due.heal ?? this.#env.readFile(this.#path);
      this.#writeCopy(bytes);
    } catch (error) {
      this.#notWritten(error);
    }
  }

  /** Replaces the file, durably, then its copy. Rejects with an I/O error of the file. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#due = null;
    await this.#env.writeFileAtomic(this.#path, bytes);
    try {
      this.#writeCopy(bytes);
    } catch (error) {
      // Of another file by now: it says nothing.
      this.#notWritten(error);
    }
  }

  #notWritten(error: unknown): void {
    if (isOfflineError(error)) return;
    const fields = { path: this.#path, reason: String(error) };
    this.#logger.warn('the copy of a file is not written', fields);
  }

  #writeCopy(bytes: Uint8Array): void {
    const identity = this.#identity();
    if (identity === null) return;
    replaceFile(this.#env, this.#path + COPY_SUFFIX, encodeCopy(identity, bytes));
  }

  #readCopy(): KeptCopy | null {
    const path = this.#path + COPY_SUFFIX;
    try {
      return this.#env.exists(path) ? decodeCopy(this.#env.readFile(path)) : null;
    } catch {
      // A copy that cannot be read is a copy that is not there.
      return null;
    }
  }

  #readFile(): Buffer | null {
    try {
      return this.#env.exists(this.#path) ? this.#env.readFile(this.#path) : null;
    } catch (error) {
      this.#unread = true;
      this.#logger.warn('file not read', { path: this.#path, reason: String(error) });
      return null;
    }
  }

  #identity(): FileIdentity | null {
    try {
      return this.#env.stat(this.#path);
    } catch {
      return null;
    }
  }
}

function isSame(a: FileIdentity, b: FileIdentity | null): boolean {
  return a.inode === b?.inode && a.modifiedMs === b.modifiedMs;
}

export function encodeCopy({ inode, modifiedMs }: FileIdentity, bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(HEAD_SIZE + bytes.length + TAIL_SIZE);
  const view = new DataView(copy.buffer);
  writeInt32(copy, 0, MAGIC);
  writeInt32(copy, 4, VERSION);
  view.setFloat64(8, inode);
  view.setFloat64(16, modifiedMs);
  copy.set(bytes, HEAD_SIZE);
  const end = copy.length - TAIL_SIZE;
  writeInt32(copy, end, crc32c(copy, 0, end) | 0);
  return copy;
}

/** Null: not a copy, or not as it was written. */
export function decodeCopy(copy: Buffer): KeptCopy | null {
  const end = copy.length - TAIL_SIZE;
  if (end < HEAD_SIZE || readInt32(copy, 0) !== MAGIC || readInt32(copy, 4) !== VERSION)
    return null;
  if (readInt32(copy, end) >>> 0 !== crc32c(copy, 0, end)) return null;
  const inode = copy.readDoubleBE(8);
  const modifiedMs = copy.readDoubleBE(16);
  return { inode, modifiedMs, bytes: copy.subarray(HEAD_SIZE, end) };
}

/**
 * SparseIndex: a file of entries of one size, big-endian, sorted; its contents in a heap buffer. What
 * the offset index and the time index have in common.
 *
 *     heap   | entries ......................... | room |
 *     file   | entries written ....... |
 *                                       ^ unwritten entries: written in one go by `write`
 *
 * The file holds exactly entries (Kafka preallocates and cuts on roll and close; the zeros that its
 * unclean end leaves are accepted and dropped). Nothing is checksummed: an index is a hint, made from
 * the log and rebuilt from it. So entries reach the file late (when a page of them has gathered, on
 * flush, seal and close), are never synced, and an error in writing them is not an error of the log.
 *
 * One owner on one thread. A crash anywhere leaves a prefix, or something that the sanity check or
 * the check of each result against the log will find.
 */

import { assert } from '../base/assert.js';
import type { Env, EnvFile } from '../file/env.js';
import type { KeyTable } from './search.js';

/** Entries gather up to this many bytes before they are written. */
const WRITE_SIZE = 4096;
const ROOM_MIN = 512;

export interface SparseIndexOptions {
  readonly env: Env;
  readonly path: string;
  /** segment.index.bytes: size of a full file. */
  readonly bytesMax: number;
}

/** Why an index file is not to be used and has to be rebuilt. */
export type IndexFault = 'missing' | 'unreadable' | 'size' | 'order';

export abstract class SparseIndex implements KeyTable {
  #path: string;
  readonly entrySize: number;
  protected view: DataView;
  #env: Env;
  #bytesMax: number;
  #bytes: Uint8Array;
  #count = 0;
  /** Entries that are in the file. */
  #writtenCount = 0;
  /** Open from the first write to `close`. */
  #file: EnvFile | null = null;

  protected constructor(options: SparseIndexOptions, entrySize: number) {
    this.#path = options.path;
    this.entrySize = entrySize;
    this.#env = options.env;
    this.#bytesMax = options.bytesMax;
    this.#bytes = new Uint8Array(0);
    this.view = new DataView(this.#bytes.buffer);
  }

  /** The key that entries are sorted by; `slot` in [0, count). */
  abstract keyAt(slot: number): number;
  /** The sanity check of an entry against the one before it (-1: none). */
  protected abstract follows(slot: number, previous: number): boolean;

  get path(): string {
    return this.#path;
  }

  get count(): number {
    return this.#count;
  }

  get countMax(): number {
    return Math.floor(this.#bytesMax / this.entrySize);
  }

  /** Size of the entries in bytes. */
  get size(): number {
    return this.#count * this.entrySize;
  }

  /** The entries as they are in a file. A view, valid until the next change. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  /** Reads the file into the heap and checks it; after a fault the index is empty. */
  load(): IndexFault | null {
    let bytes: Uint8Array;
    try {
      if (!this.#env.exists(this.#path)) return 'missing';
      bytes = this.#env.readFile(this.#path);
    } catch {
      // The log has what the index had: an unreadable one is a missing one.
      return 'unreadable';
    }
    const fault = this.#take(bytes);
    if (fault !== null) this.#reset();
    return fault;
  }

  #take(bytes: Uint8Array): IndexFault | null {
    const end = this.#endOfEntries(bytes);
    // Zeros left by a preallocating writer need not end at an entry.
    if (end % this.entrySize !== 0) return 'size';
    this.#setBytes(bytes);
    this.#count = end / this.entrySize;
    this.#writtenCount = this.#count;
    for (let slot = 0; slot < this.#count; slot++) {
      if (!this.follows(slot, slot - 1)) return 'order';
    }
    return null;
  }

  /** Without the zero entries at the end: none is all zeros but, perhaps, the first. */
  #endOfEntries(bytes: Uint8Array): number {
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    const whole = Math.ceil(end / this.entrySize) * this.entrySize;
    return Math.min(whole, bytes.length);
  }

  /** Makes room for one more entry and answers its position in `view`. */
  protected push(): number {
    const position = this.#count * this.entrySize;
    if (position + this.entrySize > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(ROOM_MIN, this.#bytes.length * 2));
      grown.set(this.bytes);
      this.#setBytes(grown);
    }
    this.#count++;
    return position;
  }

  /** Whether enough entries have gathered for a write. */
  get writeDue(): boolean {
    return (this.#count - this.#writtenCount) * this.entrySize >= WRITE_SIZE;
  }

  /** Writes the entries that are not in the file yet. On an error they stay in the heap. */
  write(): void {
    if (this.#writtenCount === this.#count) return;
    this.#file ??= this.#openFile();
    const from = this.#writtenCount * this.entrySize;
    this.#file.pwritev([this.#bytes.subarray(from, this.size)], from);
    this.#writtenCount = this.#count;
  }

  /** Keeps the first `count` entries, in the heap and in the file. */
  truncateCount(count: number): void {
    assert(count >= 0 && count <= this.#count, 'truncate within the index');
    this.#count = count;
    if (count >= this.#writtenCount) return;
    this.#writtenCount = count;
    this.#file ??= this.#openFile();
    this.#file.truncate(this.size);
  }

  /** Replaces everything by the entries of `other`, in the heap and in the file. */
  replaceBy(other: SparseIndex): void {
    assert(other.entrySize === this.entrySize, 'the same kind of index');
    this.#reset();
    this.#setBytes(other.bytes.slice());
    this.#count = other.count;
    this.#file ??= this.#openFile();
    this.#file.truncate(0);
    this.write();
  }

  /** Forgets the entries and closes the file, unless some are nowhere else; `load` brings them back. */
  unload(): void {
    if (this.#writtenCount < this.#count) return;
    this.#reset();
    this.close();
  }

  /** Whether the file is exactly the entries: neither short nor with anything behind them. */
  fileIsExact(): boolean {
    return this.#env.stat(this.#path)?.size === this.#writtenCount * this.entrySize;
  }

  /** Makes the file and truncates one that a crash left. */
  createFile(): void {
    this.#file ??= this.#env.open(this.#path, 'create');
    this.#file.truncate(0);
    this.#reset();
  }

  /** Makes the file anew with the entries of the heap. */
  createFileWithEntries(): void {
    this.#file ??= this.#env.open(this.#path, 'create');
    this.#file.truncate(0);
    this.#writtenCount = 0;
    this.write();
  }

  /** The file was renamed, or another one has its name by now. */
  moveTo(path: string): void {
    this.close();
    this.#path = path;
  }

  /** What is not written is lost; the entries stay readable. Idempotent. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #openFile(): EnvFile {
    const file = this.#env.open(this.#path, 'create');
    try {
      // Whatever is behind the entries (zeros of another writer, a torn entry) must not follow ours.
      file.truncate(this.#writtenCount * this.entrySize);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  #reset(): void {
    this.#setBytes(new Uint8Array(0));
    this.#count = 0;
    this.#writtenCount = 0;
  }

  #setBytes(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

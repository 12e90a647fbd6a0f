/**
 * The transaction index of a segment: the aborted transactions whose markers are in it.
 *
 *     offset  size  field, big-endian, signed
 *          0     2  version (0)
 *          2     8  producer id
 *         10     8  first offset of the transaction; may be in an earlier segment
 *         18     8  last offset: that of the abort marker
 *         26     8  last stable offset once the marker was there
 *
 * Entries rise in the last offset, and the last stable offset does not fall. The file is there only if
 * it has entries. Unlike the other indexes it is no mere hint: a reader that lacks an entry takes what
 * was aborted for committed. So it is synced with its segment, checked against the log by its owner
 * (log/transaction-log.ts), and rebuilt from it.
 *
 * One owner on one thread. A crash leaves a prefix, whole or torn: `load` tells the torn one.
 */

import { dirname } from 'node:path';
import { assert } from '../base/assert.js';
import type { Env, EnvFile } from '../file/env.js';

export const ABORTED_ENTRY_SIZE = 34;
const VERSION = 0;
const TWO_32 = 2 ** 32;
const NO_BYTES = new Uint8Array(0);

export interface AbortedEntry {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Inclusive: the offset of the abort marker. */
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** Why a file is not to be used: its size, or what an entry says. */
export type TransactionIndexFault = 'unreadable' | 'size' | 'version' | 'order';

export interface TransactionIndexOptions {
  readonly env: Env;
  readonly path: string;
  /** Markers are at or after it. */
  readonly baseOffset: number;
}

export class TransactionIndex {
  readonly baseOffset: number;
  readonly #env: Env;
  readonly #path: string;
  #entries: AbortedEntry[] = [];
  /** Entries that are in the file. */
  #writtenCount = 0;
  #file: EnvFile | null = null;
  #dirty = false;
  /** The file was made and its name is not durable yet. */
  #isNew = false;
  /** What is in the file is not what `#entries` says. */
  #isFaulty = false;

  constructor({ env, path, baseOffset }: TransactionIndexOptions) {
    this.#env = env;
    this.#path = path;
    this.baseOffset = baseOffset;
  }

  get path(): string {
    return this.#path;
  }

  /** In order of their last offsets. */
  get entries(): readonly AbortedEntry[] {
    return this.#entries;
  }

  /** Something is not in the file, or not durable. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** Reads the file; a missing one has no entries. After a fault the index is empty. */
  load(): TransactionIndexFault | null {
    assert(!this.#dirty, 'nothing is lost by loading');
    this.#entries = [];
    this.#writtenCount = 0;
    this.#isFaulty = true;
    let bytes: Uint8Array = NO_BYTES;
    try {
      if (this.#env.exists(this.#path)) bytes = this.#env.readFile(this.#path);
    } catch {
      return 'unreadable';
    }
    const parsed = parseTransactionIndex(bytes, this.baseOffset);
    if (typeof parsed === 'string') return parsed;
    this.#entries = parsed;
    this.#writtenCount = parsed.length;
    this.#isFaulty = false;
    return null;
  }

  /** A process that was killed may have written the file: the next `sync` makes it and its name durable. */
  doubt(): void {
    this.#dirty = true;
    this.#isNew = true;
  }

  /** Takes an aborted transaction. Throws if it cannot be written: then it is in the heap alone. */
  append(entry: AbortedEntry): void {
    const last = this.#entries[this.#entries.length - 1];
    assert(entry.lastOffset >= this.baseOffset, 'a marker of this segment');
    assert(last === undefined || last.lastOffset < entry.lastOffset, 'markers come in order');
    this.#entries.push(entry);
    this.#dirty = true;
    this.write();
  }

  /** Drops the transactions that end at or after `offset`. */
  truncateTo(offset: number): void {
    const kept = this.#entries.filter((entry) => entry.lastOffset < offset);
    if (kept.length < this.#entries.length) this.replaceBy(kept);
  }

  /**
   * Makes the file say exactly `entries`. Throws if it cannot be written. A crash leaves those that were
   * there and stay: nobody will look in the log for them again.
   */
  replaceBy(entries: readonly AbortedEntry[]): void {
    const kept = sameCount(this.#entries.slice(0, this.#writtenCount), entries);
    const isInMiddle = this.#isFaulty || (kept < this.#writtenCount && kept < entries.length);
    // Whatever fails below, they are in the heap, and the next write says them to the file.
    this.#entries = entries.slice();
    this.#writtenCount = kept;
    this.#dirty = true;
    this.close();
    const isThere = this.#env.exists(this.#path);
    if (isThere && isInMiddle) {
      this.#env.writeFileAtomicSync(this.#path, formatTransactionIndex(entries));
      this.#writtenCount = entries.length;
      this.#isFaulty = false;
    } else if (isThere || entries.length > 0) {
      this.#openFile();
      this.write();
    } else {
      this.#isFaulty = false;
      this.#dirty = false;
    }
  }

  /** Writes what is not in the file. */
  write(): void {
    if (this.#writtenCount === this.#entries.length) return;
    const bytes = formatTransactionIndex(this.#entries.slice(this.#writtenCount));
    const position = this.#writtenCount * ABORTED_ENTRY_SIZE;
    this.#openFile().pwritev([bytes], position);
    this.#writtenCount = this.#entries.length;
  }

  /** Everything taken before the call is durable when it resolves. */
  async sync(): Promise<void> {
    if (!this.#dirty) return;
    this.write();
    const count = this.#entries.length;
    const file = this.#openFile();
    await file.datasync();
    if (this.#isNew) {
      await this.#env.syncDir(dirname(this.#path));
      this.#isNew = false;
    }
    if (this.#entries.length === count && this.#file === file) this.#dirty = false;
  }

  /** The entries stay readable. Idempotent. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #openFile(): EnvFile {
    if (this.#file !== null) return this.#file;
    this.#isNew ||= !this.#env.exists(this.#path);
    const file = this.#env.open(this.#path, 'create');
    try {
      // A torn entry of a crash must not stay behind ours.
      file.truncate(this.#writtenCount * ABORTED_ENTRY_SIZE);
      this.#isFaulty = false;
    } catch (error) {
      file.close();
      throw error;
    }
    this.#file = file;
    return file;
  }
}

/** How many of both are the same, from the first on. */
function sameCount(a: readonly AbortedEntry[], b: readonly AbortedEntry[]): number {
  let count = 0;
  while (count < a.length && count < b.length && isSame(a[count], b[count])) count++;
  return count;
}

function isSame(a: AbortedEntry | undefined, b: AbortedEntry | undefined): boolean {
  return (
    a?.producerId === b?.producerId &&
    a?.firstOffset === b?.firstOffset &&
    a?.lastOffset === b?.lastOffset &&
    a?.lastStableOffset === b?.lastStableOffset
  );
}

/** Entries as they are in a file. */
export function formatTransactionIndex(entries: readonly AbortedEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * ABORTED_ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of entries) {
    view.setInt16(at, VERSION);
    writeInt64(view, at + 2, producerId);
    writeInt64(view, at + 10, firstOffset);
    writeInt64(view, at + 18, lastOffset);
    writeInt64(view, at + 26, lastStableOffset);
    at += ABORTED_ENTRY_SIZE;
  }
  return bytes;
}

/** The entries of a file, or what is wrong with it as far as it can be told without the log. */
export function parseTransactionIndex(
  bytes: Uint8Array,
  baseOffset: number,
): AbortedEntry[] | TransactionIndexFault {
  if (bytes.length % ABORTED_ENTRY_SIZE !== 0) return 'size';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: AbortedEntry[] = [];
  let before = baseOffset - 1;
  for (let at = 0; at < bytes.length; at += ABORTED_ENTRY_SIZE) {
    if (view.getInt16(at) !== VERSION) return 'version';
    const entry: AbortedEntry = {
      producerId: readInt64(view, at + 2),
      firstOffset: readInt64(view, at + 10),
      lastOffset: readInt64(view, at + 18),
      lastStableOffset: readInt64(view, at + 26),
    };
    const { producerId, firstOffset, lastOffset, lastStableOffset } = entry;
    const isSane =
      Number.isSafeInteger(producerId) &&
      producerId >= 0 &&
      Number.isSafeInteger(lastOffset) &&
      lastOffset > before &&
      firstOffset >= 0 &&
      firstOffset <= lastOffset &&
      lastStableOffset >= 0 &&
      lastStableOffset <= lastOffset + 1;
    if (!isSane) return 'order';
    entries.push(entry);
    before = lastOffset;
  }
  return entries;
}

function writeInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  view.setInt32(at, high);
  view.setUint32(at + 4, value - high * TWO_32);
}

function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
}

/**
 * What was read of a file that this process has not written (R6): before bytes of an earlier run leave
 * for the first time they are looked at, against the checksum side file where there is a valid one,
 * else batch by batch. A start checks nothing; a range is looked at once, when a read first touches it,
 * at most FIRST_READ_MAX bytes a read, so that no one waits long for it.
 *
 *     look        on this thread, for callers that cannot wait
 *     lookLater   in the thread pool (by the addon; else read there and summed here), two at a time
 *
 * Both read; neither maps (R9): a medium that fails under a map ends the process. Here it is an error of
 * that range, which is told to all who ask within RETRY_MS, and then tried again.
 */

import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { Semaphore } from '../base/semaphore.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env, EnvFile } from '../file/env.js';
import { lengthOf } from '../record/batch-view.js';
import {
  WALK_BASE_OFFSET,
  WALK_CRC,
  WALK_FIRST,
  WALK_INCOMPLETE,
  WALK_LAST_OFFSET_DELTA,
  WALK_OUT_FULL,
  WALK_SPARSE_OFFSETS,
  WALK_STOP_POSITION,
  WALK_STOP_REASON,
  WALK_STRIDE,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';
import { crc32c } from '../record/checksum.js';
import { LENGTH_MIN, LOG_OVERHEAD } from '../record/layout.js';
import {
  type ByteRange,
  CHECKSUM_BLOCK_SIZE,
  loadChecksums,
  type SegmentChecksums,
} from './checksums.js';
import type { FileKind } from './names.js';

/** Bytes that one read has checked, unless its first batch is larger. */
const FIRST_READ_MAX = 4 * 1024 * 1024;
/** Bytes read at a time. */
const STEP_SIZE = 1024 * 1024;
/** How long a read error is told without another try. */
const RETRY_MS = 1000;
/** Errors kept, by position. */
const ERROR_COUNT_MAX = 64;

/** Of all segments of the thread: the pool is also that of the syncs. */
const looks = new Semaphore(2);
const BATCH_COUNT_MAX = 1024;

/** Shared: a check does not wait inside. */
let out: Float64Array | null = null;

/** What bytes of an earlier run need of their segment. */
export interface EarlierSource {
  readonly env: Env;
  readonly clock: Clock;
  readonly baseOffset: number;
  readonly files: { path(kind: FileKind): string };
  /** Opens the log if it is not open. */
  file(): EnvFile;
  /** Bytes of the log. */
  size(): number;
  /** Something is wrong with the log, and with these blocks: marks what is not served. May throw. */
  condemn(wrong: readonly ByteRange[]): void;
}

/** Where a batch is. */
interface BatchRange {
  readonly position: number;
  readonly size: number;
}

interface ReadError {
  readonly error: MillraceError;
  readonly untilMs: number;
}

/** The bytes of a segment that this process has not written, as far as they were not looked at. */
export class EarlierBytes {
  readonly #source: EarlierSource;
  /** Of the first bytes of the log, as they were written; null: none are known. */
  checksums: SegmentChecksums | null = null;
  #size = 0;
  /** Made at the first read: opening reads no checksums. */
  #firstRead: FirstRead | null = null;
  /** Looks under way, by position of the first batch. */
  readonly #looking = new Map<number, Promise<void>>();
  readonly #errors = new Map<number, ReadError>();

  constructor(source: EarlierSource) {
    this.#source = source;
  }

  /** Bytes below `size` are of an earlier run; 0: none is, or all were looked at. */
  set(size: number): void {
    this.#size = size;
    this.#firstRead = null;
  }

  /** As `set`, for a log that is appended to from now on: then its side file is of another length. */
  open(size: number): void {
    this.set(size);
    this.checksums = this.load();
  }

  /** The log was cut. */
  cut(size: number): void {
    this.checksums = null;
    this.set(Math.min(this.#size, size));
  }

  /**
   * How many of `length` bytes from a batch on may leave; 0: they have to be looked at. Throws the I/O
   * error of a look that failed.
   */
  allow(batch: BatchRange, length: number): number {
    if (length === 0 || batch.position >= this.#size) return length;
    const failed = this.#errors.get(batch.position);
    if (failed !== undefined) {
      if (this.#source.clock.monotonicMs() < failed.untilMs) throw failed.error;
      this.#errors.delete(batch.position);
    }
    const looked = this.#reader().checkedFrom(batch.position, length);
    return looked >= Math.min(length, batch.size) ? looked : 0;
  }

  /** Looks at what a read of `length` bytes needs, and has what is wrong condemned. Throws an I/O error. */
  look(batch: BatchRange, length: number): void {
    const reader = this.#reader();
    const file = this.#source.file();
    if (!reader.check(file, batch.position, sizeToLook(batch, length))) {
      this.#source.condemn(reader.wrongBlocks(file));
    } else if (reader.done) {
      this.set(0);
    }
  }

  /** As `look`, without holding up the thread. Never rejects: a read error comes out of `allow`. */
  lookLater(
    batch: BatchRange,
    length: number,
  ): { readonly status: 'looking'; readonly looked: Promise<void> } {
    const { position } = batch;
    let looking = this.#looking.get(position);
    if (looking === undefined) {
      looking = looks
        .run(() => this.#lookLater(position, sizeToLook(batch, length)))
        .catch((error: unknown) => this.#keep(position, error))
        .finally(() => this.#looking.delete(position));
      this.#looking.set(position, looking);
    }
    return { status: 'looking', looked: looking };
  }

  async #lookLater(position: number, size: number): Promise<void> {
    // Meanwhile the log was cut, judged or closed.
    if (position >= this.#size) return;
    const reader = this.#reader();
    const file = this.#source.file();
    const good = await reader.checkLater(file, position, size);
    // A judgement reads all of the log, on this thread: then at least not from the disk.
    if (!good) await readThrough(file, this.#size);
    if (this.#firstRead !== reader) return;
    if (!good) this.#source.condemn(reader.wrongBlocks(this.#source.file()));
    else if (reader.done) this.set(0);
  }

  #keep(position: number, error: unknown): void {
    if (!(error instanceof MillraceError)) throw error;
    // Closed for want of use, or for good: whoever reads on finds out.
    if (error.code === 'CLOSED') return;
    if (this.#errors.size === ERROR_COUNT_MAX) this.#errors.clear();
    const untilMs = this.#source.clock.monotonicMs() + RETRY_MS;
    this.#errors.set(position, { error, untilMs });
  }

  #reader(): FirstRead {
    this.#firstRead ??= this.#newFirstRead();
    return this.#firstRead;
  }

  #newFirstRead(): FirstRead {
    const checksums = this.checksums ?? this.load();
    // Blocks are of the whole file, of which this process may have written the rest.
    return new FirstRead(checksums?.length ?? this.#size, checksums);
  }

  /** Those of the whole log as it is now. */
  load(): SegmentChecksums | null {
    const { env, baseOffset, files } = this.#source;
    const path = files.path('checksum');
    if (!env.exists(path)) return null;
    const modifiedMs = env.stat(files.path('log'))?.modifiedMs ?? -1;
    const identity = { baseOffset, length: this.#source.size(), modifiedMs };
    return loadChecksums(env, path, identity).checksums;
  }
}

function sizeToLook({ size }: BatchRange, length: number): number {
  return Math.max(size, Math.min(length, FIRST_READ_MAX));
}

class FirstRead {
  readonly #end: number;
  readonly #checksums: SegmentChecksums | null;
  /** Checked; in order, apart from each other. */
  #checked: { position: number; endPosition: number }[] = [];

  /** Bytes below `end` are checked. `checksums`: valid ones of this file, up to `end`. */
  constructor(end: number, checksums: SegmentChecksums | null) {
    this.#end = end;
    this.#checksums = checksums;
  }

  /** Nothing is left to check. */
  get done(): boolean {
    const [first] = this.#checked;
    return this.#end === 0 || (first?.position === 0 && first.endPosition >= this.#end);
  }

  /** How much of `length` bytes at a batch may be read without a check, from its begin on. */
  checkedFrom(position: number, length: number): number {
    if (position >= this.#end) return length;
    for (const range of this.#checked) {
      if (range.position > position || position >= range.endPosition) continue;
      return range.endPosition >= this.#end
        ? length
        : Math.min(length, range.endPosition - position);
    }
    return 0;
  }

  /** Checks [position, position + length), which begins with a batch. False: something is wrong. */
  check(file: EnvFile, position: number, length: number): boolean {
    const end = Math.min(position + length, this.#end);
    return this.#checksums === null
      ? this.#checkBatches(file, position, end)
      : this.#checkBlocks(file, position, end, this.#checksums);
  }

  /** As `check`, in the thread pool as far as the file can. Rejects with an I/O error. */
  checkLater(file: EnvFile, position: number, length: number): Promise<boolean> {
    const end = Math.min(position + length, this.#end);
    return this.#checksums === null
      ? this.#checkBatchesLater(file, position, end)
      : this.#checkBlocksLater(file, position, end, this.#checksums);
  }

  /** The blocks that differ from the side file; none without one. */
  wrongBlocks(file: EnvFile): readonly ByteRange[] {
    const wrong: ByteRange[] = [];
    const checksums = this.#checksums;
    if (checksums === null) return wrong;
    for (let position = 0; position < this.#end; position += CHECKSUM_BLOCK_SIZE) {
      const endPosition = Math.min(this.#end, position + CHECKSUM_BLOCK_SIZE);
      if (!this.#checkBlocks(file, position, endPosition, checksums)) {
        wrong.push({ position, endPosition });
      }
    }
    return wrong;
  }

  #checkBlocks(file: EnvFile, position: number, end: number, { crcs }: SegmentChecksums): boolean {
    const { from, to } = this.#blocksOf(position, end);
    for (let at = from; at < to; at += STEP_SIZE) {
      const size = Math.min(STEP_SIZE, to - at);
      const bytes = read(file, at, size);
      if (bytes === null || !sameBlocks(blockSums(bytes, size), at, crcs)) return false;
    }
    this.#note(from, to);
    return true;
  }

  async #checkBlocksLater(
    file: EnvFile,
    position: number,
    end: number,
    { crcs }: SegmentChecksums,
  ): Promise<boolean> {
    const { from, to } = this.#blocksOf(position, end);
    for (let at = from; at < to; at += STEP_SIZE) {
      const size = Math.min(STEP_SIZE, to - at);
      const found = await blockSumsLater(file, at, size);
      if (found === null || !sameBlocks(found, at, crcs)) return false;
    }
    this.#note(from, to);
    return true;
  }

  #blocksOf(position: number, end: number): { from: number; to: number } {
    const to = Math.min(this.#end, Math.ceil(end / CHECKSUM_BLOCK_SIZE) * CHECKSUM_BLOCK_SIZE);
    return { from: position - (position % CHECKSUM_BLOCK_SIZE), to };
  }

  #checkBatches(file: EnvFile, position: number, end: number): boolean {
    let at = position;
    while (at < end) {
      const size = Math.min(this.#end - at, Math.max(STEP_SIZE, sizeAt(file, at)));
      const bytes = read(file, at, size);
      const next = bytes === null ? -1 : walkedEnd(bytes, size);
      if (next <= 0) return false;
      at += next;
    }
    this.#note(position, at);
    return true;
  }

  async #checkBatchesLater(file: EnvFile, position: number, end: number): Promise<boolean> {
    let at = position;
    while (at < end) {
      const goodEnd = await goodEndLater(file, at, Math.min(end, at + FIRST_READ_MAX), this.#end);
      if (goodEnd <= at) return false;
      at = goodEnd;
    }
    this.#note(position, at);
    return true;
  }

  #note(position: number, endPosition: number): void {
    const merged = { position, endPosition };
    const apart = this.#checked.filter((range) => {
      if (range.endPosition < position || range.position > endPosition) return true;
      merged.position = Math.min(merged.position, range.position);
      merged.endPosition = Math.max(merged.endPosition, range.endPosition);
      return false;
    });
    apart.push(merged);
    this.#checked = apart.sort((a, b) => a.position - b.position);
  }
}

/** Where the good batches of `bytes` end; -1 if one is not good, or not behind the one before it. */
function walkedEnd(bytes: Uint8Array, size: number): number {
  out ??= walkOut(BATCH_COUNT_MAX);
  let at = 0;
  let previous = -1;
  for (;;) {
    const count = walkBatches(bytes, at, size, out, WALK_CRC | WALK_SPARSE_OFFSETS);
    const reason = out[WALK_STOP_REASON] as number;
    at = out[WALK_STOP_POSITION] as number;
    for (let batch = 0; batch < count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE;
      const baseOffset = out[slot + WALK_BASE_OFFSET] as number;
      if (baseOffset <= previous) return -1;
      previous = baseOffset + (out[slot + WALK_LAST_OFFSET_DELTA] as number);
    }
    if (reason === WALK_OUT_FULL) continue;
    return at === size || reason === WALK_INCOMPLETE ? at : -1;
  }
}

/** Of the batch at `position`, as its header says; 0 if it says nothing sensible. */
function sizeAt(file: EnvFile, position: number): number {
  const header = new Uint8Array(LOG_OVERHEAD);
  if (file.pread(header, 0, LOG_OVERHEAD, position) < LOG_OVERHEAD) return 0;
  const length = lengthOf(header, 0);
  return length < LENGTH_MIN ? 0 : length + LOG_OVERHEAD;
}

/** Where the good batches from `position` end, at or behind `end` if all are good. */
async function goodEndLater(
  file: EnvFile,
  position: number,
  end: number,
  limit: number,
): Promise<number> {
  if (file.walkBatches !== undefined) {
    const goodEnd = await file.walkBatches(position, end, limit);
    return goodEnd >= end ? goodEnd : -1;
  }
  const size = Math.min(limit - position, Math.max(STEP_SIZE, sizeAt(file, position)));
  const bytes = await readLater(file, position, size);
  const walked = bytes === null ? -1 : walkedEnd(bytes, size);
  return walked <= 0 ? -1 : position + walked;
}

/** Reads a file into the page cache, as far as it can be read. */
async function readThrough(file: EnvFile, size: number): Promise<void> {
  for (let at = 0; at < size; at += FIRST_READ_MAX) {
    await blockSumsLater(file, at, Math.min(FIRST_READ_MAX, size - at)).catch(() => null);
  }
}

/** CRCs of the blocks of a range that begins with one; null: the file has not so many bytes. */
export async function blockSumsLater(
  file: EnvFile,
  position: number,
  size: number,
): Promise<Uint32Array | null> {
  if (file.checksumBlocks !== undefined) {
    const found = await file.checksumBlocks(position, size, CHECKSUM_BLOCK_SIZE);
    return found.length === Math.ceil(size / CHECKSUM_BLOCK_SIZE) ? found : null;
  }
  const bytes = await readLater(file, position, size);
  return bytes === null ? null : blockSums(bytes, size);
}

function blockSums(bytes: Uint8Array, size: number): Uint32Array {
  const sums = new Uint32Array(Math.ceil(size / CHECKSUM_BLOCK_SIZE));
  for (let block = 0; block < sums.length; block++) {
    const at = block * CHECKSUM_BLOCK_SIZE;
    sums[block] = crc32c(bytes, at, Math.min(CHECKSUM_BLOCK_SIZE, size - at));
  }
  return sums;
}

/** `found`: of the blocks from `position` on. */
function sameBlocks(found: Uint32Array, position: number, expected: Uint32Array): boolean {
  const first = position / CHECKSUM_BLOCK_SIZE;
  return found.every((crc, block) => crc === expected[first + block]);
}

/** In bytes of its own: others read meanwhile. Null: the file has not so many. */
async function readLater(
  file: EnvFile,
  position: number,
  size: number,
): Promise<Uint8Array | null> {
  assert(size > 0, 'bytes to look at');
  const bytes = new Uint8Array(size);
  if (file.preadLater !== undefined) {
    return (await file.preadLater(bytes, 0, size, position)) < size ? null : bytes;
  }
  await yieldToLoop();
  return file.pread(bytes, 0, size, position) < size ? null : bytes;
}

let scratch = new Uint8Array(0);

/** Valid until the next call; null: the file has not so many bytes. */
function read(file: EnvFile, position: number, size: number): Uint8Array | null {
  assert(size > 0, 'bytes to look at');
  // One that a large batch needed is not kept.
  if (scratch.length < size || scratch.length > STEP_SIZE) {
    scratch = new Uint8Array(Math.max(size, STEP_SIZE));
  }
  return file.pread(scratch, 0, size, position) < size ? null : scratch;
}

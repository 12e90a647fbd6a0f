/**
 * What was read of a file that this process has not written (R6): before bytes of an earlier run leave
 * for the first time they are looked at, against the checksum side file where there is a valid one,
 * else batch by batch. A start checks nothing; a range is checked once, when a read first touches it,
 * at most FIRST_READ_MAX bytes a read, so that no one waits long for it (0.1 ms a MiB in page cache).
 *
 * The bytes are looked at through a map, where there is one, for a moment: the file is ours alone (the
 * lock), nothing cuts it inside the call, and its length is checked when it is mapped. A medium that
 * fails under a map ends the process (SIGBUS); the scrubber, which reads, finds it with an error.
 */

import { assert } from '../base/assert.js';
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
/** Bytes mapped or read at a time. */
const STEP_SIZE = 1024 * 1024;
const BATCH_COUNT_MAX = 1024;

/** Shared: a check does not wait inside. */
let out: Float64Array | null = null;

/** What bytes of an earlier run need of their segment. */
export interface EarlierSource {
  readonly env: Env;
  readonly baseOffset: number;
  path(kind: FileKind): string;
  /** Opens the log if it is not open. */
  file(): EnvFile;
  /** Bytes of the log. */
  size(): number;
}

/** The bytes of a segment that this process has not written, as far as they were not looked at. */
export class EarlierBytes {
  readonly #source: EarlierSource;
  #size = 0;
  /** Made at the first read: opening reads no checksums. */
  #firstRead: FirstRead | null = null;

  constructor(source: EarlierSource) {
    this.#source = source;
  }

  /** Bytes below `size` are of an earlier run; 0: none is, or all were looked at. */
  set(size: number): void {
    this.#size = size;
    this.#firstRead = null;
  }

  /** The log was cut. */
  cut(size: number): void {
    this.set(Math.min(this.#size, size));
  }

  /** How many of `length` bytes from a batch on may leave; 0: something is wrong with them. */
  allow(batch: { readonly position: number; readonly size: number }, length: number): number {
    if (length === 0 || batch.position >= this.#size) return length;
    this.#firstRead ??= this.#newFirstRead();
    const checked = this.#firstRead.checkedFrom(batch.position, length);
    if (checked >= Math.min(length, batch.size)) return checked;
    const size = Math.max(batch.size, Math.min(length, FIRST_READ_MAX));
    if (!this.#firstRead.check(this.#source.file(), batch.position, size)) return 0;
    if (this.#firstRead.done) this.set(0);
    return Math.min(length, size);
  }

  /** Blocks that differ from the side file, of the whole log. */
  wrongBlocks(): readonly ByteRange[] {
    return this.#firstRead?.wrongBlocks(this.#source.file()) ?? [];
  }

  #newFirstRead(): FirstRead {
    const { env, baseOffset } = this.#source;
    const modifiedMs = env.stat(this.#source.path('log'))?.modifiedMs ?? -1;
    const identity = { baseOffset, length: this.#source.size(), modifiedMs };
    const { checksums } = loadChecksums(env, this.#source.path('checksum'), identity);
    return new FirstRead(this.#size, checksums);
  }
}

class FirstRead {
  readonly #end: number;
  readonly #checksums: SegmentChecksums | null;
  /** Checked; in order, apart from each other. */
  #checked: { position: number; endPosition: number }[] = [];

  /** Bytes below `end` are of an earlier run. `checksums`: valid ones of this file. */
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
    const from = position - (position % CHECKSUM_BLOCK_SIZE);
    const to = Math.min(this.#end, Math.ceil(end / CHECKSUM_BLOCK_SIZE) * CHECKSUM_BLOCK_SIZE);
    for (let at = from; at < to; at += STEP_SIZE) {
      const size = Math.min(STEP_SIZE, to - at);
      const good = look(file, at, size, (bytes) => {
        for (let local = 0; local < size; local += CHECKSUM_BLOCK_SIZE) {
          const length = Math.min(CHECKSUM_BLOCK_SIZE, size - local);
          const expected = crcs[(at + local) / CHECKSUM_BLOCK_SIZE];
          if (crc32c(bytes, local, length) !== expected) return false;
        }
        return true;
      });
      if (good !== true) return false;
    }
    this.#note(from, to);
    return true;
  }

  #checkBatches(file: EnvFile, position: number, end: number): boolean {
    let at = position;
    while (at < end) {
      const from = at;
      const size = Math.min(this.#end - from, Math.max(STEP_SIZE, sizeAt(file, from)));
      const next = look(file, from, size, (bytes) => walkedEnd(bytes, size));
      if (next === null || next <= 0) return false;
      at += next;
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

let scratch = new Uint8Array(0);

/** Shows `size` bytes of the file to `use`; null if the file has not that many. */
function look<T>(
  file: EnvFile,
  position: number,
  size: number,
  use: (bytes: Uint8Array) => T,
): T | null {
  assert(size > 0, 'bytes to look at');
  const map = file.map?.(position, size) ?? null;
  if (map === null) {
    if (scratch.length < size) scratch = new Uint8Array(size);
    const read = file.pread(scratch, 0, size, position);
    try {
      return read < size ? null : use(scratch);
    } finally {
      // One that a large batch needed is not kept.
      if (scratch.length > STEP_SIZE) scratch = new Uint8Array(0);
    }
  }
  try {
    return use(map.bytes);
  } finally {
    map.close();
  }
}

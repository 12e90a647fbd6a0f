/**
 * Walks a range of a log file. Two walks:
 *
 *     BatchScan     every byte, CRC checked, by reads of 1 MiB and more: recovery, scrubbing
 *     HeaderCursor  headers only, by small reads: from an index entry to a batch, time look-ups
 *
 * Neither decides anything about damage: check.ts and recovery.ts do.
 */

import { assert } from '../base/assert.js';
import type { EnvFile } from '../file/env.js';
import {
  lastOffsetDeltaOf,
  leaderEpochOf,
  lengthOf,
  magicOf,
  readInt32,
  readInt64,
} from '../record/batch-view.js';
import {
  WALK_CRC,
  WALK_END,
  WALK_FIRST,
  WALK_INCOMPLETE,
  WALK_OUT_FULL,
  WALK_POSITION,
  WALK_SPARSE_OFFSETS,
  WALK_STOP_POSITION,
  WALK_STOP_REASON,
  WALK_STRIDE,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';
import {
  HEADER_SIZE,
  LENGTH_MIN,
  LOG_OVERHEAD,
  MAGIC_V2,
  MAX_TIMESTAMP,
} from '../record/layout.js';

const WINDOW_SIZE = 1024 * 1024;
const BATCH_COUNT_MAX = 4096;
const ZEROS = Buffer.alloc(64 * 1024);
const FLAGS = WALK_CRC | WALK_SPARSE_OFFSETS;

/** Checks batches of [position, end) run by run. A batch is read whole, however large. */
export class BatchScan {
  /** Batches of the last step, as walkBatches fills it but with positions in the file. */
  readonly out: Float64Array;
  /** Batches in `out`. */
  count = 0;
  /** Where the next step begins; after the last step, where the walk stopped. */
  position: number;
  /** WALK_END at the end or while there is more; else why the batch at `position` is not good. */
  reason: number = WALK_END;
  #file: EnvFile;
  #end: number;
  #window: Uint8Array;
  #windowPosition = 0;
  #windowSize = 0;

  constructor(file: EnvFile, position: number, end: number) {
    assert(position >= 0 && position <= end, 'a range of the file');
    const size = Math.min(WINDOW_SIZE, end - position);
    this.out = walkOut(Math.min(BATCH_COUNT_MAX, Math.ceil(size / HEADER_SIZE) + 1));
    this.position = position;
    this.#file = file;
    this.#end = end;
    this.#window = new Uint8Array(size);
  }

  /** False when nothing is left: at the end, or at a batch that is not good. */
  step(): boolean {
    this.count = 0;
    const done: boolean = this.position >= this.#end || this.reason !== WALK_END;
    if (done) return false;
    const kept = this.#windowPosition + this.#windowSize - this.position;
    if (kept <= 0) this.#load(Math.min(WINDOW_SIZE, this.#end - this.position));
    this.#walk();
    if (this.count === 0 && this.reason === WALK_INCOMPLETE) this.#walkWhole();
    return this.count > 0 || this.reason === WALK_END;
  }

  /** The bytes of batches in `out`: byte 0 is at `bytesPosition` of the file. Valid until `step`. */
  get bytes(): Uint8Array {
    return this.#window;
  }

  get bytesPosition(): number {
    return this.#windowPosition;
  }

  /** Continues behind damage; `position` is that of a batch. */
  resume(position: number): void {
    this.position = position;
    this.reason = WALK_END;
    this.#windowSize = 0;
  }

  #walk(): void {
    const { out } = this;
    const from = this.position - this.#windowPosition;
    this.count = walkBatches(this.#window, from, this.#windowSize, out, FLAGS);
    this.position = this.#windowPosition + (out[WALK_STOP_POSITION] as number);
    const reason = out[WALK_STOP_REASON] as number;
    for (let batch = 0; batch < this.count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE + WALK_POSITION;
      out[slot] = (out[slot] as number) + this.#windowPosition;
    }
    const atWindowEnd = this.#windowPosition + this.#windowSize < this.#end;
    if (reason === WALK_OUT_FULL) this.reason = WALK_END;
    else if (reason === WALK_INCOMPLETE && atWindowEnd && this.count > 0) {
      this.reason = WALK_END;
      this.#windowSize = 0;
    } else this.reason = reason;
  }

  /** The first batch of the window passes it: reads that batch, if the file has it. */
  #walkWhole(): void {
    const windowEnd = this.#windowPosition + this.#windowSize;
    if (windowEnd >= this.#end) return;
    const from = this.position - this.#windowPosition;
    let size = Math.min(WINDOW_SIZE, this.#end - this.position);
    // With fewer bytes than tell its length, the window only moves.
    if (windowEnd - this.position >= LOG_OVERHEAD) {
      const batchSize = lengthOf(this.#window, from) + LOG_OVERHEAD;
      if (this.position + batchSize > this.#end) return;
      size = Math.max(size, batchSize);
    }
    this.reason = WALK_END;
    this.#load(size);
    this.#walk();
    if (this.count === 0 && this.reason === WALK_INCOMPLETE) this.#walkWhole();
  }

  #load(size: number): void {
    if (size > this.#window.length) this.#window = new Uint8Array(size);
    this.#windowPosition = this.position;
    this.#windowSize = this.#file.pread(this.#window, 0, size, this.position);
    // A file cut short meanwhile ends here.
    if (this.#windowSize < size) this.#end = this.position + this.#windowSize;
  }
}

/** Whether a good batch begins at `position` and does not pass `end`. */
export function isBatchAt(file: EnvFile, position: number, end: number): boolean {
  const cursor = new HeaderCursor(file, HEADER_SIZE);
  cursor.seek(position, end);
  if (!cursor.next()) return false;
  const bytes = new Uint8Array(cursor.size);
  if (file.pread(bytes, 0, bytes.length, position) < bytes.length) return false;
  return walkBatches(bytes, 0, bytes.length, walkOut(1), FLAGS) === 1;
}

/** Where zeros begin that go on to `end`; `position` if there is nothing else behind it. */
export function endOfData(file: EnvFile, position: number, end: number): number {
  assert(position >= 0 && position <= end, 'a range of the file');
  const window = Buffer.allocUnsafe(Math.min(ZEROS.length, end - position));
  for (let windowEnd = end; windowEnd > position; ) {
    const from = Math.max(position, windowEnd - window.length);
    const bytes = window.subarray(0, file.pread(window, 0, windowEnd - from, from));
    if (!bytes.equals(ZEROS.subarray(0, bytes.length))) {
      return from + bytes.findLastIndex((byte) => byte !== 0) + 1;
    }
    windowEnd = from;
  }
  return position;
}

/** So many batches are to fit a window for a read of it to be worth more than one of a header. */
const DENSE_COUNT_MIN = 4;

/** Goes from header to header. A plausible header is not a good batch: the CRC is not looked at. */
export class HeaderCursor {
  /** Of the current batch, in the file. */
  position = 0;
  size = 0;
  baseOffset = 0;
  lastOffset = 0;
  leaderEpoch = 0;
  /** Rounded to a double beyond 2^53; the raw bits are the next two. */
  maxTimestamp = 0;
  maxTimestampHigh = 0;
  maxTimestampLow = 0;
  /** Where the next batch begins; after `next` said false, where the walk stopped. */
  nextPosition = 0;
  /** `next` said false because what is at `nextPosition` is no header, not because of the end. */
  malformed = false;
  readonly file: EnvFile;
  #end = 0;
  #window: Uint8Array;
  #windowPosition = 0;
  #windowSize = 0;
  #previousOffset = -1;

  /**
   * `windowSize`: bytes of one read where small batches follow each other. Where they are large, and
   * for the first one, a read is of the header alone: record bytes are not read to step over them.
   */
  constructor(file: EnvFile, windowSize: number) {
    assert(windowSize >= HEADER_SIZE, 'room for a header');
    this.file = file;
    this.#window = new Uint8Array(windowSize);
  }

  /** The next batch is the one at `position`; none ends after `end`. */
  seek(position: number, end: number): void {
    this.nextPosition = position;
    this.malformed = false;
    this.#end = end;
    this.#previousOffset = -1;
    // What was read before may have been truncated and written anew.
    this.#windowSize = 0;
  }

  next(): boolean {
    const at = this.nextPosition;
    if (at >= this.#end || this.malformed) return false;
    const local = at + HEADER_SIZE <= this.#end ? this.#load(at) : -1;
    if (local === -1 || !this.#parse(local)) {
      this.malformed = true;
      return false;
    }
    this.position = at;
    this.nextPosition = at + this.size;
    this.#previousOffset = this.lastOffset;
    return true;
  }

  #parse(at: number): boolean {
    const bytes = this.#window;
    const length = lengthOf(bytes, at);
    const baseOffset = readInt64(bytes, at);
    const delta = lastOffsetDeltaOf(bytes, at);
    const fits = this.nextPosition + length + LOG_OVERHEAD <= this.#end;
    if (magicOf(bytes, at) !== MAGIC_V2 || length < LENGTH_MIN || !fits || delta < 0) return false;
    if (baseOffset <= this.#previousOffset || !Number.isSafeInteger(baseOffset + delta)) {
      return false;
    }
    this.size = length + LOG_OVERHEAD;
    this.baseOffset = baseOffset;
    this.lastOffset = baseOffset + delta;
    this.leaderEpoch = leaderEpochOf(bytes, at);
    this.maxTimestampHigh = readInt32(bytes, at + MAX_TIMESTAMP);
    this.maxTimestampLow = readInt32(bytes, at + MAX_TIMESTAMP + 4);
    this.maxTimestamp = readInt64(bytes, at + MAX_TIMESTAMP);
    return true;
  }

  /** Where the header at `position` is in the window, or -1 if the file has not that much. */
  #load(position: number): number {
    const at = position - this.#windowPosition;
    if (at >= 0 && at + HEADER_SIZE <= this.#windowSize) return at;
    const dense = this.#previousOffset >= 0 && this.size <= this.#window.length / DENSE_COUNT_MIN;
    const size = dense ? Math.min(this.#window.length, this.#end - position) : HEADER_SIZE;
    this.#windowPosition = position;
    this.#windowSize = this.file.pread(this.#window, 0, size, position);
    return this.#windowSize >= HEADER_SIZE ? 0 : -1;
  }
}

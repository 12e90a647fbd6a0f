/**
 * ReadWindow: a range of a segment in memory, and the good batches in it one after the other.
 *
 *     sealed segment   mapped: nothing is copied
 *     active segment   read into a buffer that the next window uses again
 *
 * Every batch has its CRC and its records checked before it is handed out (R6), whoever wrote it. A
 * window owns its map: `drop` detaches all views of it.
 */

import type { FileSlice } from '../base/chunk.js';
import { MappedFile } from '../file/mapped-file.js';
import {
  WALK_ATTRIBUTES,
  WALK_BASE_OFFSET,
  WALK_CRC,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_OUT_FULL,
  WALK_POSITION,
  WALK_PRODUCER_ID,
  WALK_RECORDS,
  WALK_SIZE,
  WALK_SPARSE_OFFSETS,
  WALK_STOP_POSITION,
  WALK_STOP_REASON,
  WALK_STRIDE,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';

const BATCH_COUNT_MAX = 512;
const FLAGS = WALK_CRC | WALK_RECORDS | WALK_SPARSE_OFFSETS;

export class ReadWindow {
  bytes: Uint8Array = EMPTY;
  readonly #out = walkOut(BATCH_COUNT_MAX);
  #map: MappedFile | null = null;
  #buffer: Uint8Array = EMPTY;
  /** Bytes of the window. */
  #end = 0;
  /** Batches in `out`, and the current one. */
  #count = 0;
  #index = -1;

  /** No good batch begins the window. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Takes the bytes of `slice`, which it does not keep; false: the file has fewer of them. */
  load(slice: FileSlice, path: string, map: boolean): boolean {
    this.drop();
    if (map) this.#map = MappedFile.map({ fd: slice.fd, path }, slice.position, slice.length);
    if (this.#map !== null) {
      this.bytes = this.#map.bytes;
    } else {
      if (this.#buffer.length < slice.length) this.#buffer = Buffer.allocUnsafeSlow(slice.length);
      this.bytes = this.#buffer;
      if (slice.copyTo(this.#buffer, 0, 0, slice.length) < slice.length) return false;
    }
    this.#end = slice.length;
    this.#walk(0);
    return true;
  }

  /** Goes to the next good batch; false when there is none. */
  next(): boolean {
    if (this.#index + 1 < this.#count) {
      this.#index++;
      return true;
    }
    if (this.#count === 0 || this.#out[WALK_STOP_REASON] !== WALK_OUT_FULL) return false;
    this.#walk(this.#out[WALK_STOP_POSITION] as number);
    return this.next();
  }

  get position(): number {
    return this.#field(WALK_POSITION);
  }

  get size(): number {
    return this.#field(WALK_SIZE);
  }

  get baseOffset(): number {
    return this.#field(WALK_BASE_OFFSET);
  }

  /** Inclusive. */
  get lastOffset(): number {
    return this.#field(WALK_BASE_OFFSET) + this.#field(WALK_LAST_OFFSET_DELTA);
  }

  get attributes(): number {
    return this.#field(WALK_ATTRIBUTES);
  }

  get producerId(): number {
    return this.#field(WALK_PRODUCER_ID);
  }

  /** Every view of the window is dead afterwards. Idempotent. */
  drop(): void {
    this.#map?.close();
    this.#map = null;
    this.bytes = EMPTY;
    this.#end = 0;
    this.#count = 0;
    this.#index = -1;
  }

  #walk(from: number): void {
    this.#count = walkBatches(this.bytes, from, this.#end, this.#out, FLAGS);
    this.#index = -1;
  }

  #field(field: number): number {
    return this.#out[WALK_FIRST + this.#index * WALK_STRIDE + field] as number;
  }
}

const EMPTY = new Uint8Array(0);

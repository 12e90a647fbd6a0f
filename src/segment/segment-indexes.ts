/**
 * The two indexes of a segment as one: made by one fold, written together, replaced together. What
 * fails here is reported and costs time later, never data, and so never throws: the log has it all.
 * Only making the files of a new segment throws.
 */

import { join } from 'node:path';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { isOfflineError } from '../file/guarded-env.js';
import { OffsetIndex } from '../index/offset-index.js';
import type { SparseIndex } from '../index/sparse-index.js';
import { TimeIndex } from '../index/time-index.js';
import { IndexFold } from './index-fold.js';
import { formatFileName } from './names.js';

export interface SegmentIndexesOptions {
  readonly env: Env;
  readonly logger: Logger;
  readonly dir: string;
  readonly baseOffset: Offset;
  /** segment.index.bytes */
  readonly bytesMax: number;
}

export class SegmentIndexes {
  readonly offset: OffsetIndex;
  readonly time: TimeIndex;
  readonly fold: IndexFold;
  #logger: Logger;
  /** How many entries there were when they were unloaded. */
  #former: { offset: number; time: number } | null = null;
  #unchanged = false;

  constructor(options: SegmentIndexesOptions) {
    const { env, dir, baseOffset, bytesMax } = options;
    const indexPath = join(dir, formatFileName(baseOffset, 'index'));
    const timePath = join(dir, formatFileName(baseOffset, 'timeindex'));
    this.offset = new OffsetIndex({ env, path: indexPath, bytesMax });
    this.time = new TimeIndex({ env, path: timePath, bytesMax });
    this.fold = new IndexFold(this.offset, this.time);
    this.#logger = options.logger;
  }

  /** The entries loaded last are those that were unloaded before: what was known of the log still holds. */
  get unchanged(): boolean {
    return this.#unchanged;
  }

  /** No room for another entry in one of them. */
  get isFull(): boolean {
    return this.offset.isFull || this.time.isFull;
  }

  /** Makes both files, empty. */
  create(): void {
    this.offset.createFile();
    this.time.createFile();
  }

  /** Reads both files; false if one cannot be used, as far as can be told without the log. */
  load(): boolean {
    const faults = [this.offset.load(), this.time.load()];
    this.fold.restart();
    const usable = faults.every((fault) => fault === null);
    const former = this.#former;
    this.#former = null;
    this.#unchanged =
      usable && former?.offset === this.offset.count && former.time === this.time.count;
    return usable;
  }

  /** Writes what is not in the files yet. */
  write(): void {
    this.#attempt(this.offset, () => this.offset.write());
    this.#attempt(this.time, () => this.time.write());
  }

  /** Writes if enough has gathered. */
  maybeWrite(): void {
    if (this.offset.writeDue) this.write();
  }

  /** Ends both: the time index with the largest timestamp, and both written and closed. */
  finish(): void {
    this.fold.finish();
    this.write();
    this.close();
  }

  /** After the log was cut at `position`, where the batch with this relative base offset was. */
  truncateTo(position: number, relativeOffset: number): void {
    this.#attempt(this.offset, () => this.offset.truncateTo(position));
    this.#attempt(this.time, () => this.time.truncateTo(relativeOffset));
    this.fold.restart();
  }

  /** Takes over what was made from the log; true if a file was not that already. */
  adopt(truth: IndexFold): boolean {
    const offset = this.#adopt(this.offset, truth.offsetIndex);
    const time = this.#adopt(this.time, truth.timeIndex);
    this.fold.restart();
    const { maxTimestamp, maxTimestampHigh, maxTimestampLow, maxTimestampOffset } = truth;
    this.fold.setMaxTimestamp(maxTimestamp, maxTimestampHigh, maxTimestampLow, maxTimestampOffset);
    return offset || time;
  }

  #adopt(index: SparseIndex, truth: SparseIndex): boolean {
    if (index.load() === null && index.fileIsExact() && sameBytes(index.bytes, truth.bytes)) {
      return false;
    }
    this.#attempt(index, () => index.replaceBy(truth));
    return true;
  }

  /** Forgets the entries until the next `load`. */
  unload(): void {
    this.write();
    this.#former = { offset: this.offset.count, time: this.time.count };
    this.offset.unload();
    this.time.unload();
  }

  /** The files were renamed. */
  moveTo(offsetPath: string, timePath: string): void {
    this.offset.moveTo(offsetPath);
    this.time.moveTo(timePath);
  }

  /** Closes the files; the entries stay readable. */
  close(): void {
    this.#attempt(this.offset, () => this.offset.close());
    this.#attempt(this.time, () => this.time.close());
  }

  #attempt(index: SparseIndex, call: () => void): void {
    try {
      call();
    } catch (error) {
      if (isOfflineError(error)) return;
      const fields = { path: index.path, error: String(error) };
      this.#logger.warn('could not write an index; it will be made again', fields);
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

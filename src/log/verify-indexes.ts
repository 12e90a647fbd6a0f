/**
 * Holds the two indexes of a segment against its batches as they go by. Entries of either rise, so one
 * pass over the log is enough. An entry that no batch confirms costs a broker time, never truth; the
 * findings say which file to make anew.
 *
 *     .index      position and last offset of one batch
 *     .timeindex  last offset and largest timestamp of one batch, the largest so far
 */

import { join } from 'node:path';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { readInt32, readInt64 } from '../record/batch-view.js';
import {
  WALK_BASE_OFFSET,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_MAX_TIMESTAMP,
  WALK_POSITION,
  WALK_STRIDE,
} from '../record/batch-walk.js';
import { formatFileName } from '../segment/names.js';

const OFFSET_ENTRY = 8;
const TIME_ENTRY = 12;

export interface IndexFinding {
  readonly kind: 'index' | 'timeindex';
  readonly message: string;
}

export class IndexCheck {
  readonly #baseOffset: Offset;
  readonly #offsets: Buffer | null;
  readonly #times: Buffer | null;
  readonly #findings: IndexFinding[] = [];
  #offsetAt = 0;
  #timeAt = 0;
  #wrongOffsets = 0;
  #wrongTimes = 0;
  #largest = -1;
  #batches = 0;

  constructor(env: Pick<Env, 'exists' | 'readFile'>, dir: string, baseOffset: Offset) {
    this.#baseOffset = baseOffset;
    const read = (kind: 'index' | 'timeindex'): Buffer | null => {
      const path = join(dir, formatFileName(baseOffset, kind));
      try {
        return env.exists(path) ? env.readFile(path) : null;
      } catch (error) {
        this.#findings.push({ kind, message: String(error) });
        return null;
      }
    };
    this.#offsets = read('index');
    this.#times = read('timeindex');
  }

  take(batches: Float64Array, count: number): void {
    for (let batch = 0; batch < count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE;
      const position = batches[slot + WALK_POSITION] as number;
      const lastOffset =
        (batches[slot + WALK_BASE_OFFSET] as number) +
        (batches[slot + WALK_LAST_OFFSET_DELTA] as number) -
        this.#baseOffset;
      const timestamp = batches[slot + WALK_MAX_TIMESTAMP] as number;
      this.#batches++;
      this.#takeOffset(position, lastOffset);
      this.#takeTime(lastOffset, timestamp);
    }
  }

  #takeOffset(position: number, lastOffset: number): void {
    const entries = this.#offsets;
    while (entries !== null && this.#offsetAt + OFFSET_ENTRY <= entries.length) {
      const at = this.#offsetAt;
      const entryOffset = readInt32(entries, at);
      const entryPosition = readInt32(entries, at + 4);
      // Zeros of a preallocated tail.
      if (entryOffset === 0 && at > 0) return;
      if (entryPosition > position) return;
      this.#offsetAt += OFFSET_ENTRY;
      if (entryPosition < position || entryOffset !== lastOffset) this.#wrongOffsets++;
    }
  }

  #takeTime(lastOffset: number, timestamp: number): void {
    const entries = this.#times;
    while (entries !== null && this.#timeAt + TIME_ENTRY <= entries.length) {
      const at = this.#timeAt;
      const entryOffset = readInt32(entries, at + 8);
      const entryTimestamp = readInt64(entries, at);
      if (entryOffset === 0 && at > 0) return;
      if (entryOffset > lastOffset) break;
      this.#timeAt += TIME_ENTRY;
      const rises = entryTimestamp > this.#largest;
      this.#largest = entryTimestamp;
      // The one entry of a log without timestamps is (-1, its base offset).
      if (entryTimestamp === -1) continue;
      if (entryOffset !== lastOffset || entryTimestamp !== timestamp || !rises) this.#wrongTimes++;
    }
  }

  /** What is wrong; of an active segment the files may be missing, or lack their last entries. */
  finish(active: boolean): readonly IndexFinding[] {
    const find = (kind: IndexFinding['kind'], message: string): void => {
      this.#findings.push({ kind, message });
    };
    const rest = this.#restOf(this.#offsets, this.#offsetAt, OFFSET_ENTRY, 0);
    const timeRest = this.#restOf(this.#times, this.#timeAt, TIME_ENTRY, 8);
    const wrong = this.#wrongOffsets + rest;
    const wrongTimes = this.#wrongTimes + timeRest;
    if (this.#offsets === null && this.#batches > 0 && !active) find('index', 'missing');
    if (this.#times === null && this.#batches > 0 && !active) find('timeindex', 'missing');
    if (wrong > 0) find('index', `${wrong} entries point at no such batch`);
    if (wrongTimes > 0) find('timeindex', `${wrongTimes} entries are of no such batch`);
    if ((this.#offsets?.length ?? 0) % OFFSET_ENTRY > 0) find('index', 'ends within an entry');
    if ((this.#times?.length ?? 0) % TIME_ENTRY > 0) find('timeindex', 'ends within an entry');
    return this.#findings;
  }

  /** Entries behind the last batch. */
  #restOf(entries: Buffer | null, from: number, size: number, relativeAt: number): number {
    let count = 0;
    if (entries === null) return 0;
    for (let at = from; at + size <= entries.length; at += size) {
      const relative = readInt32(entries, at + relativeAt);
      // Of an empty segment Kafka may write one entry of zeros, or of no timestamp.
      if (relative === 0) break;
      count++;
    }
    return count;
  }
}

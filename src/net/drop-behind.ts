/**
 * Gives back to the page cache what was read into it only to be sent: the oldest of it, when it is more
 * than a bound, or in too many pieces.
 *
 *     [ read first ][ ... ][ ... ][ read last ]      in order of reading, over all files
 *      \__ dropped _/\______ at most bytesMax ______/
 *
 * A consumer that reads an old log once would otherwise push out of memory what all the others use, and
 * on its way take every page that is free. What was in memory before is not counted and not dropped.
 */

import type { OpenFile } from '../base/chunk.js';
import { FixedQueue } from '../base/fixed-queue.js';
import { DROP_BYTES_MAX, DROP_RANGES_MAX } from '../base/limits.js';
import type { Native } from '../native/binding.js';
import type { NetCounters } from './counters.js';

interface ReadRange {
  readonly file: OpenFile;
  readonly position: number;
  length: number;
}

export class DropBehind {
  readonly #native: Native;
  readonly #bytesMax: number;
  readonly #counters: NetCounters;
  readonly #ranges = new FixedQueue<ReadRange>();
  #last: ReadRange | null = null;
  #bytes = 0;
  #dropping = false;

  constructor(native: Native, bytesMax: number, counters: NetCounters) {
    this.#native = native;
    this.#bytesMax = bytesMax;
    this.#counters = counters;
  }

  /** Bytes that were not in the page cache are there now, since they were asked for. */
  add(file: OpenFile, position: number, length: number): void {
    const last = this.#last;
    const goesOn = last !== null && last.file === file && last.position + last.length === position;
    if (goesOn && last.length + length <= DROP_BYTES_MAX) {
      last.length += length;
    } else {
      this.#last = { file, position, length };
      this.#ranges.push(this.#last);
    }
    this.#bytes += length;
    this.#drop();
  }

  #isFull(): boolean {
    const { size } = this.#ranges;
    return (this.#bytes > this.#bytesMax && size > 1) || size > DROP_RANGES_MAX;
  }

  /** One job at a time. */
  #drop(): void {
    while (!this.#dropping && this.#isFull()) {
      const { file, position, length } = this.#ranges.shift() as ReadRange;
      this.#bytes -= length;
      if (file.fd < 0) continue;
      file.hot.forget(position, position + length);
      const queued = this.#native.dropPages(file.fd, position, length, (result) => {
        this.#dropping = false;
        if (result >= 0) this.#counters.bytesDropped += length;
        this.#drop();
      });
      this.#dropping = queued >= 0;
    }
  }
}

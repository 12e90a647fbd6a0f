/**
 * Reads cold file ranges into the page cache in the libuv pool, so that sendfile(2) on the event loop
 * does not wait for a disk. Few jobs at a time, in order of arrival, those ahead of a reader after
 * those that somebody waits for: the pool also syncs files.
 */

import type { OpenFile } from '../base/chunk.js';
import { FixedQueue } from '../base/fixed-queue.js';
import { PREFETCH_JOBS_MAX, RESIDENCY_STEP_BYTES } from '../base/limits.js';
import type { Native } from '../native/binding.js';

interface PrefetchJob {
  readonly file: OpenFile;
  readonly position: number;
  readonly length: number;
  /** Bytes behind it that the disk is asked for, without waiting for them. */
  readonly further: number;
  readonly done: (result: number) => void;
}

export class Prefetcher {
  readonly #native: Native;
  readonly #awaited = new FixedQueue<PrefetchJob>();
  readonly #ahead = new FixedQueue<PrefetchJob>();
  #running = 0;

  constructor(native: Native) {
    this.#native = native;
  }

  /**
   * Calls `done` once, later, with how many bytes of [position, position + length) are in the page cache
   * now, or -errno: -EBADF if the file was closed meanwhile. One job per connection, and one ahead per
   * file, at a time bound the queues.
   */
  prefetch(
    file: OpenFile,
    position: number,
    length: number,
    kind: 'awaited' | 'ahead',
    done: (result: number) => void,
  ): void {
    const isAhead = kind === 'ahead';
    const further = isAhead ? RESIDENCY_STEP_BYTES : 0;
    (isAhead ? this.#ahead : this.#awaited).push({ file, position, length, further, done });
    this.#start();
  }

  #start(): void {
    while (this.#running < PREFETCH_JOBS_MAX) {
      const job = this.#awaited.shift() ?? this.#ahead.shift();
      if (job === undefined) return;
      this.#run(job);
    }
  }

  #run({ file, position, length, further, done }: PrefetchJob): void {
    const onResult = (result: number): void => {
      this.#running--;
      this.#start();
      done(result);
    };
    this.#running++;
    // Of a file that is closed by now: -1, which is answered by -EBADF.
    const queued = this.#native.prefetch(file.fd, position, length, further, onResult);
    if (queued < 0) setImmediate(onResult, queued);
  }
}

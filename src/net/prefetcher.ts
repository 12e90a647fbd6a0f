/**
 * Reads cold file ranges into the page cache in the libuv pool, so that sendfile(2) on the event loop
 * does not wait for a disk. Few jobs at a time, in order of arrival: the pool also syncs files.
 */

import type { FileSlice } from '../base/chunk.js';
import { FixedQueue } from '../base/fixed-queue.js';
import { PREFETCH_JOBS_MAX } from '../base/limits.js';
import type { Native } from '../native/binding.js';

interface PrefetchJob {
  readonly slice: FileSlice;
  readonly position: number;
  readonly length: number;
  readonly done: (result: number) => void;
}

export class Prefetcher {
  readonly #native: Native;
  readonly #waiting: FixedQueue<PrefetchJob>;
  #running: number;

  constructor(native: Native) {
    this.#native = native;
    this.#waiting = new FixedQueue();
    this.#running = 0;
  }

  /**
   * Calls `done` once, later, with how many bytes of [position, position + length) of the slice's
   * file are in the page cache now, or -errno. Retains the slice until the job has its own
   * descriptor. One job per connection at a time bounds the queue.
   */
  prefetch(
    slice: FileSlice,
    position: number,
    length: number,
    done: (result: number) => void,
  ): void {
    slice.retain();
    this.#waiting.push({ slice, position, length, done });
    this.#start();
  }

  #start(): void {
    while (this.#running < PREFETCH_JOBS_MAX) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#run(job);
    }
  }

  #run(job: PrefetchJob): void {
    const onResult = (result: number): void => {
      this.#running--;
      this.#start();
      job.done(result);
    };
    this.#running++;
    let queued: number;
    try {
      queued = this.#native.prefetch(job.slice.fd, job.position, job.length, onResult);
    } finally {
      job.slice.release();
    }
    if (queued < 0) setImmediate(onResult, queued);
  }
}

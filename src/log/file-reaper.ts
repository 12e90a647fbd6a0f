/**
 * Deletes what was renamed, after file.delete.delay.ms: fetches that still send from a file, and
 * people who look at it, get the time. What is not yet deleted when the process ends is found by its
 * name and removed at the next start.
 */

import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { isOfflineError } from '../file/guarded-env.js';

export class FileReaper {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timers = new Set<Timer>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Deletions that wait or run. */
  get count(): number {
    return this.#timers.size + this.#running.size;
  }

  /** Runs `task` after `delayMs`, unless closed before; a failure is reported and forgotten. */
  schedule(delayMs: number, task: () => Promise<void>): void {
    if (this.#closed) return;
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      const run = this.#run(task).finally(() => this.#running.delete(run));
      this.#running.add(run);
    });
    this.#timers.add(timer);
  }

  /**
   * What waits for its time stays renamed. What runs is not waited for: it may wait for a slow reader
   * to let go of a slice.
   */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  /** Settles when no deletion is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      // That was said, once.
      if (isOfflineError(error)) return;
      this.#logger.warn('deletion failed, it is tried again at the next start', {
        reason: String(error),
      });
    }
  }
}

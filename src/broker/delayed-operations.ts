/**
 * Requests that wait: a fetch for enough bytes, later a produce for its replicas.
 *
 *     wait() --- wake() ---> tryComplete() -- a value --> resolved
 *        |                        '-- undefined: goes on waiting
 *        |--- maxWaitMs over ---> expire() -------------> resolved
 *        |--- signal aborted (connection closing) -> expire() --> resolved
 *        '--- close() ---------------------------> expire() --> resolved
 *
 * Wakes of one tick are put together: an operation is tried once per microtask turn, however many of
 * its partitions moved. The number of waiting operations is bounded; one more is expired at once,
 * which costs its client a round trip and us no memory. An answer that no one can read any more is
 * still made: net releases what it holds.
 */

import type { Clock, Timer } from '../base/clock.js';
import { Subscribers } from '../base/subscribers.js';
import type { CloseSignal } from '../net/close-signal.js';

export interface DelayedOperation<T> {
  /** How long it may wait, from now. */
  readonly maxWaitMs: number;
  /** Expires it at once: the connection that asked begins to close. */
  readonly signal: CloseSignal;
  /** Arms the wake-ups; called once. The function it answers disarms them and is called once. */
  watch(wake: () => void): () => void;
  /** Answers the result if the condition holds now, else undefined. A throw rejects the wait. */
  tryComplete(): T | undefined;
  /** Answers what there is when the time is over. A throw rejects the wait. */
  expire(): T;
}

export class DelayedOperations {
  readonly #clock: Clock;
  readonly #countMax: number;
  readonly #waitMsMax: number;
  readonly #waiting = new Subscribers();
  #count = 0;
  #closed = false;

  constructor(options: {
    readonly clock: Clock;
    readonly countMax: number;
    /** Longer waits are cut to it; default: none is. */
    readonly waitMsMax?: number;
  }) {
    this.#clock = options.clock;
    this.#countMax = options.countMax;
    this.#waitMsMax = options.waitMsMax ?? Number.POSITIVE_INFINITY;
  }

  /** Operations that wait now. */
  get count(): number {
    return this.#count;
  }

  wait<T>(operation: DelayedOperation<T>): Promise<T> {
    const full = this.#closed || this.#count >= this.#countMax;
    if (full || operation.maxWaitMs <= 0 || operation.signal.aborted) {
      return new Promise((resolve) => resolve(operation.expire()));
    }
    return new Promise<T>((resolve, reject) => {
      let queued = false;
      let done = false;
      let timer: Timer | null = null;
      let unwatch: (() => void) | null = null;

      const finish = (): void => {
        done = true;
        this.#count--;
        ofAll.end();
        ofConnection.end();
        timer?.cancel();
        unwatch?.();
      };
      const expireNow = (): void => {
        if (done) return;
        finish();
        try {
          resolve(operation.expire());
        } catch (error) {
          reject(error as Error);
        }
      };
      const attempt = (): void => {
        queued = false;
        if (done) return;
        try {
          const result = operation.tryComplete();
          if (result === undefined) return;
          finish();
          resolve(result);
        } catch (error) {
          finish();
          reject(error as Error);
        }
      };
      const wake = (): void => {
        if (queued || done) return;
        queued = true;
        queueMicrotask(attempt);
      };

      this.#count++;
      const ofAll = this.#waiting.add(expireNow, 0);
      const ofConnection = operation.signal.subscribe(expireNow);
      unwatch = operation.watch(wake);
      timer = this.#clock.setTimer(Math.min(operation.maxWaitMs, this.#waitMsMax), expireNow);
    });
  }

  /** Expires what waits; a later `wait` does not wait. */
  close(): void {
    this.#closed = true;
    this.#waiting.notify();
  }
}

/**
 * Says once that a connection begins to close. An AbortSignal for those who wait often: to subscribe costs
 * one small object, and its end leaves nothing.
 */

import { Subscribers, type Subscription } from '../base/subscribers.js';

export class CloseSignal {
  readonly #subscribers = new Subscribers();
  #aborted = false;

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Calls `callback` when it is aborted, not if it was: look at `aborted` before. */
  subscribe(callback: () => void): Subscription {
    return this.#subscribers.add(callback, 0);
  }

  /** Idempotent. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#subscribers.notify();
  }
}

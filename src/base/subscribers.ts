/**
 * Callbacks that run when something has happened, in the order in which they came. A list of nodes: to come
 * and go costs one small object, and a waiting fetch comes and goes with every answer.
 *
 * What comes and goes for ever is kept neither in a Set nor in nodes that point on when they have gone. A
 * node that the collector took for long-lived keeps what it points to until all of the heap is collected,
 * and that keeps its next one: from then on nothing of them dies young. The table of a Set that was
 * replaced points to its successor likewise.
 */

export class Subscribers {
  #first: Subscription | null = null;
  #last: Subscription | null = null;
  #notifyingCount = 0;
  /** Some have ended that are still in the list. */
  #hasEnded = false;

  /** Runs `callback` with `key` at each `notify` until the subscription is ended. */
  add(callback: (key: number) => void, key: number): Subscription {
    const subscription = new Subscription(callback, key, this, this.#last);
    if (this.#last === null) this.#first = subscription;
    else this.#last.next = subscription;
    this.#last = subscription;
    return subscription;
  }

  /** Callbacks may end subscriptions, their own and others: what has ended is not run any more. */
  notify(): void {
    if (this.#first === null) return;
    this.#notifyingCount++;
    try {
      for (let one: Subscription | null = this.#first; one !== null; one = one.next) {
        if (!one.ended) one.callback(one.key);
      }
    } finally {
      this.#notifyingCount--;
      if (this.#hasEnded && this.#notifyingCount === 0) this.#removeEnded();
    }
  }

  /** For Subscription. Its links stay while a `notify` may be at it, and no longer. */
  remove(subscription: Subscription): void {
    if (this.#notifyingCount > 0) this.#hasEnded = true;
    else this.#unlink(subscription);
  }

  #removeEnded(): void {
    this.#hasEnded = false;
    let one = this.#first;
    while (one !== null) {
      const { next } = one;
      if (one.ended) this.#unlink(one);
      one = next;
    }
  }

  #unlink(subscription: Subscription): void {
    const { previous, next } = subscription;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    subscription.previous = null;
    subscription.next = null;
  }
}

export class Subscription {
  readonly callback: (key: number) => void;
  readonly key: number;
  /** In the list of Subscribers; null at its ends, and when it was taken out. */
  previous: Subscription | null;
  next: Subscription | null = null;
  ended = false;
  readonly #owner: Subscribers;

  /** Use `Subscribers.add`. */
  constructor(
    callback: (key: number) => void,
    key: number,
    owner: Subscribers,
    previous: Subscription | null,
  ) {
    this.callback = callback;
    this.key = key;
    this.previous = previous;
    this.#owner = owner;
  }

  /** Idempotent. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#owner.remove(this);
  }
}

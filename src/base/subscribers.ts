/**
 * Callbacks that run when something has happened, in the order in which they came. A list of nodes: to come
 * and go costs one small object, and a waiting fetch comes and goes with every answer.
 */

export class Subscribers {
  #first: Subscription | null = null;
  #last: Subscription | null = null;

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
    for (let one = this.#first; one !== null; one = one.next) if (!one.ended) one.callback(one.key);
  }

  /** For Subscription. Its `next` stays, for a `notify` that is at it. */
  remove({ previous, next }: Subscription): void {
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
  }
}

export class Subscription {
  readonly callback: (key: number) => void;
  readonly key: number;
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

/**
 * The answer to an append, without a promise until somebody awaits it: a million appends in a loop
 * make a million small objects and a promise per batch at most.
 */

import type { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';

/** A batch on its way; all records in it share its outcome. */
export class PendingBatch {
  /** What it takes of the bound on bytes that are not answered. */
  sizeInBytes = 0;
  #promise: Promise<Offset> | null = null;
  #settle: { resolve: (base: Offset) => void; reject: (error: Error) => void } | null = null;
  #baseOffset: Offset | null = null;
  #error: MillraceError | null = null;

  /** Somebody has looked at the outcome. */
  get observed(): boolean {
    return this.#promise !== null;
  }

  /** The base offset of the batch. */
  settled(): Promise<Offset> {
    if (this.#promise !== null) return this.#promise;
    if (this.#error !== null) this.#promise = Promise.reject(this.#error);
    else if (this.#baseOffset !== null) this.#promise = Promise.resolve(this.#baseOffset);
    else {
      this.#promise = new Promise((resolve, reject) => {
        this.#settle = { resolve, reject };
      });
    }
    return this.#promise;
  }

  resolve(baseOffset: Offset): void {
    this.#baseOffset = baseOffset;
    this.#settle?.resolve(baseOffset);
  }

  reject(error: MillraceError): void {
    this.#error = error;
    this.#settle?.reject(error);
  }
}

/**
 * To be awaited for the offset of the first record of an append, once all its records are as safe as
 * the log's durability says; or to be left alone: then a failure comes out of the next `flush`.
 */
export class Appended implements PromiseLike<Offset> {
  readonly #first: PendingBatch;
  /** Of the first record in that batch. */
  readonly #index: number;
  readonly #last: PendingBatch;

  constructor(first: PendingBatch, index: number, last: PendingBatch) {
    this.#first = first;
    this.#index = index;
    this.#last = last;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like a promise and made one only then
  then<R1 = Offset, R2 = never>(
    onFulfilled?: ((offset: Offset) => R1 | PromiseLike<R1>) | null | undefined,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null | undefined,
  ): Promise<R1 | R2> {
    const first = this.#first.settled();
    const all =
      this.#last === this.#first
        ? first
        : Promise.all([first, this.#last.settled()]).then(([base]) => base);
    return all.then((base) => (base + this.#index) as Offset).then(onFulfilled, onRejected);
  }
}

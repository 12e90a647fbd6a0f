/**
 * A first-in, first-out queue on one ring, without an allocation per item.
 *
 *     first                                          size = 4, first = 6, ring of 8
 *       |
 *     +---+---+---+---+---+---+---+---+
 *     | c | d |   |   |   |   | a | b |              item at index i: ring[(first + i) & mask]
 *     +---+---+---+---+---+---+---+---+
 *
 * The ring doubles when it is full, up to `sizeMax`, and never shrinks. A place that was left is
 * cleared, so that the queue keeps nothing alive.
 */

import { assert } from './assert.js';

const RING_SIZE_MIN = 8;

export class FixedQueue<Item> {
  readonly #sizeMax: number;
  #ring: (Item | undefined)[];
  #first: number;
  #size: number;

  /** To push over `sizeMax` items is a programmer error: who fills the queue looks at `size`. */
  constructor(sizeMax = Number.MAX_SAFE_INTEGER) {
    assert(sizeMax > 0, 'a queue has room');
    this.#sizeMax = sizeMax;
    this.#ring = new Array<Item | undefined>(RING_SIZE_MIN).fill(undefined);
    this.#first = 0;
    this.#size = 0;
  }

  get size(): number {
    return this.#size;
  }

  push(item: Item): void {
    assert(this.#size < this.#sizeMax, 'the queue is full');
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#size) & (this.#ring.length - 1)] = item;
    this.#size++;
  }

  /** The item at `index` from the front, or undefined. */
  peek(index = 0): Item | undefined {
    if (index >= this.#size) return undefined;
    return this.#ring[(this.#first + index) & (this.#ring.length - 1)];
  }

  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#size--;
    return item;
  }

  #grow(): void {
    const ring = new Array<Item | undefined>(this.#ring.length * 2).fill(undefined);
    for (let i = 0; i < this.#size; i++) ring[i] = this.peek(i);
    this.#ring = ring;
    this.#first = 0;
  }
}

/**
 * The segments of a partition, ordered by base offset: a sorted array, since there are few and they
 * come in order. The last one is the active segment. Holds no files itself.
 */

import { assert } from '../base/assert.js';

interface HasBaseOffset {
  readonly baseOffset: number;
}

export class SegmentList<T extends HasBaseOffset> implements Iterable<T> {
  #items: T[] = [];

  get count(): number {
    return this.#items.length;
  }

  /** Oldest, or null if there is none. */
  get first(): T | null {
    return this.#items[0] ?? null;
  }

  /** The active segment, or null if there is none. */
  get last(): T | null {
    return this.#items[this.#items.length - 1] ?? null;
  }

  /** In order of base offset; null outside [0, count). */
  at(index: number): T | null {
    return this.#items[index] ?? null;
  }

  /** Index of the segment with the largest base offset <= `offset`; -1 if all begin after it. */
  floorIndex(offset: number): number {
    const items = this.#items;
    let low = -1;
    let high = items.length - 1;
    // Nearly every look-up is for the active segment.
    if (high >= 0 && (items[high] as T).baseOffset <= offset) return high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((items[middle] as T).baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The segment that holds `offset` if any does: largest base offset <= `offset`. */
  floor(offset: number): T | null {
    return this.at(this.floorIndex(offset));
  }

  /** The first segment with a base offset > `offset`. */
  higher(offset: number): T | null {
    return this.at(this.floorIndex(offset) + 1);
  }

  /** Inserts by base offset, which no other segment of the list may have. */
  add(item: T): void {
    const index = this.floorIndex(item.baseOffset);
    const floor = this.at(index);
    assert(floor === null || floor.baseOffset < item.baseOffset, 'two segments at one offset');
    if (index === this.#items.length - 1) this.#items.push(item);
    else this.#items.splice(index + 1, 0, item);
  }

  /** False if it was not there. */
  remove(item: T): boolean {
    const index = this.floorIndex(item.baseOffset);
    if (this.#items[index] !== item) return false;
    this.#items.splice(index, 1);
    return true;
  }

  /** Puts `item` in the place of `old`, which are neighbours. */
  replace(old: readonly T[], item: T): void {
    const first = old[0];
    assert(first !== undefined, 'something to replace');
    const index = this.floorIndex(first.baseOffset);
    assert(
      old.every((each, at) => this.#items[index + at] === each),
      'neighbours of the list',
    );
    const next = this.at(index + old.length);
    assert(item.baseOffset >= first.baseOffset, 'the place of the old ones');
    assert(next === null || item.baseOffset < next.baseOffset, 'the place of the old ones');
    this.#items.splice(index, old.length, item);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.slice()[Symbol.iterator]();
  }
}

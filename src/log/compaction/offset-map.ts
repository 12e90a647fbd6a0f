/**
 * The last offset of each key, in bounded memory: keys are kept as 16 bytes of their SHA-1.
 *
 *     slot   | hash: 4 x int32 | offset: double, -1 if free |     24 bytes, linear probing
 *
 * Two keys of one hash would be one key, and a record would be lost: at 2^-128 for any two that
 * nobody can aim at, which is why it is no quicker hash. A slot is never freed but by `clear`.
 */

import { createRequire } from 'node:module';
import { assert } from '../../base/assert.js';

export const SLOT_SIZE = 24;
const FREE = -1;

export class OffsetMap {
  readonly #slotCount: number;
  readonly #countMax: number;
  readonly #hashes: Int32Array;
  readonly #offsets: Float64Array;
  #count = 0;
  /** Every record up to it is in the map; -1: none. */
  #latestOffset = -1;

  /** Room for `keyCount` keys, but no more than `bytesMax` of memory; `loadFactor` below 1. */
  constructor(keyCount: number, bytesMax: number, loadFactor: number) {
    assert(loadFactor > 0 && loadFactor < 1, 'some slots stay free, for a search to end at');
    const wanted = Math.ceil(keyCount / loadFactor) + 2;
    this.#slotCount = Math.max(2, Math.min(wanted, Math.floor(bytesMax / SLOT_SIZE)));
    this.#countMax = Math.max(1, Math.floor(this.#slotCount * loadFactor));
    this.#hashes = new Int32Array(4 * this.#slotCount);
    this.#offsets = new Float64Array(this.#slotCount).fill(FREE);
  }

  /** Keys in the map. */
  get count(): number {
    return this.#count;
  }

  get countMax(): number {
    return this.#countMax;
  }

  get latestOffset(): number {
    return this.#latestOffset;
  }

  /** Everything up to `offset` has been put, or has no key. */
  raiseLatestOffset(offset: number): void {
    if (offset > this.#latestOffset) this.#latestOffset = offset;
  }

  /** Sets the key's offset; false, and nothing is changed, if it is new and the map is full. */
  put(key: Uint8Array, offset: number): boolean {
    const slot = this.#find(key);
    if (this.#offsets[slot] === FREE) {
      if (this.#count === this.#countMax) return false;
      this.#hashes.set(hash, 4 * slot);
      this.#count++;
    }
    this.#offsets[slot] = offset;
    return true;
  }

  /** Last offset that was put for the key, -1 if there is none. */
  get(key: Uint8Array): number {
    return this.#offsets[this.#find(key)] as number;
  }

  /** The slot of the key, or the free one where it belongs. */
  #find(key: Uint8Array): number {
    hashKey(key);
    const [a, b, c, d] = hash as unknown as readonly [number, number, number, number];
    let slot = (a >>> 0) % this.#slotCount;
    while (this.#offsets[slot] !== FREE) {
      const at = 4 * slot;
      if (
        this.#hashes[at] === a &&
        this.#hashes[at + 1] === b &&
        this.#hashes[at + 2] === c &&
        this.#hashes[at + 3] === d
      ) {
        return slot;
      }
      slot = slot + 1 === this.#slotCount ? 0 : slot + 1;
    }
    return slot;
  }
}

/** Of the last key hashed. */
const hash = new Int32Array(4);

function hashKey(key: Uint8Array): void {
  const digest = digestOf(key);
  for (let word = 0; word < 4; word++) hash[word] = digest.readInt32LE(4 * word);
}

let digest: ((key: Uint8Array) => Buffer) | null = null;

function digestOf(key: Uint8Array): Buffer {
  digest ??= makeDigest();
  return digest(key);
}

/** `crypto.hash` costs a third of a hash object, and is not in the first releases of Node 20. */
function makeDigest(): (key: Uint8Array) => Buffer {
  // Loaded with the first compaction: 2 ms of a start.
  const crypto = createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto');
  return typeof crypto.hash === 'function'
    ? (key) => crypto.hash('sha1', key, 'buffer')
    : (key) => crypto.createHash('sha1').update(key).digest();
}

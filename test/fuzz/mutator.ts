/**
 * Makes hostile bytes from good ones, in one scratch buffer: what it answers is valid until the next
 * call. Repeatable from the numbers it draws.
 */

import type { Random } from '#src/base/random.js';

const SIZE_MAX = 128 * 1024;
const INT32S = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 0x7fff, 0xffff, 61, 2 ** 20, 2 ** 24];
const BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x02, 0x20, 0x0a];

export class Mutator {
  readonly #random: Random;
  readonly #scratch = Buffer.alloc(SIZE_MAX);
  readonly #copied = Buffer.alloc(512);
  #size = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One of `samples` with one to six changes; now and then untouched, or noise. */
  next(samples: readonly Uint8Array[]): Buffer {
    const random = this.#random;
    const sample = samples[random.below(samples.length)] as Uint8Array;
    this.#size = Math.min(sample.length, SIZE_MAX / 2);
    this.#scratch.set(sample.subarray(0, this.#size));
    const kind = random.below(256);
    if (kind === 1) random.fill(this.#scratch.subarray(0, this.#size));
    else if (kind > 1) {
      for (let count = 1 + random.below(6); count > 0; count--) this.#change(samples);
    }
    return this.#scratch.subarray(0, this.#size);
  }

  #change(samples: readonly Uint8Array[]): void {
    const random = this.#random;
    const bytes = this.#scratch;
    // Heads decide most: every second change is among the first 128 bytes.
    const reach = random.below(2) === 0 ? Math.min(this.#size, 128) : this.#size;
    const at = random.below(Math.max(1, reach));
    switch (random.below(12)) {
      case 0:
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
        break;
      case 2:
        bytes[at] = random.below(256);
        break;
      case 3:
        bytes[at] = BYTES[random.below(BYTES.length)] as number;
        break;
      case 4:
        if (at + 4 <= this.#size) bytes.writeInt32BE(INT32S[random.below(INT32S.length)]!, at);
        break;
      case 5:
        if (at + 2 <= this.#size) bytes.writeInt16BE(random.below(2 ** 16) - 2 ** 15, at);
        break;
      case 6:
        bytes.fill(BYTES[random.below(BYTES.length)]!, at, at + random.below(12));
        this.#size = Math.max(this.#size, Math.min(at, SIZE_MAX / 2));
        break;
      case 7:
        this.#size = random.below(4) === 0 ? at : Math.max(0, this.#size - random.below(5));
        break;
      case 8:
        this.#remove(at, random.below(9));
        break;
      case 9:
        this.#insert(at, random.fill(this.#copied.subarray(0, random.below(9))));
        break;
      case 10:
        this.#insert(at, this.#piece(bytes.subarray(0, this.#size), 64));
        break;
      default:
        this.#insert(at, this.#piece(samples[random.below(samples.length)] as Uint8Array, 256));
    }
  }

  /** A copy of some bytes of `source`. */
  #piece(source: Uint8Array, sizeMax: number): Uint8Array {
    const from = this.#random.below(Math.max(1, source.length));
    const size = Math.min(source.length - from, this.#random.below(sizeMax));
    this.#copied.set(source.subarray(from, from + size));
    return this.#copied.subarray(0, size);
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.#size, at + count);
    this.#scratch.copyWithin(at, end, this.#size);
    this.#size -= end - at;
  }

  #insert(at: number, added: Uint8Array): void {
    if (this.#size + added.length > SIZE_MAX / 2) return;
    this.#scratch.copyWithin(at + added.length, at, this.#size);
    this.#scratch.set(added, at);
    this.#size += added.length;
  }
}

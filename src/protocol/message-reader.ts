/** The reader of one message: a ByteReader that also bounds how many array elements it may have. */

import { ByteReader } from '../base/byte-reader.js';
import { ProtocolError } from './protocol-error.js';

/**
 * Array elements of one message, all arrays together. An empty struct costs some 100 bytes of heap
 * for 2 on the wire, so this is what bounds the memory of a decoded message.
 */
export const ELEMENTS_MAX = 2 ** 20;

/** Longest string in bytes, as in Kafka, compact or not. */
export const STRING_SIZE_MAX = 0x7fff;

export class MessageReader extends ByteReader {
  #elements = 0;

  constructor(frame: Uint8Array, position = 0, end = frame.length) {
    super(frame, position, end, ProtocolError);
  }

  /** Checks that `count` elements of at least `sizeMin` bytes can follow. */
  checkCount(count: number, sizeMin: number): void {
    if (!(count >= 0 && count * sizeMin <= this.remaining)) this.fail(`${count} array elements`);
    this.#elements += count;
    if (this.#elements > ELEMENTS_MAX) this.fail(`more than ${ELEMENTS_MAX} array elements`);
  }

  /** A string of `size` bytes, in the place of which `size` -1 would have meant null. */
  shortString(size: number): string {
    if (!(size >= 0 && size <= STRING_SIZE_MAX)) this.fail(`a string of ${size} bytes`);
    return this.string(size);
  }
}

/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): the checksum of record batches. The addon's
 * when it is there and the input is worth a call, else slicing-by-8 in TypeScript; the results are
 * equal, and the tests hold one against the other.
 *
 *     crc32c('123456789') = 0xe3069283
 *     crc32c(a + b) = crc32c(b, 0, b.length, crc32c(a))
 */

import { assert } from '../base/assert.js';
import { native } from './binding.js';

/** Below this size the call into the addon costs more than it saves (bench/crc32c.bench.ts). */
const NATIVE_SIZE_MIN = 128;

/**
 * CRC-32C of `length` bytes of `bytes` from `offset`, by default to the end. `seed` is the CRC of
 * the bytes before, 0 at the start. Answers 0 .. 2^32 - 1.
 */
export function crc32c(
  bytes: Uint8Array,
  offset = 0,
  length: number = bytes.length - offset,
  seed = 0,
): number {
  assert(offset >= 0 && length >= 0 && offset + length <= bytes.length, 'range outside the bytes');
  if (native === null || length < NATIVE_SIZE_MIN) {
    return crc32cPortable(bytes, offset, length, seed);
  }
  const crc = native.crc32c(bytes, offset, length, seed);
  assert(crc >= 0, 'the addon refused a range that was checked');
  return crc;
}

/** The same in TypeScript alone: the fallback, and the oracle of the tests. */
export function crc32cPortable(
  bytes: Uint8Array,
  offset: number,
  length: number,
  seed: number,
): number {
  const end = offset + length;
  const endOfEights = end - 7;
  let crc = ~seed;
  let at = offset;
  for (; at < endOfEights; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (tables[0x700 | (low & 0xff)] as number) ^
      (tables[0x600 | ((low >>> 8) & 0xff)] as number) ^
      (tables[0x500 | ((low >>> 16) & 0xff)] as number) ^
      (tables[0x400 | (low >>> 24)] as number) ^
      (tables[0x300 | (bytes[at + 4] as number)] as number) ^
      (tables[0x200 | (bytes[at + 5] as number)] as number) ^
      (tables[0x100 | (bytes[at + 6] as number)] as number) ^
      (tables[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) {
    crc = (tables[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** Eight tables of 256: table k steps one byte over k bytes of zeros. */
const tables = makeTables();

function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256] as number;
    made[at] = (before >>> 8) ^ (made[before & 0xff] as number);
  }
  return made;
}

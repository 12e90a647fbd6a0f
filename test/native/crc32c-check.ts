/** Holds the addon's CRC-32C against the one in TypeScript; also run in processes of its own. */

import { seededRandom } from '#src/base/random.js';
import { crc32cPortable } from '#src/native/crc32c.js';
import { addon } from './support.js';

/** Inputs on which the two differ: every length to 1,100 at some alignment, then longer ones. */
export function mismatches(seed: number): number {
  const native = addon();
  const random = seededRandom(seed);
  let wrong = 0;
  const compare = (size: number, alignment: number): void => {
    // Memory that ends with the input, so that a sanitizer sees one byte too many.
    const bytes = random.fill(new Uint8Array(alignment + size));
    const start = random.below(2 ** 32);
    const expected = crc32cPortable(bytes, alignment, size, start);
    if (native.crc32c(bytes, alignment, size, start) !== expected) wrong++;
  };
  for (let size = 0; size <= 1100; size++) compare(size, size % 17);
  for (let alignment = 0; alignment < 64; alignment++) compare(2000, alignment);
  for (let i = 0; i < 60; i++) compare(random.below(60_000), random.below(64));
  return wrong;
}

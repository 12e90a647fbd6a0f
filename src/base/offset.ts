/**
 * Offset: the number of a record in its partition. A branded number, so that a position in a file
 * or a size in bytes is not taken for one. Offsets beyond 2^53 - 1 are refused where they are
 * decoded, so that all arithmetic here is exact.
 */

import { assert } from './assert.js';

declare const offsetBrand: unique symbol;
export type Offset = number & { readonly [offsetBrand]: 'Offset' };

/** Asserts that `value` is a whole number >= 0 and brands it. */
export function offset(value: number): Offset {
  assert(Number.isSafeInteger(value) && value >= 0, 'an offset is a whole number from 0 on');
  return value as Offset;
}

export const OFFSET_ZERO = 0 as Offset;

/**
 * The tagged section that ends every struct and header of a flexible version:
 *
 *     count varint | count x ( tag varint | size varint | size bytes )
 *
 * Kafka writes tags in rising order; as Kafka does, we read them in any.
 */

import type { ByteReader } from '../base/byte-reader.js';

/** Moves over a tagged section, whatever is in it. */
export function skipTaggedSection(reader: ByteReader): void {
  for (let count = tagCount(reader); count > 0; count--) {
    reader.unsignedVarint();
    reader.take(reader.unsignedVarint());
  }
}

/** Reads the count of tagged fields and checks that so many can follow. */
export function tagCount(reader: ByteReader): number {
  const count = reader.unsignedVarint();
  // Each takes two bytes at least.
  if (count * 2 > reader.remaining) reader.fail(`${count} tagged fields`);
  return count;
}

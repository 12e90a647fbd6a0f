/**
 * Rewrites one batch with another codec. Records, offsets, timestamps, producer, sequence and flags
 * stay; the codec in the attributes, the length and the CRC are written anew.
 */

import { crc32c } from '../native/crc32c.js';
import { writeInt16, writeInt32 } from './batch-patch.js';
import { attributesOf, codecIdOf, sizeOf } from './batch-view.js';
import { type CompressionName, compressionNames } from './compression/codec.js';
import { codecById } from './compression/codecs.js';
import { recordsBlockOf } from './decode-batch.js';
import { ATTRIBUTES, COMPRESSION_MASK, CRC, HEADER_SIZE, LENGTH, LOG_OVERHEAD } from './layout.js';

export interface RecompressOptions {
  readonly codec: CompressionName;
  /** The codec's own scale; its default where null. Snappy and lz4 have none. */
  readonly level: number | null;
}

/**
 * The batch that is all of `bytes`, whose records have been validated; `bytes` itself if it has that
 * codec already. Throws a CompressionError if the block does not decompress.
 */
export function recompressBatch(
  bytes: Uint8Array,
  { codec, level }: RecompressOptions,
): Uint8Array {
  const id = compressionNames.indexOf(codec);
  if (codecIdOf(bytes, 0) === id) return bytes;
  const block = recordsBlockOf(bytes.subarray(0, sizeOf(bytes, 0)), 0);
  const records = codecById(id).compress(block, level === null ? {} : { level });
  const batch = Buffer.allocUnsafe(HEADER_SIZE + records.length);
  batch.set(bytes.subarray(0, HEADER_SIZE));
  batch.set(records, HEADER_SIZE);
  writeInt32(batch, LENGTH, batch.length - LOG_OVERHEAD);
  writeInt16(batch, ATTRIBUTES, (attributesOf(bytes, 0) & ~COMPRESSION_MASK) | id);
  writeInt32(batch, CRC, crc32c(batch, ATTRIBUTES, batch.length - ATTRIBUTES));
  return batch;
}

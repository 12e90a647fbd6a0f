/**
 * The codecs by id and by name. A codec's library is loaded when the codec is first used: a broker
 * that only stores and serves batches never pays for it, neither in start time nor in memory.
 */

import { type Codec, CompressionError, type CompressionName, compressionNames } from './codec.js';
import { gzip } from './gzip.js';
import { lz4 } from './lz4.js';
import { snappy } from './snappy.js';
import { zstd } from './zstd.js';

const none: Codec = {
  id: 0,
  name: 'none',
  compress: (bytes) => bytes,
  decompress(bytes, { sizeMax }) {
    if (bytes.length <= sizeMax) return bytes;
    throw new CompressionError(
      'DECOMPRESSED_TOO_LARGE',
      `${bytes.length} bytes of records, allowed are ${sizeMax}`,
    );
  },
};

const codecs: readonly Codec[] = [none, gzip, snappy, lz4, zstd];

/** The codec of an id 0 .. 4; throws UNSUPPORTED_COMPRESSION_TYPE for 5 .. 7. */
export function codecById(id: number): Codec {
  const codec = codecs[id];
  if (codec !== undefined) return codec;
  throw new CompressionError('UNSUPPORTED_COMPRESSION_TYPE', `no compression type has id ${id}`);
}

export function codecByName(name: CompressionName): Codec {
  return codecById(compressionNames.indexOf(name));
}

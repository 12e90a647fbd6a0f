/** From compression.type and its levels to what is done to a batch before it is stored. */

import type { RecompressOptions } from '../record/recompress-batch.js';

/** Of the texts and numbers of the config table; null: what the producer chose. */
export function storedCodecOf(
  compressionType: string,
  levels: { readonly gzip: number; readonly lz4: number; readonly zstd: number },
): RecompressOptions | null {
  switch (compressionType) {
    case 'uncompressed':
      return { codec: 'none', level: null };
    case 'gzip':
      // -1 is the default of the codec.
      return { codec: 'gzip', level: levels.gzip < 0 ? null : levels.gzip };
    case 'snappy':
      return { codec: 'snappy', level: null };
    case 'lz4':
      return { codec: 'lz4', level: levels.lz4 };
    case 'zstd':
      return { codec: 'zstd', level: levels.zstd };
    default:
      return null;
  }
}

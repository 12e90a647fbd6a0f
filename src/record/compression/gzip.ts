/** gzip by node:zlib: one member written; several members, and anything after them, are read. */

import { type Codec, corrupt, tooLarge } from './codec.js';
import { zlib } from './zlib.js';

/** Output grows by chunks of this size; the bound is checked after each. */
const CHUNK_SIZE = 64 * 1024;

export const gzip: Codec = {
  id: 1,
  name: 'gzip',
  compress: (bytes, { level } = {}) => zlib().gzipSync(bytes, level === undefined ? {} : { level }),
  decompress(bytes, { sizeMax }) {
    try {
      return zlib().gunzipSync(bytes, { chunkSize: CHUNK_SIZE, maxOutputLength: sizeMax });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge('gzip', sizeMax);
      }
      throw corrupt('gzip', (error as Error).message, error);
    }
  },
};

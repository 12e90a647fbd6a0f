/**
 * zstd, by node:zlib where it has it (Node 22.15 and later), else by a WebAssembly build of the same
 * library. Frames with and without content size are read; Java's stream writes the latter. What
 * node:zlib does not do well, the other does on every Node: several frames (it ends after the first
 * and says nothing) and large windows.
 */

import { type Codec, corrupt, tooLarge } from './codec.js';
import { zlib } from './zlib.js';
import { zstdSizeBound } from './zstd-frame.js';
import { compressWasm, decompressWasm } from './zstd-wasm.js';

/** What node:zlib has of zstd, if it has it; the types of Node 20 do not know it. */
interface ZlibZstd {
  zstdCompressSync?(bytes: Uint8Array, options: { params: Record<number, number> }): Buffer;
  zstdDecompressSync?(
    bytes: Uint8Array,
    options: { chunkSize: number; maxOutputLength: number },
  ): Buffer;
  constants: { ZSTD_c_compressionLevel?: number };
}

const CHUNK_SIZE = 64 * 1024;
const LEVEL_DEFAULT = 3;
/** A streaming reader sets a whole window aside: up to 128 MiB at the word of a small frame. */
const WINDOW_SIZE_MAX = 8 * 1024 * 1024;

export const zstd: Codec = {
  id: 4,
  name: 'zstd',

  compress(bytes, { level = LEVEL_DEFAULT } = {}) {
    const { zstdCompressSync, constants } = zlib() as unknown as ZlibZstd;
    if (zstdCompressSync === undefined) return compressWasm(bytes, level);
    const levelParam = constants.ZSTD_c_compressionLevel ?? 100;
    return zstdCompressSync(bytes, { params: { [levelParam]: level } });
  },

  decompress(bytes, { sizeMax }) {
    // Walks the block headers: what is cut short, or too large by its own word, ends here.
    const bound = zstdSizeBound(bytes);
    if (bound.known > sizeMax) throw tooLarge('zstd', sizeMax);
    const isPlain = bound.frameCount === 1 && bound.windowSize <= WINDOW_SIZE_MAX;
    const { zstdDecompressSync } = zlib() as unknown as ZlibZstd;
    if (zstdDecompressSync === undefined || !isPlain) {
      return decompressWasm(bytes, bound.most, sizeMax);
    }
    try {
      return zstdDecompressSync(bytes, { chunkSize: CHUNK_SIZE, maxOutputLength: sizeMax });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge('zstd', sizeMax);
      }
      throw corrupt('zstd', (error as Error).message, error);
    }
  },
};

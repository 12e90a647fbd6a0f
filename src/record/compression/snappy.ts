/**
 * snappy, in the two forms that Kafka clients write:
 *
 *     raw     one snappy block (its first varint is its decompressed size)
 *     xerial  16 bytes: 82 "SNAPPY" 00, int32 version 1, int32 compatible version 1;
 *             then per block of up to 32 KiB: int32 compressed size, one snappy block
 *
 * Java writes and expects xerial, so that is what we write; others write raw. The header may come
 * again between blocks, where streams were concatenated. All sizes are summed before the first
 * block is decompressed.
 */

import { createRequire } from 'node:module';
import { assert } from '../../base/assert.js';
import { readUnsignedVarint, varintEnd } from '../../base/varint.js';
import { writeInt32 } from '../batch-patch.js';
import { readInt32 } from '../batch-view.js';
import { type Codec, corrupt, tooLarge } from './codec.js';

interface Snappy {
  compressSync(input: Uint8Array, options: { copyOutputData: true }): Buffer;
  uncompressSync(input: Uint8Array, options: { asBuffer: true; copyOutputData: true }): Buffer;
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER = Buffer.concat([XERIAL_MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** What Java's stream puts into one block. */
const BLOCK_SIZE = 32 * 1024;
/** Memory that the library lends out costs four times the copy: pages come and go with each call. */
const COPIED = { asBuffer: true, copyOutputData: true } as const;
/** The densest element is a copy of 64 bytes told in 3. */
const RATIO_MAX = 22;

let library: Snappy | null = null;

function load(): Snappy {
  library ??= createRequire(import.meta.url)('snappy') as Snappy;
  return library;
}

export const snappy: Codec = {
  id: 2,
  name: 'snappy',

  compress(bytes) {
    const parts: Uint8Array[] = [XERIAL_HEADER];
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
      const block = load().compressSync(bytes.subarray(at, at + BLOCK_SIZE), COPIED);
      const size = new Uint8Array(4);
      writeInt32(size, 0, block.length);
      parts.push(size, block);
    }
    return Buffer.concat(parts);
  },

  decompress(bytes, { sizeMax }) {
    const blocks = startsXerial(bytes, 0) ? xerialBlocks(bytes) : [bytes];
    const sizes = blocks.map(decompressedSize);
    const size = sizes.reduce((sum, one) => sum + one, 0);
    if (size > sizeMax) throw tooLarge('snappy', sizeMax);
    const target = Buffer.allocUnsafe(size);
    let at = 0;
    for (const [index, block] of blocks.entries()) {
      const part = decompressBlock(block);
      assert(part.length === sizes[index], 'snappy answers the size that the block told');
      target.set(part, at);
      at += part.length;
    }
    return target;
  },
};

function startsXerial(bytes: Uint8Array, position: number): boolean {
  if (bytes.length - position < XERIAL_HEADER.length) return false;
  return XERIAL_MAGIC.equals(bytes.subarray(position, position + XERIAL_MAGIC.length));
}

/** Views of the compressed blocks. */
function xerialBlocks(bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (startsXerial(bytes, at)) {
      at += XERIAL_HEADER.length;
      continue;
    }
    if (bytes.length - at < 4) throw corrupt('snappy', 'ends within a block size');
    const size = readInt32(bytes, at);
    at += 4;
    if (size <= 0 || size > bytes.length - at) throw corrupt('snappy', `a block of ${size} bytes`);
    blocks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return blocks;
}

/** What the block says of itself, if that is possible at all. */
function decompressedSize(block: Uint8Array): number {
  const size = readUnsignedVarint(block, 0, block.length);
  if (varintEnd === -1 || size > block.length * RATIO_MAX) {
    throw corrupt('snappy', 'impossible decompressed size');
  }
  return size;
}

function decompressBlock(block: Uint8Array): Uint8Array {
  try {
    return load().uncompressSync(block, COPIED);
  } catch (error) {
    throw corrupt('snappy', (error as Error).message, error);
  }
}

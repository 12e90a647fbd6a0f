/**
 * lz4 frames. The frame is written here around library blocks, because Kafka's Java reader wants
 * independent blocks. A walk over a frame tells its exact size before anything is decompressed. Then
 * frames of the plain form, which every Kafka client writes, are read block by block into one
 * target, five times as fast as the library reads a frame; all others are left to the library.
 *
 *     04 22 4d 18  FLG BD [content size 8] [dictionary id 4] HC
 *     per block: uint32 size (high bit: stored), data, [block checksum 4]
 *     uint32 0, [content checksum 4]                               (integers are little-endian)
 *
 *     FLG  bits 7-6 version 01, 5 independent blocks, 4 block checksums, 3 content size,
 *          2 content checksum, 0 dictionary id
 *     BD   bits 6-4 block size: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB
 *
 * Written: FLG 60, BD 40, as Java does; the plain form is FLG 60 with any BD. Read: all of these but dictionaries; linked blocks,
 * concatenated and skippable frames too. Never lz4js: it writes what Java refuses and reads what is
 * cut short.
 */

import { createRequire } from 'node:module';
import { assert } from '../../base/assert.js';
import { type Codec, corrupt, tooLarge } from './codec.js';

interface Lz4 {
  /** One block, behind its decompressed size (uint32, little-endian). */
  compressSync(data: Buffer): Buffer;
  /** Takes what compressSync answers. */
  uncompressSync(data: Buffer): Buffer;
  decompressFrameSync(data: Buffer): Buffer;
}

const MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** Magic, FLG 60, BD 40, and the header checksum of these two. */
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
/** FLG, BD and header checksum of the plain form, for each block size. */
const PLAIN_HEADERS: readonly number[] = [0x604082, 0x6050fb, 0x606051, 0x607073];
const MAGIC_SIZE = 4;
const HEADER_SIZE = 7;
const END_MARK = Buffer.alloc(4);
const BLOCK_SIZE = 64 * 1024;
const STORED = 0x80000000;
const SIZE_PREFIX = 4;

const VERSION_MASK = 0xc0;
const VERSION = 0x40;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const RESERVED_BIT = 0x02;
const DICTIONARY_BIT = 0x01;
const MATCH_MIN = 4;

let library: Lz4 | null = null;

function load(): Lz4 {
  library ??= createRequire(import.meta.url)('lz4-napi') as Lz4;
  return library;
}

export const lz4: Codec = {
  id: 3,
  name: 'lz4',

  compress(bytes) {
    const parts: Uint8Array[] = [HEADER];
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
      const plain = asBuffer(bytes.subarray(at, at + BLOCK_SIZE));
      const block = load().compressSync(plain).subarray(SIZE_PREFIX);
      const stored = block.length >= plain.length;
      const data = stored ? plain : block;
      const size = Buffer.allocUnsafe(4);
      size.writeUInt32LE(stored ? data.length + STORED : data.length);
      parts.push(size, data);
    }
    parts.push(END_MARK);
    return Buffer.concat(parts);
  },

  decompress(bytes, { sizeMax }) {
    const buffer = asBuffer(bytes);
    const parts: Uint8Array[] = [];
    let size = 0;
    let at = 0;
    do {
      const frame = walkFrame(buffer, at, sizeMax - size);
      const isPlain = PLAIN_HEADERS.includes(buffer.readUIntBE(at + MAGIC_SIZE, 3));
      const source = buffer.subarray(at, frame.end);
      // A frame of nothing, or a skippable one, is not worth a call.
      if (frame.size > 0) parts.push((isPlain ? decompressBlocks : decompressFrame)(source, frame));
      size += frame.size;
      at = frame.end;
    } while (at < buffer.length);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, size);
  },
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface Frame {
  /** Where it ends in the bytes that were walked. */
  readonly end: number;
  /** Of all its blocks, decompressed. */
  readonly size: number;
  /** Of each block, decompressed. */
  readonly blockSizes: readonly number[];
}

/** Any frame, by the library. */
function decompressFrame(source: Buffer, frame: Frame): Uint8Array {
  let result: Buffer;
  try {
    result = load().decompressFrameSync(source);
  } catch (error) {
    throw corrupt('lz4', (error as Error).message, error);
  }
  if (result.length !== frame.size) throw corrupt('lz4', 'cut short');
  return result;
}

/** A frame of the plain form, block by block. */
function decompressBlocks(source: Buffer, frame: Frame): Uint8Array {
  const target = Buffer.allocUnsafe(frame.size);
  let from = HEADER_SIZE;
  let to = 0;
  for (const blockSize of frame.blockSizes) {
    const field = source.readUInt32LE(from);
    from += 4;
    const length = field >= STORED ? field - STORED : field;
    const block = source.subarray(from, from + length);
    if (field >= STORED) target.set(block, to);
    else target.set(decompressBlock(block, blockSize), to);
    from += length;
    to += blockSize;
  }
  assert(to === frame.size, 'the blocks are as large as the walk told');
  return target;
}

function decompressBlock(block: Buffer, size: number): Uint8Array {
  const sized = Buffer.allocUnsafe(SIZE_PREFIX + block.length);
  sized.writeUInt32LE(size);
  sized.set(block, SIZE_PREFIX);
  let result: Buffer;
  try {
    result = load().uncompressSync(sized);
  } catch (error) {
    throw corrupt('lz4', (error as Error).message, error);
  }
  if (result.length !== size) throw corrupt('lz4', 'a block is not as large as its sequences');
  return result;
}

/** Walks the frame at `start`; its size is <= sizeMax. */
function walkFrame(bytes: Buffer, start: number, sizeMax: number): Frame {
  need(bytes, start, 8);
  const magic = bytes.readUInt32LE(start);
  if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
    const end = start + 8 + bytes.readUInt32LE(start + 4);
    need(bytes, end, 0);
    return { end, size: 0, blockSizes: [] };
  }
  if (magic !== MAGIC) throw corrupt('lz4', `not a frame: magic ${magic.toString(16)}`);
  const flags = bytes[start + 4] as number;
  const blockSizeMax = blockSizeOf(flags, bytes[start + 5] as number);
  // Magic, FLG, BD; the optional content size; the header checksum, which the library verifies.
  let at = start + 6 + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8) + 1;
  const blockSizes: number[] = [];
  let size = 0;
  for (;;) {
    need(bytes, at, 4);
    const field = bytes.readUInt32LE(at);
    at += 4;
    if (field === 0) break;
    const stored = field >= STORED;
    const length = stored ? field - STORED : field;
    if (length > blockSizeMax) throw corrupt('lz4', `a block of ${length} bytes`);
    need(bytes, at, length);
    const blockSize = stored ? length : decompressedSize(bytes, at, at + length);
    if (blockSize > blockSizeMax)
      throw corrupt('lz4', `a block decompresses to ${blockSize} bytes`);
    blockSizes.push(blockSize);
    size += blockSize;
    if (size > sizeMax) throw tooLarge('lz4', sizeMax);
    at += length + ((flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4);
  }
  if ((flags & CONTENT_CHECKSUM_BIT) !== 0) at += 4;
  need(bytes, at, 0);
  return { end: at, size, blockSizes };
}

function need(bytes: Buffer, position: number, count: number): void {
  if (bytes.length - position < count) throw corrupt('lz4', 'cut short');
}

/** The largest block of a frame with these two header bytes. */
function blockSizeOf(flags: number, descriptor: number): number {
  if ((flags & VERSION_MASK) !== VERSION || (flags & RESERVED_BIT) !== 0) {
    throw corrupt('lz4', `frame flags ${flags.toString(16)}`);
  }
  if ((flags & DICTIONARY_BIT) !== 0) throw corrupt('lz4', 'needs a dictionary');
  const code = descriptor >> 4;
  if (code < 4 || code > 7 || (descriptor & 0x0f) !== 0) {
    throw corrupt('lz4', `block descriptor ${descriptor.toString(16)}`);
  }
  return 1 << (8 + 2 * code);
}

/**
 * Size of the block [start, end) when decompressed, by stepping over its sequences:
 *
 *     token (literals << 4 | match - 4), [more literals], literals, offset 2, [more match]
 *
 * where 15 in a half of the token goes on in bytes of up to 255; the last sequence ends after its
 * literals.
 */
function decompressedSize(bytes: Uint8Array, start: number, end: number): number {
  let size = 0;
  let at = start;
  while (at < end) {
    const token = bytes[at++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < end) {
        more = bytes[at++] as number;
        literals += more;
      }
    }
    at += literals;
    size += literals;
    if (at === end) return size;
    at += 2;
    let match = (token & 0x0f) + MATCH_MIN;
    if (match === 15 + MATCH_MIN) {
      let more = 255;
      while (more === 255 && at < end) {
        more = bytes[at++] as number;
        match += more;
      }
    }
    size += match;
  }
  throw corrupt('lz4', 'malformed block');
}

assert(HEADER.readUInt32LE(0) === MAGIC, 'the written header is the one that is read');

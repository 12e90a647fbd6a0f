/**
 * The checksum side file of a segment, `NNNNNNNNNNNNNNNNNNNN.checksum`: one CRC-32C for every 64 KiB of
 * its log. The CRC of a batch does not cover its first 16 bytes; some flips of a base offset or a leader
 * epoch show nowhere else (R5). And one of its transaction index, which has no CRC at all.
 *
 *     at  size  field, big-endian
 *      0     4  magic "MRCK"
 *      4     4  version (2)
 *      8     4  block size in bytes
 *     12     4  count of blocks
 *     16     8  base offset of the segment
 *     24     8  length of the log in bytes
 *     32     8  modification time of the log in ms, a double: a log written since has another
 *     40     4  1: there was a transaction index; 0: none, or it is not known
 *     44     4  CRC-32C of it
 *     48  4*n   CRC-32C of each block; the last one may be short
 *      +     4  CRC-32C of everything before
 *
 *     rolled       made when the segment is durable (log/checksum-maker.ts)
 *     compacted    made with it, there before it is
 *     active       at a clean shutdown, and with checkpoints, of what is durable
 *
 * A hint like the indexes: never synced for its own sake, and one that is missing, corrupt, or of another
 * length or time is ignored and made anew. That of an active segment is good for the bytes that it is of,
 * whatever was appended since: whoever cuts the log removes it first, durably. Kafka's loader and tools
 * look at the suffixes they know, and leave it alone.
 */

import type { Env } from '../file/env.js';
import { writeInt32, writeInt64 } from '../record/batch-patch.js';
import { readInt32, readInt64 } from '../record/batch-view.js';
import { crc32c } from '../record/checksum.js';

export const CHECKSUM_BLOCK_SIZE = 64 * 1024;
const MAGIC = 0x4d52434b;
const VERSION = 2;
const HEAD_SIZE = 48;
const TAIL_SIZE = 4;

/** Of a log file when its checksums were made. */
export interface LogIdentity {
  readonly baseOffset: number;
  /** In bytes. */
  readonly length: number;
  readonly modifiedMs: number;
}

export interface SegmentChecksums extends LogIdentity {
  /** A CRC for each block. */
  readonly crcs: Uint32Array;
  /** Null: there was none, or it is not known. */
  readonly transactionIndexCrc: number | null;
}

/** A part of a file, in bytes. */
export interface ByteRange {
  readonly position: number;
  /** Exclusive. */
  readonly endPosition: number;
}

export function encodeChecksums(checksums: SegmentChecksums): Uint8Array {
  const { baseOffset, length, modifiedMs, crcs, transactionIndexCrc } = checksums;
  const bytes = new Uint8Array(HEAD_SIZE + 4 * crcs.length + TAIL_SIZE);
  writeInt32(bytes, 0, MAGIC);
  writeInt32(bytes, 4, VERSION);
  writeInt32(bytes, 8, CHECKSUM_BLOCK_SIZE);
  writeInt32(bytes, 12, crcs.length);
  writeInt64(bytes, 16, baseOffset);
  writeInt64(bytes, 24, length);
  new DataView(bytes.buffer).setFloat64(32, modifiedMs);
  writeInt32(bytes, 40, transactionIndexCrc === null ? 0 : 1);
  writeInt32(bytes, 44, (transactionIndexCrc ?? 0) | 0);
  for (let block = 0; block < crcs.length; block++) {
    writeInt32(bytes, HEAD_SIZE + 4 * block, (crcs[block] as number) | 0);
  }
  const end = bytes.length - TAIL_SIZE;
  writeInt32(bytes, end, crc32c(bytes, 0, end) | 0);
  return bytes;
}

/** Null: not such a file, or not as it was written. */
export function decodeChecksums(bytes: Uint8Array): SegmentChecksums | null {
  const end = bytes.length - TAIL_SIZE;
  if (end < HEAD_SIZE || readInt32(bytes, 0) !== MAGIC || readInt32(bytes, 4) !== VERSION) {
    return null;
  }
  if (readInt32(bytes, end) >>> 0 !== crc32c(bytes, 0, end)) return null;
  const count = readInt32(bytes, 12);
  const length = readInt64(bytes, 24);
  if (readInt32(bytes, 8) !== CHECKSUM_BLOCK_SIZE || end !== HEAD_SIZE + 4 * count) return null;
  if (count !== blockCountOf(length)) return null;
  const crcs = new Uint32Array(count);
  for (let block = 0; block < count; block++) {
    crcs[block] = readInt32(bytes, HEAD_SIZE + 4 * block) >>> 0;
  }
  const modifiedMs = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(32);
  const transactionIndexCrc = readInt32(bytes, 40) === 1 ? readInt32(bytes, 44) >>> 0 : null;
  return { baseOffset: readInt64(bytes, 16), length, modifiedMs, crcs, transactionIndexCrc };
}

export type ChecksumState = 'valid' | 'absent' | 'corrupt' | 'stale';

/** What is at `path`, and whether it is of the log as it is now. Never throws. */
export function loadChecksums(
  env: Pick<Env, 'exists' | 'readFile'>,
  path: string,
  log: LogIdentity,
): { readonly state: ChecksumState; readonly checksums: SegmentChecksums | null } {
  try {
    if (!env.exists(path)) return { state: 'absent', checksums: null };
    const checksums = decodeChecksums(env.readFile(path));
    if (checksums === null) return { state: 'corrupt', checksums };
    const { baseOffset, length, modifiedMs } = checksums;
    const same =
      baseOffset === log.baseOffset && length === log.length && modifiedMs === log.modifiedMs;
    return { state: same ? 'valid' : 'stale', checksums: same ? checksums : null };
  } catch {
    // A hint that cannot be read is a hint that is not there.
    return { state: 'corrupt', checksums: null };
  }
}

/**
 * Those of the first bytes of an active log that may have been appended to since; null: there are none.
 * Never throws.
 */
export function loadEarlierChecksums(
  env: Pick<Env, 'exists' | 'readFile'>,
  path: string,
  log: { readonly baseOffset: number; readonly size: number },
): SegmentChecksums | null {
  try {
    const checksums = env.exists(path) ? decodeChecksums(env.readFile(path)) : null;
    const isOfLog = checksums?.baseOffset === log.baseOffset && checksums.length <= log.size;
    return isOfLog ? checksums : null;
  } catch {
    return null;
  }
}

/** CRC-32C of a small file; null: it is not there. Throws an I/O error. */
export function fileCrc(env: Pick<Env, 'exists' | 'readFile'>, path: string): number | null {
  return env.exists(path) ? bytesCrc(env.readFile(path)) : null;
}

export function bytesCrc(bytes: Uint8Array): number {
  return crc32c(bytes, 0, bytes.length);
}

export function blockCountOf(length: number): number {
  return Math.ceil(length / CHECKSUM_BLOCK_SIZE);
}

/** Makes the CRCs of a file from its bytes as they are read, in order. */
export class ChecksumFold {
  readonly crcs: Uint32Array;
  readonly #length: number;
  #position = 0;
  #crc = 0;

  constructor(length: number) {
    this.#length = length;
    this.crcs = new Uint32Array(blockCountOf(length));
  }

  /** Everything below it was taken. */
  get position(): number {
    return this.#position;
  }

  /**
   * Takes `size` bytes that are at `position` of the file. What was taken before is passed over; bytes
   * behind a gap are not taken.
   */
  take(bytes: Uint8Array, offset: number, size: number, position: number): void {
    const skip = this.#position - position;
    if (skip < 0 || skip >= size) return;
    let at = offset + skip;
    const end = Math.min(offset + size, at + this.#length - this.#position);
    while (at < end) {
      const block = Math.floor(this.#position / CHECKSUM_BLOCK_SIZE);
      const blockEnd = Math.min(this.#length, (block + 1) * CHECKSUM_BLOCK_SIZE);
      const length = Math.min(end - at, blockEnd - this.#position);
      this.#crc = crc32c(bytes, at, length, this.#crc);
      this.#position += length;
      at += length;
      if (this.#position < blockEnd) break;
      this.crcs[block] = this.#crc;
      this.#crc = 0;
    }
  }
}

/** Blocks whose CRCs differ, neighbours as one range. */
export function differingRanges(
  expected: SegmentChecksums,
  crcs: Uint32Array,
): readonly ByteRange[] {
  const ranges: { position: number; endPosition: number }[] = [];
  for (let block = 0; block < expected.crcs.length; block++) {
    if (expected.crcs[block] === crcs[block]) continue;
    const position = block * CHECKSUM_BLOCK_SIZE;
    const endPosition = Math.min(expected.length, position + CHECKSUM_BLOCK_SIZE);
    const last = ranges[ranges.length - 1];
    if (last !== undefined && last.endPosition === position) last.endPosition = endPosition;
    else ranges.push({ position, endPosition });
  }
  return ranges;
}

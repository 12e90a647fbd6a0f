/**
 * The one file that writes into an existing batch, and only these fields:
 *
 *     at  0  base offset        outside the CRC
 *     at 12  leader epoch       outside the CRC
 *     at 21  LogAppendTime bit  covered: the CRC is written anew
 *     at 35  max timestamp      covered: the CRC is written anew
 *
 * A received batch is read-only for everyone else. A plain append touches the first two and leaves
 * every byte that the producer's checksum covers as it came. The batch at `position` must have been
 * accepted by `walkBatches`; the bytes are changed in place.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import { crc32c } from '../native/crc32c.js';
import { attributesOf, sizeOf } from './batch-view.js';
import {
  ATTRIBUTES,
  BASE_OFFSET,
  CRC,
  HEADER_SIZE,
  LEADER_EPOCH,
  MAX_TIMESTAMP,
  TIMESTAMP_TYPE_BIT,
} from './layout.js';

/** Writes the offset of the batch's first record and the epoch of the leader that appends it. */
export function patchOffsetAndEpoch(
  bytes: Uint8Array,
  position: number,
  baseOffset: Offset,
  leaderEpoch: number,
): void {
  assert(baseOffset >= 0 && Number.isSafeInteger(baseOffset), 'a base offset');
  assert(position >= 0 && position + HEADER_SIZE <= bytes.length, 'a whole header');
  writeInt64(bytes, position + BASE_OFFSET, baseOffset);
  writeInt32(bytes, position + LEADER_EPOCH, leaderEpoch);
}

/**
 * LogAppendTime: sets the timestamp type bit, makes `appendTimeMs` the max timestamp, which readers
 * then take for every record, and writes the CRC. Costs one pass over the batch.
 */
export function patchAppendTime(bytes: Uint8Array, position: number, appendTimeMs: number): void {
  const attributes = attributesOf(bytes, position) | TIMESTAMP_TYPE_BIT;
  writeInt16(bytes, position + ATTRIBUTES, attributes);
  patchMaxTimestamp(bytes, position, appendTimeMs);
}

/** Writes the max timestamp (of a producer that left a wrong one), and the CRC. */
export function patchMaxTimestamp(bytes: Uint8Array, position: number, timestampMs: number): void {
  const size = sizeOf(bytes, position);
  assert(Number.isSafeInteger(timestampMs), 'a timestamp in milliseconds');
  assert(size >= HEADER_SIZE && position + size <= bytes.length, 'a whole batch');
  writeInt64(bytes, position + MAX_TIMESTAMP, timestampMs);
  const crc = crc32c(bytes, position + ATTRIBUTES, size - ATTRIBUTES);
  writeInt32(bytes, position + CRC, crc);
}

export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 8;
  bytes[position + 1] = value;
}

export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 24;
  bytes[position + 1] = value >> 16;
  bytes[position + 2] = value >> 8;
  bytes[position + 3] = value;
}

/** Exact for whole numbers within +-(2^53 - 1). */
export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  const high = Math.floor(value / 4294967296);
  writeInt32(bytes, position, high);
  writeInt32(bytes, position + 4, value - high * 4294967296);
}

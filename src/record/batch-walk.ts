/**
 * Walks the v2 batches in a range of bytes and checks them: native where the addon is there, else
 * the TypeScript twin below. Both give the same answer on every input, hostile ones included; tests
 * compare them. This is the only validator of structure: produce ingress, recovery, scrubbing and
 * dump all go through it.
 *
 * Answer: the count of good batches. `out[WALK_STOP_POSITION]` is where the walk stopped (the start
 * of the batch that was not accepted), `out[WALK_STOP_REASON]` why, then WALK_STRIDE numbers per
 * batch. `out` bounds the batches of one call: floor((out.length - 2) / 16); call again from the
 * stop position after OUT_FULL.
 *
 * A batch is checked in this order, and the first failure is the reason:
 *
 *     no room in `out`                                                          OUT_FULL
 *     fewer than 17 bytes left                                                  INCOMPLETE
 *     magic other than 2                                                        BAD_MAGIC
 *     length field < 49                                                         BAD_LENGTH
 *     batch passes `end`                                                        INCOMPLETE
 *     CRC: CRC-32C of bytes 21.. is not the stored one                          BAD_CRC
 *     base offset or last offset delta < 0, or their sum > 2^53 - 1             BAD_OFFSETS
 *     count < 0, or not compressed and count > (length - 49) / 7                BAD_COUNT
 *     count < 1 or last offset delta != count - 1                               BAD_COUNT
 *       (SPARSE: last offset delta < count - 1)
 *     RECORDS and not compressed, and the records are not `count` well-formed   BAD_RECORDS
 *       records that fill the batch to its last byte
 *
 * A well-formed record: a length varint of what follows; attributes; timestamp delta; offset delta
 * equal to its index (SPARSE: > the one before, >= 0, <= last offset delta); key and value of
 * length >= -1; >= 0 headers with key length >= 0 and value length >= -1; nothing left over. Varints
 * have at most 5 bytes and 32 bits, varlongs 10 bytes and 64 bits; padding zeros are accepted.
 * Record timestamps are base + delta whatever the timestamp type; one outside int64 is malformed,
 * one beyond 2^53 is rounded to the nearest double.
 */

import { assert } from '../base/assert.js';
import { readVarint, varintEnd } from '../base/varint.js';
import { native } from '../native/binding.js';
import { crc32c } from '../native/crc32c.js';
import {
  attributesOf,
  baseSequenceOf,
  baseTimestampOf,
  crcOf,
  lastOffsetDeltaOf,
  leaderEpochOf,
  lengthOf,
  magicOf,
  maxTimestampOf,
  producerEpochOf,
  producerIdOf,
  readInt64,
  recordsCountOf,
} from './batch-view.js';
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_TIMESTAMP,
  COMPRESSION_MASK,
  HEADER_SIZE,
  LENGTH_MIN,
  LOG_OVERHEAD,
  MAGIC_V2,
  PREFIX_SIZE,
  RECORD_SIZE_MIN,
} from './layout.js';
import { RecordTimestamps } from './record-timestamp.js';

/** Verify each batch's CRC-32C. */
export const WALK_CRC = 1;
/** Walk the records of batches that are not compressed. */
export const WALK_RECORDS = 2;
/** Offsets may have gaps and batches may be empty, as compaction leaves them. */
export const WALK_SPARSE_OFFSETS = 4;

/** Stop reasons. */
export const WALK_END = 0;
export const WALK_OUT_FULL = 1;
export const WALK_INCOMPLETE = 2;
export const WALK_BAD_MAGIC = 3;
export const WALK_BAD_LENGTH = 4;
export const WALK_BAD_CRC = 5;
export const WALK_BAD_COUNT = 6;
export const WALK_BAD_RECORDS = 7;
export const WALK_BAD_OFFSETS = 8;

/** Positions in `out`: two numbers for the walk, then WALK_STRIDE for each batch. */
export const WALK_STOP_POSITION = 0;
export const WALK_STOP_REASON = 1;
export const WALK_FIRST = 2;
export const WALK_STRIDE = 16;

/** Fields of one batch, from WALK_FIRST + batch * WALK_STRIDE. */
export const WALK_POSITION = 0;
/** Whole batch in bytes, framing included. */
export const WALK_SIZE = 1;
export const WALK_BASE_OFFSET = 2;
export const WALK_LAST_OFFSET_DELTA = 3;
export const WALK_LEADER_EPOCH = 4;
export const WALK_ATTRIBUTES = 5;
export const WALK_BASE_TIMESTAMP = 6;
export const WALK_MAX_TIMESTAMP = 7;
export const WALK_PRODUCER_ID = 8;
export const WALK_PRODUCER_EPOCH = 9;
export const WALK_BASE_SEQUENCE = 10;
export const WALK_RECORDS_COUNT = 11;
/** This and the next two after WALK_RECORDS over an uncompressed batch, else NaN; NaN if empty. */
export const WALK_MIN_RECORD_TIMESTAMP = 12;
/** NaN if the batch is empty. */
export const WALK_MAX_RECORD_TIMESTAMP = 13;
export const WALK_NULL_KEY_COUNT = 14;

/** A result array for up to `batchCountMax` batches a call. */
export function walkOut(batchCountMax: number): Float64Array {
  return new Float64Array(WALK_FIRST + batchCountMax * WALK_STRIDE);
}

/**
 * Walks batches in [position, end) of `bytes`; `flags` is a sum of WALK_CRC, WALK_RECORDS and
 * WALK_SPARSE_OFFSETS. Neither reads beyond `end` nor keeps `bytes`.
 */
export function walkBatches(
  bytes: Uint8Array,
  position: number,
  end: number,
  out: Float64Array,
  flags: number,
): number {
  assert(position >= 0 && position <= end && end <= bytes.length, 'a range of the bytes');
  assert(out.length >= WALK_FIRST, 'room for the stop position and reason');
  return native === null
    ? walkBatchesTwin(bytes, position, end, out, flags)
    : native.walkBatches(bytes, position, end, out, flags);
}

/** The same in TypeScript: the fallback, and the oracle of the native one. */
export function walkBatchesTwin(
  bytes: Uint8Array,
  position: number,
  end: number,
  out: Float64Array,
  flags: number,
): number {
  const countMax = Math.floor((out.length - WALK_FIRST) / WALK_STRIDE);
  let at = position;
  let count = 0;
  let reason = WALK_END;
  while (at < end) {
    if (count === countMax) {
      reason = WALK_OUT_FULL;
      break;
    }
    reason = checkHeader(bytes, at, end, flags);
    if (reason !== WALK_END) break;
    const slot = WALK_FIRST + count * WALK_STRIDE;
    out[slot + WALK_MIN_RECORD_TIMESTAMP] = Number.NaN;
    out[slot + WALK_MAX_RECORD_TIMESTAMP] = Number.NaN;
    out[slot + WALK_NULL_KEY_COUNT] = Number.NaN;
    const size = lengthOf(bytes, at) + LOG_OVERHEAD;
    const attributes = attributesOf(bytes, at);
    if ((flags & WALK_RECORDS) !== 0 && (attributes & COMPRESSION_MASK) === 0) {
      if (!walkRecords(bytes, at, at + size, out, slot, flags)) {
        reason = WALK_BAD_RECORDS;
        break;
      }
    }
    out[slot + WALK_POSITION] = at;
    out[slot + WALK_SIZE] = size;
    out[slot + WALK_BASE_OFFSET] = readInt64(bytes, at + BASE_OFFSET);
    out[slot + WALK_LAST_OFFSET_DELTA] = lastOffsetDeltaOf(bytes, at);
    out[slot + WALK_LEADER_EPOCH] = leaderEpochOf(bytes, at);
    out[slot + WALK_ATTRIBUTES] = attributes;
    out[slot + WALK_BASE_TIMESTAMP] = baseTimestampOf(bytes, at);
    out[slot + WALK_MAX_TIMESTAMP] = maxTimestampOf(bytes, at);
    out[slot + WALK_PRODUCER_ID] = producerIdOf(bytes, at);
    out[slot + WALK_PRODUCER_EPOCH] = producerEpochOf(bytes, at);
    out[slot + WALK_BASE_SEQUENCE] = baseSequenceOf(bytes, at);
    out[slot + WALK_RECORDS_COUNT] = recordsCountOf(bytes, at);
    out[slot + 15] = 0;
    at += size;
    count++;
  }
  out[WALK_STOP_POSITION] = at;
  out[WALK_STOP_REASON] = reason;
  return count;
}

/** WALK_END when the header is good. */
function checkHeader(bytes: Uint8Array, at: number, end: number, flags: number): number {
  if (end - at < PREFIX_SIZE) return WALK_INCOMPLETE;
  if (magicOf(bytes, at) !== MAGIC_V2) return WALK_BAD_MAGIC;
  const length = lengthOf(bytes, at);
  if (length < LENGTH_MIN) return WALK_BAD_LENGTH;
  if (length > end - at - LOG_OVERHEAD) return WALK_INCOMPLETE;
  if ((flags & WALK_CRC) !== 0) {
    const covered = length + LOG_OVERHEAD - ATTRIBUTES;
    if (crc32c(bytes, at + ATTRIBUTES, covered) !== crcOf(bytes, at)) return WALK_BAD_CRC;
  }
  const recordsCount = recordsCountOf(bytes, at);
  const lastOffsetDelta = lastOffsetDeltaOf(bytes, at);
  const baseOffset = readInt64(bytes, at + BASE_OFFSET);
  // A sum that rounds is above 2^53 - 1 in any case.
  if (baseOffset < 0 || lastOffsetDelta < 0) return WALK_BAD_OFFSETS;
  if (baseOffset + lastOffsetDelta > Number.MAX_SAFE_INTEGER) return WALK_BAD_OFFSETS;
  if (recordsCount < 0) return WALK_BAD_COUNT;
  if ((attributesOf(bytes, at) & COMPRESSION_MASK) === 0) {
    if (recordsCount > Math.floor((length - LENGTH_MIN) / RECORD_SIZE_MIN)) return WALK_BAD_COUNT;
  }
  if ((flags & WALK_SPARSE_OFFSETS) === 0) {
    if (recordsCount < 1 || lastOffsetDelta !== recordsCount - 1) return WALK_BAD_COUNT;
  } else if (lastOffsetDelta < recordsCount - 1) {
    return WALK_BAD_COUNT;
  }
  return WALK_END;
}

const timestamps = new RecordTimestamps();

/** Position after the last varint read by `varintAt`, or -1. */
let next = 0;

/** One byte in line, the rest by the general reader. */
function varintAt(bytes: Uint8Array, at: number, end: number): number {
  if (at < end) {
    const byte = bytes[at] as number;
    if (byte < 0x80) {
      next = at + 1;
      return (byte >>> 1) ^ -(byte & 1);
    }
  }
  const value = readVarint(bytes, at, end);
  next = varintEnd;
  return value;
}

/** Walks the records of the batch [batch, end) and fills in what they tell; false: malformed. */
function walkRecords(
  bytes: Uint8Array,
  batch: number,
  end: number,
  out: Float64Array,
  slot: number,
  flags: number,
): boolean {
  const count = recordsCountOf(bytes, batch);
  const sparse = (flags & WALK_SPARSE_OFFSETS) !== 0;
  const lastOffsetDelta = lastOffsetDeltaOf(bytes, batch);
  let expected = 0;
  let nullKeyCount = 0;
  let minTimestamp = Number.POSITIVE_INFINITY;
  let maxTimestamp = Number.NEGATIVE_INFINITY;
  timestamps.start(bytes, batch + BASE_TIMESTAMP);
  let at = batch + HEADER_SIZE;
  for (let index = 0; index < count; index++) {
    const length = varintAt(bytes, at, end);
    if (next === -1 || length < 0 || length > end - next) return false;
    const recordEnd = next + length;
    // The attributes byte says nothing; the timestamp delta comes after it.
    const timestamp = timestamps.read(bytes, next + 1, recordEnd);
    if (timestamps.end === -1) return false;
    if (timestamp < minTimestamp) minTimestamp = timestamp;
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    const offsetDelta = varintAt(bytes, timestamps.end, recordEnd);
    if (next === -1) return false;
    if (sparse ? offsetDelta < expected || offsetDelta > lastOffsetDelta : offsetDelta !== index) {
      return false;
    }
    expected = offsetDelta + 1;
    const keyLength = varintAt(bytes, next, recordEnd);
    if (next === -1 || keyLength < -1) return false;
    if (keyLength === -1) nullKeyCount++;
    else if (keyLength > recordEnd - next) return false;
    at = keyLength === -1 ? next : next + keyLength;
    const valueLength = varintAt(bytes, at, recordEnd);
    if (next === -1 || valueLength < -1 || valueLength > recordEnd - next) return false;
    at = walkHeaders(bytes, valueLength === -1 ? next : next + valueLength, recordEnd);
    if (at !== recordEnd) return false;
  }
  if (at !== end) return false;
  out[slot + WALK_MIN_RECORD_TIMESTAMP] = count === 0 ? Number.NaN : minTimestamp;
  out[slot + WALK_MAX_RECORD_TIMESTAMP] = count === 0 ? Number.NaN : maxTimestamp;
  out[slot + WALK_NULL_KEY_COUNT] = nullKeyCount;
  return true;
}

/** Position after the headers, or -1. Each header is two bytes or more, so bytes bound the loop. */
function walkHeaders(bytes: Uint8Array, position: number, end: number): number {
  const count = varintAt(bytes, position, end);
  if (next === -1 || count < 0) return -1;
  let at = next;
  for (let index = 0; index < count; index++) {
    const keyLength = varintAt(bytes, at, end);
    if (next === -1 || keyLength < 0 || keyLength > end - next) return -1;
    const valueLength = varintAt(bytes, next + keyLength, end);
    if (next === -1 || valueLength < -1 || valueLength > end - next) return -1;
    at = valueLength === -1 ? next : next + valueLength;
  }
  return at;
}

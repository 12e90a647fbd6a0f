/**
 * Reads the header fields of a v2 batch that starts at `position` of `bytes`, for the byte map see
 * layout.ts. Plain functions over a Uint8Array: no DataView, no bigint, no allocation (an int64 is
 * two 32-bit reads, 4-5 ns a header where bigint costs 23-200).
 *
 * The view does not validate: read only what `walkBatches` has accepted, or at least HEADER_SIZE
 * bytes that are there. A 64-bit offset beyond +-(2^53 - 1) reads as NaN; `walkBatches` rejects
 * such a batch, so an accepted one has exact offsets. Timestamps and producer ids beyond 2^53 are
 * rounded to the nearest double (nanosecond timestamps stay readable).
 */

import type { Offset } from '../base/offset.js';
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  COMPRESSION_MASK,
  CONTROL_BIT,
  CRC,
  DELETE_HORIZON_BIT,
  LAST_OFFSET_DELTA,
  LEADER_EPOCH,
  LENGTH,
  LOG_OVERHEAD,
  MAGIC,
  MAX_TIMESTAMP,
  NO_SEQUENCE,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORDS_COUNT,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from './layout.js';

export type TimestampType = 'CreateTime' | 'LogAppendTime';

/** Offset of the first record, also where compaction removed that record. */
export function baseOffsetOf(bytes: Uint8Array, position: number): Offset {
  const value = readInt64(bytes, position + BASE_OFFSET);
  return (Number.isSafeInteger(value) ? value : Number.NaN) as Offset;
}

/** Inclusive: offset of the last record, also where compaction removed that record. */
export function lastOffsetOf(bytes: Uint8Array, position: number): Offset {
  return (baseOffsetOf(bytes, position) + lastOffsetDeltaOf(bytes, position)) as Offset;
}

/** The offset after the last record. */
export function nextOffsetOf(bytes: Uint8Array, position: number): Offset {
  return (lastOffsetOf(bytes, position) + 1) as Offset;
}

/** The length field: bytes after itself. */
export function lengthOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LENGTH);
}

/** Whole batch in bytes, framing included. */
export function sizeOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LENGTH) + LOG_OVERHEAD;
}

export function leaderEpochOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LEADER_EPOCH);
}

export function magicOf(bytes: Uint8Array, position: number): number {
  return ((bytes[position + MAGIC] as number) << 24) >> 24;
}

/** The stored checksum, 0 .. 2^32 - 1. */
export function crcOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + CRC) >>> 0;
}

export function attributesOf(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + ATTRIBUTES);
}

/** Codec id of the records block; see compression/codec.ts. */
export function codecIdOf(bytes: Uint8Array, position: number): number {
  return attributesOf(bytes, position) & COMPRESSION_MASK;
}

export function timestampTypeOf(bytes: Uint8Array, position: number): TimestampType {
  return (attributesOf(bytes, position) & TIMESTAMP_TYPE_BIT) === 0
    ? 'CreateTime'
    : 'LogAppendTime';
}

export function isTransactional(bytes: Uint8Array, position: number): boolean {
  return (attributesOf(bytes, position) & TRANSACTIONAL_BIT) !== 0;
}

export function isControlBatch(bytes: Uint8Array, position: number): boolean {
  return (attributesOf(bytes, position) & CONTROL_BIT) !== 0;
}

export function hasDeleteHorizon(bytes: Uint8Array, position: number): boolean {
  return (attributesOf(bytes, position) & DELETE_HORIZON_BIT) !== 0;
}

export function lastOffsetDeltaOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LAST_OFFSET_DELTA);
}

/** Milliseconds; record timestamps are relative to it. The delete horizon where that bit is set. */
export function baseTimestampOf(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + BASE_TIMESTAMP);
}

/** Milliseconds; the append time of every record where the type is LogAppendTime. */
export function maxTimestampOf(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + MAX_TIMESTAMP);
}

/** -1: not from an idempotent producer. */
export function producerIdOf(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + PRODUCER_ID);
}

export function producerEpochOf(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + PRODUCER_EPOCH);
}

/** -1: not from an idempotent producer. */
export function baseSequenceOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + BASE_SEQUENCE);
}

/** Sequence of the last record; sequences wrap from 2^31 - 1 to 0. */
export function lastSequenceOf(bytes: Uint8Array, position: number): number {
  const base = baseSequenceOf(bytes, position);
  if (base === NO_SEQUENCE) return NO_SEQUENCE;
  return addSequence(base, lastOffsetDeltaOf(bytes, position));
}

/** Records really in the batch; compaction lowers it, even to 0, and keeps the last offset delta. */
export function recordsCountOf(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + RECORDS_COUNT);
}

/** `sequence + count` on the ring 0 .. 2^31 - 1. */
export function addSequence(sequence: number, count: number): number {
  const sum = sequence + count;
  return sum > 0x7fffffff ? sum - 0x80000000 : sum;
}

export function readInt16(bytes: Uint8Array, position: number): number {
  return (((bytes[position] as number) << 24) >> 16) | (bytes[position + 1] as number);
}

export function readInt32(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  );
}

/** Exact within +-(2^53 - 1), else rounded to the nearest double as a C cast would. */
export function readInt64(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) * 4294967296 + (readInt32(bytes, position + 4) >>> 0);
}

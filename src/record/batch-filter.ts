/**
 * Rewrites one batch without the records that compaction drops. Offsets stay: base offset, last offset
 * delta and the offset deltas of the records that are left are those of before, and so are producer,
 * sequence and epoch, so that a duplicate is told from a new batch as ever.
 *
 *     all records stay, no new horizon    the batch as it is, byte for byte
 *     some stay                           their bytes, one after the other; compressed anew
 *     none stays, the batch does          the header alone
 *
 * A DELETE HORIZON is set on a batch with tombstones, or with a marker that nothing needs any more,
 * when compaction first meets it: attribute bit 6 says so, and the base timestamp is the time from
 * which on they may go. Timestamps of the records are then relative to that.
 */

import { assert } from '../base/assert.js';
import { readVarint, varintEnd, varintSize, writeVarint } from '../base/varint.js';
import { crc32c } from '../native/crc32c.js';
import { BatchBuilder } from './batch-builder.js';
import { writeInt16, writeInt32, writeInt64 } from './batch-patch.js';
import {
  attributesOf,
  baseTimestampOf,
  codecIdOf,
  readInt32,
  sizeOf,
  timestampTypeOf,
} from './batch-view.js';
import { codecById } from './compression/codecs.js';
import { decodeBatch, recordsBlockOf } from './decode-batch.js';
import {
  ATTRIBUTES,
  BASE_TIMESTAMP,
  COMPRESSION_MASK,
  CRC,
  DELETE_HORIZON_BIT,
  HEADER_SIZE,
  LAST_OFFSET_DELTA,
  LENGTH,
  LOG_OVERHEAD,
  MAX_TIMESTAMP,
  NO_TIMESTAMP,
  RECORDS_COUNT,
} from './layout.js';
import type { RecordView } from './record.js';

export interface BatchFilterOptions {
  /** Whether a record stays; null: all do (a control batch). */
  readonly keeps: ((record: RecordView) => boolean) | null;
  /** Whether the batch is left as a header if no record stays. */
  readonly keepEmpty: boolean;
  /** Set where a tombstone stays and the batch has none yet; or always, with `forceHorizon`. */
  readonly horizonMs: number;
  readonly forceHorizon: boolean;
}

export interface FilteredBatch {
  /** Null: the batch goes. It may be a view of the input. */
  readonly bytes: Uint8Array | null;
  readonly recordsCount: number;
}

const GONE: FilteredBatch = { bytes: null, recordsCount: 0 };

/** A record that stays: [start, end) of the block. */
interface Kept {
  readonly start: number;
  readonly end: number;
  readonly timestamp: number;
}

/**
 * The batch at `position`, which walkBatches has accepted, without the records that go. Throws a
 * CompressionError or a RecordError if the records cannot be read: then nothing may be dropped.
 */
export function filterBatch(
  bytes: Uint8Array,
  position: number,
  options: BatchFilterOptions,
): FilteredBatch {
  const batch = bytes.subarray(position, position + sizeOf(bytes, position));
  const records = decodeBatch(batch, 0);
  const kept: Kept[] = [];
  let hasTombstone = false;
  for (;;) {
    const start = records.position;
    const record = records.next();
    if (record === null) break;
    if (options.keeps !== null && !options.keeps(record)) continue;
    kept.push({ start, end: records.position, timestamp: record.timestamp });
    hasTombstone ||= record.valueSize < 0;
  }
  if (kept.length === 0) {
    if (!options.keepEmpty) return GONE;
    return { bytes: records.recordsCount === 0 ? batch : emptyBatch(batch), recordsCount: 0 };
  }
  const hasHorizon = (attributesOf(batch, 0) & DELETE_HORIZON_BIT) !== 0;
  const setsHorizon = (hasTombstone || options.forceHorizon) && !hasHorizon;
  if (kept.length === records.recordsCount && !setsHorizon) {
    return { bytes: batch, recordsCount: kept.length };
  }
  const rebuilt = rebuild(batch, kept, setsHorizon ? options.horizonMs : null);
  return { bytes: rebuilt, recordsCount: kept.length };
}

/** The header of a batch of which no record is left: as Kafka writes it, without a codec. */
export function emptyBatch(batch: Uint8Array): Uint8Array {
  const empty = Buffer.from(batch.subarray(0, HEADER_SIZE));
  const attributes = attributesOf(batch, 0) & ~COMPRESSION_MASK & ~DELETE_HORIZON_BIT;
  writeInt16(empty, ATTRIBUTES, attributes);
  writeInt64(empty, BASE_TIMESTAMP, NO_TIMESTAMP);
  return seal(empty, 0);
}

/** A batch without records in the place of offsets that are lost: consumers go on behind it. */
export function placeholderBatch(
  baseOffset: number,
  lastOffset: number,
  { leaderEpoch, timestampMs }: { readonly leaderEpoch: number; readonly timestampMs: number },
): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: timestampMs, key: null, value: null });
  const batch = builder.build({ baseOffset, leaderEpoch });
  writeInt32(batch, LAST_OFFSET_DELTA, lastOffset - baseOffset);
  return emptyBatch(batch);
}

function rebuild(batch: Uint8Array, kept: readonly Kept[], horizonMs: number | null): Uint8Array {
  const block = recordsBlockOf(batch, 0);
  const parts =
    horizonMs === null
      ? kept.map(({ start, end }) => block.subarray(start, end))
      : kept.map((record) => withTimestampFrom(batch, block, record, horizonMs));
  const records = codecById(codecIdOf(batch, 0)).compress(Buffer.concat(parts));
  const rebuilt = Buffer.allocUnsafe(HEADER_SIZE + records.length);
  rebuilt.set(batch.subarray(0, HEADER_SIZE));
  rebuilt.set(records, HEADER_SIZE);
  if (horizonMs !== null) {
    writeInt16(rebuilt, ATTRIBUTES, attributesOf(batch, 0) | DELETE_HORIZON_BIT);
    writeInt64(rebuilt, BASE_TIMESTAMP, horizonMs);
  }
  if (timestampTypeOf(batch, 0) === 'CreateTime') {
    let largest = NO_TIMESTAMP;
    for (const { timestamp } of kept) largest = Math.max(largest, timestamp);
    // Beyond 2^53 the number is rounded: the header's own stays, which is not below it.
    if (Number.isSafeInteger(largest)) writeInt64(rebuilt, MAX_TIMESTAMP, largest);
  }
  return seal(rebuilt, kept.length);
}

/** Writes length, count and CRC. */
function seal(batch: Uint8Array, recordsCount: number): Uint8Array {
  writeInt32(batch, LENGTH, batch.length - LOG_OVERHEAD);
  writeInt32(batch, RECORDS_COUNT, recordsCount);
  writeInt32(batch, CRC, crc32c(batch, ATTRIBUTES, batch.length - ATTRIBUTES));
  return batch;
}

/** The record with its timestamp relative to `baseMs`: exact also beyond 2^53. */
function withTimestampFrom(
  batch: Uint8Array,
  block: Uint8Array,
  { start, end }: Kept,
  baseMs: number,
): Uint8Array {
  readVarint(block, start, end);
  const attributesAt = varintEnd;
  assert(attributesAt > start, 'the record was read before');
  let restAt = attributesAt + 1;
  let raw = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = block[restAt++] as number;
    raw |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const delta = (raw >> 1n) ^ -(raw & 1n);
  const exact = timestampTypeOf(batch, 0) === 'CreateTime';
  // Where the broker set the time, that of the header is the record's.
  const timestamp = exact ? int64At(batch, BASE_TIMESTAMP) + delta : int64At(batch, MAX_TIMESTAMP);
  const encoded = varlong(timestamp - BigInt(baseMs));
  const length = 1 + encoded.length + (end - restAt);
  const record = Buffer.allocUnsafe(varintSize(length) + length);
  let at = writeVarint(record, 0, length);
  record[at++] = block[attributesAt] as number;
  record.set(encoded, at);
  record.set(block.subarray(restAt, end), at + encoded.length);
  return record;
}

function int64At(bytes: Uint8Array, position: number): bigint {
  const value = position === BASE_TIMESTAMP ? baseTimestampOf(bytes, 0) : Number.NaN;
  if (Number.isSafeInteger(value)) return BigInt(value);
  return (BigInt(readInt32(bytes, position)) << 32n) | BigInt(readInt32(bytes, position + 4) >>> 0);
}

/** Zigzag, seven bits a byte; modulo 2^64, as readers add it. */
function varlong(value: bigint): Uint8Array {
  const wrapped = BigInt.asIntN(64, value);
  let raw = BigInt.asUintN(64, (wrapped << 1n) ^ (wrapped >> 63n));
  const bytes: number[] = [];
  while (raw >= 0x80n) {
    bytes.push(Number(raw & 0x7fn) | 0x80);
    raw >>= 7n;
  }
  bytes.push(Number(raw));
  return Uint8Array.from(bytes);
}

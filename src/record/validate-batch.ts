/**
 * The part of ingress validation that `walkBatches` cannot do by itself: it looks inside a
 * compressed batch. Decompresses within an absolute and a ratio bound, puts the records behind a
 * copy of their header that says "not compressed", and lets `walkBatches` judge that: one set of
 * rules, at native speed. Pure: no state, no I/O.
 */

import { MillraceError } from '../base/errors.js';
import { writeInt16, writeInt32 } from './batch-patch.js';
import { attributesOf, sizeOf } from './batch-view.js';
import {
  WALK_FIRST,
  WALK_MAX_RECORD_TIMESTAMP,
  WALK_MIN_RECORD_TIMESTAMP,
  WALK_NULL_KEY_COUNT,
  WALK_RECORDS,
  WALK_STOP_REASON,
  walkBatches,
  walkOut,
} from './batch-walk.js';
import { RECORDS_SIZE_MAX, recordsBlockOf } from './decode-batch.js';
import { ATTRIBUTES, COMPRESSION_MASK, HEADER_SIZE, LENGTH, LOG_OVERHEAD } from './layout.js';

/** Records up to this size are taken at any ratio: a small batch of one long run is no attack. */
export const RATIO_FREE_SIZE = 16 * 1024 * 1024;
export const RATIO_MAX = 100;

export interface CompressedRecordsOptions {
  /** Most bytes of decompressed records; RECORDS_SIZE_MAX where not given. */
  readonly sizeMax?: number;
  /** Most bytes of records per byte of batch, beyond RATIO_FREE_SIZE; RATIO_MAX where not given. */
  readonly ratioMax?: number;
}

export type CompressedRecords =
  | {
      readonly ok: true;
      readonly minTimestamp: number;
      readonly maxTimestamp: number;
      readonly nullKeyCount: number;
      /** Decompressed, in bytes. */
      readonly recordsSize: number;
    }
  | {
      readonly ok: false;
      /** A CompressionErrorCode, or CORRUPT_RECORD. */
      readonly reason: string;
      readonly message: string;
    };

const out = walkOut(1);

/**
 * Checks the records of the batch at `position`, which `walkBatches` has accepted with dense
 * offsets: as many as it says, offset deltas 0, 1, 2.., each well-formed, no byte left over.
 * Record timestamps are as stored, whatever the timestamp type. Damage is an outcome, not an error.
 */
export function validateCompressedRecords(
  bytes: Uint8Array,
  position: number,
  options: CompressedRecordsOptions = {},
): CompressedRecords {
  const { sizeMax = RECORDS_SIZE_MAX, ratioMax = RATIO_MAX } = options;
  const ratioSize = Math.max(RATIO_FREE_SIZE, sizeOf(bytes, position) * ratioMax);
  let block: Uint8Array;
  try {
    block = recordsBlockOf(bytes, position, { sizeMax: Math.min(sizeMax, ratioSize) });
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { ok: false, reason: error.code, message: error.message };
  }
  const plain = uncompressedCopy(bytes, position, block);
  if (walkBatches(plain, 0, plain.length, out, WALK_RECORDS) !== 1) {
    const message = `malformed records in a compressed batch (reason ${out[WALK_STOP_REASON]})`;
    return { ok: false, reason: 'CORRUPT_RECORD', message };
  }
  return {
    ok: true,
    minTimestamp: out[WALK_FIRST + WALK_MIN_RECORD_TIMESTAMP] as number,
    maxTimestamp: out[WALK_FIRST + WALK_MAX_RECORD_TIMESTAMP] as number,
    nullKeyCount: out[WALK_FIRST + WALK_NULL_KEY_COUNT] as number,
    recordsSize: block.length,
  };
}

/** The batch as it would be without compression, but for its CRC. */
function uncompressedCopy(bytes: Uint8Array, position: number, block: Uint8Array): Uint8Array {
  const plain = Buffer.allocUnsafe(HEADER_SIZE + block.length);
  plain.set(bytes.subarray(position, position + HEADER_SIZE));
  plain.set(block, HEADER_SIZE);
  writeInt32(plain, LENGTH, plain.length - LOG_OVERHEAD);
  writeInt16(plain, ATTRIBUTES, attributesOf(bytes, position) & ~COMPRESSION_MASK);
  return plain;
}

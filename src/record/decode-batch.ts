/**
 * From the bytes of a batch to its records: takes the header's word on what they are, decompresses
 * the records block within a bound, and hands it to a cursor.
 *
 * The batch at `position` must have been accepted by `walkBatches` (with WALK_CRC where its bytes
 * are not trusted). What is inside a compressed block has not been checked by that: it is here.
 */

import {
  baseOffsetOf,
  codecIdOf,
  isControlBatch,
  lastOffsetDeltaOf,
  maxTimestampOf,
  recordsCountOf,
  sizeOf,
  timestampTypeOf,
} from './batch-view.js';
import { codecById } from './compression/codecs.js';
import { BASE_TIMESTAMP, HEADER_SIZE } from './layout.js';
import { RecordCursor, type RecordsContext } from './record.js';
import { RecordTimestamps } from './record-timestamp.js';

/** Most bytes that the records of one batch may have when decompressed, unless told otherwise. */
export const RECORDS_SIZE_MAX = 64 * 1024 * 1024;

export interface DecodeBatchOptions {
  /** Most bytes the decompressed records may have; RECORDS_SIZE_MAX where not given. */
  readonly sizeMax?: number;
}

/**
 * The records of the batch at `position`. Throws a CompressionError at once if the block does not
 * decompress; the cursor throws a RecordError at the first malformed record. Keys and values of an
 * uncompressed batch are views into `bytes`.
 */
export function decodeBatch(
  bytes: Uint8Array,
  position: number,
  options: DecodeBatchOptions = {},
): RecordCursor {
  return new RecordCursor(recordsBlockOf(bytes, position, options), contextOf(bytes, position));
}

/** The records block, decompressed; a view into `bytes` where it is not compressed. */
export function recordsBlockOf(
  bytes: Uint8Array,
  position: number,
  options: DecodeBatchOptions = {},
): Uint8Array {
  const block = bytes.subarray(position + HEADER_SIZE, position + sizeOf(bytes, position));
  const sizeMax = options.sizeMax ?? RECORDS_SIZE_MAX;
  const compression = codecIdOf(bytes, position);
  // A batch that compaction emptied keeps its attributes and has no block.
  if (compression === 0 || block.length === 0) return block;
  return codecById(compression).decompress(block, { sizeMax });
}

/** What the header at `position` tells the cursor. */
function contextOf(bytes: Uint8Array, position: number): RecordsContext {
  const timestamps = new RecordTimestamps();
  timestamps.start(bytes, position + BASE_TIMESTAMP);
  return {
    baseOffset: baseOffsetOf(bytes, position),
    lastOffsetDelta: lastOffsetDeltaOf(bytes, position),
    recordsCount: recordsCountOf(bytes, position),
    timestamps,
    appendTime:
      timestampTypeOf(bytes, position) === 'LogAppendTime' ? maxTimestampOf(bytes, position) : null,
    isControl: isControlBatch(bytes, position),
  };
}

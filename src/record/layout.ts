/**
 * The v2 record batch, byte by byte. What is on disk is what is on the wire.
 *
 *     offset  size  field
 *          0     8  base offset             \
 *          8     4  batch length             | log framing: written by the log, not covered by the CRC
 *         12     4  partition leader epoch  /
 *         16     1  magic (2)               \
 *         17     4  CRC-32C of the n bytes   | the 1+4+n message
 *         21     n  the covered bytes       /
 *
 *         21     2  attributes
 *         23     4  last offset delta
 *         27     8  base timestamp (or delete horizon)
 *         35     8  max timestamp
 *         43     8  producer id
 *         51     2  producer epoch
 *         53     4  base sequence
 *         57     4  records count
 *         61     .  records, compressed as one block if the attributes say so
 *
 *     attributes: bit 0-2 compression, 3 timestamp type (1 = LogAppendTime), 4 transactional,
 *                 5 control, 6 base timestamp is the delete horizon, 7-15 unused
 *
 * All integers are big-endian and signed. Constants only: reading is batch-view.ts, writing into a
 * received batch is batch-patch.ts.
 */

import { assert } from '../base/assert.js';

export const BASE_OFFSET = 0;
export const LENGTH = 8;
export const LEADER_EPOCH = 12;
export const MAGIC = 16;
export const CRC = 17;
export const ATTRIBUTES = 21;
export const LAST_OFFSET_DELTA = 23;
export const BASE_TIMESTAMP = 27;
export const MAX_TIMESTAMP = 35;
export const PRODUCER_ID = 43;
export const PRODUCER_EPOCH = 51;
export const BASE_SEQUENCE = 53;
export const RECORDS_COUNT = 57;
/** First byte of the records; the size of a batch without records. */
export const HEADER_SIZE = 61;

/** Base offset and batch length: what the batch length does not count. */
export const LOG_OVERHEAD = 12;
/** Bytes needed to tell a batch's length and magic. */
export const PREFIX_SIZE = 17;
/** Smallest value of the batch length field. */
export const LENGTH_MIN = HEADER_SIZE - LOG_OVERHEAD;
/** Smallest record: six fields of one byte, after a length of one byte. */
export const RECORD_SIZE_MIN = 7;
export const MAGIC_V2 = 2;

export const COMPRESSION_MASK = 0x07;
export const TIMESTAMP_TYPE_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;
export const DELETE_HORIZON_BIT = 0x40;

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_TIMESTAMP = -1;
export const NO_LEADER_EPOCH = -1;

assert(LENGTH === BASE_OFFSET + 8 && LEADER_EPOCH === LOG_OVERHEAD, 'framing is 12 bytes');
assert(MAGIC === LEADER_EPOCH + 4 && CRC === MAGIC + 1 && ATTRIBUTES === CRC + 4, '1+4+n');
assert(PREFIX_SIZE === MAGIC + 1 && LENGTH_MIN === 49, 'prefix ends with the magic');
assert(HEADER_SIZE === RECORDS_COUNT + 4, 'records follow their count');

/**
 * What a client may append (R7, and Kafka's rules for Produce 3 and up): exactly one whole v2 batch.
 *
 *     check, in this order                                             refused with
 *     larger than max.message.bytes                                    MESSAGE_TOO_LARGE
 *     no whole header, length below 49 or past the end                 CORRUPT_MESSAGE
 *     magic other than 2                                               INVALID_RECORD
 *     CRC-32C                                                          CORRUPT_MESSAGE
 *     count < 1, last offset delta != count - 1, base offset != 0      INVALID_RECORD
 *     a second batch, bytes left over                                  INVALID_RECORD
 *     control batch, delete horizon, producer id without a sequence    INVALID_RECORD
 *     transactional batch of one who has no leave to                   INVALID_TXN_STATE
 *     transactional batch without a producer id                        INVALID_RECORD
 *     a producer that claims LogAppendTime                             INVALID_TIMESTAMP
 *     records not well-formed, compressed or not                       INVALID_RECORD
 *     records that inflate beyond the bounds                           MESSAGE_TOO_LARGE
 *     unknown codec                                                    UNSUPPORTED_COMPRESSION_TYPE
 *     null key on a compacted topic                                    INVALID_RECORD, per record
 *     timestamp out of message.timestamp.before/after.max.ms           INVALID_TIMESTAMP, per record
 *
 * One walk per call, nothing allocated per record unless a record is to blame. The bytes are only
 * read: what the answer says to patch, the log patches in its own copy.
 */

import { LONG_MAX } from '../base/config-table.js';
import {
  WALK_ATTRIBUTES,
  WALK_BAD_COUNT,
  WALK_BAD_CRC,
  WALK_BAD_LENGTH,
  WALK_BAD_MAGIC,
  WALK_BAD_OFFSETS,
  WALK_BAD_RECORDS,
  WALK_BASE_OFFSET,
  WALK_BASE_SEQUENCE,
  WALK_CRC,
  WALK_END,
  WALK_FIRST,
  WALK_INCOMPLETE,
  WALK_LAST_OFFSET_DELTA,
  WALK_MAX_RECORD_TIMESTAMP,
  WALK_MAX_TIMESTAMP,
  WALK_MIN_RECORD_TIMESTAMP,
  WALK_NULL_KEY_COUNT,
  WALK_PRODUCER_EPOCH,
  WALK_PRODUCER_ID,
  WALK_RECORDS,
  WALK_STOP_REASON,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';
import { decodeBatch } from '../record/decode-batch.js';
import {
  COMPRESSION_MASK,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from '../record/layout.js';
import { validateCompressedRecords } from '../record/validate-batch.js';
import { RECORD_ERRORS_MAX } from './log-limits.js';
import type { AppendError, RecordError } from './results.js';
import type { LogConfig } from './topic-config.js';

/** What is wrong; `ok: false` without the log's own fields. */
export interface Rejection {
  readonly error: AppendError;
  readonly message: string;
  readonly recordErrors: readonly RecordError[];
}

/** What the one who appends may do beyond what every client may. */
export interface AppendLeave {
  /** Append to a transaction, which somebody has made sure of. */
  readonly transactional: boolean;
  /** Write batches that have a producer and no sequence, as coordinators do. */
  readonly coordinator: boolean;
}

const CLIENT: AppendLeave = { transactional: false, coordinator: false };

const NO_RECORD_ERRORS: readonly RecordError[] = [];

/** Room for two batches: a second one is enough to know that there is one too many. */
const out = walkOut(2);

/**
 * Validates batches for one log after another. Its fields describe the batch last accepted, until
 * the next call: a result object per batch would only be read and dropped.
 */
export class AppendValidator {
  lastOffsetDelta = 0;
  attributes = 0;
  producerId = -1;
  producerEpoch = -1;
  baseSequence = -1;
  /** Of the records, as the log stores it: the append time under LogAppendTime. */
  maxTimestampMs = NO_TIMESTAMP;
  /** Part of a transaction. */
  isTransactional = false;
  /** The header's max timestamp is not that of the records: to be patched. */
  maxTimestampIsWrong = false;

  /** Null: accepted. `records` is borrowed until it returns. */
  validate(
    records: Uint8Array,
    config: LogConfig,
    nowMs: number,
    { transactional, coordinator }: AppendLeave = CLIENT,
  ): Rejection | null {
    if (records.length > config.messageBytesMax) {
      return reject(
        'MESSAGE_TOO_LARGE',
        `The batch has ${records.length} bytes, max.message.bytes is ${config.messageBytesMax}`,
      );
    }
    const count = walkBatches(records, 0, records.length, out, WALK_CRC | WALK_RECORDS);
    const reason = out[WALK_STOP_REASON] as number;
    if (count === 0) return rejectStop(reason);
    if (count > 1 || reason !== WALK_END) {
      return reject('INVALID_RECORD', 'A partition takes exactly one record batch per request');
    }
    this.#readHeader();
    const problem = this.#checkHeader(transactional, coordinator);
    if (problem !== null) return problem;
    return this.#checkRecords(records, config, nowMs);
  }

  #readHeader(): void {
    this.lastOffsetDelta = out[WALK_FIRST + WALK_LAST_OFFSET_DELTA] as number;
    this.attributes = out[WALK_FIRST + WALK_ATTRIBUTES] as number;
    this.producerId = out[WALK_FIRST + WALK_PRODUCER_ID] as number;
    this.producerEpoch = out[WALK_FIRST + WALK_PRODUCER_EPOCH] as number;
    this.baseSequence = out[WALK_FIRST + WALK_BASE_SEQUENCE] as number;
    this.isTransactional = (this.attributes & TRANSACTIONAL_BIT) !== 0;
  }

  #checkHeader(transactional: boolean, coordinator: boolean): Rejection | null {
    const { attributes } = this;
    if (out[WALK_FIRST + WALK_BASE_OFFSET] !== 0) {
      return reject('INVALID_RECORD', 'The base offset of a batch from a client must be 0');
    }
    if ((attributes & CONTROL_BIT) !== 0) {
      return reject('INVALID_RECORD', 'Clients are not allowed to write control records');
    }
    if ((attributes & DELETE_HORIZON_BIT) !== 0) {
      return reject('INVALID_RECORD', 'Clients are not allowed to set a delete horizon');
    }
    if (this.producerId > -1) {
      if (!Number.isSafeInteger(this.producerId)) {
        return reject('INVALID_RECORD', 'The producer id is beyond 2^53');
      }
      if (this.baseSequence < 0 && !(coordinator && this.baseSequence === NO_SEQUENCE)) {
        return reject('INVALID_RECORD', `Invalid sequence number ${this.baseSequence}`);
      }
      if (this.producerEpoch < 0) {
        return reject('INVALID_PRODUCER_EPOCH', `Invalid producer epoch ${this.producerEpoch}`);
      }
    }
    if (this.isTransactional && !transactional) {
      return reject('INVALID_TXN_STATE', 'No transaction of this producer is known here');
    }
    if (this.isTransactional && this.producerId < 0) {
      return reject('INVALID_RECORD', 'A transactional batch must have a producer id');
    }
    if ((attributes & TIMESTAMP_TYPE_BIT) !== 0) {
      return reject(
        'INVALID_TIMESTAMP',
        'A producer must not set the timestamp type LogAppendTime',
      );
    }
    return null;
  }

  #checkRecords(records: Uint8Array, config: LogConfig, nowMs: number): Rejection | null {
    let min = out[WALK_FIRST + WALK_MIN_RECORD_TIMESTAMP] as number;
    let max = out[WALK_FIRST + WALK_MAX_RECORD_TIMESTAMP] as number;
    let nullKeyCount = out[WALK_FIRST + WALK_NULL_KEY_COUNT] as number;
    const headerMax = out[WALK_FIRST + WALK_MAX_TIMESTAMP] as number;
    if ((this.attributes & COMPRESSION_MASK) !== 0) {
      const inside = validateCompressedRecords(records, 0);
      if (!inside.ok) return reject(insideError(inside.reason), inside.message);
      min = inside.minTimestamp;
      max = inside.maxTimestamp;
      nullKeyCount = inside.nullKeyCount;
    }
    const isCreateTime = config.messageTimestampType === 'CreateTime';
    const wantsKeys = config.cleanupCompact && nullKeyCount > 0;
    // Minus one stands for "no timestamp" and is always taken, so the least is only a hint.
    const wantsTimestamps =
      isCreateTime && (isTooOld(min, nowMs, config) || isTooNew(max, nowMs, config));
    if (wantsKeys || wantsTimestamps) {
      const rejection = blameRecords(records, config, nowMs);
      if (rejection !== null) return rejection;
    }
    this.maxTimestampMs = isCreateTime ? max : nowMs;
    this.maxTimestampIsWrong = isCreateTime && max !== headerMax;
    if (this.maxTimestampIsWrong && !Number.isSafeInteger(max)) {
      return reject(
        'INVALID_TIMESTAMP',
        'The max timestamp of the batch is not that of its records',
      );
    }
    return null;
  }
}

/** Of what validateCompressedRecords found. */
function insideError(reason: string): AppendError {
  if (reason === 'UNSUPPORTED_COMPRESSION_TYPE') return reason;
  // The client may split such a batch and try again, which no other error tells it to.
  return reason === 'DECOMPRESSED_TOO_LARGE' ? 'MESSAGE_TOO_LARGE' : 'INVALID_RECORD';
}

/** Why the walk accepted no batch at all. */
const stopErrors: Readonly<Record<number, readonly [AppendError, string]>> = {
  [WALK_END]: ['INVALID_RECORD', 'There is no record batch'],
  [WALK_INCOMPLETE]: ['CORRUPT_MESSAGE', 'The batch is longer than the bytes that came'],
  [WALK_BAD_MAGIC]: ['INVALID_RECORD', 'Only record batches of magic 2 are accepted'],
  [WALK_BAD_LENGTH]: ['CORRUPT_MESSAGE', 'The length of the batch is impossible'],
  [WALK_BAD_CRC]: ['CORRUPT_MESSAGE', 'The CRC of the batch does not match its bytes'],
  [WALK_BAD_COUNT]: ['INVALID_RECORD', 'The count of records does not match the offset range'],
  [WALK_BAD_RECORDS]: ['INVALID_RECORD', 'The records of the batch are malformed'],
  [WALK_BAD_OFFSETS]: ['INVALID_RECORD', 'The base offset of the batch is impossible'],
};

function rejectStop(reason: number): Rejection {
  const [error, message] = stopErrors[reason] ?? ['INVALID_RECORD', 'The batch is malformed'];
  return reject(error, message);
}

function isTooOld(timestamp: number, nowMs: number, config: LogConfig): boolean {
  return config.timestampBeforeMaxMs < LONG_MAX && nowMs - timestamp > config.timestampBeforeMaxMs;
}

function isTooNew(timestamp: number, nowMs: number, config: LogConfig): boolean {
  return config.timestampAfterMaxMs < LONG_MAX && timestamp - nowMs > config.timestampAfterMaxMs;
}

/** The slow path: goes through the records again to say which ones are to blame; null: none. */
function blameRecords(records: Uint8Array, config: LogConfig, nowMs: number): Rejection | null {
  const recordErrors: RecordError[] = [];
  let count = 0;
  let keyless = 0;
  let batchIndex = -1;
  for (const record of decodeBatch(records, 0)) {
    batchIndex++;
    const message = recordProblem(record, config, nowMs);
    if (message === null) continue;
    count++;
    if (config.cleanupCompact && record.keySize < 0) keyless++;
    if (recordErrors.length < RECORD_ERRORS_MAX) recordErrors.push({ batchIndex, message });
  }
  const first = recordErrors[0];
  if (first === undefined) return null;
  const error = keyless > 0 ? 'INVALID_RECORD' : 'INVALID_TIMESTAMP';
  const message = `${count} of ${batchIndex + 1} records were refused; record ${first.batchIndex}: ${first.message}`;
  return { error, message, recordErrors };
}

function recordProblem(
  record: { readonly keySize: number; readonly timestamp: number },
  config: LogConfig,
  nowMs: number,
): string | null {
  if (config.cleanupCompact && record.keySize < 0) return 'A compacted topic takes no null key';
  if (config.messageTimestampType !== 'CreateTime' || record.timestamp === NO_TIMESTAMP)
    return null;
  if (isTooOld(record.timestamp, nowMs, config)) {
    return `Timestamp ${record.timestamp} is before ${nowMs - config.timestampBeforeMaxMs}`;
  }
  if (isTooNew(record.timestamp, nowMs, config)) {
    return `Timestamp ${record.timestamp} is after ${nowMs + config.timestampAfterMaxMs}`;
  }
  return null;
}

function reject(error: AppendError, message: string): Rejection {
  return { error, message, recordErrors: NO_RECORD_ERRORS };
}

/**
 * Builds one v2 batch. Records are appended to a growing block, which is compressed and put behind
 * its header once.
 *
 *     const builder = new BatchBuilder({ compression: 'lz4', sizeMax: 16384 });
 *     if (!builder.append({ timestamp, key, value, headers })) ...start the next one
 *     const batch = builder.build({ baseOffset: 0 });
 *
 * The size limit is on the uncompressed batch, header included: exact for codec none, generous for
 * the others. The first record is always taken, however large. Offsets are dense: the record that
 * is appended n-th has offset delta n. After `build` the builder takes nothing more until `reset`.
 */

import { assert } from '../base/assert.js';
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../base/varint.js';
import { crc32c } from '../native/crc32c.js';
import { writeInt16, writeInt32, writeInt64 } from './batch-patch.js';
import { type CompressionName, compressionNames } from './compression/codec.js';
import { codecByName } from './compression/codecs.js';
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_SEQUENCE,
  BASE_TIMESTAMP,
  CONTROL_BIT,
  CRC,
  HEADER_SIZE,
  LAST_OFFSET_DELTA,
  LEADER_EPOCH,
  LENGTH,
  LOG_OVERHEAD,
  MAGIC,
  MAGIC_V2,
  MAX_TIMESTAMP,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  PRODUCER_EPOCH,
  PRODUCER_ID,
  RECORDS_COUNT,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from './layout.js';
import type { RecordHeader } from './record.js';

/** One record to append. Its bytes are copied: the caller may reuse them. */
export interface NewRecord {
  /** Milliseconds. */
  readonly timestamp: number;
  readonly key?: Uint8Array | null;
  /** Null is a tombstone. */
  readonly value?: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

export interface BatchBuilderOptions {
  /** none where not given. */
  readonly compression?: CompressionName;
  /** The codec's own scale and default. */
  readonly compressionLevel?: number;
  /** Most bytes of the uncompressed batch; no limit but 2^31 - 1 where not given. */
  readonly sizeMax?: number;
  /** Room reserved at once; the block grows by doubling from there. */
  readonly sizeExpected?: number;
  /** Set by an idempotent producer: all three or none. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

export interface BuildOptions {
  /** Offset of the first record; 0 where not given, as producers send it. */
  readonly baseOffset?: number;
  /** -1 where not given, as producers send it. */
  readonly leaderEpoch?: number;
  /** Makes the timestamp type LogAppendTime and this the time of every record. */
  readonly appendTime?: number;
}

/** The varint of -1. */
const NULL_KEY = 1;
const NO_HEADERS: readonly RecordHeader[] = [];
const SIZE_MAX = 0x7fffffff;
const SIZE_EXPECTED = 1024;

export class BatchBuilder {
  readonly #options: BatchBuilderOptions;
  readonly #sizeMax: number;
  /** The batch as it grows: room for the header, then the records. */
  #bytes: Uint8Array;
  #size = HEADER_SIZE;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;
  #built = false;

  constructor(options: BatchBuilderOptions = {}) {
    const { sizeMax = SIZE_MAX, sizeExpected = Math.min(sizeMax, SIZE_EXPECTED) } = options;
    assert(sizeMax > 0 && sizeMax <= SIZE_MAX, 'sizeMax is 1 .. 2^31 - 1');
    const { producerId, producerEpoch, baseSequence } = options;
    const idempotent = producerId !== undefined;
    assert(
      (producerEpoch !== undefined) === idempotent && (baseSequence !== undefined) === idempotent,
      'producer id, epoch and sequence come together',
    );
    this.#options = options;
    this.#sizeMax = sizeMax;
    this.#bytes = Buffer.allocUnsafe(Math.max(HEADER_SIZE, sizeExpected));
  }

  /** Records appended so far. */
  get count(): number {
    return this.#count;
  }

  /** Of the uncompressed batch so far in bytes, header included. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes the record as the next one; false, and nothing is changed, if the batch would pass its
   * size limit. Values are copied.
   */
  append({ timestamp, key = null, value = null, headers = NO_HEADERS }: NewRecord): boolean {
    return this.appendParts(timestamp, key, value, headers);
  }

  /** As `append`, for who has the parts and would make an object of them for each record. */
  appendParts(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[],
  ): boolean {
    assert(!this.#built, 'a built batch takes no records');
    assert(Number.isSafeInteger(timestamp), 'a timestamp in milliseconds');
    const timestampDelta = this.#count === 0 ? 0 : timestamp - this.#baseTimestamp;
    if (key === null && value !== null && headers.length === 0 && timestampDelta === 0) {
      return this.#appendPlain(timestamp, value);
    }
    assert(Number.isSafeInteger(timestampDelta), 'timestamps of a batch are within 2^53');
    const length =
      1 +
      varlongSize(timestampDelta) +
      varintSize(this.#count) +
      sizedBytesSize(key) +
      sizedBytesSize(value) +
      headersSize(headers);
    const size = this.#size + varintSize(length) + length;
    if (size > (this.#count === 0 ? SIZE_MAX : this.#sizeMax)) return false;
    this.#reserve(size);
    let at = writeVarint(this.#bytes, this.#size, length);
    this.#bytes[at++] = 0;
    at = writeVarlong(this.#bytes, at, timestampDelta);
    at = writeVarint(this.#bytes, at, this.#count);
    at = writeSizedBytes(this.#bytes, at, key);
    at = writeSizedBytes(this.#bytes, at, value);
    at = writeVarint(this.#bytes, at, headers.length);
    for (const header of headers) {
      at = writeString(this.#bytes, at, header.key);
      at = writeSizedBytes(this.#bytes, at, header.value);
    }
    assert(at === size, 'the computed record size is the written one');
    this.#take(timestamp, size);
    return true;
  }

  /**
   * A record that is a value and no more, of the time of the first one: a third of the work, and what most
   * records of a log without keys are.
   */
  #appendPlain(timestamp: number, value: Uint8Array): boolean {
    const count = this.#count;
    // Attributes, timestamp delta, null key and count of headers are a byte each.
    const length = 4 + varintSize(count) + varintSize(value.length) + value.length;
    const size = this.#size + varintSize(length) + length;
    if (size > (count === 0 ? SIZE_MAX : this.#sizeMax)) return false;
    this.#reserve(size);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#size, length);
    bytes[at] = 0;
    bytes[at + 1] = 0;
    at = writeVarint(bytes, at + 2, count);
    bytes[at] = NULL_KEY;
    at = writeVarint(bytes, at + 1, value.length);
    bytes.set(value, at);
    at += value.length;
    bytes[at] = 0;
    assert(at + 1 === size, 'the computed record size is the written one');
    this.#take(timestamp, size);
    return true;
  }

  /** The finished batch, once. There must be a record in it. */
  build(options: BuildOptions = {}): Uint8Array {
    assert(!this.#built && this.#count > 0, 'a batch is built once, of one record or more');
    this.#built = true;
    const { compression = 'none', compressionLevel } = this.#options;
    if (compression === 'none') {
      return this.#seal(this.#bytes.subarray(0, this.#size), options);
    }
    const records = this.#bytes.subarray(HEADER_SIZE, this.#size);
    const level = compressionLevel === undefined ? {} : { level: compressionLevel };
    const block = codecByName(compression).compress(records, level);
    const batch = Buffer.allocUnsafe(HEADER_SIZE + block.length);
    batch.set(block, HEADER_SIZE);
    return this.#seal(batch, options);
  }

  /** Begins the next batch in the same memory: the bytes of the last one, if not compressed, go. */
  reset(): void {
    assert(this.#built, 'a builder is reset when its batch was built');
    this.#built = false;
    this.#size = HEADER_SIZE;
    this.#count = 0;
  }

  #take(timestamp: number, size: number): void {
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
    }
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    this.#size = size;
    this.#count++;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(size, Math.min(2 * this.#bytes.length, SIZE_MAX)));
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = grown;
  }

  /** Writes every byte of the header of `batch`, whose records block is in place. */
  #seal(batch: Uint8Array, options: BuildOptions): Uint8Array {
    const { baseOffset = 0, leaderEpoch = NO_LEADER_EPOCH, appendTime } = options;
    const { producerId, producerEpoch, baseSequence } = this.#options;
    assert(Number.isSafeInteger(baseOffset) && baseOffset >= 0, 'a base offset');
    writeInt64(batch, BASE_OFFSET, baseOffset);
    writeInt32(batch, LENGTH, batch.length - LOG_OVERHEAD);
    writeInt32(batch, LEADER_EPOCH, leaderEpoch);
    batch[MAGIC] = MAGIC_V2;
    writeInt16(batch, ATTRIBUTES, this.#attributes(appendTime !== undefined));
    writeInt32(batch, LAST_OFFSET_DELTA, this.#count - 1);
    writeInt64(batch, BASE_TIMESTAMP, this.#baseTimestamp);
    writeInt64(batch, MAX_TIMESTAMP, appendTime ?? this.#maxTimestamp);
    writeInt64(batch, PRODUCER_ID, producerId ?? NO_PRODUCER_ID);
    writeInt16(batch, PRODUCER_EPOCH, producerEpoch ?? NO_PRODUCER_EPOCH);
    writeInt32(batch, BASE_SEQUENCE, baseSequence ?? NO_SEQUENCE);
    writeInt32(batch, RECORDS_COUNT, this.#count);
    writeInt32(batch, CRC, crc32c(batch, ATTRIBUTES, batch.length - ATTRIBUTES));
    return batch;
  }

  #attributes(logAppendTime: boolean): number {
    const { compression = 'none', isTransactional = false, isControl = false } = this.#options;
    let attributes = compressionNames.indexOf(compression);
    if (logAppendTime) attributes |= TIMESTAMP_TYPE_BIT;
    if (isTransactional) attributes |= TRANSACTIONAL_BIT;
    if (isControl) attributes |= CONTROL_BIT;
    return attributes;
  }
}

function sizedBytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length;
}

function headersSize(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length);
  for (const { key, value } of headers) {
    const keySize = Buffer.byteLength(key);
    size += varintSize(keySize) + keySize + sizedBytesSize(value);
  }
  return size;
}

function writeSizedBytes(target: Uint8Array, position: number, bytes: Uint8Array | null): number {
  if (bytes === null) return writeVarint(target, position, -1);
  const at = writeVarint(target, position, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}

const utf8 = new TextEncoder();

function writeString(target: Uint8Array, position: number, text: string): number {
  const at = writeVarint(target, position, Buffer.byteLength(text));
  return at + utf8.encodeInto(text, target.subarray(at)).written;
}

/**
 * The records of one batch, read lazily from its uncompressed records block.
 *
 *     size    field
 *     varint  length of what follows
 *     1       attributes (unused)
 *     varlong timestamp delta, to the base timestamp of the batch
 *     varint  offset delta, to its base offset
 *     varint  key length, -1 for null; then the key
 *     varint  value length, -1 for null; then the value
 *     varint  header count; then per header: varint key length, key (UTF-8), varint value length
 *             (-1 for null), value
 *
 * Keys and values are views into the block: they live as long as it does. Input is validated here
 * record by record, by the rules of batch-walk.ts (sparse offsets allowed); a malformed one throws
 * a RecordError, and the cursor stays before it.
 */

// Not the global, which is a getter: a view takes a tenth longer by it.
import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import { readVarint, varintEnd } from '../base/varint.js';
import type { RecordTimestamps } from './record-timestamp.js';

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Malformed records. */
export class RecordError extends MillraceError {
  override name = 'RecordError';
  /** In the records block: where the bad record starts. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message}, at byte ${position} of the records`, { code: 'CORRUPT_RECORD' });
    this.position = position;
  }
}

/** What the header of a batch says about its records. */
export interface RecordsContext {
  readonly baseOffset: number;
  readonly lastOffsetDelta: number;
  readonly recordsCount: number;
  readonly timestamps: RecordTimestamps;
  /** Of every record where the timestamp type is LogAppendTime, else null. */
  readonly appendTime: number | null;
  readonly isControl: boolean;
}

/** A records block, and the memory that it lies in: views are Buffers, whatever the block itself is. */
interface BlockMemory {
  readonly block: Uint8Array;
  readonly buffer: ArrayBufferLike;
  readonly start: number;
}

/** One record. Offset and timestamp are read, the rest stays bytes until asked for. */
export class RecordView {
  readonly offset: Offset;
  /** Milliseconds; the append time where the batch says LogAppendTime. */
  readonly timestamp: number;
  /** A control record (a transaction marker and the like): its key tells its type. */
  readonly isControl: boolean;
  /** In bytes, -1 for a null key. */
  readonly keySize: number;
  /** In bytes, -1 for a null value. */
  readonly valueSize: number;
  readonly headerCount: number;
  readonly #memory: BlockMemory;
  readonly #keyStart: number;
  readonly #valueStart: number;
  readonly #headers: number;

  constructor(memory: BlockMemory, fields: RecordFields, offset: Offset, isControl: boolean) {
    this.offset = offset;
    this.timestamp = fields.timestamp;
    this.isControl = isControl;
    this.keySize = fields.keySize;
    this.valueSize = fields.valueSize;
    this.headerCount = fields.headerCount;
    this.#memory = memory;
    this.#keyStart = memory.start + fields.keyEnd - fields.keySize;
    this.#valueStart = memory.start + fields.valueEnd - fields.valueSize;
    this.#headers = fields.headers;
  }

  /** A view into the records block; null is not the same as empty. */
  get key(): Buffer | null {
    if (this.keySize < 0) return null;
    return Buffer.from(this.#memory.buffer, this.#keyStart, this.keySize);
  }

  /** A view into the records block; null is a tombstone. */
  get value(): Buffer | null {
    if (this.valueSize < 0) return null;
    return Buffer.from(this.#memory.buffer, this.#valueStart, this.valueSize);
  }

  /** Decoded at each call; repeated keys and their order are kept. */
  get headers(): RecordHeader[] {
    return decodeHeaders(this.#memory.block, this.#headers, this.headerCount);
  }
}

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };

/** Steps through the records of one block. Several cursors may read one block. */
export class RecordCursor implements Iterable<RecordView> {
  readonly #block: Uint8Array;
  readonly #memory: BlockMemory;
  readonly #context: RecordsContext;
  #position = 0;
  #index = 0;
  /** The least offset delta that the next record may have. */
  #deltaMin = 0;

  constructor(block: Uint8Array, context: RecordsContext) {
    this.#block = block;
    this.#memory = { block, buffer: block.buffer, start: block.byteOffset };
    this.#context = context;
  }

  get recordsCount(): number {
    return this.#context.recordsCount;
  }

  /** Where the next record starts in the block. */
  get position(): number {
    return this.#position;
  }

  /** The next record; null after the last, which must end the block. Throws a RecordError. */
  next(): RecordView | null {
    if (!this.#parse()) return null;
    const { baseOffset, isControl } = this.#context;
    const offset = (baseOffset + fields.offsetDelta) as Offset;
    return new RecordView(this.#memory, fields, offset, isControl);
  }

  /** Checks the next record without making an object of it; false after the last. */
  skip(): boolean {
    return this.#parse();
  }

  [Symbol.iterator](): Iterator<RecordView, void> {
    return {
      next: () => {
        const value = this.next();
        return value === null ? DONE : { done: false, value };
      },
    };
  }

  #parse(): boolean {
    const { recordsCount, appendTime, lastOffsetDelta, timestamps } = this.#context;
    const position = this.#position;
    if (this.#index === recordsCount) {
      if (position === this.#block.length) return false;
      throw new RecordError(`bytes after the last of ${recordsCount} records`, position);
    }
    const wrong = parseRecord(this.#block, position, timestamps);
    if (wrong !== null) throw new RecordError(wrong, position);
    if (fields.offsetDelta < this.#deltaMin || fields.offsetDelta > lastOffsetDelta) {
      throw new RecordError(`offset delta ${fields.offsetDelta} out of order`, position);
    }
    if (appendTime !== null) fields.timestamp = appendTime;
    this.#deltaMin = fields.offsetDelta + 1;
    this.#position = fields.end;
    this.#index++;
    return true;
  }
}

/** Positions in the block of what one record holds; filled in by `parseRecord`. */
interface RecordFields {
  timestamp: number;
  offsetDelta: number;
  keySize: number;
  keyEnd: number;
  valueSize: number;
  valueEnd: number;
  headerCount: number;
  /** Where the first header starts. */
  headers: number;
  end: number;
}

/** Of the last record parsed: read before the next is. */
const fields: RecordFields = {
  timestamp: 0,
  offsetDelta: 0,
  keySize: 0,
  keyEnd: 0,
  valueSize: 0,
  valueEnd: 0,
  headerCount: 0,
  headers: 0,
  end: 0,
};

/** Fills `fields` from the record at `position`; answers what is wrong with it, or null. */
function parseRecord(
  block: Uint8Array,
  position: number,
  timestamps: RecordTimestamps,
): string | null {
  const length = readVarint(block, position, block.length);
  if (varintEnd === -1 || length < 0) return 'bad record length';
  const end = varintEnd + length;
  if (end > block.length) return `record of ${length} bytes passes the end`;
  fields.end = end;
  // The attributes byte says nothing.
  fields.timestamp = timestamps.read(block, varintEnd + 1, end);
  if (timestamps.end === -1) return 'bad timestamp delta';
  fields.offsetDelta = readVarint(block, timestamps.end, end);
  if (varintEnd === -1) return 'bad offset delta';
  fields.keySize = readVarint(block, varintEnd, end);
  if (varintEnd === -1 || fields.keySize < -1) return 'bad key length';
  fields.keyEnd = varintEnd + Math.max(fields.keySize, 0);
  if (fields.keyEnd > end) return `key of ${fields.keySize} bytes passes the end`;
  fields.valueSize = readVarint(block, fields.keyEnd, end);
  if (varintEnd === -1 || fields.valueSize < -1) return 'bad value length';
  fields.valueEnd = varintEnd + Math.max(fields.valueSize, 0);
  if (fields.valueEnd > end) return `value of ${fields.valueSize} bytes passes the end`;
  fields.headerCount = readVarint(block, fields.valueEnd, end);
  if (varintEnd === -1 || fields.headerCount < 0) return 'bad header count';
  fields.headers = varintEnd;
  let at = varintEnd;
  // Each header takes two bytes or more, so that bytes bound the loop, not the declared count.
  for (let index = 0; index < fields.headerCount; index++) {
    const keySize = readVarint(block, at, end);
    if (varintEnd === -1 || keySize < 0 || varintEnd + keySize > end) return 'bad header key';
    const valueSize = readVarint(block, varintEnd + keySize, end);
    if (varintEnd === -1 || valueSize < -1) return 'bad header value length';
    at = varintEnd + Math.max(valueSize, 0);
    if (at > end) return 'header value passes the end';
  }
  return at === end ? null : `${end - at} bytes after the last header`;
}

const utf8 = new TextDecoder('utf-8');

/** The headers from `position`, which `parseRecord` has checked. */
function decodeHeaders(block: Uint8Array, position: number, count: number): RecordHeader[] {
  const headers: RecordHeader[] = [];
  let at = position;
  for (let index = 0; index < count; index++) {
    const keySize = readVarint(block, at, block.length);
    const keyEnd = varintEnd + keySize;
    const key = utf8.decode(block.subarray(varintEnd, keyEnd));
    const valueSize = readVarint(block, keyEnd, block.length);
    assert(varintEnd !== -1, 'headers were checked when the record was parsed');
    at = varintEnd + Math.max(valueSize, 0);
    headers.push({ key, value: valueSize < 0 ? null : block.subarray(varintEnd, at) });
  }
  return headers;
}

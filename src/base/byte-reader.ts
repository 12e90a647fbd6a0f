/**
 * Reads big-endian values, Kafka's strings and varints from a range of bytes. Every read is checked
 * against the end of the range; a bad one throws the error class that the reader was made with, and
 * nothing is allocated for a length that the range cannot hold.
 *
 * For code that is not hot: interpreters, headers, small files. Hot paths use generated code.
 */

import { MillraceError } from './errors.js';
import { readUnsignedVarint, varintEnd } from './varint.js';

/** What a reader throws; made with a message. */
export type ReadErrorClass = new (message: string) => Error;

export class MalformedBytesError extends MillraceError {
  override name = 'MalformedBytesError';

  constructor(message: string) {
    super(message, { code: 'MALFORMED_BYTES' });
  }
}

const floatScratch = new DataView(new ArrayBuffer(8));

export class ByteReader {
  readonly bytes: Buffer;
  /** Next byte to be read. */
  position: number;
  /** Exclusive. */
  readonly end: number;
  readonly #error: ReadErrorClass;

  /** Borrows `bytes`; views that it answers share their memory. */
  constructor(
    bytes: Uint8Array,
    position = 0,
    end = bytes.length,
    error: ReadErrorClass = MalformedBytesError,
  ) {
    this.bytes = asBuffer(bytes);
    this.position = position;
    this.end = end;
    this.#error = error;
    if (!(position >= 0 && position <= end && end <= bytes.length)) this.fail('range outside');
  }

  get remaining(): number {
    return this.end - this.position;
  }

  fail(message: string): never {
    throw new this.#error(`${message} at byte ${this.position} of ${this.end}`);
  }

  /** Moves over `size` bytes and answers where they start. */
  take(size: number): number {
    const at = this.position;
    if (!(size >= 0 && size <= this.end - at)) this.fail(`${size} bytes wanted`);
    this.position = at + size;
    return at;
  }

  int8(): number {
    return this.bytes.readInt8(this.take(1));
  }

  uint8(): number {
    return this.bytes.readUInt8(this.take(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.take(2));
  }

  uint16(): number {
    return this.bytes.readUInt16BE(this.take(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.take(4));
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.take(4));
  }

  /** Fails beyond +-(2^53 - 1). */
  int64(): number {
    const value = this.int64Rounded();
    if (!Number.isSafeInteger(value)) this.fail('an int64 beyond 2^53');
    return value;
  }

  /** Rounds to the nearest double beyond +-(2^53 - 1). */
  int64Rounded(): number {
    const high = this.int32();
    return high * 2 ** 32 + this.uint32();
  }

  float64(): number {
    const at = this.take(8);
    for (let i = 0; i < 8; i++) floatScratch.setUint8(i, this.bytes[at + i] as number);
    return floatScratch.getFloat64(0);
  }

  /** 0 .. 2^32 - 1, at most 5 bytes. */
  unsignedVarint(): number {
    const value = readUnsignedVarint(this.bytes, this.position, this.end);
    if (varintEnd === -1) this.fail('a malformed varint');
    this.position = varintEnd;
    return value;
  }

  /** `size` bytes of UTF-8; what is not UTF-8 becomes U+FFFD. */
  string(size: number): string {
    const at = this.take(size);
    return this.bytes.toString('utf8', at, at + size);
  }

  /** As `string`; a size of -1 is null. */
  nullableString(size: number): string | null {
    return size === -1 ? null : this.string(size);
  }

  /** A view of the next `size` bytes. */
  view(size: number): Uint8Array {
    const at = this.take(size);
    return this.bytes.subarray(at, at + size);
  }

  /** A copy of the next `size` bytes. */
  copy(size: number): Uint8Array {
    const at = this.take(size);
    return Uint8Array.prototype.slice.call(this.bytes, at, at + size);
  }

  /** 16 bytes as 22 characters of base64url. */
  uuid(): string {
    const at = this.take(16);
    return this.bytes.toString('base64url', at, at + 16);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

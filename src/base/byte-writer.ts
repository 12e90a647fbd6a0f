/**
 * Writes big-endian values, Kafka's strings and varints into a buffer that grows. `finish` answers
 * an exactly sized copy, so one writer serves again and again.
 *
 * Generated encoders write into `bytes` from `position` themselves: they ask `reserve` for room and
 * put `position` back before they call anything here.
 */

import { assert } from './assert.js';
import { writeUnsignedVarint } from './varint.js';

/** Above this the buffer is given back after `finish`, so that one big message costs no memory for ever. */
const KEPT_SIZE_MAX = 256 * 1024;
const FIRST_SIZE = 4096;

const floatScratch = new DataView(new ArrayBuffer(8));

export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_SIZE);
  /** Next byte to be written = size so far. */
  position = 0;

  /** Makes room for `size` more bytes; answers `bytes`, which may be a new buffer. */
  reserve(size: number): Buffer {
    const needed = this.position + size;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(grown, 0, 0, this.position);
      this.bytes = grown;
    }
    return this.bytes;
  }

  int8(value: number): void {
    this.reserve(1)[this.position++] = value;
  }

  int16(value: number): void {
    const bytes = this.reserve(2);
    bytes[this.position++] = value >> 8;
    bytes[this.position++] = value;
  }

  int32(value: number): void {
    this.reserve(4);
    this.position = writeInt32(this.bytes, this.position, value);
  }

  int64(value: number): void {
    this.reserve(8);
    this.position = writeInt64(this.bytes, this.position, value);
  }

  /** Clamped to the range of an int64. */
  int64Rounded(value: number): void {
    this.reserve(8);
    this.position = writeInt64Rounded(this.bytes, this.position, value);
  }

  float64(value: number): void {
    this.reserve(8);
    this.position = writeFloat64(this.bytes, this.position, value);
  }

  unsignedVarint(value: number): void {
    this.position = writeUnsignedVarint(this.reserve(5), this.position, value);
  }

  /** The UTF-8 bytes alone. */
  string(value: string): void {
    const bytes = this.reserve(value.length * 3);
    this.position += bytes.write(value, this.position, 'utf8');
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length).set(value, this.position);
    this.position += value.length;
  }

  /** From 22 characters of base64url. */
  uuid(value: string): void {
    this.reserve(16);
    this.position = writeUuid(this.bytes, this.position, value);
  }

  /** Moves the bytes from `start` on by `size`, to put something before them. */
  shift(start: number, size: number): void {
    this.reserve(size).copyWithin(start + size, start, this.position);
    this.position += size;
  }

  /** An exactly sized copy; the writer is empty then. */
  finish(): Buffer {
    const size = this.position;
    const result = Buffer.allocUnsafe(size);
    this.bytes.copy(result, 0, 0, size);
    this.reset();
    return result;
  }

  reset(): void {
    this.position = 0;
    if (this.bytes.length > KEPT_SIZE_MAX) this.bytes = Buffer.allocUnsafeSlow(FIRST_SIZE);
  }
}

/** The functions below answer the position after what they wrote; the caller has made the room. */
export function writeInt32(bytes: Uint8Array, position: number, value: number): number {
  bytes[position] = value >> 24;
  bytes[position + 1] = value >> 16;
  bytes[position + 2] = value >> 8;
  bytes[position + 3] = value;
  return position + 4;
}

export function writeInt64(bytes: Uint8Array, position: number, value: number): number {
  assert(Number.isSafeInteger(value), 'an int64 to be written is a safe integer');
  // ToInt32 works modulo 2^32, which is what the low half wants.
  writeInt32(bytes, position, Math.floor(value / 2 ** 32));
  return writeInt32(bytes, position + 4, value | 0);
}

export function writeInt64Rounded(bytes: Uint8Array, position: number, value: number): number {
  if (value >= 2 ** 63) {
    writeInt32(bytes, position, 0x7fffffff);
    return writeInt32(bytes, position + 4, -1);
  }
  const clamped = Math.max(Math.trunc(value), -(2 ** 63));
  writeInt32(bytes, position, Math.floor(clamped / 2 ** 32));
  return writeInt32(bytes, position + 4, clamped | 0);
}

export function writeFloat64(bytes: Uint8Array, position: number, value: number): number {
  floatScratch.setFloat64(0, value);
  for (let i = 0; i < 8; i++) bytes[position + i] = floatScratch.getUint8(i);
  return position + 8;
}

export function writeUuid(bytes: Buffer, position: number, value: string): number {
  const size = bytes.write(value, position, 16, 'base64url');
  assert(size === 16 && value.length === 22, `not a uuid: ${value}`);
  return position + 16;
}

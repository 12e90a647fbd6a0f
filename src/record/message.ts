/**
 * The 1+4+n message: the smallest unit that can be told whole from damaged. The v2 record batch is
 * one such message (magic 2, CRC-32C) behind 16 bytes of log framing.
 *
 *     offset  size  field
 *          0     1  magic: which layout the payload has
 *          1     4  checksum of the n payload bytes, big-endian, unsigned
 *          5     n  payload
 *
 * The magic is not covered: a reader compares it with the one that it knows. The size n is not in
 * the message: whoever stores it frames it.
 */

import { assert } from '../base/assert.js';
import { crc32c } from '../native/crc32c.js';

export const MESSAGE_OVERHEAD = 5;

/** Checksum of `length` bytes from `offset`, as an unsigned 32-bit number. */
export type Checksum = (bytes: Uint8Array, offset: number, length: number) => number;

export interface MessageFormat {
  /** 0 .. 255. */
  readonly magic: number;
  /** crc32c where none is given. */
  readonly checksum?: Checksum;
}

export type Unframed =
  /** `payload` is a view into the given bytes, not a copy. */
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly reason: 'TOO_SHORT'; readonly size: number }
  | { readonly ok: false; readonly reason: 'WRONG_MAGIC'; readonly magic: number }
  | {
      readonly ok: false;
      readonly reason: 'WRONG_CHECKSUM';
      readonly stored: number;
      readonly computed: number;
    };

/** A new array of MESSAGE_OVERHEAD + payload.length bytes. */
export function frameMessage(payload: Uint8Array, format: MessageFormat): Uint8Array {
  const message = new Uint8Array(MESSAGE_OVERHEAD + payload.length);
  message.set(payload, MESSAGE_OVERHEAD);
  sealMessage(message, 0, message.length, format);
  return message;
}

/** Writes magic and checksum of the message at [position, end), whose payload is in place. */
export function sealMessage(
  bytes: Uint8Array,
  position: number,
  end: number,
  format: MessageFormat,
): void {
  const { magic, checksum = crc32c } = format;
  const start = position + MESSAGE_OVERHEAD;
  assert(Number.isInteger(magic) && magic >= 0 && magic <= 255, 'magic is one byte');
  assert(position >= 0 && start <= end && end <= bytes.length, 'a message within the bytes');
  const sum = checksum(bytes, start, end - start);
  bytes[position] = magic;
  bytes[position + 1] = sum >>> 24;
  bytes[position + 2] = sum >>> 16;
  bytes[position + 3] = sum >>> 8;
  bytes[position + 4] = sum;
}

/** Checks the message at [position, end) of `bytes`. Damage is an outcome, not an error. */
export function unframeMessage(
  bytes: Uint8Array,
  format: MessageFormat,
  position = 0,
  end = bytes.length,
): Unframed {
  assert(position >= 0 && position <= end && end <= bytes.length, 'a range of the bytes');
  if (end - position < MESSAGE_OVERHEAD) {
    return { ok: false, reason: 'TOO_SHORT', size: end - position };
  }
  const { magic, checksum = crc32c } = format;
  const found = bytes[position] as number;
  if (found !== magic) return { ok: false, reason: 'WRONG_MAGIC', magic: found };
  const stored =
    (((bytes[position + 1] as number) << 24) |
      ((bytes[position + 2] as number) << 16) |
      ((bytes[position + 3] as number) << 8) |
      (bytes[position + 4] as number)) >>>
    0;
  const start = position + MESSAGE_OVERHEAD;
  const computed = checksum(bytes, start, end - start) >>> 0;
  if (computed !== stored) return { ok: false, reason: 'WRONG_CHECKSUM', stored, computed };
  return { ok: true, payload: bytes.subarray(start, end) };
}

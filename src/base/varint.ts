/**
 * Variable-length integers as Kafka writes them (those of Protocol Buffers): seven bits a byte,
 * least significant first, the high bit set on all but the last. "varint" and "varlong" are
 * zigzag-coded; "unsigned varint" is not.
 *
 * Readers answer the value and leave the position after it in `varintEnd` (a module variable: a
 * pair per record would cost an allocation). They answer NaN, with `varintEnd` at -1, when the
 * bytes end early, are too long, or the value passes 2^53: input is validated, not thrown at.
 */

/** Position after the last value read, or -1 if it was malformed. */
export let varintEnd = 0;

/** Up to 5 bytes, 0 .. 2^32 - 1. */
export function readUnsignedVarint(bytes: Uint8Array, position: number, end: number): number {
  // Nearly all are of one byte.
  if (position < end) {
    const byte = bytes[position] as number;
    if (byte < 0x80) {
      varintEnd = position + 1;
      return byte;
    }
  }
  let value = 0;
  let scale = 1;
  for (let at = position; at < end && at < position + 5; at++) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (value > 0xffffffff) break;
      varintEnd = at + 1;
      return value;
    }
    scale *= 128;
  }
  varintEnd = -1;
  return Number.NaN;
}

/** Zigzag, up to 5 bytes, -2^31 .. 2^31 - 1. */
export function readVarint(bytes: Uint8Array, position: number, end: number): number {
  const raw = readUnsignedVarint(bytes, position, end);
  if (varintEnd === -1) return raw;
  return (raw >>> 1) ^ -(raw & 1);
}

/** Zigzag, up to 10 bytes; only values within +-(2^53 - 1). */
export function readVarlong(bytes: Uint8Array, position: number, end: number): number {
  if (position < end) {
    const byte = bytes[position] as number;
    if (byte < 0x80) {
      varintEnd = position + 1;
      return (byte >>> 1) ^ -(byte & 1);
    }
  }
  let magnitude = 0;
  let sign = 0;
  let scale = 1;
  for (let at = position; at < end && at < position + 10; at++) {
    const byte = bytes[at] as number;
    if (at === position) {
      sign = byte & 1;
      magnitude = (byte & 0x7e) >>> 1;
      scale = 64;
    } else {
      magnitude += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if (byte < 0x80) {
      const value = sign === 0 ? magnitude : -magnitude - 1;
      if (!Number.isSafeInteger(value)) break;
      varintEnd = at + 1;
      return value;
    }
  }
  varintEnd = -1;
  return Number.NaN;
}

export function unsignedVarintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

export function varintSize(value: number): number {
  return unsignedVarintSize(((value << 1) ^ (value >> 31)) >>> 0);
}

export function varlongSize(value: number): number {
  if ((value | 0) === value) return varintSize(value);
  let rest = zigzag(value);
  let size = 1;
  while (rest >= 0x80) {
    rest = Math.floor(rest / 128);
    size++;
  }
  return size;
}

/** Writers answer the position after the last byte written. The caller has made the room. */
export function writeUnsignedVarint(target: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

export function writeVarint(target: Uint8Array, position: number, value: number): number {
  return writeUnsignedVarint(target, position, ((value << 1) ^ (value >> 31)) >>> 0);
}

export function writeVarlong(target: Uint8Array, position: number, value: number): number {
  if ((value | 0) === value) return writeVarint(target, position, value);
  let at = position;
  let low = value >= 0 ? (value % 64) * 2 : ((-value - 1) % 64) * 2 + 1;
  let rest = Math.floor((value >= 0 ? value : -value - 1) / 64);
  while (rest > 0) {
    target[at++] = low | 0x80;
    low = rest % 128;
    rest = Math.floor(rest / 128);
  }
  target[at++] = low;
  return at;
}

/** Up to 2^54: exact only as a size estimate, which is all that it serves. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

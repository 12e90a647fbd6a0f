/**
 * The batch walk a third time, as plainly as it can be said: BigInt, DataView, slices, exceptions.
 * Written from the text at `walkBatches` in src/native/binding.ts alone; slow, and meant to be.
 */

import { crc32cPortable } from '#src/native/crc32c.js';

export interface Walked {
  readonly count: number;
  /** The head and the rows, without what is beyond. */
  readonly out: number[];
}

const END = 0;
const OUT_FULL = 1;
const INCOMPLETE = 2;
const BAD_MAGIC = 3;
const BAD_LENGTH = 4;
const BAD_CRC = 5;
const BAD_COUNT = 6;
const BAD_RECORDS = 7;
const BAD_OFFSETS = 8;

const SAFE_MAX = 2n ** 53n - 1n;

export function walkReference(
  bytes: Uint8Array,
  offset: number,
  end: number,
  capacity: number,
  flags: number,
): Walked {
  const rows: number[] = [];
  let position = offset;
  let count = 0;
  const answer = (reason: number): Walked => ({ count, out: [position, reason, ...rows] });
  while (position !== end) {
    if (count === capacity) return answer(OUT_FULL);
    const batch = bytes.subarray(position, end);
    const checked = checkBatch(batch, flags);
    if (typeof checked === 'number') return answer(checked);
    rows.push(position, ...checked);
    position += checked[0] as number;
    count++;
  }
  return answer(END);
}

/** The row without its position, or the reason why there is none. */
function checkBatch(rest: Uint8Array, flags: number): number[] | number {
  if (rest.length < 17) return INCOMPLETE;
  if (rest[16] !== 2) return BAD_MAGIC;
  const length = new DataView(rest.buffer, rest.byteOffset).getInt32(8);
  if (length < 49) return BAD_LENGTH;
  if (12 + length > rest.length) return INCOMPLETE;
  const bytes = rest.subarray(0, 12 + length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if ((flags & 1) !== 0) {
    if (crc32cPortable(bytes, 21, bytes.length - 21, 0) !== view.getUint32(17)) return BAD_CRC;
  }
  const baseOffset = view.getBigInt64(0);
  const lastOffsetDelta = view.getInt32(23);
  if (baseOffset < 0n || lastOffsetDelta < 0) return BAD_OFFSETS;
  if (baseOffset + BigInt(lastOffsetDelta) > SAFE_MAX) return BAD_OFFSETS;
  const attributes = view.getInt16(21);
  const recordsCount = view.getInt32(57);
  const isPlain = (attributes & 7) === 0;
  const isSparse = (flags & 4) !== 0;
  if (recordsCount < 0) return BAD_COUNT;
  if (isPlain && recordsCount > Math.floor((bytes.length - 61) / 7)) return BAD_COUNT;
  if (isSparse && lastOffsetDelta < recordsCount - 1) return BAD_COUNT;
  if (!isSparse && (recordsCount < 1 || lastOffsetDelta !== recordsCount - 1)) return BAD_COUNT;
  const baseTimestamp = view.getBigInt64(27);
  let fromRecords = [Number.NaN, Number.NaN, Number.NaN];
  if (isPlain && (flags & 2) !== 0) {
    try {
      const records = readRecords(bytes.subarray(61), recordsCount, baseTimestamp);
      checkDeltas(records, isSparse, lastOffsetDelta);
      fromRecords = summaryOf(records);
    } catch (error) {
      if (error instanceof Malformed) return BAD_RECORDS;
      throw error;
    }
  }
  return [
    bytes.length,
    Number(baseOffset),
    lastOffsetDelta,
    view.getInt32(12),
    attributes,
    Number(baseTimestamp),
    Number(view.getBigInt64(35)),
    Number(view.getBigInt64(43)),
    view.getInt16(51),
    view.getInt32(53),
    recordsCount,
    ...fromRecords,
    0,
  ];
}

class Malformed extends Error {}

interface Record {
  readonly timestamp: bigint;
  readonly offsetDelta: bigint;
  readonly hasKey: boolean;
}

function readRecords(bytes: Uint8Array, count: number, baseTimestamp: bigint): Record[] {
  const input = new Input(bytes);
  const records: Record[] = [];
  for (let index = 0; index < count; index++) {
    const length = input.varint(32);
    if (length < 6n) throw new Malformed();
    const record = new Input(input.take(length));
    record.take(1n);
    const timestamp = baseTimestamp + record.varint(64);
    if (BigInt.asIntN(64, timestamp) !== timestamp) throw new Malformed();
    const offsetDelta = record.varint(32);
    const hasKey = record.field(-1n) !== -1n;
    record.field(-1n);
    const headerCount = record.varint(32);
    if (headerCount < 0n) throw new Malformed();
    for (let header = 0n; header < headerCount; header++) {
      record.field(0n);
      record.field(-1n);
    }
    record.end();
    records.push({ timestamp, offsetDelta, hasKey });
  }
  input.end();
  return records;
}

function checkDeltas(records: Record[], isSparse: boolean, lastOffsetDelta: number): void {
  let last = -1n;
  records.forEach(({ offsetDelta }, index) => {
    if (!isSparse && offsetDelta !== BigInt(index)) throw new Malformed();
    if (offsetDelta <= last || offsetDelta > BigInt(lastOffsetDelta)) throw new Malformed();
    last = offsetDelta;
  });
}

function summaryOf(records: Record[]): number[] {
  const times = records.map(({ timestamp }) => timestamp);
  times.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const nullKeys = records.filter(({ hasKey }) => !hasKey).length;
  return [Number(times[0] ?? Number.NaN), Number(times.at(-1) ?? Number.NaN), nullKeys];
}

class Input {
  #rest: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
  }

  take(size: bigint): Uint8Array {
    if (size > BigInt(this.#rest.length)) throw new Malformed();
    const taken = this.#rest.subarray(0, Number(size));
    this.#rest = this.#rest.subarray(Number(size));
    return taken;
  }

  varint(bits: 32 | 64): bigint {
    let value = 0n;
    for (let at = 0; at < (bits === 32 ? 5 : 10); at++) {
      const byte = this.take(1n)[0] as number;
      value |= BigInt(byte & 0x7f) << BigInt(7 * at);
      if (byte < 0x80) {
        if (value >= 1n << BigInt(bits)) throw new Malformed();
        return (value >> 1n) ^ -(value & 1n);
      }
    }
    throw new Malformed();
  }

  /** A length >= `lengthMin` and as many bytes, none if it is -1; answers the length. */
  field(lengthMin: bigint): bigint {
    const length = this.varint(32);
    if (length < lengthMin) throw new Malformed();
    if (length > 0n) this.take(length);
    return length;
  }

  end(): void {
    if (this.#rest.length !== 0) throw new Malformed();
  }
}

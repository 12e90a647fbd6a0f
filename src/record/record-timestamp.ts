/**
 * Timestamps of records: the base timestamp of the batch plus a varlong delta; a sum outside int64
 * is malformed. Within 2^53 all is done in numbers; beyond it (nanoseconds, or hostile deltas)
 * exactly in bigint, and only the result is rounded to the nearest double.
 */

import { readInt32, readInt64 } from './batch-view.js';

export class RecordTimestamps {
  /** Position after the delta read by the last `read`, or -1 if it was malformed. */
  end = 0;
  #base = 0;
  #exactBase: bigint | null = null;

  /** Starts a batch whose base timestamp is the int64 at `position`. */
  start(bytes: Uint8Array, position: number): void {
    this.#base = readInt64(bytes, position);
    this.#exactBase = Number.isSafeInteger(this.#base) ? null : readBigInt64(bytes, position);
  }

  /** The timestamp whose delta is at `at`; NaN, and `end` -1, if it is malformed. */
  read(bytes: Uint8Array, at: number, end: number): number {
    // Up to 4 bytes, 28 bits: integer arithmetic. `raw` is the zigzag form.
    let raw = 0;
    for (let i = at; i < end && i < at + 4; i++) {
      const byte = bytes[i] as number;
      raw |= (byte & 0x7f) << (7 * (i - at));
      if (byte < 0x80) {
        const delta = (raw >>> 1) ^ -(raw & 1);
        if (this.#exactBase !== null) return this.#sum(this.#exactBase + BigInt(delta), i + 1);
        this.end = i + 1;
        return this.#base + delta;
      }
    }
    return this.#readLong(bytes, at, end);
  }

  #readLong(bytes: Uint8Array, at: number, end: number): number {
    let raw = 0n;
    for (let i = at; i < end && i < at + 10; i++) {
      const byte = bytes[i] as number;
      raw |= BigInt(byte & 0x7f) << BigInt(7 * (i - at));
      if (byte >= 0x80) continue;
      if (raw > 0xffffffffffffffffn) break;
      const delta = (raw >> 1n) ^ -(raw & 1n);
      return this.#sum((this.#exactBase ?? BigInt(this.#base)) + delta, i + 1);
    }
    this.end = -1;
    return Number.NaN;
  }

  #sum(timestamp: bigint, end: number): number {
    const fits = BigInt.asIntN(64, timestamp) === timestamp;
    this.end = fits ? end : -1;
    return fits ? Number(timestamp) : Number.NaN;
  }
}

function readBigInt64(bytes: Uint8Array, position: number): bigint {
  const high = BigInt(readInt32(bytes, position));
  return (high << 32n) | BigInt(readInt32(bytes, position + 4) >>> 0);
}

/**
 * Buffers of large frames, used again. A buffer of a megabyte that is made and dropped per request
 * costs more than the request: the collector runs for memory that it cannot see into, and every page
 * is touched for the first time.
 *
 *     take() -> decoder fills it -> onFrame(owned) -> ... -> giveBack() -> kept for the next take()
 *
 * A frame comes back only if whoever had it says that nobody refers to it any more; one that never
 * does is collected like any other. One pool a thread: the frames of a loop are its own.
 */

import { verifying } from '../base/assert.js';
import { FRAME_POOL_BYTES_MAX } from '../base/limits.js';

/** Written over what comes back in test runs, so that a use after its time does not go unseen. */
const POISON = 0xdb;

export class FramePool {
  readonly #bytesMax: number;
  readonly #free: Uint8Array[] = [];
  #freeBytes = 0;
  /** Buffers that are out: only these may come back, and once. */
  readonly #lent = new WeakSet<ArrayBufferLike>();

  constructor(bytesMax: number = FRAME_POOL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A kept buffer with room for `size` bytes, the smallest there is; null: there is none. */
  take(size: number): Uint8Array | null {
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const { length } = this.#free[i] as Uint8Array;
      if (length < size) continue;
      if (best === -1 || length < (this.#free[best] as Uint8Array).length) best = i;
    }
    if (best === -1) return null;
    const [taken] = this.#free.splice(best, 1) as [Uint8Array];
    this.#freeBytes -= taken.length;
    return taken;
  }

  /** The buffer leaves with a frame in it. */
  lend(buffer: Uint8Array): void {
    this.#lent.add(buffer.buffer);
  }

  /**
   * Nobody refers to `frame` any more, nor to a part of it. Nothing happens if it was not lent, or has
   * come back. Where there is enough already the smaller ones go: large ones serve for all.
   */
  giveBack(frame: Uint8Array): void {
    if (!this.#lent.delete(frame.buffer)) return;
    const buffer = Buffer.from(frame.buffer);
    if (verifying) buffer.fill(POISON);
    if (buffer.length > this.#bytesMax) return;
    while (this.#freeBytes + buffer.length > this.#bytesMax) {
      const smallest = this.take(0);
      if (smallest === null) return;
      if (smallest.length >= buffer.length) {
        this.#keep(smallest);
        return;
      }
    }
    this.#keep(buffer);
  }

  #keep(buffer: Uint8Array): void {
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
  }
}

export const framePool = new FramePool();

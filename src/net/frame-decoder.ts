/**
 * Cuts a byte stream into request frames.
 *
 *     offset  size  field
 *          0     4  size of what follows (int32, big-endian), 0 .. frameBytesMax
 *          4     n  frame
 *
 * A frame of up to 64 KiB that is whole in the bytes given is delivered where it lies (owned =
 * false: valid until `onFrame` returns). Any other is assembled in a buffer of its own and
 * delivered owned = true; that buffer is not touched again, unless it is given back (frame-pool.ts).
 *
 * Invariants: a new buffer of a frame is never larger than twice what has been received of it (or
 * 4 KiB), whatever the size field says; only one that the pool has kept may be. Bytes given to `push`
 * are not referenced after it returns: what a stop leaves over is copied.
 *
 * It does not look into frames, and it does not know sockets.
 */

import { assert } from '../base/assert.js';
import { FRAME_BUFFER_BYTES_MIN, FRAME_IN_PLACE_BYTES_MAX } from '../base/limits.js';
import type { AssemblyBudget } from './assembly-budget.js';
import { framePool } from './frame-pool.js';

export interface FrameSink {
  /** Answers whether the next frame may follow; false stops the decoder until `resume`. */
  onFrame(frame: Uint8Array, owned: boolean): boolean;
  /** The size field is negative or too large. The decoder is closed already. */
  onBadSize(size: number): void;
  /** The budget ran out and this decoder was the stalest. It is closed already. */
  onGivenUp(): void;
}

const SIZE_BYTES = 4;
const EMPTY = new Uint8Array(0);

export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #budget: AssemblyBudget;
  #frameBytesMax: number;
  /** Size field of the frame under way; what has come of it, 0..4 bytes. */
  #size: number;
  #sizeReceived: number;
  #frame: Uint8Array | null;
  #frameReceived: number;
  /** What a stop left over: [#heldPosition, #held.length). */
  #held: Uint8Array | null;
  #heldPosition: number;
  #closed: boolean;

  constructor(sink: FrameSink, budget: AssemblyBudget, frameBytesMax: number) {
    this.#sink = sink;
    this.#budget = budget;
    this.#frameBytesMax = frameBytesMax;
    this.#size = 0;
    this.#sizeReceived = 0;
    this.#frame = null;
    this.#frameReceived = 0;
    this.#held = null;
    this.#heldPosition = 0;
    this.#closed = false;
  }

  /** For frames whose size field comes from now on. */
  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes;
  }

  /** Whether bytes are held back: the owner gives no more until `resume` has let them pass. */
  get stopped(): boolean {
    return this.#held !== null;
  }

  /** Bytes of memory kept for this stream. */
  get bufferBytes(): number {
    return (this.#frame?.length ?? 0) + (this.#held?.length ?? 0);
  }

  /** Takes bytes [0, end). They are borrowed until the call returns. */
  push(bytes: Uint8Array, end: number): void {
    assert(this.#held === null, 'a stopped decoder takes no bytes');
    assert(end <= bytes.length, 'end is inside the bytes');
    const position = this.#consume(bytes, 0, end);
    if (this.#closed) return;
    if (position < end) {
      this.#held = Buffer.allocUnsafeSlow(end - position);
      this.#held.set(bytes.subarray(position, end));
      this.#heldPosition = 0;
    }
    this.#account();
  }

  /** Goes on with what was held back; may stop again. */
  resume(): void {
    const held = this.#held;
    if (held === null || this.#closed) return;
    const position = this.#consume(held, this.#heldPosition, held.length);
    if (this.#closed) return;
    this.#heldPosition = position;
    if (position === held.length) this.#held = null;
    this.#account();
  }

  /** Drops what is partial or held; nothing is delivered any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#frame = null;
    this.#held = null;
    this.#budget.set(this, 0);
  }

  /** Called by the budget. */
  giveUp(): void {
    this.close();
    this.#sink.onGivenUp();
  }

  /** Delivers what [position, end) completes; answers where it stopped, `end` if it did not. */
  #consume(bytes: Uint8Array, position: number, end: number): number {
    let at = position;
    let more = true;
    while (more && at < end && !this.#closed) {
      if (this.#sizeReceived < SIZE_BYTES) {
        at = this.#consumeSize(bytes, at, end);
        if (this.#sizeReceived < SIZE_BYTES) break;
        if (this.#size < 0 || this.#size > this.#frameBytesMax) {
          this.close();
          this.#sink.onBadSize(this.#size);
          break;
        }
        const size = this.#size;
        if (size <= FRAME_IN_PLACE_BYTES_MAX && size <= end - at) {
          this.#sizeReceived = 0;
          at += size;
          more = this.#sink.onFrame(bytes.subarray(at - size, at), false);
          continue;
        }
        if (at === end) break;
      }
      at = this.#consumeBody(bytes, at, end);
      if (this.#frameReceived === this.#size) more = this.#deliverOwned();
    }
    return at;
  }

  #consumeSize(bytes: Uint8Array, position: number, end: number): number {
    let at = position;
    if (this.#sizeReceived === 0) this.#size = 0;
    while (at < end && this.#sizeReceived < SIZE_BYTES) {
      this.#size = (this.#size << 8) | (bytes[at++] as number);
      this.#sizeReceived++;
    }
    return at;
  }

  #consumeBody(bytes: Uint8Array, position: number, end: number): number {
    const count = Math.min(end - position, this.#size - this.#frameReceived);
    const received = this.#frameReceived + count;
    let frame = this.#frame ?? EMPTY;
    if (received > frame.length) {
      const larger = this.#largerBuffer(received);
      larger.set(frame.subarray(0, this.#frameReceived));
      frame = larger;
      this.#frame = larger;
    }
    frame.set(bytes.subarray(position, position + count), this.#frameReceived);
    this.#frameReceived = received;
    return position + count;
  }

  /** Room for `received` bytes at least. */
  #largerBuffer(received: number): Uint8Array {
    const allowed = Math.min(this.#size, Math.max(FRAME_BUFFER_BYTES_MIN, received * 2));
    // A frame that is small, or of which little has come yet, does not hold a large buffer.
    const kept = allowed > FRAME_IN_PLACE_BYTES_MAX ? framePool.take(this.#size) : null;
    return kept ?? Buffer.allocUnsafeSlow(allowed);
  }

  #deliverOwned(): boolean {
    const buffer = this.#frame ?? EMPTY;
    const size = this.#size;
    assert(buffer.length >= size, 'the buffer holds its frame');
    this.#frame = null;
    this.#frameReceived = 0;
    this.#sizeReceived = 0;
    if (size > FRAME_IN_PLACE_BYTES_MAX) framePool.lend(buffer);
    return this.#sink.onFrame(buffer.length === size ? buffer : buffer.subarray(0, size), true);
  }

  #account(): void {
    this.#budget.set(this, this.bufferBytes);
  }
}

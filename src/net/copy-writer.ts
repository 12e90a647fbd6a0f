/**
 * Sends through Node's socket: chunks are copied into blocks, one `socket.write` at a time. The way
 * without the addon, and later that of TLS. Byte for byte what SendfileWriter sends.
 *
 *     [header][slice 1 MiB .........]        queue
 *         \______copyTo_______/
 *          block 1 MiB or 64 KiB  -> socket.write -> callback: the block is free, next turn
 *
 * One block per connection at a time, so a peer that does not read holds one block, and the big ones
 * are few: beyond COPY_BLOCKS_MAX of them connections get small ones.
 */

import type { Socket } from 'node:net';
import { isFileSlice } from '../base/chunk.js';
import { COPY_BLOCK_BYTES, COPY_BLOCK_SMALL_BYTES, COPY_BLOCKS_MAX } from '../base/limits.js';
import type { NetCounters } from './counters.js';
import { ResponseWriter, type WriterOwner } from './response-writer.js';

/** Blocks to copy into, of two sizes; kept for the next taker, within bounds. */
export class BlockPool {
  readonly #free: Uint8Array[];
  readonly #freeSmall: Uint8Array[];
  #largeCount: number;

  constructor() {
    this.#free = [];
    this.#freeSmall = [];
    this.#largeCount = 0;
  }

  /** A large block if `wantedBytes` need one and not too many are out, else a small one. */
  take(wantedBytes: number): Uint8Array {
    if (wantedBytes > COPY_BLOCK_SMALL_BYTES && this.#largeCount < COPY_BLOCKS_MAX) {
      this.#largeCount++;
      return this.#free.pop() ?? Buffer.allocUnsafeSlow(COPY_BLOCK_BYTES);
    }
    return this.#freeSmall.pop() ?? Buffer.allocUnsafeSlow(COPY_BLOCK_SMALL_BYTES);
  }

  /** Nothing else refers to `block` any more. */
  give(block: Uint8Array): void {
    const large = block.length === COPY_BLOCK_BYTES;
    if (large) this.#largeCount--;
    const free = large ? this.#free : this.#freeSmall;
    if (free.length < COPY_BLOCKS_MAX) free.push(block);
  }

  /** A pending write may still refer to `block`: it is left to the collector. */
  forget(block: Uint8Array): void {
    if (block.length === COPY_BLOCK_BYTES) this.#largeCount--;
  }
}

export class CopyWriter extends ResponseWriter {
  readonly #socket: Socket;
  readonly #pool: BlockPool;
  /** With the socket until its callback, and how much of it. */
  #block: Uint8Array | null;
  #blockBytes: number;

  constructor(socket: Socket, owner: WriterOwner, counters: NetCounters, pool: BlockPool) {
    super(owner, counters);
    this.#socket = socket;
    this.#pool = pool;
    this.#block = null;
    this.#blockBytes = 0;
  }

  override get queuedBytes(): number {
    return super.queuedBytes + this.#blockBytes;
  }

  override destroy(): void {
    super.destroy();
    if (this.#block !== null) this.#pool.forget(this.#block);
    this.#block = null;
    this.#blockBytes = 0;
  }

  protected override sendTurn(): void {
    const block = this.#pool.take(super.queuedBytes);
    this.#block = block;
    this.#blockBytes = this.#fill(block);
    if (this.#blockBytes === 0) return;
    this.wait();
    this.#socket.write(block.subarray(0, this.#blockBytes), (error) => {
      if (this.#block !== block) return;
      if (error !== undefined && error !== null) {
        this.fail(error);
        return;
      }
      const bytes = this.#blockBytes;
      this.counters.bytesSentFromMemory += bytes;
      this.#pool.give(block);
      this.#block = null;
      this.#blockBytes = 0;
      this.goOn('tickEnd');
      this.reportSent(bytes);
    });
  }

  /** Copies from the head of the queue; answers how many bytes, 0 if the connection failed. */
  #fill(block: Uint8Array): number {
    let filled = 0;
    while (filled < block.length) {
      const head = this.chunkAt(0);
      if (head === undefined) break;
      const from = this.headSent;
      const count = Math.min(head.length - from, block.length - filled);
      if (!isFileSlice(head)) {
        block.set(head.subarray(from, from + count), filled);
      } else {
        if (head.copyTo(block, filled, from, count) !== count) {
          this.failShort();
          return 0;
        }
        this.counters.bytesCopiedFromFiles += count;
      }
      this.sent(count);
      filled += count;
    }
    return filled;
  }
}

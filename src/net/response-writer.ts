/**
 * The output queue of one connection: chunks in order, sent at the end of the tick.
 *
 *     enqueue()  ->  [bytes][slice][bytes][bytes][slice]  ->  sendTurn()
 *                     ^ head, of which headSent bytes are gone
 *
 *     IDLE --enqueue--> SCHEDULED --end of tick--> sendTurn: all sent ----------> IDLE
 *                          ^                         | turn used up -> SCHEDULED (other connections first)
 *                          |                         | cannot go on -> WAITING (writability, prefetch, drain)
 *                          +----- went on -----------+
 *
 * Ownership: a slice in the queue is held once. It is released when its last byte is gone, or by
 * destroy; both take it out of the queue, so it happens exactly once. A slice that yields fewer bytes
 * than promised ends the connection: its length is on the wire already, so nothing is padded and
 * nothing is sent after it.
 *
 * How a turn sends is the subclass's: SendfileWriter or CopyWriter.
 */

import { assert } from '../base/assert.js';
import { type Chunk, isFileSlice, releaseChunks } from '../base/chunk.js';
import { MillraceError } from '../base/errors.js';
import { FixedQueue } from '../base/fixed-queue.js';
import { atTickEnd } from '../base/tick.js';
import type { NetCounters } from './counters.js';

export interface WriterOwner {
  /** A turn is over, in which `bytes` have left (0 if the socket is full). */
  onSent(bytes: number): void;
  /** Nothing can be sent any more; the owner destroys the writer. */
  onWriteError(error: Error): void;
}

export abstract class ResponseWriter {
  protected readonly counters: NetCounters;
  readonly #owner: WriterOwner;
  readonly #queue: FixedQueue<Chunk>;
  readonly #onTickEnd: () => void;
  #headSent: number;
  #queuedBytes: number;
  #scheduled: boolean;
  #waiting: boolean;
  #destroyed: boolean;

  constructor(owner: WriterOwner, counters: NetCounters) {
    this.counters = counters;
    this.#owner = owner;
    this.#queue = new FixedQueue();
    this.#onTickEnd = () => {
      this.#scheduled = false;
      this.#flush();
    };
    this.#headSent = 0;
    this.#queuedBytes = 0;
    this.#scheduled = false;
    this.#waiting = false;
    this.#destroyed = false;
  }

  /** Bytes that are queued and not yet with the kernel. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get queuedCount(): number {
    return this.#queue.size;
  }

  /** Takes over every slice of `chunks`. After destroy it releases them at once. */
  enqueue(chunks: readonly Chunk[]): void {
    if (this.#destroyed) {
      releaseChunks(chunks);
      return;
    }
    for (const chunk of chunks) {
      if (chunk.length === 0) {
        if (isFileSlice(chunk)) chunk.release();
        continue;
      }
      this.#queue.push(chunk);
      this.#queuedBytes += chunk.length;
    }
    this.#schedule();
  }

  /** Drops what is queued and releases every slice. Idempotent. */
  destroy(): void {
    this.#destroyed = true;
    this.#headSent = 0;
    this.#queuedBytes = 0;
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) return;
      if (isFileSlice(chunk)) chunk.release();
    }
  }

  /** Sends for one turn with `sent`, `wait` and `fail` below. May throw what a slice throws. */
  protected abstract sendTurn(): void;

  protected get destroyed(): boolean {
    return this.#destroyed;
  }

  protected chunkAt(index: number): Chunk | undefined {
    return this.#queue.peek(index);
  }

  /** How many bytes of the first chunk are gone. */
  protected get headSent(): number {
    return this.#headSent;
  }

  /** The first `bytes` of the queue are with the kernel (or copied): lets go of what is done. */
  protected sent(bytes: number): void {
    assert(bytes >= 0 && bytes <= this.#queuedBytes, 'no more is sent than was queued');
    this.#queuedBytes -= bytes;
    this.#headSent += bytes;
    for (;;) {
      const head = this.#queue.peek();
      if (head === undefined || this.#headSent < head.length) break;
      this.#headSent -= head.length;
      this.#queue.shift();
      if (isFileSlice(head)) head.release();
    }
  }

  /** The turn ends; nothing is tried until `goOn`. */
  protected wait(): void {
    this.#waiting = true;
  }

  /** What was waited for has come: another turn, now or at the end of the tick. */
  protected goOn(when: 'now' | 'tickEnd'): void {
    this.#waiting = false;
    if (when === 'now') this.#flush();
    else this.#schedule();
  }

  protected reportSent(bytes: number): void {
    if (!this.#destroyed) this.#owner.onSent(bytes);
  }

  protected fail(error: Error): void {
    if (!this.#destroyed) this.#owner.onWriteError(error);
  }

  /** The file has fewer bytes than the response promised. */
  protected failShort(): void {
    this.fail(
      new MillraceError('a file was cut while it was being sent', { code: 'SHORT_FILE_SLICE' }),
    );
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting || this.#destroyed) return;
    this.#scheduled = true;
    atTickEnd('send', this.#onTickEnd);
  }

  #flush(): void {
    if (this.#destroyed || this.#waiting || this.#queue.size === 0) return;
    const queuedBytes = this.queuedBytes;
    try {
      this.sendTurn();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#queue.size > 0) this.#schedule();
    this.reportSent(queuedBytes - this.queuedBytes);
  }
}

/**
 * Sends through the addon: buffers by sendmsg(2), file slices by sendfile(2), on this thread and
 * never blocking. Node's own writer is not used on such a connection, so the order is this queue's.
 *
 *     [header 60 B][slice 3 KiB][bytes 20 B][slice 1 MiB][bytes]
 *      \___________________________________/ \_________/
 *        one sendmsg, MSG_MORE; the small      sendfile
 *        slice copied into a shared buffer
 *
 * A partial answer means that the socket is full: it is armed at once, without a further try. File
 * ranges that may be cold are looked up before they are sent and read in the pool if need be.
 */

import { type FileSlice, isFileSlice } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import { SEND_BUFFERS_MAX, SEND_TURN_BYTES, SLICE_COPY_BYTES_MAX } from '../base/limits.js';
import type { Native, SocketHandle } from '../native/binding.js';
import { systemError } from '../native/system-error.js';
import type { ColdReads } from './cold-reads.js';
import type { NetCounters } from './counters.js';
import { ResponseWriter, type WriterOwner } from './response-writer.js';

export interface SendfileContext {
  readonly native: Native;
  readonly clock: Clock;
  readonly coldReads: ColdReads;
}

/** Holds the copies of small slices during one sendmsg; shared, as that is synchronous. */
const scratch = Buffer.allocUnsafeSlow(SEND_BUFFERS_MAX * SLICE_COPY_BYTES_MAX);

/** What a step answers when the turn is over: nothing more can be sent now. */
const STOP = -1;

export class SendfileWriter extends ResponseWriter {
  readonly #handle: SocketHandle;
  readonly #context: SendfileContext;
  readonly #buffers: Uint8Array[];
  /** Of the slice at the head: bytes before this position in the file need no further look. */
  #checkedSlice: FileSlice | null;
  #checkedEnd: number;

  /** The handle stays the caller's to close, after destroy; its events go to `onWritable`. */
  constructor(
    handle: SocketHandle,
    owner: WriterOwner,
    counters: NetCounters,
    context: SendfileContext,
  ) {
    super(owner, counters);
    this.#handle = handle;
    this.#context = context;
    this.#buffers = [];
    this.#checkedSlice = null;
    this.#checkedEnd = 0;
  }

  /** The event of the handle after `arm`. */
  onWritable(status: number): void {
    if (this.destroyed) return;
    if (status < 0) this.fail(systemError('poll', status));
    else this.goOn('now');
  }

  protected override sendTurn(): void {
    let budget = SEND_TURN_BYTES;
    while (budget > 0) {
      const head = this.chunkAt(0);
      if (head === undefined) return;
      const copied = head.length <= SLICE_COPY_BYTES_MAX;
      const bytes = isFileSlice(head) && !copied ? this.#sendSlice(head) : this.#sendBuffers();
      if (bytes === STOP) return;
      budget -= bytes;
    }
  }

  /** Buffers and small slices from the head on, by one sendmsg. */
  #sendBuffers(): number {
    const buffers = this.#buffers;
    let bytes = -this.headSent;
    let scratchUsed = 0;
    let more: 0 | 1 = 0;
    for (let i = 0; i < SEND_BUFFERS_MAX && bytes < SEND_TURN_BYTES; i++) {
      const chunk = this.chunkAt(i);
      if (chunk === undefined) break;
      if (!isFileSlice(chunk)) {
        buffers.push(chunk);
      } else if (chunk.length <= SLICE_COPY_BYTES_MAX) {
        const end = scratchUsed + chunk.length;
        // A slice of which a part is gone is copied again: nothing of it was kept.
        if (chunk.copyTo(scratch, scratchUsed, 0, chunk.length) !== chunk.length) {
          buffers.length = 0;
          this.failShort();
          return STOP;
        }
        this.counters.bytesCopiedFromFiles += chunk.length;
        buffers.push(scratch.subarray(scratchUsed, end));
        scratchUsed = end;
      } else {
        more = 1;
        break;
      }
      bytes += chunk.length;
    }
    const sent = this.#handle.send(buffers, this.headSent, more);
    buffers.length = 0;
    if (sent < 0) return this.#stop(sent, 'sendmsg');
    this.counters.bytesSentFromMemory += sent;
    this.sent(sent);
    return sent < bytes ? this.#arm() : sent;
  }

  /** One piece of the slice at the head. */
  #sendSlice(slice: FileSlice): number {
    const position = slice.position + this.headSent;
    const length = Math.min(slice.intactLength - this.headSent, SEND_TURN_BYTES);
    if (length <= 0) {
      this.failShort();
      return STOP;
    }
    if (!this.#isResident(slice, position, length)) return STOP;
    const sent = this.#handle.sendfile(slice.fd, position, length);
    if (sent < 0) return this.#stop(sent, 'sendfile');
    if (sent === 0) {
      this.failShort();
      return STOP;
    }
    this.counters.bytesSentBySendfile += sent;
    slice.openFile.hot.mark(position, position + sent, this.#context.clock.monotonicMs());
    this.sent(sent);
    return sent < length ? this.#arm() : sent;
  }

  #stop(status: number, call: string): number {
    if (status === -this.#context.native.constants.EAGAIN) return this.#arm();
    this.fail(systemError(call, status));
    return STOP;
  }

  #arm(): number {
    const status = this.#handle.arm();
    if (status < 0) this.fail(systemError('poll', status));
    else this.wait();
    return STOP;
  }

  /** False if the range must be read first; then the turn goes on when that is done. */
  #isResident(slice: FileSlice, position: number, length: number): boolean {
    const { clock, coldReads } = this.#context;
    if (this.#checkedSlice !== slice) {
      this.#checkedSlice = slice;
      this.#checkedEnd = position;
    }
    const end = position + length;
    if (end <= this.#checkedEnd) return true;
    if (slice.openFile.hot.covers(position, end, clock.monotonicMs())) return true;
    // From where the last look ended: a piece that was sent in part is not looked at twice.
    const start = Math.max(position, this.#checkedEnd);
    const resident = coldReads.resident(slice.openFile, start, end, (result) => {
      if (this.destroyed) return;
      if (result < 0) {
        this.fail(systemError('read', result));
      } else {
        this.#checkedEnd = start + result;
        this.goOn('tickEnd');
      }
    });
    if (resident) this.#checkedEnd = end;
    else this.wait();
    return resident;
  }
}

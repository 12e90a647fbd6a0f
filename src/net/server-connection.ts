/**
 * The server's side of one connection: dispatches its frames, keeps the responses in the order of
 * the requests, and stops reading while too much is under way.
 *
 *     frames -> handle() -> slots                       -> ResponseWriter -> socket
 *                           [done][done][pending][done]
 *                            \________/    responses leave from the front, as far as they are done
 *
 *     OPEN --close(), or the peer ends--> CLOSING --all answered and sent--> ENDING --+
 *       |   reads no more                  |          our half is ended,              | the peer ends,
 *       |                                  |          what comes is discarded         | or time is up
 *       +------- destroy(), error ---------+------------------------------------------+--> CLOSED
 *
 * It stops dispatching (and reading) while inFlightCountMax requests or inFlightBytesMax bytes of
 * them are with the handler, or outputBytesMax bytes or outputCountMax chunks wait to be sent (the
 * last two until they have halved), or while it is throttled.
 */

import { assert, verifying } from '../base/assert.js';
import { type Chunk, chunksSize, releaseChunks } from '../base/chunk.js';
import type { Clock, Timer } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { FixedQueue } from '../base/fixed-queue.js';
import type { NetLimits } from '../base/limits.js';
import type { Logger } from '../base/logger.js';
import type { Native } from '../native/binding.js';
import { SystemError } from '../native/system-error.js';
import type { AssemblyBudget } from './assembly-budget.js';
import { CloseSignal } from './close-signal.js';
import type { Connection, RequestHandler } from './connection.js';
import { type BlockPool, CopyWriter } from './copy-writer.js';
import type { NetCounters } from './counters.js';
import { FrameDecoder, type FrameSink } from './frame-decoder.js';
import type { ResponseWriter, WriterOwner } from './response-writer.js';
import { type SendfileContext, SendfileWriter } from './sendfile-writer.js';
import { ConnectionSocket, type SocketEvents } from './socket-handle.js';

/** What the connections of one listener share. */
export interface ListenerContext<State> {
  readonly handle: RequestHandler<State>;
  readonly newState: (connection: Connection<State>) => State;
  readonly limits: NetLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: NetCounters;
  readonly budget: AssemblyBudget;
  readonly blocks: BlockPool;
  /** Null: 'data' events, and copying. */
  readonly native: Native | null;
  /** Null: responses are copied. */
  readonly sendfile: SendfileContext | null;
  /** False: connections do not keep the process alive. */
  readonly keepAlive: boolean;
  readonly onClosed: (connection: ServerConnection<State>) => void;
}

interface Slot {
  /** Of the request; counted while the handler has it. */
  readonly frameBytes: number;
  chunks: readonly Chunk[] | null;
  done: boolean;
}

type Phase = 'open' | 'closing' | 'ending' | 'closed';

/** Written over a borrowed frame in test runs, so that a use after its time does not go unseen. */
const POISON = 0xdb;

/** What sending says when the peer has closed or reset the connection. */
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET']);

let lastId = 0;

export class ServerConnection<State>
  implements Connection<State>, FrameSink, WriterOwner, SocketEvents
{
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly state: State;
  readonly signal: CloseSignal;
  readonly #context: ListenerContext<State>;
  readonly #socket: ConnectionSocket;
  readonly #decoder: FrameDecoder;
  readonly #writer: ResponseWriter;
  readonly #slots: FixedQueue<Slot>;
  #phase: Phase;
  #error: Error | null;
  #inFlightBytes: number;
  /** Of slots that are done but wait for an earlier one. */
  #doneBytes: number;
  #outputFull: boolean;
  #paused: boolean;
  /** A handler is being called: what it answers is not queued yet. */
  #dispatching: boolean;
  #peerEnded: boolean;
  #frameSeen: boolean;
  #lastMoveMs: number;
  #deadline: Timer | null;
  /** Ends the throttling; null: there is none. */
  #throttling: Timer | null;
  #throttledUntilMs: number;
  #closed: boolean;
  #closeListeners: Set<(error: Error | null) => void>;

  /** Takes over `accepted`; throws if that cannot be done, and then nothing is left open. */
  constructor(
    accepted: Parameters<typeof ConnectionSocket.adopt>[0],
    context: ListenerContext<State>,
  ) {
    const { limits, sendfile, counters } = context;
    this.id = ++lastId;
    this.remoteAddress = accepted.remoteAddress ?? '';
    this.remotePort = accepted.remotePort ?? 0;
    this.localAddress = accepted.localAddress ?? '';
    this.localPort = accepted.localPort ?? 0;
    this.#context = context;
    this.#socket = ConnectionSocket.adopt(accepted, context.native, sendfile !== null, this);
    if (!context.keepAlive) this.#socket.unref();
    const { handle, socket } = this.#socket;
    this.#writer =
      handle !== null && sendfile !== null
        ? new SendfileWriter(handle, this, counters, sendfile)
        : new CopyWriter(socket, this, counters, context.blocks);
    this.#decoder = new FrameDecoder(this, context.budget, limits.frameBytesMax);
    this.#slots = new FixedQueue(limits.inFlightCountMax);
    this.#phase = 'open';
    this.signal = new CloseSignal();
    this.#error = null;
    this.#inFlightBytes = 0;
    this.#doneBytes = 0;
    this.#outputFull = false;
    this.#paused = false;
    this.#dispatching = false;
    this.#peerEnded = false;
    this.#frameSeen = false;
    this.#lastMoveMs = context.clock.monotonicMs();
    this.#closed = false;
    this.#closeListeners = new Set();
    this.#deadline = null;
    this.#throttling = null;
    this.#throttledUntilMs = 0;
    this.#setDeadline(limits.firstFrameMsMax);
    try {
      this.state = context.newState(this);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  get queuedBytes(): number {
    return this.#writer.queuedBytes + this.#doneBytes;
  }

  get inFlightCount(): number {
    return this.#slots.size;
  }

  get paused(): boolean {
    return this.#paused;
  }

  throttle(delayMs: number): void {
    const { clock } = this.#context;
    const untilMs = clock.monotonicMs() + delayMs;
    if (this.#phase !== 'open' || untilMs <= this.#throttledUntilMs) return;
    this.#throttledUntilMs = untilMs;
    this.#throttling?.cancel();
    this.#throttling = clock.setTimer(delayMs, () => {
      this.#throttling = null;
      this.#lastMoveMs = clock.monotonicMs();
      this.#goOn();
    });
    this.#adjustReading();
  }

  setFrameBytesMax(bytes: number): void {
    assert(bytes > 0 && bytes <= this.#context.limits.frameBytesMax, 'within the listener bound');
    this.#decoder.frameBytesMax = bytes;
  }

  onClose(listener: (error: Error | null) => void): () => void {
    if (this.#closed) {
      listener(this.#error);
      return () => {};
    }
    this.#closeListeners.add(listener);
    return () => {
      this.#closeListeners.delete(listener);
    };
  }

  close(): Promise<void> {
    this.#beginClose();
    return new Promise((resolve) => {
      this.onClose(() => resolve());
    });
  }

  destroy(error?: Error): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#error = error ?? null;
    this.#deadline?.cancel();
    this.#throttling?.cancel();
    this.#decoder.close();
    this.#writer.destroy();
    for (let slot = this.#slots.shift(); slot !== undefined; slot = this.#slots.shift()) {
      if (slot.chunks !== null) releaseChunks(slot.chunks);
      // The handler may still answer; `#complete` releases that.
      slot.chunks = null;
    }
    this.#doneBytes = 0;
    this.#inFlightBytes = 0;
    this.#socket.destroy();
    this.signal.abort();
  }

  // Of the socket.

  onBytes(bytes: Uint8Array, length: number): void {
    this.#lastMoveMs = this.#context.clock.monotonicMs();
    this.#context.counters.bytesReceived += length;
    // While ending, what still comes is discarded: unread bytes would make our end a reset.
    if (this.#phase !== 'open') return;
    this.#decoder.push(bytes, length);
    this.#adjustReading();
  }

  onEnd(): void {
    this.#peerEnded = true;
    if (this.#phase === 'ending') this.destroy();
    else this.#beginClose();
  }

  onError(error: Error): void {
    this.#fail('info', 'connection lost', error);
  }

  onClosed(): void {
    // The socket may close without a word where its file descriptor was taken away.
    this.destroy();
    this.#closed = true;
    this.#context.onClosed(this);
    for (const listener of this.#closeListeners) listener(this.#error);
    this.#closeListeners.clear();
  }

  onWritable(status: number): void {
    if (this.#writer instanceof SendfileWriter) this.#writer.onWritable(status);
  }

  // Of the decoder.

  onFrame(frame: Uint8Array, owned: boolean): boolean {
    const { counters } = this.#context;
    this.#frameSeen = true;
    counters.frames++;
    if (!owned) counters.framesInPlace++;
    this.#dispatch(frame, owned);
    return this.#phase === 'open' && this.#admits();
  }

  onBadSize(size: number): void {
    this.#fail('warn', 'request of a bad size', badFrame(`frame size ${size}`));
  }

  onGivenUp(): void {
    const error = badFrame('the partial frame that waited longest');
    this.#fail('warn', 'too many request bytes under way', error);
  }

  // Of the writer.

  onSent(bytes: number): void {
    if (bytes > 0) this.#lastMoveMs = this.#context.clock.monotonicMs();
    this.#goOn();
  }

  onWriteError(error: Error): void {
    // A peer that goes away is its own business; a file that does is ours.
    const gone = error instanceof SystemError && GONE.has(error.errnoName);
    this.#fail(gone ? 'info' : 'error', 'sending failed', error);
  }

  #dispatch(frame: Uint8Array, owned: boolean): void {
    let answer: ReturnType<RequestHandler<State>>;
    const frameBytes = frame.length;
    this.#dispatching = true;
    try {
      answer = this.#context.handle(this, frame, owned);
    } catch (error) {
      this.#failHandler(error);
      return;
    } finally {
      this.#dispatching = false;
      if (verifying && !owned) frame.fill(POISON);
    }
    if (answer instanceof Promise) {
      const slot: Slot = { frameBytes, chunks: null, done: false };
      // A handler may destroy the connection and still answer.
      if (this.#phase !== 'closed') {
        this.#inFlightBytes += frameBytes;
        this.#slots.push(slot);
      }
      answer.then(
        (chunks) => this.#complete(slot, chunks),
        (error: unknown) => this.#failHandler(error),
      );
    } else if (answer !== null) {
      this.#answerNow(answer);
    }
    // A handler may close the connection behind its answer.
    this.#maybeEnd();
  }

  /** The handler answered in the call: no slot, unless it must wait for an earlier request. */
  #answerNow(chunks: readonly Chunk[]): void {
    if (this.#slots.size === 0) {
      this.#writer.enqueue(chunks);
    } else if (this.#phase === 'closed') {
      releaseChunks(chunks);
    } else {
      this.#doneBytes += chunksSize(chunks);
      this.#slots.push({ frameBytes: 0, chunks, done: true });
    }
  }

  #complete(slot: Slot, chunks: readonly Chunk[] | null): void {
    if (this.#phase === 'closed') {
      if (chunks !== null) releaseChunks(chunks);
      return;
    }
    this.#inFlightBytes -= slot.frameBytes;
    slot.done = true;
    slot.chunks = chunks;
    if (chunks !== null) this.#doneBytes += chunksSize(chunks);
    while (this.#slots.peek()?.done === true) {
      const first = this.#slots.shift();
      if (first === undefined || first.chunks === null) continue;
      this.#doneBytes -= chunksSize(first.chunks);
      this.#writer.enqueue(first.chunks);
    }
    this.#goOn();
  }

  /** Something was answered or sent: there may be room for more requests, or nothing left to do. */
  #goOn(): void {
    if (this.#phase === 'open') {
      if (this.#decoder.stopped && this.#admits()) this.#decoder.resume();
      this.#adjustReading();
    } else {
      this.#maybeEnd();
    }
  }

  /** Whether another request may be dispatched. */
  #admits(): boolean {
    const { limits } = this.#context;
    const bytes = this.queuedBytes;
    const count = this.#writer.queuedCount;
    // Half of the bound before it goes on: a pause has its price.
    const share = this.#outputFull ? 0.5 : 1;
    this.#outputFull =
      bytes > limits.outputBytesMax * share || count > limits.outputCountMax * share;
    return (
      !this.#outputFull &&
      this.#throttling === null &&
      this.#slots.size < limits.inFlightCountMax &&
      this.#inFlightBytes < limits.inFlightBytesMax
    );
  }

  #adjustReading(): void {
    if (this.#phase !== 'open') return;
    if (this.#decoder.stopped || !this.#admits()) {
      this.#pause();
    } else if (this.#paused) {
      this.#paused = false;
      this.#socket.resume();
    }
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#context.counters.pauses++;
    this.#socket.pause();
  }

  #beginClose(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'closing';
    this.#decoder.close();
    this.#socket.pause();
    this.signal.abort();
    this.#maybeEnd();
  }

  /** While closing: ends our half once everything is answered and sent. */
  #maybeEnd(): void {
    if (this.#phase !== 'closing' || this.#dispatching) return;
    if (this.#slots.size > 0 || this.queuedBytes > 0) return;
    this.#phase = 'ending';
    this.#socket.endWrites(this.#context.native);
    if (this.#peerEnded) {
      this.destroy();
      return;
    }
    this.#paused = false;
    this.#socket.resume();
    this.#setDeadline(this.#context.limits.lingerMsMax);
  }

  #setDeadline(delayMs: number): void {
    this.#deadline?.cancel();
    this.#deadline = this.#context.clock.setTimer(delayMs, () => this.#onDeadline());
  }

  #onDeadline(): void {
    const { clock, limits } = this.#context;
    if (this.#phase === 'ending') {
      this.destroy();
      return;
    }
    if (!this.#frameSeen) {
      this.#fail('info', 'no request in time', deadline('first frame'));
      return;
    }
    const idleMs = clock.monotonicMs() - this.#lastMoveMs;
    // A request with its handler is not idleness; a response that the peer does not take is.
    const waits = this.#slots.peek()?.done === false || this.#throttling !== null;
    if (idleMs >= limits.idleMsMax && !waits) this.#fail('info', 'idle', deadline('idle'));
    else this.#setDeadline(waits ? limits.idleMsMax : limits.idleMsMax - idleMs);
  }

  #failHandler(error: unknown): void {
    const cause = error instanceof Error ? error : new Error(String(error));
    if (this.#phase === 'closed') return;
    this.#context.logger.error('request handler failed', {
      remote: this.#remote(),
      error: cause.stack ?? cause.message,
    });
    this.destroy(cause);
  }

  #fail(level: keyof Logger, what: string, error: Error): void {
    if (this.#phase === 'closed') return;
    this.#context.logger[level](what, {
      remote: this.#remote(),
      error: error.message,
    });
    this.destroy(error);
  }

  #remote(): string {
    return `${this.remoteAddress}:${this.remotePort}`;
  }
}

function badFrame(message: string): MillraceError {
  return new MillraceError(message, { code: 'BAD_FRAME' });
}

function deadline(message: string): MillraceError {
  return new MillraceError(message, { code: 'CONNECTION_DEADLINE' });
}

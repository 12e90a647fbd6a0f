/**
 * One peer: requests in, responses out in the order of the requests, everything bounded.
 *
 *     socket > FrameDecoder > handle() > slots (request order) > ResponseWriter > socket
 */

import type { Chunk } from '../base/chunk.js';
import type { CloseSignal } from './close-signal.js';

/**
 * Answers one request frame (without its size prefix) with the chunks of the response (with its
 * size prefix), or null for no response.
 *
 * `owned` false: `frame` is a view of the read buffer, valid only until this function has returned
 * to its caller; an async function must take what it needs before its first await. `owned` true:
 * the frame is the handler's for good.
 *
 * The chunks are given away: their bytes must not change any more, and their file slices are
 * released here, exactly once, however the connection ends. Throwing or rejecting destroys the
 * connection and nothing else.
 */
export type RequestHandler<State> = (
  connection: Connection<State>,
  frame: Uint8Array,
  owned: boolean,
) => readonly Chunk[] | null | Promise<readonly Chunk[] | null>;

/** What a request handler sees of a connection. */
export interface Connection<State = unknown> {
  /** Unique in the process, rising. */
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The handler's own, made by `ListenOptions.newState`. */
  readonly state: State;
  /**
   * Aborted when the connection begins to close (gracefully or not): whoever waits on its behalf,
   * a delayed fetch say, answers at once with what it has.
   */
  readonly signal: CloseSignal;
  /** Bytes of responses that are queued and not yet sent. */
  readonly queuedBytes: number;
  /** Requests with the handler, or answered and waiting for an earlier one. */
  readonly inFlightCount: number;
  /** Whether reading is stopped by a bound. */
  readonly paused: boolean;
  /**
   * Takes no more requests for so long; those in flight are answered. A later call counts if it ends
   * later. For clients that are above their quota (KIP-219).
   */
  throttle(delayMs: number): void;
  /** Largest frame taken from now on; a listener that authenticates raises it after that. */
  setFrameBytesMax(bytes: number): void;
  /**
   * Calls `listener` once, when the connection is closed (at once if it is), with the error or null
   * if it ended in order. Answers a function that takes the listener off.
   */
  onClose(listener: (error: Error | null) => void): () => void;
  /**
   * Graceful: reads no more, finishes the requests in flight, sends what is queued, then ends.
   * Settles when the connection is closed; never rejects. Idempotent.
   */
  close(): Promise<void>;
  /** Now: drops what is queued, releases every slice. Idempotent; the first error is kept. */
  destroy(error?: Error): void;
}

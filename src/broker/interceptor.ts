/**
 * The seam around a request's handler, for tests: it sees each request decoded, decides whether, how
 * often and with what the handler runs, and sees, or replaces, its answer.
 *
 *     decode > intercept(exchange, handle) > encode
 *                 '- handle() > the handler
 *
 * Absent (null), which is how a broker runs outside of tests, it costs one comparison a request.
 * Requests that cannot be decoded, or that no handler serves, do not come by.
 */

import type { Api } from '../protocol/schema.js';
import type { HandlerAnswer, RequestContext } from './handler.js';

/** One request on its way to its handler. */
export interface Exchange {
  /** Connection, version, client id, and whether the bytes of `body` are ours for good. */
  readonly context: RequestContext;
  readonly message: Api;
  readonly correlationId: number;
  /** As decoded. With `context.owned` false its records are gone after the first await. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Size of the frame, without its 4-byte size. */
  readonly requestBytes: number;
}

/**
 * Runs the handler, with the request as it came or with another body; `owned` is to be true if the
 * records in it were copied. It may be called any number of times: every answer but the one that is
 * passed on is to be given to `releaseAnswer`.
 */
export type Handle = (
  body?: unknown,
  owned?: boolean,
) => HandlerAnswer<Api> | Promise<HandlerAnswer<Api>>;

/** Null: no response is sent. A throw or rejection is a fault of ours and closes the connection. */
export type Interceptor = (
  exchange: Exchange,
  handle: Handle,
) => HandlerAnswer<Api> | Promise<HandlerAnswer<Api>>;

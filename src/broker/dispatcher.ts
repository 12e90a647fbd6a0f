/**
 * From a request frame to the chunks of its response.
 *
 *     frame > header > handler of (key, version) > decode > handle > encode > chunks
 *
 * What no handler serves closes the connection, as Kafka does, but for ApiVersions: any version of it
 * is answered, since that is how a client finds out. A frame that cannot be decoded closes the
 * connection too, with one log line; the lines are bounded, so that a hostile peer cannot fill a disk.
 *
 * Client quotas are measured here: a client above its quota is told how long it is throttled, in an
 * answer that leaves at once, and its connection takes no requests for so long (KIP-219).
 */

import { type Chunk, chunksSize, releaseChunks } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import type { LogFields, Logger } from '../base/logger.js';
import type { Connection } from '../net/connection.js';
import { framePool } from '../net/frame-pool.js';
import { decodeRequest, encodeResponse } from '../protocol/codec.js';
import { decodeRequestHeader, type RequestHeader } from '../protocol/headers.js';
import { produce } from '../protocol/messages/00-produce.js';
import { fetch } from '../protocol/messages/01-fetch.js';
import { apiVersions } from '../protocol/messages/18-api-versions.js';
import { ProtocolError } from '../protocol/protocol-error.js';
import { type Api, inRange } from '../protocol/schema.js';
import {
  type BrokerServices,
  type ClientState,
  DISCONNECT,
  type Handler,
  type HandlerAnswer,
  type RequestContext,
} from './handler.js';
import { unsupportedApiVersions } from './handlers/18-api-versions.js';
import type { Interceptor } from './interceptor.js';
import { ANONYMOUS } from './quotas/client-quotas.js';

/** Log lines about bad requests, a minute. */
const BAD_REQUEST_LINES_MAX = 60;
const MINUTE_MS = 60_000;

export type ClientConnection = Connection<ClientState>;

export interface DispatcherOptions {
  readonly broker: BrokerServices;
  /** This node's address as the client of `connection` is to be told it. */
  readonly advertised: (connection: ClientConnection) => RequestContext['advertised'];
  /** Comes between requests and their handlers; null in a broker that is not under test. */
  readonly intercept: Interceptor | null;
}

/** What a request has used when its handler has answered. */
interface UsedBefore {
  readonly requestBytes: number;
  /** Until the handler's first wait. */
  readonly handledMs: number;
}

type Answer = readonly Chunk[] | null;

export class Dispatcher {
  readonly #broker: BrokerServices;
  readonly #advertised: DispatcherOptions['advertised'];
  readonly #intercept: Interceptor | null;
  readonly #handlers = new Map<number, Handler[]>();
  /** The last handler of a key has the newest message, which knows the headers of the older ones. */
  readonly #apiByKey = (key: number): Api | undefined => this.#handlers.get(key)?.at(-1)?.message;
  readonly #lines: LineBudget;

  constructor(options: DispatcherOptions) {
    this.#broker = options.broker;
    this.#advertised = options.advertised;
    this.#intercept = options.intercept;
    this.#lines = new LineBudget(options.broker.clock, options.broker.logger);
    for (const handler of options.broker.handlers) {
      const known = this.#handlers.get(handler.message.key);
      if (known === undefined) this.#handlers.set(handler.message.key, [handler]);
      else known.push(handler);
    }
  }

  /** As net's RequestHandler: null for no response; closes the connection by itself if it must. */
  handle(
    connection: ClientConnection,
    frame: Uint8Array,
    owned: boolean,
  ): Answer | Promise<Answer> {
    let header: RequestHeader | null = null;
    try {
      header = decodeRequestHeader(frame, this.#apiByKey);
      return this.#dispatch(connection, header, frame, owned);
    } catch (error) {
      return this.#failed(connection, header, error);
    }
  }

  #dispatch(
    connection: ClientConnection,
    header: RequestHeader,
    frame: Uint8Array,
    owned: boolean,
  ): Answer | Promise<Answer> {
    const { apiKey, apiVersion, correlationId, bodyPosition } = header;
    const handler = this.#find(apiKey, apiVersion);
    if (handler === undefined) {
      if (apiKey === apiVersions.key && this.#handlers.has(apiKey)) {
        const body = unsupportedApiVersions(this.#broker.handlers);
        return encodeResponse(apiVersions, 0, correlationId, body);
      }
      this.#close(connection, header, 'this API or version is not served');
      return null;
    }
    connection.state.clientId = header.clientId;
    const request = decodeRequest(handler.message, apiVersion, frame, bodyPosition);
    const context: RequestContext = {
      broker: this.#broker,
      connection,
      version: apiVersion,
      clientId: header.clientId,
      owned,
      advertised: this.#advertised(connection),
    };
    const startMs = this.#broker.quotas.active ? this.#broker.clock.monotonicMs() : 0;
    const answer =
      this.#intercept === null
        ? handler.handle(context, request as never)
        : this.#around(this.#intercept, handler, context, header, request, frame.length);
    const used: UsedBefore = {
      requestBytes: frame.length,
      handledMs: startMs === 0 ? 0 : this.#broker.clock.monotonicMs() - startMs,
    };
    if (answer instanceof Promise) {
      // Produce keeps nothing of its frame once every append has settled.
      const done = owned && this.#intercept === null && apiKey === produce.key;
      return answer.then(
        (settled) => {
          if (done) framePool.giveBack(frame);
          return this.#encode(connection, handler, header, settled, used);
        },
        (error: unknown) => this.#failed(connection, header, error),
      );
    }
    return this.#encode(connection, handler, header, answer, used);
  }

  #around(
    intercept: Interceptor,
    { message, handle }: Handler,
    context: RequestContext,
    { correlationId }: RequestHeader,
    request: Readonly<Record<string, unknown>>,
    requestBytes: number,
  ): HandlerAnswer<Api> | Promise<HandlerAnswer<Api>> {
    return intercept(
      { context, message, correlationId, body: request, requestBytes },
      (body = request, owned = context.owned) =>
        handle(owned === context.owned ? context : { ...context, owned }, body as never),
    );
  }

  #find(apiKey: number, version: number): Handler | undefined {
    return this.#handlers.get(apiKey)?.find((handler) => inRange(handler.versions, version));
  }

  #encode(
    connection: ClientConnection,
    { message }: Handler,
    header: RequestHeader,
    answer: HandlerAnswer<Api>,
    used: UsedBefore,
  ): Answer {
    if (answer === null) {
      this.#throttle(connection, header, used, 0, 0);
      return null;
    }
    if (answer === DISCONNECT) {
      this.#close(connection, header, 'a request without response failed');
      return null;
    }
    try {
      const { apiVersion, correlationId } = header;
      const chunks = encodeResponse(message, apiVersion, correlationId, answer);
      if (!this.#broker.quotas.active) return chunks;
      const { throttleTimeMs: own = 0 } = answer as { readonly throttleTimeMs?: number };
      const throttleTimeMs = this.#throttle(connection, header, used, chunksSize(chunks), own);
      if (throttleTimeMs === own) return chunks;
      // The same chunks of records again: none was given away.
      return encodeResponse(message, apiVersion, correlationId, { ...answer, throttleTimeMs });
    } catch (error) {
      releaseAnswer(answer);
      return this.#failed(connection, header, error);
    }
  }

  /** Records what the request used; answers for how long its client is throttled now. */
  #throttle(
    connection: ClientConnection,
    { apiKey, clientId }: RequestHeader,
    { requestBytes, handledMs }: UsedBefore,
    responseBytes: number,
    atLeastMs: number,
  ): number {
    const { quotas } = this.#broker;
    if (!quotas.active) return 0;
    const recordedMs = quotas.record(
      { user: ANONYMOUS, clientId },
      {
        producedBytes: apiKey === produce.key ? requestBytes : 0,
        fetchedBytes: apiKey === fetch.key ? responseBytes : 0,
        handledMs,
      },
    );
    const throttleMs = Math.max(atLeastMs, recordedMs);
    if (throttleMs > 0) connection.throttle(throttleMs);
    return throttleMs;
  }

  #failed(connection: ClientConnection, header: RequestHeader | null, error: unknown): null {
    if (error instanceof ProtocolError) {
      this.#close(connection, header, `malformed request: ${error.message}`);
      return null;
    }
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#broker.logger.error('request failed', {
      ...describe(connection, header),
      cause: cause.stack ?? cause.message,
    });
    connection.destroy(cause);
    return null;
  }

  #close(connection: ClientConnection, header: RequestHeader | null, reason: string): void {
    this.#lines.warn('closing a connection', { reason, ...describe(connection, header) });
    connection.destroy();
  }
}

/** Lets so many warnings through a minute, and says how many it held back. */
class LineBudget {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #minuteStartMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  warn(message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#minuteStartMs >= MINUTE_MS) {
      const heldBack = this.#count - BAD_REQUEST_LINES_MAX;
      if (heldBack > 0) this.#logger.warn('more bad requests were not logged', { count: heldBack });
      this.#minuteStartMs = nowMs;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= BAD_REQUEST_LINES_MAX) this.#logger.warn(message, fields);
  }
}

function describe(connection: ClientConnection, header: RequestHeader | null): LogFields {
  return {
    remote: `${connection.remoteAddress}:${connection.remotePort}`,
    api: header === null ? null : (header.api?.name ?? header.apiKey),
    version: header?.apiVersion ?? null,
    clientId: header?.clientId ?? null,
    software: connection.state.software,
  };
}

/** Releases the file slices in an answer that is not going to be sent. */
export function releaseAnswer(answer: unknown): void {
  if (typeof answer !== 'object' || answer === null || answer instanceof Uint8Array) return;
  if ('release' in answer) releaseChunks([answer as Chunk]);
  else for (const inner of Object.values(answer)) releaseAnswer(inner);
}

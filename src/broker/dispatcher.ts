/**
 * From a request frame to the chunks of its response.
 *
 *     frame > header > handler of (key, version) > decode > handle > encode > chunks
 *
 * What no handler serves closes the connection, as Kafka does, but for ApiVersions: any version of it
 * is answered, since that is how a client finds out. A frame that cannot be decoded closes the
 * connection too, with one log line; the lines are bounded, so that a hostile peer cannot fill a disk.
 */

import type { Chunk } from '../base/chunk.js';
import { releaseChunks } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import type { LogFields, Logger } from '../base/logger.js';
import type { Connection } from '../net/connection.js';
import { decodeRequest, encodeResponse } from '../protocol/codec.js';
import { decodeRequestHeader, type RequestHeader } from '../protocol/headers.js';
import type { ResponseInput } from '../protocol/infer.js';
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

/** Log lines about bad requests, a minute. */
const BAD_REQUEST_LINES_MAX = 60;
const MINUTE_MS = 60_000;

export type ClientConnection = Connection<ClientState>;

export interface DispatcherOptions {
  readonly broker: BrokerServices;
  /** This node's address as the client of `connection` is to be told it. */
  readonly advertised: (connection: ClientConnection) => RequestContext['advertised'];
}

type Answer = readonly Chunk[] | null;

export class Dispatcher {
  readonly #broker: BrokerServices;
  readonly #advertised: DispatcherOptions['advertised'];
  readonly #handlers = new Map<number, Handler[]>();
  /** The last handler of a key has the newest message, which knows the headers of the older ones. */
  readonly #apiByKey = (key: number): Api | undefined => this.#handlers.get(key)?.at(-1)?.message;
  readonly #lines: LineBudget;

  constructor(options: DispatcherOptions) {
    this.#broker = options.broker;
    this.#advertised = options.advertised;
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
    const request = decodeRequest(handler.message, apiVersion, frame, bodyPosition);
    const context: RequestContext = {
      broker: this.#broker,
      connection,
      version: apiVersion,
      clientId: header.clientId,
      owned,
      advertised: this.#advertised(connection),
    };
    const answer = handler.handle(context, request as never);
    if (answer instanceof Promise) {
      return answer.then(
        (settled) => this.#encode(connection, handler, header, settled),
        (error: unknown) => this.#failed(connection, header, error),
      );
    }
    return this.#encode(connection, handler, header, answer);
  }

  #find(apiKey: number, version: number): Handler | undefined {
    return this.#handlers.get(apiKey)?.find((handler) => inRange(handler.versions, version));
  }

  #encode(
    connection: ClientConnection,
    { message }: Handler,
    header: RequestHeader,
    answer: HandlerAnswer<Api>,
  ): Answer {
    if (answer === null) return null;
    if (answer === DISCONNECT) {
      this.#close(connection, header, 'a request without response failed');
      return null;
    }
    try {
      return encodeResponse(message, header.apiVersion, header.correlationId, answer);
    } catch (error) {
      releaseSlices(answer);
      return this.#failed(connection, header, error);
    }
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

/** Finds the file slices in an answer that could not be encoded. */
function releaseSlices(value: ResponseInput<Api> | unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if ('release' in value) releaseChunks([value as Chunk]);
  else for (const inner of Object.values(value)) releaseSlices(inner);
}

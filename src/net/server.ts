/**
 * A listener: accepts connections, bounds their number, closes them.
 *
 * Congestion control is set on the listening socket, before any accept: set on an accepted one, it
 * leaves the pacing of the system's default on for good. (A peer that connects between listen(2) and
 * that call keeps the default.) Node ignores SIGPIPE, which sendfile(2), having no MSG_NOSIGNAL,
 * relies on: whoever embeds this and resets SIGPIPE dies with the first peer that goes away.
 */

import { createServer, isIP, type Server as NetServer, type Socket } from 'node:net';
import { assert } from '../base/assert.js';
import { type Clock, systemClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { defaultNetLimits, type NetLimits } from '../base/limits.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { native as loadedNative, type Native } from '../native/binding.js';
import { AssemblyBudget } from './assembly-budget.js';
import { ColdReads } from './cold-reads.js';
import type { Connection, RequestHandler } from './connection.js';
import { BlockPool } from './copy-writer.js';
import { type NetCounters, newNetCounters } from './counters.js';
import { type ListenerContext, ServerConnection } from './server-connection.js';
import { descriptorOf } from './socket-handle.js';

export interface ListenOptions<State = undefined> {
  /** Name or address; default 127.0.0.1. A name is looked up as IPv4 first. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: RequestHandler<State>;
  /** Makes `connection.state`; without it the state is undefined. */
  readonly newState?: (connection: Connection<State>) => State;
  readonly limits?: Partial<NetLimits>;
  /** Asked for each new connection, after the limits; false turns it away. Default: all are taken. */
  readonly admit?: (address: string) => boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Congestion control of accepted connections; null leaves the system's. Default 'cubic'. */
  readonly congestion?: string | null;
  /**
   * How file slices leave: 'sendfile' (default where the addon is loaded) or 'copy'. The environment
   * variable MILLRACE_NET_WRITER=copy has the same effect.
   */
  readonly writer?: 'sendfile' | 'copy';
  /** False: neither the listener nor its connections keep the process alive. Default true. */
  readonly keepAlive?: boolean;
  /** Another addon than the loaded one, or none; for tests. */
  readonly native?: Native | null;
}

/** Waiting connections in the kernel. */
const BACKLOG = 511;
const CLOSE_TIMEOUT_MS = 5_000;
/** At most one line about refused connections in this time. */
const REFUSED_LOG_MS = 1_000;

export class Server<State = undefined> {
  readonly host: string;
  readonly port: number;
  readonly #server: NetServer;
  readonly #context: ListenerContext<State>;
  readonly #counters: NetCounters;
  readonly #admit: (address: string) => boolean;
  readonly #connections: Set<ServerConnection<State>>;
  readonly #countByAddress: Map<string, number>;
  #refusedLoggedMs: number;
  #closing: Promise<void> | null;

  /** Throws a MillraceError with code LISTEN_FAILED and the cause, if the address cannot be bound. */
  static async listen<State = undefined>(options: ListenOptions<State>): Promise<Server<State>> {
    const host = await addressOf(options.host ?? '127.0.0.1');
    const netServer = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    try {
      await new Promise<void>((resolve, reject) => {
        netServer.once('error', reject);
        netServer.listen({ host, port: options.port, backlog: BACKLOG }, () => {
          netServer.off('error', reject);
          resolve();
        });
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError(`cannot listen on ${host}:${options.port}: ${reason}`, {
        code: 'LISTEN_FAILED',
        cause,
      });
    }
    if (options.keepAlive === false) netServer.unref();
    return new Server(netServer, options);
  }

  /** Use `listen`. */
  private constructor(netServer: NetServer, options: ListenOptions<State>) {
    const address = netServer.address();
    assert(address !== null && typeof address === 'object', 'a bound TCP server has an address');
    this.host = address.address;
    this.port = address.port;
    this.#server = netServer;
    this.#counters = newNetCounters();
    this.#admit = options.admit ?? (() => true);
    this.#connections = new Set();
    this.#countByAddress = new Map();
    this.#refusedLoggedMs = Number.NEGATIVE_INFINITY;
    this.#closing = null;
    this.#context = this.#newContext(options);
    this.#setCongestion(options.congestion === undefined ? 'cubic' : options.congestion);
    netServer.on('connection', (accepted) => this.#onConnection(accepted));
    netServer.on('error', (error) => this.#refuse('accept failed', error.message));
  }

  /** Bounds that change at run time; connections that are there stay. */
  updateLimits(
    limits: Pick<NetLimits, 'connectionCountMax' | 'connectionCountPerAddressMax'>,
  ): void {
    Object.assign(this.#context.limits, limits);
  }

  get counters(): Readonly<NetCounters> {
    return this.#counters;
  }

  connections(): Iterable<Connection<State>> {
    return this.#connections.values();
  }

  /**
   * Stops accepting, closes every connection gracefully and destroys what is left after `timeoutMs`.
   * Settles when all are closed. Idempotent.
   */
  close(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const listenerClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const closed = [...this.#connections].map((connection) => connection.close());
    const destroyAll = (): void => {
      for (const connection of this.#connections) {
        connection.destroy(new MillraceError('not done in time', { code: 'CLOSE_TIMEOUT' }));
      }
    };
    // A connection that waits for its handler does not keep the process alive; this wait does.
    const timer = this.#context.clock.setTimer(timeoutMs, destroyAll, true);
    await Promise.all(closed);
    timer.cancel();
    await listenerClosed;
  }

  #newContext(options: ListenOptions<State>): ListenerContext<State> {
    const limits = { ...defaultNetLimits, ...options.limits };
    assert(limits.frameBytesMax <= limits.assemblyBytesMax, 'the budget holds the largest frame');
    const clock = options.clock ?? systemClock;
    const native = options.native === undefined ? loadedNative : options.native;
    const writer = options.writer ?? process.env['MILLRACE_NET_WRITER'] ?? 'sendfile';
    return {
      handle: options.handle,
      newState: options.newState ?? (() => undefined as State),
      limits,
      clock,
      logger: options.logger ?? silentLogger,
      counters: this.#counters,
      budget: new AssemblyBudget(limits.assemblyBytesMax),
      blocks: new BlockPool(),
      native,
      sendfile:
        native === null || writer === 'copy'
          ? null
          : { native, clock, coldReads: new ColdReads(native, clock, limits, this.#counters) },
      keepAlive: options.keepAlive ?? true,
      onClosed: (connection) => this.#onClosed(connection),
    };
  }

  #setCongestion(name: string | null): void {
    const { native, logger } = this.#context;
    if (native === null || name === null) return;
    const status = native.setCongestion(descriptorOf(this.#server), name);
    if (status < 0) {
      logger.warn('congestion control is left as it is', { congestion: name, errno: -status });
    }
  }

  #onConnection(accepted: Socket): void {
    // Until somebody else listens: an error of a socket that is turned away is nobody's.
    accepted.on('error', () => {});
    const { limits } = this.#context;
    const address = accepted.remoteAddress;
    const count = this.#countByAddress.get(address ?? '') ?? 0;
    if (address === undefined || this.#closing !== null) {
      accepted.destroy();
    } else if (this.#connections.size >= limits.connectionCountMax) {
      accepted.destroy();
      this.#refuse('too many connections', address);
    } else if (count >= limits.connectionCountPerAddressMax) {
      accepted.destroy();
      this.#refuse('too many connections from one address', address);
    } else if (!this.#admit(address)) {
      accepted.destroy();
      this.#refuse('connections come too fast', address);
    } else {
      this.#open(accepted, address, count);
    }
  }

  #open(accepted: Socket, address: string, count: number): void {
    let connection: ServerConnection<State>;
    try {
      connection = new ServerConnection(accepted, this.#context);
    } catch (error) {
      accepted.destroy();
      this.#refuse('a connection could not be taken over', String(error));
      return;
    }
    this.#connections.add(connection);
    this.#countByAddress.set(address, count + 1);
    this.#counters.connections++;
    this.#counters.connectionsAccepted++;
  }

  #onClosed(connection: ServerConnection<State>): void {
    if (!this.#connections.delete(connection)) return;
    const { remoteAddress } = connection;
    const count = this.#countByAddress.get(remoteAddress) ?? 0;
    if (count > 1) this.#countByAddress.set(remoteAddress, count - 1);
    else this.#countByAddress.delete(remoteAddress);
    this.#counters.connections--;
  }

  #refuse(message: string, detail: string): void {
    this.#counters.connectionsRefused++;
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#refusedLoggedMs < REFUSED_LOG_MS) return;
    this.#refusedLoggedMs = nowMs;
    this.#context.logger.warn(message, { detail, refused: this.#counters.connectionsRefused });
  }
}

/** An address for a name: IPv4 where there is one, as clients are told IPv4 addresses. */
async function addressOf(host: string): Promise<string> {
  if (host === '') return '0.0.0.0';
  if (isIP(host) !== 0) return host;
  const { lookup } = await import('node:dns/promises');
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    throw new MillraceError(`cannot listen on ${host}: no such host`, {
      code: 'LISTEN_FAILED',
      cause,
    });
  });
  const chosen = found.find(({ family }) => family === 4) ?? found[0];
  assert(chosen !== undefined, 'a lookup that succeeds finds something');
  return chosen.address;
}

/** A listener: accepts connections, bounds them, closes them. */

import type { Clock } from '../base/clock.js';
import type { NetLimits } from '../base/limits.js';
import type { Logger } from '../base/logger.js';
import type { Connection, RequestHandler } from './connection.js';
import type { NetCounters } from './counters.js';

export interface ListenOptions<State = undefined> {
  /** Name or address; default 127.0.0.1. A name is looked up as IPv4 first. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly handle: RequestHandler<State>;
  /** Makes `connection.state`; without it the state is undefined. */
  readonly newState?: (connection: Connection<State>) => State;
  readonly limits?: Partial<NetLimits>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Congestion control of accepted connections; null leaves the system's. Default 'cubic'. */
  readonly congestion?: string | null;
  /**
   * How file slices leave: 'sendfile' (default where the addon is loaded) or 'copy'. The environment
   * variable MILLRACE_NET_WRITER=copy has the same effect.
   */
  readonly writer?: 'sendfile' | 'copy';
}

export declare class Server<State = undefined> {
  static listen<State = undefined>(options: ListenOptions<State>): Promise<Server<State>>;
  /** The address that is bound. */
  readonly host: string;
  readonly port: number;
  readonly counters: Readonly<NetCounters>;
  connections(): Iterable<Connection<State>>;
  /**
   * Stops accepting, closes every connection gracefully and destroys what is left after `timeoutMs`
   * (default 5000). Settles when all are closed. Idempotent.
   */
  close(timeoutMs?: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

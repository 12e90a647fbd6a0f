/**
 * What a request handler is: a value with the message that it serves, the versions, and a function.
 * The dispatcher derives ApiVersions from the list of handlers, so that nothing can be advertised
 * that is not served.
 *
 * A handler answers error codes, it does not throw them; a throw is a fault of ours and closes the
 * connection. `handle` may answer at once or by a promise. Records in a request are borrowed from the
 * frame: with `owned` false they are gone after the first await.
 */

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Controller } from '../cluster/controller.js';
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js';
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js';
import type { LogManager } from '../log/log-manager.js';
import type { Connection } from '../net/connection.js';
import type { RequestOf, ResponseInput } from '../protocol/infer.js';
import type { Api, VersionRange } from '../protocol/schema.js';
import type { BrokerConfig } from './config.js';
import type { DelayedOperations } from './delayed-operations.js';
import type { FetchSessionCache } from './fetch-sessions.js';
import type { ServedListener } from './listeners.js';
import type { ClientQuotas } from './quotas/client-quotas.js';
import type { ClientTelemetry } from './telemetry/client-telemetry.js';

/** What every handler works with. */
export interface BrokerServices {
  readonly config: BrokerConfig;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: LogManager;
  readonly controller: Controller;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  readonly fetchSessions: FetchSessionCache;
  readonly delayedFetches: DelayedOperations;
  readonly quotas: ClientQuotas;
  /** Null: nobody takes metrics of clients. */
  readonly telemetry: ClientTelemetry | null;
  /** Every handler of this broker; ApiVersions shows it. */
  readonly handlers: readonly Handler[];
}

/** What a connection carries from request to request. */
export interface ClientState {
  readonly listener: ServedListener;
  /** As ApiVersions told; for log lines. */
  software: string | null;
  /** Of its last request. */
  clientId: string | null;
}

export interface RequestContext {
  readonly broker: BrokerServices;
  readonly connection: Connection<ClientState>;
  readonly version: number;
  readonly clientId: string | null;
  /** Whether the bytes of the request are the handler's for good. */
  readonly owned: boolean;
  /** This node's address as this client is to be told it. */
  readonly advertised: { readonly host: string; readonly port: number };
}

/** Answer of a handler that closes the connection instead of answering. */
export const DISCONNECT: unique symbol = Symbol('disconnect');

/** Null: the request has no response (acks=0). */
export type HandlerAnswer<A extends Api> = ResponseInput<A> | null | typeof DISCONNECT;

export interface HandlerDefinition<A extends Api> {
  readonly message: A;
  /** Served versions; within those of the message. */
  readonly versions: VersionRange;
  /** For docs/API-SUPPORT.md: what is different or missing; empty if nothing. */
  readonly notes: string;
  readonly handle: (
    context: RequestContext,
    request: RequestOf<A>,
  ) => HandlerAnswer<A> | Promise<HandlerAnswer<A>>;
}

/** A handler whose message type is no longer known; only `handler` makes one. */
export interface Handler {
  readonly message: Api;
  readonly versions: VersionRange;
  readonly notes: string;
  readonly handle: (
    context: RequestContext,
    request: never,
  ) => HandlerAnswer<Api> | Promise<HandlerAnswer<Api>>;
}

export function handler<A extends Api>(definition: HandlerDefinition<A>): Handler {
  return definition as unknown as Handler;
}

/** What ApiVersions shows: one range per API, over all its handlers. */
export interface ServedApi {
  readonly key: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly notes: readonly string[];
}

export function servedApis(handlers: readonly Handler[]): ServedApi[] {
  const byKey = new Map<number, ServedApi>();
  for (const { message, versions, notes } of handlers) {
    const known = byKey.get(message.key);
    byKey.set(message.key, {
      key: message.key,
      name: message.name,
      versions: {
        min: Math.min(versions.min, known?.versions.min ?? versions.min),
        max: Math.max(versions.max, known?.versions.max ?? versions.max),
      },
      notes: [...(known?.notes ?? []), ...(notes === '' ? [] : [notes])],
    });
  }
  return [...byKey.values()].sort((a, b) => a.key - b.key);
}

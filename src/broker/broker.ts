/**
 * The broker, put together: config, metadata, logs, listeners. In process: `Broker.start`; as a
 * program: cli/commands/broker.ts.
 *
 *     open: lock dirs > metadata store > logs (recovery) > reconcile > listen
 *     close: listeners (requests in flight are finished) > delayed fetches > logs (clean shutdown)
 */

import { assert } from '../base/assert.js';
import { type Clock, systemClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import { Controller } from '../cluster/controller.js';
import { MetadataStore } from '../cluster/metadata-store.js';
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js';
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js';
import { type Env, systemEnv } from '../file/env.js';
import { systemRandom } from '../file/system-random.js';
import { LogManager } from '../log/log-manager.js';
import { deriveLogConfig, type LogConfig } from '../log/topic-config.js';
import type { Connection } from '../net/connection.js';
import { Server } from '../net/server.js';
import { getTelemetrySubscriptions } from '../protocol/messages/71-get-telemetry-subscriptions.js';
import { pushTelemetry } from '../protocol/messages/72-push-telemetry.js';
import {
  type BrokerConfig,
  type BrokerConfigInput,
  configInputEntries,
  readBrokerConfig,
} from './config.js';
import { DelayedOperations } from './delayed-operations.js';
import { Dispatcher } from './dispatcher.js';
import { FetchSessionCache } from './fetch-sessions.js';
import { makeGroupCoordinator } from './groups.js';
import type { BrokerServices, ClientState, Handler } from './handler.js';
import { allHandlers } from './handlers/all.js';
import type { Interceptor } from './interceptor.js';
import { advertisedAddress, formatAddress, type ServedListener } from './listeners.js';
import { LiveBrokerConfig } from './live-config.js';
import { ClientQuotas } from './quotas/client-quotas.js';
import { ClientTelemetry, type ClientTelemetryPush } from './telemetry/client-telemetry.js';
import { makeTransactionCoordinator } from './transactions.js';

/** Fetches that wait at a time, over all connections. */
const DELAYED_FETCHES_MAX = 50_000;

/** What a graceful close gives requests in flight; the whole close is to end within 5 s. */
const CLOSE_TIMEOUT_MS = 3_000;

export interface BrokerOptions {
  /** Config values by Kafka's names, or a config that was read before. */
  readonly config?: BrokerConfigInput | BrokerConfig;
  readonly env?: Env;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /**
   * Takes the metrics that clients push (KIP-714); without it clients are not asked for any. Not to be
   * slow: it runs while the request is answered.
   */
  readonly clientTelemetry?: (push: ClientTelemetryPush) => void;
  /** False: it does not keep the process alive by itself. Default true. */
  readonly keepAlive?: boolean;
  /** Answers a waiting fetch after so long, however long its client would wait. */
  readonly fetchWaitMsMax?: number;
  /** Comes between requests and their handlers (interceptor.ts); for tests. */
  readonly intercept?: Interceptor | null;
  /** Whom the clients of a listener take this broker for; for tests that simulate a cluster. */
  readonly nodeIdOf?: (listener: string) => number;
}

export interface BoundListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export class Broker {
  /** As bound: the real port where 0 was asked for. In the order of the config. */
  readonly listeners: readonly BoundListener[];
  readonly nodeId: number;
  readonly clusterId: string;
  readonly #services: BrokerServices;
  readonly #options: BrokerOptions;
  /** In the order of `listeners`; a closed one stays in its place. */
  readonly #servers: Server<ClientState>[];
  readonly #closedListeners = new Set<string>();
  #closing: Promise<void> | null = null;

  private constructor(
    services: BrokerServices,
    servers: Server<ClientState>[],
    options: BrokerOptions,
  ) {
    this.#services = services;
    this.#servers = servers;
    this.#options = options;
    this.nodeId = services.nodeId;
    this.clusterId = services.clusterId;
    this.listeners = servers.map(({ host, port }, i) => ({
      name: (services.config.listeners[i] as ServedListener).name,
      host,
      port,
    }));
  }

  /**
   * Serves when it resolves. Rejects with a MillraceError (INVALID_CONFIG, DIRECTORY_LOCKED, IO_ERROR,
   * ...) or the error of listen(2), with everything closed again.
   */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    const { env = systemEnv, clock = systemClock, random = systemRandom } = options;
    const logger = options.logger ?? silentLogger;
    const config = new LiveBrokerConfig(configOf(options.config));
    for (const warning of config.warnings) logger.warn(warning);

    let opened: Controller | null = null;
    const logs = await LogManager.open({
      env,
      clock,
      random,
      logger,
      dirs: config.dataDirs,
      config: defaultLogConfigOf(config),
      topicConfig: (topic) => opened?.logConfigOf(topic),
      nodeId: config.nodeId,
      clusterId: config.values['cluster.id'],
      beforeLogs: async ({ dirs, envOf }) => {
        const dir = dirs[0] as string;
        const store = MetadataStore.open({ env: envOf(dir), clock, logger, dir });
        opened = new Controller({
          store,
          settings: config,
          random,
          logger,
          onBrokerConfigs: (image) => config.update(image),
        });
      },
      scrubBytesPerSecond: config.values['log.scrub.bytes.per.second'],
      retentionCheckIntervalMs: config.values['log.retention.check.interval.ms'],
      checkpointIntervalMs: config.values['log.flush.offset.checkpoint.interval.ms'],
      cleaner: {
        enable: config.values['log.cleaner.enable'],
        backoffMs: config.values['log.cleaner.backoff.ms'],
        dedupeBytesMax: config.values['log.cleaner.dedupe.buffer.size'],
        loadFactor: config.values['log.cleaner.io.buffer.load.factor'],
      },
      recoveryConcurrency: config.values['num.recovery.threads.per.data.dir'],
      producerIdExpirationMs: config.values['producer.id.expiration.ms'],
    });
    const servers: Server<ClientState>[] = [];
    let groups: GroupCoordinator | null = null;
    let transactions: TransactionCoordinator | null = null;
    try {
      const controller = opened as Controller | null;
      if (controller === null) {
        throw new MillraceError('the metadata was not opened', { code: 'INTERNAL' });
      }
      await controller.reconcile(logs);
      const coordinator = makeGroupCoordinator({ config, clock, random, logger, logs, controller });
      groups = coordinator;
      await groups.open();
      transactions = makeTransactionCoordinator({
        config,
        clock,
        logger,
        logs,
        controller,
        groups,
      });
      await transactions.open();
      transactions.start();
      const services: BrokerServices = {
        config,
        nodeId: config.nodeId,
        clusterId: logs.clusterId,
        clock,
        logger,
        logs,
        controller,
        groups,
        transactions,
        fetchSessions: new FetchSessionCache({
          slotsMax: config.values['max.incremental.fetch.session.cache.slots'],
          clock,
          random,
        }),
        delayedFetches: new DelayedOperations({
          clock,
          countMax: DELAYED_FETCHES_MAX,
          waitMsMax: options.fetchWaitMsMax ?? Number.POSITIVE_INFINITY,
        }),
        quotas: clientQuotasOf(config, clock, controller),
        telemetry: clientTelemetryOf(options, { config, clock, random, logger, controller }),
        handlers: servedHandlers(options),
      };
      for (const listener of config.listeners)
        servers.push(await listen(services, listener, options));
      return new Broker(services, servers, options);
    } catch (error) {
      for (const server of servers) await server.close(0);
      groups?.close();
      await transactions?.close();
      await logs.close();
      throw error;
    }
  }

  /** Of the first listener. */
  get host(): string {
    return (this.listeners[0] as BoundListener).host;
  }

  get port(): number {
    return (this.listeners[0] as BoundListener).port;
  }

  /** HOST:PORT of the first listener, as a client's bootstrap server. */
  get address(): string {
    const { host, port } = this.listeners[0] as BoundListener;
    return formatAddress(host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port);
  }

  /** What this process works with; for tests and for tools that embed a broker. */
  get services(): BrokerServices {
    return this.#services;
  }

  /** Of all listeners, as they are now. */
  *connections(): Generator<Connection<ClientState>, undefined> {
    for (const server of this.#servers) yield* server.connections();
  }

  /** Whether clients can connect to the listener of that name. */
  isListening(name: string): boolean {
    return this.#closing === null && !this.#closedListeners.has(name);
  }

  /** Closes one listener and its connections at once; the others serve on. Idempotent. */
  async closeListener(name: string): Promise<void> {
    const server = this.#servers[this.#listenerAt(name)] as Server<ClientState>;
    this.#closedListeners.add(name);
    await server.close(0);
  }

  /** Opens a closed listener again, on the port that it had. Idempotent. */
  async openListener(name: string): Promise<void> {
    const at = this.#listenerAt(name);
    if (!this.#closedListeners.has(name) || this.#closing !== null) return;
    const { port } = this.listeners[at] as BoundListener;
    const listener = { ...(this.#services.config.listeners[at] as ServedListener), port };
    this.#servers[at] = await listen(this.#services, listener, this.#options);
    this.#closedListeners.delete(name);
  }

  #listenerAt(name: string): number {
    const at = this.listeners.findIndex((listener) => listener.name === name);
    assert(at >= 0, `a listener is named ${name}`);
    return at;
  }

  /** Finishes requests in flight, flushes, marks the shutdown as clean. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // Members that wait for a rebalance are answered, and nobody waits from now on.
    this.#services.groups.close();
    // Waiting fetches are answered when their connections begin to close.
    await Promise.all(this.#servers.map((server) => server.close(CLOSE_TIMEOUT_MS)));
    this.#services.delayedFetches.close();
    await this.#services.transactions.close();
    await this.#services.logs.close();
  }
}

function configOf(input: BrokerOptions['config'] = {}): BrokerConfig {
  if ('listeners' in input && Array.isArray(input.listeners)) return input as BrokerConfig;
  return readBrokerConfig({ overrides: configInputEntries(input as BrokerConfigInput) });
}

function defaultLogConfigOf(config: BrokerConfig): LogConfig {
  const derived = deriveLogConfig(config, new Map());
  if (!derived.ok) throw new MillraceError(derived.message, { code: 'INVALID_CONFIG' });
  return derived.config;
}

/** As in Kafka, telemetry is advertised only where somebody takes it. */
function servedHandlers({ clientTelemetry }: BrokerOptions): readonly Handler[] {
  if (clientTelemetry !== undefined) return allHandlers;
  const keys: readonly number[] = [getTelemetrySubscriptions.key, pushTelemetry.key];
  return allHandlers.filter(({ message }) => !keys.includes(message.key));
}

function clientTelemetryOf(
  { clientTelemetry }: BrokerOptions,
  services: Pick<BrokerServices, 'config' | 'clock' | 'logger' | 'controller'> & { random: Random },
): ClientTelemetry | null {
  if (clientTelemetry === undefined) return null;
  const { config, controller } = services;
  return new ClientTelemetry({
    ...services,
    image: () => controller.image,
    pushBytesMax: config.values['telemetry.max.bytes'],
    receive: clientTelemetry,
  });
}

function clientQuotasOf(
  { values }: BrokerConfig,
  clock: Clock,
  { image }: Controller,
): ClientQuotas {
  const quotas = new ClientQuotas({
    clock,
    windows: {
      count: values['quota.window.num'],
      sizeMs: values['quota.window.size.seconds'] * 1000,
    },
    mutationWindows: {
      count: values['controller.quota.window.num'],
      sizeMs: values['controller.quota.window.size.seconds'] * 1000,
    },
  });
  quotas.update(image);
  return quotas;
}

async function listen(
  services: BrokerServices,
  listener: ServedListener,
  { intercept = null, keepAlive = true, nodeIdOf }: BrokerOptions,
): Promise<Server<ClientState>> {
  const { values } = services.config;
  let boundPort = listener.port;
  const dispatcher = new Dispatcher({
    broker: nodeIdOf === undefined ? services : { ...services, nodeId: nodeIdOf(listener.name) },
    advertised: ({ localAddress }) => advertisedAddress(listener, boundPort, localAddress),
    intercept,
  });
  const server = await Server.listen<ClientState>({
    host: listener.host === '' ? '0.0.0.0' : listener.host,
    port: listener.port,
    clock: services.clock,
    logger: services.logger,
    limits: {
      frameBytesMax: values['socket.request.max.bytes'],
      connectionCountMax: values['max.connections'],
      connectionCountPerAddressMax: values['max.connections.per.ip'],
      idleMsMax:
        values['connections.max.idle.ms'] < 0
          ? Number.POSITIVE_INFINITY
          : values['connections.max.idle.ms'],
    },
    admit: (address) => services.quotas.admitsConnection(address.replace(/^::ffff:/, '')),
    keepAlive,
    newState: () => ({ listener, software: null, clientId: null }),
    handle: (connection, frame, owned) => dispatcher.handle(connection, frame, owned),
  });
  boundPort = server.port;
  if (services.config instanceof LiveBrokerConfig) {
    services.config.onChange(() => {
      const { values: now } = services.config;
      server.updateLimits({
        connectionCountMax: now['max.connections'],
        connectionCountPerAddressMax: now['max.connections.per.ip'],
      });
    });
  }
  return server;
}

/**
 * Metrics of clients (KIP-714): which clients push which metrics, how often; pushes are checked,
 * decompressed within a bound, counted, and given to whoever embeds this broker.
 *
 *     GetTelemetrySubscriptions   the subscription of the client: all that match it, put together
 *     PushTelemetry               no earlier than its interval allows, and for that subscription
 *
 * A client is known by an instance id, which it is given here. Known ones are bounded: the one that
 * was not heard of for longest goes first, and is told on its next push to ask again.
 */

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Random } from '../../base/random.js';
import { randomUuid } from '../../base/uuid.js';
import type { MetadataImage } from '../../cluster/metadata-image.js';
import { UUID_ZERO } from '../../protocol/schema.js';
import { crc32c } from '../../record/checksum.js';
import { CompressionError, compressionNames } from '../../record/compression/codec.js';
import { codecById } from '../../record/compression/codecs.js';
import { type ClientMetricsSubscription, subscriptionOf } from './client-metrics-config.js';

/** What a client says of itself, and where it comes from. */
export interface TelemetryClient {
  readonly clientId: string;
  readonly softwareName: string;
  readonly softwareVersion: string;
  readonly address: string;
  readonly port: number;
}

/** One push, for whoever wants it. */
export interface ClientTelemetryPush {
  readonly clientInstanceId: string;
  readonly client: TelemetryClient;
  /** The client is about to end; it pushes no more. */
  readonly terminating: boolean;
  /** An OTLP MetricsData message, decompressed. */
  readonly metrics: Uint8Array;
}

export interface TelemetryCounters {
  readonly pushes: number;
  readonly refused: number;
  /** Decompressed. */
  readonly bytes: number;
}

export interface ClientTelemetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly image: () => MetadataImage;
  /** telemetry.max.bytes, of a push as it comes. */
  readonly pushBytesMax: number;
  /** Called for each push; what it throws is answered with INVALID_RECORD. */
  readonly receive: (push: ClientTelemetryPush) => void;
}

/** What a client is asked for. */
export interface Subscription {
  readonly clientInstanceId: string;
  readonly subscriptionId: number;
  readonly pushIntervalMs: number;
  readonly requestedMetrics: readonly string[];
}

export type TelemetryError =
  | 'INVALID_REQUEST'
  | 'INVALID_RECORD'
  | 'TELEMETRY_TOO_LARGE'
  | 'THROTTLING_QUOTA_EXCEEDED'
  | 'UNKNOWN_SUBSCRIPTION_ID'
  | 'UNSUPPORTED_COMPRESSION_TYPE';

export interface PushedMetrics {
  readonly clientInstanceId: string;
  readonly subscriptionId: number;
  readonly terminating: boolean;
  readonly compressionType: number;
  readonly metrics: Uint8Array;
}

const INSTANCES_MAX = 10_000;
const PUSH_INTERVAL_MS_DEFAULT = 300_000;
/** Most bytes of one push when decompressed, as a multiple of what may come. */
const EXPANSION_MAX = 20;
const ALL_METRICS = '*';
/** As Kafka orders them: zstd, lz4, gzip, snappy. */
export const ACCEPTED_COMPRESSION: readonly number[] = [4, 3, 1, 2];

interface Instance {
  subscriptionId: number;
  pushIntervalMs: number;
  lastGetMs: number;
  lastPushMs: number;
  /** The last push was refused for a reason that another Get mends. */
  mayAskAgain: boolean;
  terminating: boolean;
}

export class ClientTelemetry {
  readonly #options: ClientTelemetryOptions;
  readonly #instances = new Map<string, Instance>();
  #pushes = 0;
  #refused = 0;
  #bytes = 0;

  constructor(options: ClientTelemetryOptions) {
    this.#options = options;
  }

  get counters(): TelemetryCounters {
    return { pushes: this.#pushes, refused: this.#refused, bytes: this.#bytes };
  }

  get pushBytesMax(): number {
    return this.#options.pushBytesMax;
  }

  /** The zero id asks for a new one. */
  subscribe(instanceId: string, client: TelemetryClient): Subscription | TelemetryError {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    const id = instanceId === UUID_ZERO ? randomUuid(random) : instanceId;
    const subscription = this.#subscriptionOf(id, client);
    const known = this.#touch(id);
    if (known !== undefined && !known.mayAskAgain) {
      const sinceMs = nowMs - Math.max(known.lastGetMs, known.lastPushMs);
      if (sinceMs < known.pushIntervalMs) return 'THROTTLING_QUOTA_EXCEEDED';
    }
    const instance = known ?? this.#add(id);
    instance.subscriptionId = subscription.subscriptionId;
    instance.pushIntervalMs = subscription.pushIntervalMs;
    instance.lastGetMs = nowMs;
    instance.mayAskAgain = false;
    return subscription;
  }

  /** Null: taken. */
  push(pushed: PushedMetrics, client: TelemetryClient): TelemetryError | null {
    const error = this.#push(pushed, client);
    if (error === null) this.#pushes++;
    else this.#refused++;
    return error;
  }

  #push(pushed: PushedMetrics, client: TelemetryClient): TelemetryError | null {
    const { clientInstanceId: id, terminating, compressionType, metrics } = pushed;
    const { clock, pushBytesMax } = this.#options;
    if (id === UUID_ZERO) return 'INVALID_REQUEST';
    // One that is not known here, say after a restart, is told so by its subscription.
    const instance = this.#touch(id) ?? this.#add(id);
    const nowMs = clock.monotonicMs();
    const early =
      instance.lastPushMs >= instance.lastGetMs &&
      nowMs - instance.lastPushMs < instance.pushIntervalMs;
    if (early && !terminating) return 'THROTTLING_QUOTA_EXCEEDED';
    if (instance.terminating) return 'INVALID_REQUEST';
    instance.lastPushMs = nowMs;
    // The configs may have changed since it asked.
    if (pushed.subscriptionId !== this.#subscriptionOf(id, client).subscriptionId) {
      instance.mayAskAgain = true;
      return 'UNKNOWN_SUBSCRIPTION_ID';
    }
    if (compressionType !== 0 && !ACCEPTED_COMPRESSION.includes(compressionType)) {
      instance.mayAskAgain = true;
      return 'UNSUPPORTED_COMPRESSION_TYPE';
    }
    instance.terminating = terminating;
    if (metrics.length > pushBytesMax) return 'TELEMETRY_TOO_LARGE';
    return this.#give(pushed, client);
  }

  #give(pushed: PushedMetrics, client: TelemetryClient): TelemetryError | null {
    const { clientInstanceId: id, terminating, compressionType } = pushed;
    const { pushBytesMax, receive, logger } = this.#options;
    try {
      const sizeMax = pushBytesMax * EXPANSION_MAX;
      const metrics = codecById(compressionType).decompress(pushed.metrics, { sizeMax });
      this.#bytes += metrics.length;
      receive({ clientInstanceId: id, client, terminating, metrics });
      return null;
    } catch (error) {
      if (error instanceof CompressionError) {
        return error.code === 'DECOMPRESSED_TOO_LARGE' ? 'TELEMETRY_TOO_LARGE' : 'INVALID_RECORD';
      }
      logger.warn('metrics of a client were not taken', {
        clientInstanceId: id,
        compression: compressionNames[compressionType] ?? compressionType,
        cause: String(error),
      });
      return 'INVALID_RECORD';
    }
  }

  #subscriptionOf(id: string, client: TelemetryClient): Subscription {
    const matching: ClientMetricsSubscription[] = [];
    for (const { type, configs } of this.#options.image().configResources()) {
      if (type !== 'client-metrics') continue;
      const subscription = subscriptionOf(configs);
      if (subscription.matches(id, client)) matching.push(subscription);
    }
    const all = matching.some(({ metrics }) => metrics.includes(ALL_METRICS));
    const requestedMetrics = all
      ? [ALL_METRICS]
      : [...new Set(matching.flatMap(({ metrics }) => metrics))].sort();
    const pushIntervalMs = matching.reduce(
      (least, { intervalMs }) => Math.min(least, intervalMs),
      PUSH_INTERVAL_MS_DEFAULT,
    );
    const text = Buffer.from(JSON.stringify([requestedMetrics, pushIntervalMs, id]));
    const subscriptionId = crc32c(text) | 0;
    return { clientInstanceId: id, subscriptionId, pushIntervalMs, requestedMetrics };
  }

  /** The instance, as the one that was heard of last. */
  #touch(id: string): Instance | undefined {
    const known = this.#instances.get(id);
    if (known === undefined) return undefined;
    this.#instances.delete(id);
    this.#instances.set(id, known);
    return known;
  }

  #add(id: string): Instance {
    if (this.#instances.size >= INSTANCES_MAX) {
      const oldest = this.#instances.keys().next();
      if (oldest.done !== true) this.#instances.delete(oldest.value);
    }
    const added: Instance = {
      subscriptionId: 0,
      pushIntervalMs: PUSH_INTERVAL_MS_DEFAULT,
      lastGetMs: Number.NEGATIVE_INFINITY,
      lastPushMs: Number.NEGATIVE_INFINITY,
      mayAskAgain: true,
      terminating: false,
    };
    this.#instances.set(id, added);
    return added;
  }
}

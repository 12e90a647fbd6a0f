/**
 * Client quotas in force: which one holds for a user and client id, what it has used of it, and how
 * long it has to wait. The strongest first, as in Kafka:
 *
 *     user + client id, user + any client, user,
 *     any user + client id, any user + any client, any user,  client id,  any client
 *
 * Users and client ids are what the client says: sensors and resolved quotas are bounded, the ones
 * that were not used for the longest time go first.
 */

import type { Clock } from '../../base/clock.js';
import type { MetadataImage, QuotaEntity } from '../../cluster/metadata-image.js';
import { RateSensor, type RateWindows } from './rate-sensor.js';
import { TokenBucket } from './token-bucket.js';

export type QuotaName =
  | 'producer_byte_rate'
  | 'consumer_byte_rate'
  | 'request_percentage'
  | 'controller_mutation_rate';

/** What a connection without authentication is to Kafka. */
export const ANONYMOUS = 'ANONYMOUS';

/** Sensors of one kind, or resolved quotas, at a time. */
const KEPT_MAX = 10_000;

export interface QuotaClient {
  readonly user: string;
  readonly clientId: string | null;
}

/** What one request used. */
export interface QuotaUsage {
  /** Of a Produce request. */
  readonly producedBytes: number;
  /** Of a Fetch response. */
  readonly fetchedBytes: number;
  /** Of this thread. */
  readonly handledMs: number;
}

/** Of changes to metadata in one request. */
export interface MutationQuota {
  /** False: the client is in debt, and a strict quota lets nothing through. */
  take(count: number): boolean;
  /** What the answer is to tell. */
  readonly throttleMs: number;
}

interface Resolved {
  readonly limit: number;
  /** Of the sensor: clients that share a quota share its sensor. */
  readonly key: string;
}

export interface ClientQuotasOptions {
  readonly clock: Clock;
  /** quota.window.num and quota.window.size.seconds */
  readonly windows: RateWindows;
  /** controller.quota.window.num and .size.seconds */
  readonly mutationWindows: RateWindows;
}

const NO_MUTATION_QUOTA: MutationQuota = { take: () => true, throttleMs: 0 };

export class ClientQuotas {
  readonly #clock: Clock;
  readonly #windows: RateWindows;
  readonly #mutationWindows: RateWindows;
  #limits = new Map<string, Readonly<Record<string, number>>>();
  #addressLimits = new Map<string, number>();
  readonly #resolved = new Kept<Resolved | null>();
  readonly #sensors = new Kept<RateSensor>();
  readonly #buckets = new Kept<TokenBucket>();

  constructor(options: ClientQuotasOptions) {
    this.#clock = options.clock;
    this.#windows = options.windows;
    this.#mutationWindows = options.mutationWindows;
  }

  /** Whether any client has a quota. */
  get active(): boolean {
    return this.#limits.size > 0;
  }

  /** Takes over the quotas of the image. */
  update(image: MetadataImage): void {
    this.#limits = new Map();
    this.#addressLimits = new Map();
    this.#resolved.clear();
    for (const { entity, values } of image.quotas()) {
      if (!('ip' in entity)) {
        this.#limits.set(entityKey(entity), values);
        continue;
      }
      const rate = values['connection_creation_rate'];
      if (rate !== undefined) this.#addressLimits.set(entity.ip ?? '', rate);
    }
  }

  /** Records what a request used; answers how long its client has to wait. */
  record(client: QuotaClient, usage: QuotaUsage): number {
    const { producedBytes, fetchedBytes, handledMs } = usage;
    const requestMs = this.#recordOne('request_percentage', client, handledMs / 10);
    return Math.max(
      producedBytes > 0 ? this.#recordOne('producer_byte_rate', client, producedBytes) : 0,
      fetchedBytes > 0 ? this.#recordOne('consumer_byte_rate', client, fetchedBytes) : 0,
      // As in Kafka: no longer than a window.
      Math.min(requestMs, this.#windows.sizeMs),
    );
  }

  /** Most bytes that one fetch may take: what the quota allows in all its windows. */
  fetchBytesMax(client: QuotaClient): number {
    const quota = this.active ? this.#resolve('consumer_byte_rate', client) : null;
    if (quota === null) return Number.POSITIVE_INFINITY;
    const { count, sizeMs } = this.#windows;
    return Math.max(1, Math.floor((quota.limit * Math.max(1, count - 1) * sizeMs) / 1000));
  }

  /** For the changes of one request; `strict`: its version knows THROTTLING_QUOTA_EXCEEDED. */
  mutations(client: QuotaClient, strict: boolean): MutationQuota {
    const quota = this.active ? this.#resolve('controller_mutation_rate', client) : null;
    if (quota === null) return NO_MUTATION_QUOTA;
    const { limit, key } = quota;
    const { count, sizeMs } = this.#mutationWindows;
    const burst = (limit * count * sizeMs) / 1000;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key, () => new TokenBucket(burst, nowMs));
    let throttleMs = 0;
    return {
      get throttleMs() {
        return throttleMs;
      },
      take(taken) {
        if (strict) {
          throttleMs = bucket.throttleMs(limit, burst, nowMs);
          if (throttleMs > 0) return false;
        }
        bucket.take(taken, limit, burst, nowMs);
        if (!strict) throttleMs = bucket.throttleMs(limit, burst, nowMs);
        return true;
      },
    };
  }

  /** Whether a new connection from the address is within its rate. */
  admitsConnection(address: string): boolean {
    const limit = this.#addressLimits.get(address) ?? this.#addressLimits.get('');
    if (limit === undefined) return true;
    const sensor = this.#sensors.get(`ip/${address}`, () => new RateSensor(this.#windows));
    const nowMs = this.#clock.monotonicMs();
    if (sensor.throttleMs(limit, nowMs) > 0) return false;
    sensor.record(1, nowMs);
    return true;
  }

  #recordOne(name: QuotaName, client: QuotaClient, value: number): number {
    const quota = this.#resolve(name, client);
    if (quota === null) return 0;
    const sensor = this.#sensors.get(quota.key, () => new RateSensor(this.#windows));
    const nowMs = this.#clock.monotonicMs();
    sensor.record(value, nowMs);
    return sensor.throttleMs(quota.limit, nowMs);
  }

  #resolve(name: QuotaName, { user, clientId }: QuotaClient): Resolved | null {
    const client = clientId ?? '';
    const key = JSON.stringify([name, user, client]);
    return this.#resolved.get(key, () => this.#find(name, user, client));
  }

  #find(name: QuotaName, user: string, client: string): Resolved | null {
    const userOnly = ['user', user];
    const both = [...userOnly, 'client-id', client];
    const clientOnly = ['client-id', client];
    const candidates: readonly (readonly [QuotaEntity, readonly string[]])[] = [
      [{ user, 'client-id': client }, both],
      [{ user, 'client-id': null }, both],
      [{ user }, userOnly],
      [{ user: null, 'client-id': client }, both],
      [{ user: null, 'client-id': null }, both],
      [{ user: null }, userOnly],
      [{ 'client-id': client }, clientOnly],
      [{ 'client-id': null }, clientOnly],
    ];
    for (const [entity, sharers] of candidates) {
      const limit = this.#limits.get(entityKey(entity))?.[name];
      if (limit !== undefined) return { limit, key: JSON.stringify([name, ...sharers]) };
    }
    return null;
  }
}

function entityKey(entity: QuotaEntity): string {
  const { user, 'client-id': clientId } = entity;
  return JSON.stringify([user === undefined ? 0 : user, clientId === undefined ? 0 : clientId]);
}

/** A bounded map that forgets what was not asked for longest. */
class Kept<V> {
  readonly #values = new Map<string, V>();

  get(key: string, make: () => V): V {
    const known = this.#values.get(key);
    if (known !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, known);
      return known;
    }
    const value = make();
    if (this.#values.size >= KEPT_MAX) {
      const oldest = this.#values.keys().next();
      if (oldest.done !== true) this.#values.delete(oldest.value);
    }
    this.#values.set(key, value);
    return value;
  }

  clear(): void {
    this.#values.clear();
  }
}

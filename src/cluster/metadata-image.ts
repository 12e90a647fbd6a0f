/**
 * The metadata image: which topics there are, the configs of brokers, client metrics and groups
 * that were set at run time, and client quotas. In memory, read by every handler, changed only by the
 * controller and only after the change is on disk.
 *
 *     live      served
 *     deleting  written before the directories go; seen by nobody, finished at the next start
 *
 * One node: every partition has leader epoch 0 and this node as its only replica.
 */

import { assert } from '../base/assert.js';

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
]);

/** Leader epoch of every partition while there is one node. */
export const LEADER_EPOCH = 0;

/** What has configs besides topics. The name of a broker is its id, or '' for all brokers. */
export type ConfigResourceType = 'broker' | 'client-metrics' | 'group';

/** What was set at run time; without configs it is as good as not there. */
export interface ResourceConfigs {
  readonly type: ConfigResourceType;
  readonly name: string;
  readonly configs: Readonly<Record<string, string>>;
}

export type QuotaEntityType = 'user' | 'client-id' | 'ip';

/** Whom a quota is for. Null stands for everyone of that type without a quota of their own. */
export type QuotaEntity = Readonly<Partial<Record<QuotaEntityType, string | null>>>;

export interface ClientQuota {
  readonly entity: QuotaEntity;
  /** By quota name: producer_byte_rate and so on. Empty: there is none any more. */
  readonly values: Readonly<Record<string, number>>;
}

const QUOTA_ENTITY_TYPES: readonly QuotaEntityType[] = ['user', 'client-id', 'ip'];

/** The same for equal entities only. */
export function quotaEntityKey(entity: QuotaEntity): string {
  return JSON.stringify(QUOTA_ENTITY_TYPES.map((type) => [entity[type] ?? null, type in entity]));
}

export type TopicState = 'live' | 'deleting';

export interface Topic {
  readonly name: string;
  /** Base64url uuid, 22 characters. */
  readonly id: string;
  readonly partitionCount: number;
  /** Overrides as given, by config name. */
  readonly configs: Readonly<Record<string, string>>;
  readonly state: TopicState;
  /** Kept by brokers for themselves; Metadata marks it. */
  readonly internal: boolean;
}

export function topic(entry: Omit<Topic, 'internal'>): Topic {
  assert(entry.id.length === 22, 'a topic id has 22 characters');
  assert(entry.partitionCount > 0, 'a topic has a partition');
  return { ...entry, internal: INTERNAL_TOPICS.has(entry.name) };
}

export class MetadataImage {
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #collisions = new Map<string, string>();
  readonly #configs = new Map<string, ResourceConfigs>();
  readonly #quotas = new Map<string, ClientQuota>();
  #sorted: readonly Topic[] | null = null;

  constructor(
    topics: Iterable<Topic> = [],
    configs: Iterable<ResourceConfigs> = [],
    quotas: Iterable<ClientQuota> = [],
  ) {
    for (const entry of topics) this.put(entry);
    for (const entry of configs) this.putConfigs(entry);
    for (const entry of quotas) this.putQuota(entry);
  }

  /** What was set for a resource; nothing if nothing was. */
  configsOf(type: ConfigResourceType, name: string): Readonly<Record<string, string>> {
    return this.#configs.get(resourceKey(type, name))?.configs ?? {};
  }

  /** Every resource for which something is set, in the order in which that began. */
  configResources(): Iterable<ResourceConfigs> {
    return this.#configs.values();
  }

  quotas(): Iterable<ClientQuota> {
    return this.#quotas.values();
  }

  quotaOf(entity: QuotaEntity): ClientQuota | undefined {
    return this.#quotas.get(quotaEntityKey(entity));
  }

  /** Undefined for a topic that is being deleted, too. */
  topic(name: string): Topic | undefined {
    const entry = this.#byName.get(name);
    return entry?.state === 'live' ? entry : undefined;
  }

  topicById(id: string): Topic | undefined {
    const entry = this.#byId.get(id);
    return entry?.state === 'live' ? entry : undefined;
  }

  /** Live topics by name. */
  topics(): readonly Topic[] {
    this.#sorted ??= [...this.#byName.values()]
      .filter((entry) => entry.state === 'live')
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  /** Every entry, also those being deleted, in no order. */
  entries(): Iterable<Topic> {
    return this.#byName.values();
  }

  entry(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  /** A topic, in whatever state, whose name differs from `name` only by '.' and '_'. */
  collision(name: string): string | undefined {
    const other = this.#collisions.get(collisionKey(name));
    return other === name ? undefined : other;
  }

  put(entry: Topic): void {
    this.remove(entry.name);
    this.#byName.set(entry.name, entry);
    this.#byId.set(entry.id, entry);
    this.#collisions.set(collisionKey(entry.name), entry.name);
    this.#sorted = null;
  }

  putConfigs(entry: ResourceConfigs): void {
    const key = resourceKey(entry.type, entry.name);
    if (Object.keys(entry.configs).length === 0) this.#configs.delete(key);
    else this.#configs.set(key, entry);
  }

  putQuota(quota: ClientQuota): void {
    const key = quotaEntityKey(quota.entity);
    if (Object.keys(quota.values).length === 0) this.#quotas.delete(key);
    else this.#quotas.set(key, quota);
  }

  remove(name: string): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) return;
    this.#byName.delete(name);
    this.#byId.delete(entry.id);
    this.#collisions.delete(collisionKey(name));
    this.#sorted = null;
  }
}

export function resourceKey(type: ConfigResourceType, name: string): string {
  return `${type}/${name}`;
}

/** Names with the same key may not both exist: metric names put '_' for '.'. */
function collisionKey(name: string): string {
  return name.replaceAll('.', '_');
}

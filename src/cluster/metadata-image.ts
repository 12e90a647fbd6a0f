/**
 * The metadata image: which topics there are. In memory, read by every handler, changed only by the
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
  #sorted: readonly Topic[] | null = null;

  constructor(topics: Iterable<Topic> = []) {
    for (const entry of topics) this.put(entry);
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

  remove(name: string): void {
    const entry = this.#byName.get(name);
    if (entry === undefined) return;
    this.#byName.delete(name);
    this.#byId.delete(entry.id);
    this.#collisions.delete(collisionKey(name));
    this.#sorted = null;
  }
}

/** Names with the same key may not both exist: metric names put '_' for '.'. */
function collisionKey(name: string): string {
  return name.replaceAll('.', '_');
}

/**
 * Which topics, partitions, groups and transactions a request names, for all APIs alike, and how to
 * part a request in two: what a rule is about, and the rest. By the names of fields, since Kafka's
 * messages are alike in them:
 *
 *     [groups | transactions | dirs | markers [{]  topics | topicData | ... [{ name | topic | topicId,
 *          partitions | partitionData | partitionIndexes [ { partition | partitionIndex | index } | n ] }]
 *
 * Pure; keeps and changes nothing of a request.
 */

import type { Api } from '../protocol/schema.js';

export type Body = Readonly<Record<string, unknown>>;

/** The name of a topic id; undefined: no such topic. */
export type TopicNames = (topicId: string) => string | undefined;

export interface NamedTopic {
  readonly topic: string;
  /** Null: the request is about the topic as a whole. */
  readonly partitions: readonly number[] | null;
}

/** What is asked of a request's topics; without a partition all of the topic. */
export interface Scope {
  readonly topic: string;
  readonly partition?: number | undefined;
}

const CONTAINERS: readonly string[] = ['groups', 'transactions', 'dirs', 'markers'];
const TOPICS: readonly string[] = [
  ...['topics', 'topicData', 'topicPartitions', 'topicNames', 'v3AndBelowTopics'],
];
const PARTITIONS: readonly string[] = ['partitions', 'partitionData', 'partitionIndexes'];

export function topicsOf(body: Body, nameOf: TopicNames): NamedTopic[] {
  const found: NamedTopic[] = [];
  for (const [name, value] of Object.entries(body)) {
    if (!Array.isArray(value)) continue;
    if (CONTAINERS.includes(name)) {
      for (const inner of value) if (isBody(inner)) found.push(...topicsOf(inner, nameOf));
    } else if (TOPICS.includes(name)) {
      for (const element of value) {
        const topic = topicOf(element, nameOf);
        if (topic === null) continue;
        const list = isBody(element) ? partitionsField(element) : null;
        found.push({ topic, partitions: list === null ? null : list.values.map(partitionOf) });
      }
    }
  }
  return found;
}

export function names(topics: readonly NamedTopic[], { topic, partition }: Scope): boolean {
  return topics.some(
    (named) =>
      named.topic === topic && (partition === undefined || named.partitions?.includes(partition)),
  );
}

/** The groups that a request is about. */
export function groupsOf(api: Api, body: Body): string[] {
  const { groupId, groups, groupsNames, groupIds, key, keyType, coordinatorKeys } = body;
  const found: unknown[] = [groupId];
  for (const list of [groups, groupsNames, groupIds]) {
    if (Array.isArray(list)) found.push(...list.map((one) => (isBody(one) ? one.groupId : one)));
  }
  if (api.name === 'FindCoordinator' && keyType === 0) found.push(key, ...asArray(coordinatorKeys));
  return found.filter((one): one is string => typeof one === 'string' && one !== '');
}

export function transactionalIdsOf(api: Api, body: Body): string[] {
  const { transactionalId, v3AndBelowTransactionalId, transactionalIds, transactions } = body;
  const found: unknown[] = [transactionalId, v3AndBelowTransactionalId];
  found.push(...asArray(transactionalIds));
  for (const one of asArray(transactions)) if (isBody(one)) found.push(one.transactionalId);
  if (api.name === 'FindCoordinator' && body.keyType === 1) {
    found.push(body.key, ...asArray(body.coordinatorKeys));
  }
  return found.filter((one): one is string => typeof one === 'string' && one !== '');
}

/** Whether a partition is meant; null: what the request says is about the topic as a whole. */
export type InScope = (topic: string | null, partition: number | null) => boolean;

export function inScope({ topic, partition }: Scope): InScope {
  return (named, at) => named === topic && (partition === undefined || at === partition);
}

/** The part of `body` that is in the scope, and the part that is not; null where nothing is left. */
export function splitRequest(
  body: Body,
  scope: InScope,
  nameOf: TopicNames,
): { readonly matched: Body | null; readonly rest: Body | null } {
  const matched: Record<string, unknown> = { ...body };
  const rest: Record<string, unknown> = { ...body };
  let matchedCount = 0;
  let restCount = 0;
  for (const [name, value] of Object.entries(body)) {
    if (!Array.isArray(value)) continue;
    const container = CONTAINERS.includes(name);
    if (!container && !TOPICS.includes(name)) continue;
    const parts = value.map((element: unknown) =>
      container && isBody(element)
        ? splitRequest(element, scope, nameOf)
        : splitTopic(element, scope, nameOf),
    );
    matched[name] = parts.map((part) => part.matched).filter((one) => one !== null);
    rest[name] = parts.map((part) => part.rest).filter((one) => one !== null);
    matchedCount += (matched[name] as unknown[]).length;
    restCount += (rest[name] as unknown[]).length;
  }
  return { matched: matchedCount > 0 ? matched : null, rest: restCount > 0 ? rest : null };
}

function splitTopic(
  element: unknown,
  scope: InScope,
  nameOf: TopicNames,
): { readonly matched: unknown; readonly rest: unknown } {
  const topic = topicOf(element, nameOf);
  const list = isBody(element) ? partitionsField(element) : null;
  if (list === null || list.values.length === 0) {
    return scope(topic, null) ? { matched: element, rest: null } : { matched: null, rest: element };
  }
  const part = (matched: boolean): unknown => {
    const values = list.values.filter((one) => scope(topic, partitionOf(one)) === matched);
    return values.length === 0 ? null : { ...(element as Body), [list.name]: values };
  };
  return { matched: part(true), rest: part(false) };
}

/** The name of the topic that an element of a request or an answer is about. */
export function topicOf(element: unknown, nameOf: TopicNames): string | null {
  if (typeof element === 'string') return element;
  if (!isBody(element)) return null;
  for (const field of ['name', 'topic', 'topicName']) {
    const name = element[field];
    if (typeof name === 'string' && name !== '') return name;
  }
  return typeof element.topicId === 'string' ? (nameOf(element.topicId) ?? null) : null;
}

export function partitionOf(element: unknown): number {
  if (typeof element === 'number') return element;
  if (!isBody(element)) return -1;
  return Number(element.partitionIndex ?? element.partition ?? element.index ?? -1);
}

export function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

function partitionsField(topic: Body): { name: string; values: readonly unknown[] } | null {
  for (const name of PARTITIONS) {
    const values = topic[name];
    if (Array.isArray(values)) return { name, values };
  }
  return null;
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/**
 * Which topics the regular expressions of subscriptions match, and the hash of all topics that a group
 * subscribes to: when it changes, partitions are assigned anew.
 */

import { compileExpression } from '../regular-expression.js';
import type { StateRecord } from '../state-topic.js';
import type { ConsumerGroup } from './consumer-group.js';
import { regexRecord, regexTombstone } from './consumer-records.js';

/** A topic, as much as groups know of it. */
export interface TopicView {
  readonly name: string;
  readonly id: string;
  readonly partitionCount: number;
}

type Matcher = (topic: string) => boolean;

/** Compiled expressions kept, of all groups together. */
const MATCHERS_MAX = 1000;

export class RegexTopics {
  readonly #matchers = new Map<string, Matcher>();

  /** Compiles what the group and this expression need; null, or why the expression is not valid. */
  async prepare(group: ConsumerGroup | null, regex: string | null): Promise<string | null> {
    if (regex !== null && regex !== '') {
      const problem = await this.#compile(regex);
      if (problem !== null) return problem;
    }
    for (const { subscription } of group?.members.values() ?? []) {
      if (subscription.regex !== '') await this.#compile(subscription.regex);
    }
    return null;
  }

  /** Whether `prepare` has something to do. */
  isMissing(group: ConsumerGroup | null, regex: string | null): boolean {
    if (regex !== null && regex !== '' && !this.#matchers.has(regex)) return true;
    for (const { subscription } of group?.members.values() ?? []) {
      if (subscription.regex !== '' && !this.#matchers.has(subscription.regex)) return true;
    }
    return false;
  }

  /** Matches the expressions of the group's members anew; answers the records of what has changed. */
  refresh(group: ConsumerGroup, topics: readonly TopicView[], nowMs: number): StateRecord[] {
    const used = new Set<string>();
    for (const { subscription } of group.members.values()) {
      if (subscription.regex !== '') used.add(subscription.regex);
    }
    const records: StateRecord[] = [];
    for (const regex of group.regexTopics.keys()) {
      if (used.has(regex)) continue;
      group.regexTopics.delete(regex);
      records.push(regexTombstone(group.groupId, regex));
    }
    for (const regex of used) {
      const matches = this.#matchers.get(regex);
      if (matches === undefined) continue;
      const found = topics.filter(({ name }) => matches(name)).map(({ name }) => name);
      found.sort();
      const known = group.regexTopics.get(regex);
      if (known?.length === found.length && known.every((name, at) => name === found[at])) continue;
      group.regexTopics.set(regex, found);
      records.push(regexRecord(group.groupId, regex, found, nowMs));
    }
    return records;
  }

  async #compile(regex: string): Promise<string | null> {
    if (this.#matchers.has(regex)) return null;
    const compiled = await compileExpression(regex);
    if (!compiled.ok) return compiled.message;
    if (this.#matchers.size >= MATCHERS_MAX) this.#matchers.clear();
    this.#matchers.set(regex, compiled.matches);
    return null;
  }
}

/** FNV-1a over names, ids and partition counts, in 52 bits; 0: none of the topics is there. */
export function topicsHash(names: ReadonlySet<string>, topics: readonly TopicView[]): number {
  const found = topics
    .filter(({ name }) => names.has(name))
    .map(({ name, id, partitionCount }) => `${name}/${id}/${partitionCount}`)
    .sort();
  if (found.length === 0) return 0;
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (const unit of Buffer.from(found.join(';'))) {
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b) + 1;
  }
  return (high >>> 12) * 2 ** 32 + (low >>> 0);
}

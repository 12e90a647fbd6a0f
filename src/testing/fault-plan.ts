/**
 * FaultPlan: the rules of a test and how often each has fired; lives beside the dispatcher, in the
 * broker's thread. It decides, apply-fault.ts does.
 *
 * The counts are in memory that the test's thread shares, so that it can read them without asking.
 * Rules are tried in the order in which they were added, and several may fire on one request. What
 * nearly matched a rule is remembered (bounded), to be able to say why it never fired.
 */

import { MillraceError } from '../base/errors.js';
import { type Random, seededRandom } from '../base/random.js';
import type { Exchange } from '../broker/interceptor.js';
import type { FiredFault } from './apply-fault.js';
import { type ExchangeNames, exchangeNames } from './exchange-names.js';
import {
  apiKeyOf,
  apiNameOf,
  checkFault,
  type DiskCall,
  describeAction,
  describeRule,
  type FaultAction,
  type FaultRule,
} from './fault-rule.js';
import { names } from './request-shape.js';

/** Rules that a plan holds at a time. */
const RULES_MAX = 1_000;
/** Values of a criterion that are remembered of requests which matched in all but it. */
const NEAR_VALUES_MAX = 5;

interface Planned {
  readonly id: number;
  readonly rule: FaultRule;
  readonly action: FaultAction;
  /** [0] is how often it fired. */
  readonly fired: Int32Array;
  readonly random: Random;
  /** -1: any API. */
  readonly apiKey: number;
  matchedCount: number;
  /** Requests of its API. */
  seenCount: number;
  readonly near: Map<string, Set<string>>;
}

export class FaultPlan {
  readonly #random: Random;
  readonly #planned = new Map<number, Planned>();
  readonly #problems: string[] = [];

  constructor(options: { readonly random: Random }) {
    this.#random = options.random;
  }

  /** `id` is the caller's; `shared` has 4 bytes. Throws INVALID_FAULT. */
  add(id: number, rule: FaultRule, action: FaultAction, shared: SharedArrayBuffer): void {
    checkFault(rule, action);
    if (this.#planned.size >= RULES_MAX) {
      throw new MillraceError(`more than ${RULES_MAX} fault rules`, { code: 'INVALID_FAULT' });
    }
    this.#planned.set(id, {
      id,
      rule,
      action,
      fired: new Int32Array(shared),
      random: seededRandom(this.#random.below(2 ** 32)),
      apiKey: rule.api === undefined ? -1 : apiKeyOf(rule.api),
      matchedCount: 0,
      seenCount: 0,
      near: new Map(),
    });
  }

  /** Idempotent. */
  remove(id: number): void {
    const planned = this.#planned.get(id);
    if (planned === undefined) return;
    this.#planned.delete(id);
    const problem = problemOf(planned);
    if (problem !== null && this.#problems.length < RULES_MAX) this.#problems.push(problem);
  }

  removeAll(): void {
    for (const id of [...this.#planned.keys()]) this.remove(id);
  }

  /** The rules that fire on this request, in their order. */
  decide(exchange: Exchange, node: number): readonly FiredFault[] {
    if (this.#planned.size === 0) return [];
    let found: ExchangeNames | null = null;
    const fired: FiredFault[] = [];
    for (const planned of this.#planned.values()) {
      const { rule, apiKey } = planned;
      if (rule.disk !== undefined) continue;
      if (apiKey >= 0 && apiKey !== exchange.message.key) continue;
      found ??= exchangeNames(exchange);
      planned.seenCount++;
      if (matches(planned, exchange, found, node) && fires(planned)) fired.push(planned);
    }
    return fired;
  }

  /** The action of the first rule that fires on a call for the file of `path`; null: none. */
  decideDisk(call: DiskCall, path: string): FaultAction | null {
    for (const planned of this.#planned.values()) {
      const { rule } = planned;
      if (rule.disk !== call) continue;
      planned.seenCount++;
      if (!isPathOf(rule, path)) {
        remember(planned, 'path', path);
        continue;
      }
      if (fires(planned)) return planned.action;
    }
    return null;
  }

  /** One line for each rule that never fired. */
  problems(): readonly string[] {
    const now = [...this.#planned.values()].map(problemOf).filter((line) => line !== null);
    return [...this.#problems, ...now];
  }
}

function matches(
  planned: Planned,
  { context }: Exchange,
  { topics, groups, transactionalIds }: ExchangeNames,
  node: number,
): boolean {
  const { clientId, topic, partition, group, transactionalId, node: wanted } = planned.rule;
  const wrong: [string, string][] = [];
  if (clientId !== undefined && context.clientId !== clientId) {
    wrong.push(['clientId', JSON.stringify(context.clientId)]);
  }
  if (wanted !== undefined && wanted !== node) wrong.push(['node', String(node)]);
  if (topic !== undefined && !names(topics, { topic })) {
    wrong.push(['topic', list(topics.map((one) => one.topic))]);
  } else if (topic !== undefined && !names(topics, { topic, partition })) {
    const partitions = topics.filter((one) => one.topic === topic);
    wrong.push(['partition', list(partitions.flatMap((one) => one.partitions ?? []))]);
  }
  if (group !== undefined && !groups.includes(group)) wrong.push(['group', list(groups)]);
  if (transactionalId !== undefined && !transactionalIds.includes(transactionalId)) {
    wrong.push(['transactionalId', list(transactionalIds)]);
  }
  for (const [criterion, value] of wrong) remember(planned, criterion, value);
  return wrong.length === 0;
}

/** Counts a match, and the firing if it fires. */
function fires(planned: Planned): boolean {
  const { rule } = planned;
  const { nth, first, every, after = 0, probability = 1 } = rule;
  const count = ++planned.matchedCount - after;
  if (count < 1) return false;
  if (nth !== undefined && count !== nth) return false;
  if (first !== undefined && count > first) return false;
  if (every !== undefined && count % every !== 0) return false;
  if (probability < 1 && planned.random.below(2 ** 32) >= probability * 2 ** 32) return false;
  Atomics.add(planned.fired, 0, 1);
  return true;
}

function remember({ near }: Planned, criterion: string, value: string): void {
  const values = near.get(criterion) ?? new Set<string>();
  if (values.size < NEAR_VALUES_MAX) near.set(criterion, values.add(value));
}

function problemOf(planned: Planned): string | null {
  const { rule, action, fired, matchedCount, seenCount, near } = planned;
  if (Atomics.load(fired, 0) > 0 || rule.optional === true) return null;
  const { api, disk } = rule;
  const what =
    disk === undefined
      ? `${api === undefined ? '' : `${apiNameOf(api)} `}requests`
      : `calls (${disk})`;
  const head = `the fault rule ${describeRule(rule)} with ${describeAction(action)} never fired`;
  if (seenCount === 0) return `${head}: no ${what} came`;
  if (matchedCount > 0) {
    const why = 'which nth, first, every, after or probability let pass';
    return `${head}: ${matchedCount} of ${seenCount} ${what} matched, ${why}`;
  }
  const came = [...near].map(([criterion, values]) => `${criterion} ${[...values].join(', ')}`);
  return `${head}: ${seenCount} ${what} came, with ${came.join('; ')}`;
}

function isPathOf({ topic, partition }: FaultRule, path: string): boolean {
  if (topic === undefined) return true;
  const directory = path.split('/').at(-2) ?? '';
  const dash = directory.lastIndexOf('-');
  if (directory.slice(0, dash) !== topic) return false;
  return partition === undefined || directory.slice(dash + 1) === String(partition);
}

function list(values: readonly (string | number)[]): string {
  if (values.length === 0) return 'none';
  return [...new Set(values)]
    .slice(0, NEAR_VALUES_MAX)
    .map((one) => JSON.stringify(one))
    .join('+');
}

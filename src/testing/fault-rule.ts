/**
 * What a fault rule is, as the test writes it: plain data, so that it can cross to the broker's thread.
 * Checked when it is added, with a suggestion for what was mistyped.
 *
 *     rule    which requests (API, client, topic, partition, group), and which of those (nth, first ...)
 *     action  what happens to them
 */

import { MillraceError } from '../base/errors.js';
import { nearestName } from '../broker/nearest-name.js';
import { apis } from '../protocol/api-table.js';
import { codeOf, errorCodes } from './error-name.js';

/** Every criterion that is given must hold. */
export interface FaultRule {
  /** Name (`Produce`) or key of an API; absent: any. */
  readonly api?: string | number;
  /** The id that the client gave itself. */
  readonly clientId?: string;
  /** Only requests that name the topic; an error is then answered for it alone, the rest is done. */
  readonly topic?: string;
  /** Only with `topic`. */
  readonly partition?: number;
  readonly group?: string;
  readonly transactionalId?: string;
  /** Only requests to that node of a simulated cluster. */
  readonly node?: number;
  /** Only operations of the disk, not requests: then `api`, `clientId`, `group` mean nothing. */
  readonly disk?: DiskCall;
  /** Of those that match, the nth alone, counted from 1. */
  readonly nth?: number;
  /** Of those that match, the first so many. */
  readonly first?: number;
  /** Of those that match, every so manieth: 3 is the 3rd, 6th, ... */
  readonly every?: number;
  /** Lets so many that match pass before it counts `nth`, `first` and `every`. */
  readonly after?: number;
  /** Of those that are left, this share, by the plan's seed: 0 to 1. */
  readonly probability?: number;
  /** True: that it never fired is not reported when the broker is disposed. */
  readonly optional?: boolean;
}

/** `sync` is what makes writes durable, `open` the making and opening of files. */
export type DiskCall = 'write' | 'sync' | 'open';

export type FaultAction =
  /** Not handled; answered with this error in every place that has one. */
  | { readonly error: string | number; readonly message?: string }
  /** By the broker's clock, so that a virtual one has to be advanced. */
  | { readonly delayMs: number; readonly when?: 'before' | 'after' }
  /** Handled, and not answered: the client waits until its own timeout. */
  | 'drop-response'
  /** The connection is closed and the request is not handled. */
  | 'close-before'
  /** The request is handled, then the connection is closed instead of an answer. */
  | 'close-after'
  /** Handled twice, as if a client had sent it again; the second answer is sent. */
  | 'duplicate'
  /** Handled; the client is told to wait so long, and its connection is not read meanwhile. */
  | { readonly throttleMs: number }
  /** A bit of a record batch is flipped: of the request (Produce) or of the answer (Fetch). */
  | 'corrupt'
  /** Closes the broker in order and starts it again on the same port; the request is lost. */
  | 'restart'
  /** Ends the broker as kill -9 does; the request is lost. */
  | 'kill'
  /** Only with `disk`: no space left, an I/O error, or a call that takes so long. */
  | 'disk-full'
  | 'disk-error'
  | { readonly diskMs: number };

const PLAIN: readonly string[] = [
  ...['drop-response', 'close-before', 'close-after', 'duplicate', 'corrupt', 'restart', 'kill'],
  ...['disk-full', 'disk-error'],
];
const KEYS: readonly string[] = ['error', 'delayMs', 'throttleMs', 'diskMs'];
const CRITERIA: readonly string[] = [
  ...['api', 'clientId', 'topic', 'partition', 'group', 'transactionalId', 'node', 'disk'],
  ...['nth', 'first', 'every', 'after', 'probability', 'optional'],
];

/** Throws a MillraceError INVALID_FAULT that says what to write instead. */
export function checkFault(rule: FaultRule, action: FaultAction): void {
  for (const name of Object.keys(rule)) {
    if (!CRITERIA.includes(name)) throw unknown('criterion of a fault rule', name, CRITERIA);
  }
  if (rule.api !== undefined) apiKeyOf(rule.api);
  if (rule.partition !== undefined && rule.topic === undefined) {
    throw invalid('a fault rule with a partition needs a topic too');
  }
  for (const name of ['nth', 'first', 'every'] as const) checkCount(name, rule[name], 1);
  checkCount('after', rule.after, 0);
  const { probability = 1 } = rule;
  if (!(probability >= 0 && probability <= 1)) {
    throw invalid(`probability is ${probability}, not between 0 and 1`);
  }
  checkAction(action);
  if (action === 'corrupt' && !['Produce', 'Fetch'].includes(apiNameOf(rule.api ?? ''))) {
    throw invalid("'corrupt' needs a rule with api: 'Produce' or 'Fetch', which carry records");
  }
  const onDisk = actionIsOfDisk(action);
  if (onDisk && rule.disk === undefined) {
    throw invalid(`${describeAction(action)} needs a rule with disk: 'write', 'sync' or 'open'`);
  }
  if (!onDisk && rule.disk !== undefined) {
    throw invalid(`${describeAction(action)} is for requests, the rule is about the disk`);
  }
}

function checkAction(action: FaultAction): void {
  if (typeof action === 'string') {
    if (!PLAIN.includes(action)) throw unknown('fault action', action, [...PLAIN, ...KEYS]);
    return;
  }
  const key = Object.keys(action).find((name) => KEYS.includes(name));
  if (key === undefined) {
    throw unknown('fault action', Object.keys(action)[0] ?? '{}', [...KEYS, ...PLAIN]);
  }
  if ('error' in action) {
    if (codeOf(action.error) === null) {
      throw unknown('error', String(action.error), Object.keys(errorCodes));
    }
    return;
  }
  const value = (action as Readonly<Record<string, unknown>>)[key];
  if (typeof value !== 'number' || !(value >= 0)) throw invalid(`${key} is ${String(value)}`);
}

/** The key of an API by its name or key; throws for one that there is not. */
export function apiKeyOf(api: string | number): number {
  const found = apis.find(({ key, name }) => key === api || name === api);
  if (found !== undefined) return found.key;
  throw unknown(
    'API',
    String(api),
    apis.map(({ name }) => name),
  );
}

export function apiNameOf(api: string | number): string {
  return apis.find(({ key, name }) => key === api || name === api)?.name ?? String(api);
}

export function actionIsOfDisk(action: FaultAction): boolean {
  if (typeof action === 'string') return action.startsWith('disk-');
  return 'diskMs' in action;
}

/** As it would be written in a test. */
export function describeRule(rule: FaultRule): string {
  const parts = Object.entries(rule).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

export function describeAction(action: FaultAction): string {
  return typeof action === 'string' ? action : JSON.stringify(action);
}

function checkCount(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return;
  throw invalid(`${name} is ${value}, not a whole number from ${min} on`);
}

function unknown(what: string, name: string, names: readonly string[]): MillraceError {
  const nearest = nearestName(name, names) ?? nearestName(name.toUpperCase(), names);
  const lower = names.find((known) => known.toLowerCase() === name.toLowerCase());
  const hint = lower ?? nearest;
  return invalid(
    `no such ${what}: ${name}${hint === null ? '' : `; did you mean ${hint}?`}${names.length > 20 ? '' : ` (${names.join(', ')})`}`,
  );
}

function invalid(message: string): MillraceError {
  return new MillraceError(message, { code: 'INVALID_FAULT' });
}

/**
 * The configs of a client metrics subscription (KIP-714): which metrics, how often, of which clients.
 * Patterns are in RE2's syntax, so that none takes longer than the text is long.
 */

import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { type ConfigField, ConfigTable, int, list } from '../../base/config-table.js';
import type { DescribedConfig } from '../../log/topic-config.js';

const NONE: readonly string[] = [];

/** What a client may be asked for in `match`. */
export const MATCH_KEYS: readonly string[] = [
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
];

/**
 * Loaded with the first pattern, and synchronously, as configs are checked: a broker is half started in
 * the time that it takes.
 */
let loaded: typeof import('re2js') | null = null;

function re2(): typeof import('re2js') {
  loaded ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  return loaded;
}

/** Longer ones are refused: each is compiled. */
const PATTERN_LENGTH_MAX = 1000;
const INTERVAL_MS_DEFAULT = 300_000;

export const clientMetricsFields = {
  'interval.ms': int({
    default: INTERVAL_MS_DEFAULT,
    min: 100,
    max: 3_600_000,
    doc: 'How often the clients push.',
  }),
  match: list({
    default: NONE,
    check: matchProblem,
    doc: 'Which clients: key=pattern pairs that must all match the whole value; empty: every client.',
  }),
  metrics: list({
    default: NONE,
    doc: 'Prefixes of the names of the metrics; * for all, empty for none.',
  }),
};

export const clientMetricsTable = new ConfigTable(clientMetricsFields);

/** Every config of a subscription with its value, sorted by name. */
export function describeClientMetrics(
  configs: Readonly<Record<string, string>>,
): readonly DescribedConfig[] {
  return clientMetricsTable.names.map((name) => {
    const field = clientMetricsFields[name as keyof typeof clientMetricsFields] as ConfigField;
    const given = configs[name];
    const fallback = clientMetricsTable.defaultText(name);
    return {
      name,
      value: given ?? fallback,
      source: given === undefined ? 'DEFAULT_CONFIG' : 'CLIENT_METRICS_CONFIG',
      type: field.type,
      doc: field.doc,
      synonyms:
        given === undefined ? [] : [{ name, value: given, source: 'CLIENT_METRICS_CONFIG' }],
    };
  });
}

/** A subscription as it is applied. */
export interface ClientMetricsSubscription {
  readonly intervalMs: number;
  readonly metrics: readonly string[];
  matches(clientInstanceId: string, client: MatchedClient): boolean;
}

/** What patterns are matched against. */
interface MatchedClient {
  readonly clientId: string;
  readonly softwareName: string;
  readonly softwareVersion: string;
  readonly address: string;
  readonly port: number;
}

/** Of configs that have been checked when they were set. */
export function subscriptionOf(
  configs: Readonly<Record<string, string>>,
): ClientMetricsSubscription {
  const { values } = clientMetricsTable.parse(Object.entries(configs));
  const patterns = values.match.map((text) => patternOf(text));
  return {
    intervalMs: values['interval.ms'],
    metrics: values.metrics,
    matches: (clientInstanceId, client) =>
      patterns.every((pattern) => {
        if (pattern === null) return false;
        const value = matchedValue(pattern.key, clientInstanceId, client);
        return pattern.compiled.matcher(value).matches();
      }),
  };
}

function matchedValue(key: string, clientInstanceId: string, client: MatchedClient): string {
  switch (key) {
    case 'client_instance_id':
      return clientInstanceId;
    case 'client_id':
      return client.clientId;
    case 'client_software_name':
      return client.softwareName;
    case 'client_software_version':
      return client.softwareVersion;
    case 'client_source_address':
      return client.address;
    default:
      return String(client.port);
  }
}

interface Pattern {
  readonly key: string;
  readonly compiled: RE2JS;
}

/** From key=pattern; the whole value is to match: client_id=a.* does not match "ba". */
function patternOf(text: string): Pattern | null {
  const at = text.indexOf('=');
  const key = text.slice(0, Math.max(at, 0)).trim();
  if (!MATCH_KEYS.includes(key) || text.length > PATTERN_LENGTH_MAX) return null;
  const { RE2JS, RE2JSException } = re2();
  try {
    return { key, compiled: RE2JS.compile(text.slice(at + 1).trim()) };
  } catch (error) {
    if (error instanceof RE2JSException) return null;
    throw error;
  }
}

function matchProblem(text: string): string | null {
  return patternOf(text) === null ? `Illegal client matching pattern: ${text}` : null;
}

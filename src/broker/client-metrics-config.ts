/** The configs of a client metrics subscription (KIP-714): which metrics, how often, of which clients. */

import { type ConfigField, ConfigTable, int, list } from '../base/config-table.js';
import type { DescribedConfig } from '../log/topic-config.js';

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
      synonyms: [
        ...(given === undefined
          ? []
          : [{ name, value: given, source: 'CLIENT_METRICS_CONFIG' as const }]),
        { name, value: fallback, source: 'DEFAULT_CONFIG' },
      ],
    };
  });
}

/** The whole value must match: client_id=a.* does not match "ba". Null: not a pattern. */
export function matchPattern(text: string): RegExp | null {
  try {
    return new RegExp(`^(?:${text})$`, 'u');
  } catch {
    return null;
  }
}

function matchProblem(text: string): string | null {
  const at = text.indexOf('=');
  const key = text.slice(0, Math.max(at, 0)).trim();
  if (!MATCH_KEYS.includes(key)) return `Illegal client matching pattern: ${text}`;
  const isPattern = matchPattern(text.slice(at + 1).trim()) !== null;
  return isPattern ? null : `Illegal client matching pattern: ${text}`;
}

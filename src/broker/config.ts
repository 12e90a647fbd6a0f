/**
 * The broker's config: one table, read from a properties file, the environment and the command line,
 * the later over the earlier.
 *
 *     defaults < server.properties < KAFKA_* environment < --override and other options
 */

import { type ConfigField, ConfigTable, formatConfigValue } from '../base/config-table.js';
import { MillraceError } from '../base/errors.js';
import type { ConfigLayer, DescribedConfig } from '../log/topic-config.js';
import { servedFields } from './config-fields.js';
import { consumerBoundsProblems } from './config-fields-groups.js';
import { reportedFields, reportedPrefixes } from './config-fields-reported.js';
import { type ServedListener, servedListeners } from './listeners.js';
import { nearestName } from './nearest-name.js';
import { parseProperties } from './properties.js';

export const brokerFields = { ...reportedFields, ...servedFields };

export const brokerConfigTable = new ConfigTable(brokerFields);

export type BrokerConfigName = keyof typeof brokerFields;

/** Whether a config has an effect here, or is only accepted and reported. */
export function isServedConfig(name: string): boolean {
  return name in servedFields;
}

/** Config values by name, as `Broker.start` takes them; null leaves the default. */
export type BrokerConfigInput = Readonly<
  Partial<Record<BrokerConfigName, string | number | boolean | readonly string[] | null>>
>;

export interface BrokerConfig {
  readonly values: ReturnType<typeof brokerConfigTable.parse>['values'];
  /** Texts of the configs that were set, by name. */
  readonly texts: ReadonlyMap<string, string>;
  /** Where they were set, the strongest first; where not given, all are static. */
  readonly layers?: readonly ConfigLayer[];
  readonly listeners: readonly ServedListener[];
  readonly nodeId: number;
  readonly dataDirs: readonly string[];
  /** One line each: names that are not known. */
  readonly warnings: readonly string[];
}

export interface ConfigSources {
  /** The text of a server.properties. */
  readonly properties?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly overrides?: Iterable<readonly [name: string, text: string]>;
}

/** Throws a MillraceError INVALID_CONFIG with every problem in its message. */
export function readBrokerConfig(sources: ConfigSources): BrokerConfig {
  const entries: [string, string][] = [
    ...parseProperties(sources.properties ?? '').map(({ name, value }): [string, string] => [
      name,
      value,
    ]),
    ...environmentEntries(sources.environment ?? {}),
    ...[...(sources.overrides ?? [])].map(([name, text]): [string, string] => [name, text]),
  ];
  const { values, texts, problems, unknown } = brokerConfigTable.parse(entries);
  const messages = problems.map((problem) => problem.message);
  if (messages.length === 0) messages.push(...consumerBoundsProblems(values));
  if (messages.length > 0) {
    throw new MillraceError(messages.join('; '), {
      code: 'INVALID_CONFIG',
    });
  }
  const listeners = servedListeners({
    listeners: values.listeners,
    advertised: values['advertised.listeners'],
    protocolMap: values['listener.security.protocol.map'],
    controllerNames: values['controller.listener.names'],
  });
  const warnings: string[] = [];
  for (const name of new Set(unknown)) {
    const warning = unknownNameWarning(name);
    if (warning !== null) warnings.push(warning);
  }
  const brokerId = values['broker.id'];
  return {
    values,
    texts,
    listeners,
    nodeId: !texts.has('node.id') && brokerId >= 0 ? brokerId : values['node.id'],
    dataDirs: dataDirs(values['log.dirs'] ?? values['log.dir']),
    warnings,
  };
}

/** The texts of values given in JavaScript. */
export function configInputEntries(input: BrokerConfigInput): [string, string][] {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(input)) {
    if (value === null || value === undefined) continue;
    entries.push([name, Array.isArray(value) ? value.join(',') : String(value)]);
  }
  return entries;
}

/**
 * KAFKA_LOG_DIRS is log.dirs, as in the container images of Kafka: `_` for `.`, `__` for `_`, `___`
 * for `-`. Those images set other KAFKA_ variables too, so an unknown one is left alone.
 */
export function environmentEntries(
  environment: Readonly<Record<string, string | undefined>>,
): [string, string][] {
  const entries: [string, string][] = [];
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('KAFKA_') || value === undefined) continue;
    const name = variable
      .slice('KAFKA_'.length)
      .toLowerCase()
      .replace(/_{1,3}/g, (run) => (run.length === 1 ? '.' : run.length === 2 ? '_' : '-'));
    if (brokerConfigTable.canonicalName(name) !== undefined) entries.push([name, value]);
  }
  return entries;
}

/** Every broker config with its value and source, sorted by name. */
export function describeBrokerConfigs(config: BrokerConfig): readonly (DescribedConfig & {
  readonly readOnly: boolean;
  readonly sensitive: boolean;
})[] {
  const { layers = [{ source: 'STATIC_BROKER_CONFIG', texts: config.texts }] } = config;
  return brokerConfigTable.names.map((name) => {
    const field: ConfigField = brokerFields[name as BrokerConfigName];
    const sensitive = field.type === 'password';
    const value = config.values[name as BrokerConfigName];
    const text = value === null ? null : formatConfigValue(field, value);
    const shown = sensitive ? null : text;
    const fallback = brokerConfigTable.defaultText(name);
    const given = layers.flatMap(({ source, texts }) => {
      const set = texts.get(name);
      return set === undefined ? [] : [{ name, value: sensitive ? null : set, source }];
    });
    const synonyms: DescribedConfig['synonyms'] = [
      ...given,
      ...(fallback === null || sensitive
        ? []
        : [{ name, value: fallback, source: 'DEFAULT_CONFIG' as const }]),
    ];
    return {
      name,
      value: shown,
      source: given[0]?.source ?? 'DEFAULT_CONFIG',
      type: field.type,
      doc: field.doc,
      synonyms,
      readOnly: field.update === 'read-only',
      sensitive,
    };
  });
}

function unknownNameWarning(name: string): string | null {
  if (reportedPrefixes.some((prefix) => name.startsWith(prefix))) {
    return `config ${name} is accepted without effect`;
  }
  const nearest = nearestName(name, brokerConfigTable.names);
  return nearest === null
    ? `unknown config ${name}`
    : `unknown config ${name}, did you mean ${nearest}?`;
}

function dataDirs(text: string): string[] {
  const dirs = text
    .split(',')
    .map((dir) => dir.trim())
    .filter((dir) => dir !== '');
  if (dirs.length === 0) {
    throw new MillraceError('log.dirs names no directory', { code: 'INVALID_CONFIG' });
  }
  return [...new Set(dirs)];
}

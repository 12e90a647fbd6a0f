/**
 * The configs of single groups (KIP-848, KIP-932, KIP-1071). Each stands over the broker's config of
 * the same name after `group.`, where there is one: that is its default.
 *
 *     consumer.session.timeout.ms of group g  >  group.consumer.session.timeout.ms of the broker
 *
 * The two of consumer groups are obeyed from the next heartbeat of each member on. Those of share and
 * Streams groups are kept and described only: such groups are not served.
 */

import {
  type ConfigField,
  ConfigTable,
  type ConfigValue,
  formatConfigValue,
  int,
  invalidValueText,
  parseConfigValue,
  string,
} from '../base/config-table.js';
import type { DescribedConfig } from '../log/topic-config.js';
import type { BrokerConfig } from './config.js';

type Texts = Readonly<Record<string, string>>;
type BrokerValues = BrokerConfig['values'];

/** As Java reads it, without signs: P1DT2H3M4.5S. */
const DURATION = /^by_duration:P(?=.)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d{0,9})?S)?)?$/i;

export const groupConfigFields = {
  'consumer.heartbeat.interval.ms': int({
    default: 5000,
    min: 1,
    doc: 'How often members of the consumer group send heartbeats.',
  }),
  'consumer.session.timeout.ms': int({
    default: 45_000,
    min: 1,
    doc: 'After so long without a heartbeat a member of the consumer group is removed.',
  }),
  'share.auto.offset.reset': string({
    default: 'latest',
    check: (text) =>
      text === 'latest' || text === 'earliest' || DURATION.test(text)
        ? null
        : 'the strategy is latest, earliest or by_duration:PnDTnHnMn.nS',
    doc: 'Where a share group begins. Without effect.',
  }),
  'share.heartbeat.interval.ms': int({
    default: 5000,
    min: 1,
    doc: 'How often members of the share group send heartbeats. Without effect.',
  }),
  'share.isolation.level': string({
    default: 'read_uncommitted',
    values: ['read_committed', 'read_uncommitted'],
    doc: 'Whether the share group gets records of aborted transactions. Without effect.',
  }),
  'share.record.lock.duration.ms': int({
    default: 30_000,
    min: 1000,
    doc: 'How long a record is lent to a member of the share group. Without effect.',
  }),
  'share.session.timeout.ms': int({
    default: 45_000,
    min: 1,
    doc: 'After so long without a heartbeat a member of the share group is removed. Without effect.',
  }),
  'streams.heartbeat.interval.ms': int({
    default: 5000,
    min: 1,
    doc: 'How often members of the Streams group send heartbeats. Without effect.',
  }),
  'streams.initial.rebalance.delay.ms': int({
    default: 3000,
    min: 0,
    doc: 'How long the first rebalance of the Streams group waits. Without effect.',
  }),
  'streams.num.standby.replicas': int({
    default: 0,
    min: 0,
    doc: 'Standby replicas of each task of the Streams group. Without effect.',
  }),
  'streams.session.timeout.ms': int({
    default: 45_000,
    min: 1,
    doc: 'After so long without a heartbeat a member of the Streams group is removed. Without effect.',
  }),
};

export type GroupConfigName = keyof typeof groupConfigFields;

export const groupConfigTable = new ConfigTable(groupConfigFields);

/** Broker configs that bound those of groups: least and most. */
const BOUNDS = [
  ['consumer.heartbeat.interval.ms', 'group.consumer.min.heartbeat.interval.ms', null],
  ['consumer.heartbeat.interval.ms', null, 'group.consumer.max.heartbeat.interval.ms'],
  ['consumer.session.timeout.ms', 'group.consumer.min.session.timeout.ms', null],
  ['consumer.session.timeout.ms', null, 'group.consumer.max.session.timeout.ms'],
  ['share.heartbeat.interval.ms', 'group.share.min.heartbeat.interval.ms', null],
  ['share.heartbeat.interval.ms', null, 'group.share.max.heartbeat.interval.ms'],
  ['share.session.timeout.ms', 'group.share.min.session.timeout.ms', null],
  ['share.session.timeout.ms', null, 'group.share.max.session.timeout.ms'],
  ['share.record.lock.duration.ms', 'group.share.min.record.lock.duration.ms', null],
  ['share.record.lock.duration.ms', null, 'group.share.max.record.lock.duration.ms'],
  ['streams.heartbeat.interval.ms', 'group.streams.min.heartbeat.interval.ms', null],
  ['streams.heartbeat.interval.ms', null, 'group.streams.max.heartbeat.interval.ms'],
  ['streams.session.timeout.ms', 'group.streams.min.session.timeout.ms', null],
  ['streams.session.timeout.ms', null, 'group.streams.max.session.timeout.ms'],
  ['streams.num.standby.replicas', null, 'group.streams.max.standby.replicas'],
] as const satisfies readonly (readonly [
  GroupConfigName,
  keyof BrokerValues | null,
  keyof BrokerValues | null,
])[];

/** The value in force; a text that is not good, as another version may have written it, is not. */
export function groupConfigValue<N extends GroupConfigName>(
  name: N,
  configs: Texts,
  values: BrokerValues,
): (typeof groupConfigTable.fields)[N]['default'] {
  const field: ConfigField = groupConfigFields[name];
  const given = configs[name];
  const parsed = given === undefined ? null : parseConfigValue(field, given);
  const value = parsed?.ok === true ? parsed.value : brokerValue(name, values);
  return value as (typeof groupConfigTable.fields)[N]['default'];
}

function brokerValue(name: GroupConfigName, values: BrokerValues): ConfigValue {
  const all: Readonly<Record<string, ConfigValue>> = values;
  return all[`group.${name}`] ?? groupConfigFields[name].default;
}

/** Every config of a group with its value, sorted by name. */
export function describeGroupConfigs(
  configs: Texts,
  values: BrokerValues,
): readonly DescribedConfig[] {
  return (groupConfigTable.names as readonly GroupConfigName[]).map((name) => {
    const field: ConfigField = groupConfigFields[name];
    const value = formatConfigValue(field, groupConfigValue(name, configs, values));
    const source = name in configs ? 'GROUP_CONFIG' : 'DEFAULT_CONFIG';
    const synonyms = [{ name, value, source }] as const;
    return { name, value, source, type: field.type, doc: field.doc, synonyms };
  });
}

/** What is wrong with the configs of a group, in Kafka's words; null: nothing. */
export function groupConfigsProblem(configs: Texts, values: BrokerValues): string | null {
  for (const [name, text] of Object.entries(configs)) {
    const field = groupConfigTable.field(name);
    if (field === undefined) return `Unknown group config name: ${name}`;
    const parsed = parseConfigValue(field, text);
    if (!parsed.ok) return invalidValueText(name, text, parsed);
  }
  return boundsProblem(configs, values);
}

/** Of configs that are good one by one. What was not given is the broker's, and not judged here. */
function boundsProblem(configs: Texts, values: BrokerValues): string | null {
  for (const [name, least, most] of BOUNDS) {
    if (!(name in configs)) continue;
    const value = groupConfigValue(name, configs, values);
    if (least !== null && value < values[least]) {
      return `${name} must be greater than or equal to ${least}`;
    }
    if (most !== null && value > values[most]) {
      return `${name} must be less than or equal to ${most}`;
    }
  }
  for (const kind of ['consumer', 'share', 'streams'] as const) {
    const session = `${kind}.session.timeout.ms` as const;
    const heartbeat = `${kind}.heartbeat.interval.ms` as const;
    if (!(session in configs) && !(heartbeat in configs)) continue;
    const sessionMs = groupConfigValue(session, configs, values);
    if (sessionMs <= groupConfigValue(heartbeat, configs, values)) {
      return `${session} must be greater than ${heartbeat}`;
    }
  }
  return null;
}

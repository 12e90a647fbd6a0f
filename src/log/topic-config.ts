/**
 * LogConfig: what a partition log obeys, derived from the broker's configs and a topic's overrides.
 * Bad overrides are values (INVALID_CONFIG and a message), never throws.
 */

import {
  type ConfigField,
  type ConfigType,
  type ConfigValue,
  type ConfigValuesOf,
  formatConfigValue,
} from '../base/config-table.js';
import type { RecompressOptions } from '../record/recompress-batch.js';
import { storedCodecOf } from './stored-codec.js';
import {
  type brokerLogFields,
  brokerLogTable,
  type TopicConfigName,
  topicConfigSynonyms,
  topicConfigTable,
  topicFields,
} from './topic-config-table.js';

export interface LogConfig {
  readonly cleanupDelete: boolean;
  readonly cleanupCompact: boolean;
  /** Infinity: kept for ever. */
  readonly retentionMs: number;
  /** Infinity: no limit. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  /** max.message.bytes, of a whole batch. */
  readonly messageBytesMax: number;
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime';
  /** LONG_MAX: no limit. */
  readonly timestampBeforeMaxMs: number;
  /** LONG_MAX: no limit. */
  readonly timestampAfterMaxMs: number;
  readonly compressionType: string;
  /** What compression.type makes of a batch; null: it stays as the producer sent it. */
  readonly storedCodec: RecompressOptions | null;
  /** LONG_MAX: never forced. */
  readonly flushMessages: number;
  /** LONG_MAX: never forced. */
  readonly flushMs: number;
  readonly fileDeleteDelayMs: number;
  readonly preallocate: boolean;
  readonly minInsyncReplicas: number;
  readonly uncleanLeaderElection: boolean;
  readonly deleteRetentionMs: number;
  readonly minCleanableDirtyRatio: number;
  readonly compactionLagMinMs: number;
  readonly compactionLagMaxMs: number;
}

/** What the broker's table parsed; a larger table that spreads `brokerLogFields` fits. */
export interface BrokerLogSettings {
  readonly values: ConfigValuesOf<typeof brokerLogFields>;
  /** Texts of the configs that were set, by name. */
  readonly texts: ReadonlyMap<string, string>;
  /** Where they were set, the strongest first; where not given, all are static. */
  readonly layers?: readonly ConfigLayer[];
}

/** Texts that were set in one place. */
export interface ConfigLayer {
  readonly source: ConfigSource;
  readonly texts: ReadonlyMap<string, string>;
}

export type TopicOverrides = ReadonlyMap<string, string>;

export type DerivedLogConfig =
  | { readonly ok: true; readonly config: LogConfig }
  | { readonly ok: false; readonly error: 'INVALID_CONFIG'; readonly message: string };

/** A broker in which nothing is set. */
export const defaultBrokerLogSettings: BrokerLogSettings = brokerLogTable.parse([]);

/** The config of a topic with `overrides` on a broker with `settings`. */
export function deriveLogConfig(
  settings: BrokerLogSettings,
  overrides: TopicOverrides,
): DerivedLogConfig {
  const parsed = topicConfigTable.parse(overrides);
  const unknown = parsed.unknown[0];
  if (unknown !== undefined) return invalid(`Unknown topic config name: ${unknown}`);
  const problem = parsed.problems[0];
  if (problem !== undefined) return invalid(problem.message);
  const values: Record<string, ConfigValue> = { ...parsed.values };
  for (const name of topicConfigTable.names as readonly TopicConfigName[]) {
    if (!parsed.texts.has(name)) values[name] = brokerDefault(settings, name);
  }
  const config = toLogConfig(values as ConfigValuesOf<typeof topicFields>);
  const { compactionLagMinMs: least, compactionLagMaxMs: most } = config;
  if (least > most) {
    return invalid(
      `conflict topic config setting min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`,
    );
  }
  return { ok: true, config };
}

/** The config of a topic without overrides on a broker without settings. */
export const defaultLogConfig: LogConfig = toLogConfig(topicConfigTable.parse([]).values);

/** Longest life of an active segment: what is in it is not compacted, so no longer than that may wait. */
export function segmentMsMax({ cleanupCompact, segmentMs, compactionLagMaxMs }: LogConfig): number {
  return cleanupCompact && compactionLagMaxMs > 0
    ? Math.min(segmentMs, compactionLagMaxMs)
    : segmentMs;
}

export type ConfigSource =
  | 'DYNAMIC_TOPIC_CONFIG'
  | 'DYNAMIC_BROKER_CONFIG'
  | 'DYNAMIC_DEFAULT_BROKER_CONFIG'
  | 'STATIC_BROKER_CONFIG'
  | 'DEFAULT_CONFIG'
  | 'CLIENT_METRICS_CONFIG'
  | 'GROUP_CONFIG';

export interface DescribedSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

/** One line of DescribeConfigs. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly type: ConfigType;
  readonly doc: string;
  /** Every place that gives the value, the one in force first. */
  readonly synonyms: readonly DescribedSynonym[];
}

/** Every topic config with its value and source, sorted by name. */
export function describeTopicConfigs(
  settings: BrokerLogSettings,
  overrides: TopicOverrides,
): readonly DescribedConfig[] {
  return (topicConfigTable.names as readonly TopicConfigName[]).map((name) => {
    const own: ConfigField = topicFields[name];
    const effective = overrides.get(name) ?? textOf(own, brokerDefault(settings, name));
    const synonyms = synonymsOf(settings, overrides, name);
    const source = synonyms[0]?.source ?? 'DEFAULT_CONFIG';
    return { name, value: effective, source, type: own.type, doc: own.doc, synonyms };
  });
}

function synonymsOf(
  settings: BrokerLogSettings,
  overrides: TopicOverrides,
  name: TopicConfigName,
): DescribedSynonym[] {
  const found: DescribedSynonym[] = [];
  const override = overrides.get(name);
  if (override !== undefined) {
    found.push({ name, value: override, source: 'DYNAMIC_TOPIC_CONFIG' });
  }
  const synonyms = topicConfigSynonyms[name];
  const { layers = [{ source: 'STATIC_BROKER_CONFIG', texts: settings.texts }] } = settings;
  for (const { source, texts } of layers) {
    for (const synonym of synonyms) {
      const value = texts.get(synonym.name);
      if (value !== undefined) found.push({ name: synonym.name, value, source });
    }
  }
  for (const synonym of synonyms) {
    const value = brokerLogTable.defaultText(synonym.name);
    if (value !== null) found.push({ name: synonym.name, value, source: 'DEFAULT_CONFIG' });
  }
  if (synonyms.length === 0) {
    found.push({ name, value: topicConfigTable.defaultText(name), source: 'DEFAULT_CONFIG' });
  }
  return found;
}

/** The value of a topic config that the topic does not override. */
function brokerDefault(settings: BrokerLogSettings, name: TopicConfigName): ConfigValue {
  for (const synonym of topicConfigSynonyms[name]) {
    if (!settings.texts.has(synonym.name)) continue;
    const value: ConfigValue = settings.values[synonym.name];
    return typeof value === 'number' && value > 0 ? value * synonym.scale : value;
  }
  return (topicFields[name] as ConfigField).default;
}

function textOf(own: ConfigField, value: ConfigValue): string | null {
  return value === null ? null : formatConfigValue(own, value);
}

function toLogConfig(values: ConfigValuesOf<typeof topicFields>): LogConfig {
  const policy = values['cleanup.policy'];
  const unlimited = (limit: number): number => (limit < 0 ? Number.POSITIVE_INFINITY : limit);
  return {
    cleanupDelete: policy.includes('delete'),
    cleanupCompact: policy.includes('compact'),
    retentionMs: unlimited(values['retention.ms']),
    retentionBytes: unlimited(values['retention.bytes']),
    segmentBytes: values['segment.bytes'],
    segmentMs: values['segment.ms'],
    segmentJitterMs: values['segment.jitter.ms'],
    segmentIndexBytes: values['segment.index.bytes'],
    indexIntervalBytes: values['index.interval.bytes'],
    messageBytesMax: values['max.message.bytes'],
    messageTimestampType:
      values['message.timestamp.type'] === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    timestampBeforeMaxMs: values['message.timestamp.before.max.ms'],
    timestampAfterMaxMs: values['message.timestamp.after.max.ms'],
    compressionType: values['compression.type'],
    storedCodec: storedCodecOf(values['compression.type'], {
      gzip: values['compression.gzip.level'],
      lz4: values['compression.lz4.level'],
      zstd: values['compression.zstd.level'],
    }),
    flushMessages: values['flush.messages'],
    flushMs: values['flush.ms'],
    fileDeleteDelayMs: values['file.delete.delay.ms'],
    preallocate: values.preallocate,
    minInsyncReplicas: values['min.insync.replicas'],
    uncleanLeaderElection: values['unclean.leader.election.enable'],
    deleteRetentionMs: values['delete.retention.ms'],
    minCleanableDirtyRatio: values['min.cleanable.dirty.ratio'],
    compactionLagMinMs: values['min.compaction.lag.ms'],
    compactionLagMaxMs: values['max.compaction.lag.ms'],
  };
}

function invalid(message: string): DerivedLogConfig {
  return { ok: false, error: 'INVALID_CONFIG', message };
}

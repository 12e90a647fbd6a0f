/**
 * The table of topic configs (names, types and defaults of Kafka 4.x), and of the broker configs that
 * give a topic its default. The broker's own table spreads `brokerLogFields` into itself.
 *
 * One deliberate difference: segment.bytes may be tiny (Kafka 4 asks for at least 1 MiB), because
 * tests roll segments with it.
 */

import {
  boolean,
  type ConfigField,
  ConfigTable,
  type ConfigValue,
  double,
  int,
  LONG_MAX,
  list,
  long,
  string,
} from '../base/config-table.js';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

/** Bytes of an empty magic 0 record: the least that Kafka ever allowed. */
const SEGMENT_BYTES_MIN = 14;

function gzipLevelProblem(text: string): string | null {
  return text === '0' ? 'Value must be between 1 and 9 or equal to -1' : null;
}

function throttledReplicasProblem(text: string): string | null {
  return text === '*' || /^\d+:\d+$/.test(text)
    ? null
    : 'must be the literal * or a list of [partitionId]:[brokerId]';
}

export const topicFields = {
  'cleanup.policy': list({
    default: ['delete'],
    values: ['compact', 'delete'],
    doc: 'What happens to old segments: delete drops them after retention.ms or beyond retention.bytes, compact keeps the last record of each key.',
  }),
  'compression.gzip.level': int({
    default: -1,
    min: -1,
    max: 9,
    check: gzipLevelProblem,
    doc: 'Level used when compression.type is gzip: 1 to 9, or -1 for the default.',
  }),
  'compression.lz4.level': int({
    default: 9,
    min: 1,
    max: 17,
    doc: 'Level used when compression.type is lz4.',
  }),
  'compression.type': string({
    default: 'producer',
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    doc: 'How batches are compressed in the log; producer keeps what the producer sent.',
  }),
  'compression.zstd.level': int({
    default: 3,
    min: -131072,
    max: 22,
    doc: 'Level used when compression.type is zstd.',
  }),
  'delete.retention.ms': long({
    default: DAY_MS,
    min: 0,
    doc: 'How long a tombstone stays readable after compaction reached it.',
  }),
  'file.delete.delay.ms': long({
    default: 60_000,
    min: 0,
    doc: 'How long a deleted segment file is kept, renamed, before it is unlinked.',
  }),
  'flush.messages': long({
    default: LONG_MAX,
    min: 1,
    doc: 'Records appended before an fsync is forced; 1 makes every append durable before it is acknowledged.',
  }),
  'flush.ms': long({
    default: LONG_MAX,
    min: 0,
    doc: 'Longest time before an fsync is forced.',
  }),
  'follower.replication.throttled.replicas': list({
    default: [] as readonly string[],
    check: throttledReplicasProblem,
    doc: 'Replicas whose replication is throttled on the follower side: partition:broker pairs, or *.',
  }),
  'index.interval.bytes': int({
    default: 4096,
    min: 0,
    doc: 'Bytes of log between two entries of the offset index.',
  }),
  'leader.replication.throttled.replicas': list({
    default: [] as readonly string[],
    check: throttledReplicasProblem,
    doc: 'Replicas whose replication is throttled on the leader side: partition:broker pairs, or *.',
  }),
  'local.retention.bytes': long({
    default: -2,
    min: -2,
    doc: 'Size kept locally when tiered storage is on; -2 means retention.bytes.',
  }),
  'local.retention.ms': long({
    default: -2,
    min: -2,
    doc: 'Time kept locally when tiered storage is on; -2 means retention.ms.',
  }),
  'max.compaction.lag.ms': long({
    default: LONG_MAX,
    min: 1,
    doc: 'Longest time a record stays ineligible for compaction.',
  }),
  'max.message.bytes': int({
    default: 1_048_588,
    min: 0,
    doc: 'Largest record batch accepted, in bytes with its 12 bytes of framing.',
  }),
  'message.timestamp.after.max.ms': long({
    default: 3_600_000,
    min: 0,
    doc: 'How far a timestamp may be ahead of the broker clock (CreateTime only).',
  }),
  'message.timestamp.before.max.ms': long({
    default: LONG_MAX,
    min: 0,
    doc: 'How far a timestamp may be behind the broker clock (CreateTime only).',
  }),
  'message.timestamp.type': string({
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    doc: 'Whether records keep the timestamp of the producer or get that of the append.',
  }),
  'min.cleanable.dirty.ratio': double({
    default: 0.5,
    min: 0,
    max: 1,
    doc: 'Share of the log that must be uncompacted before compaction runs.',
  }),
  'min.compaction.lag.ms': long({
    default: 0,
    min: 0,
    doc: 'Shortest time a record stays uncompacted.',
  }),
  'min.insync.replicas': int({
    default: 1,
    min: 1,
    doc: 'In-sync replicas that an append with acks=all needs.',
  }),
  preallocate: boolean({
    default: false,
    doc: 'Whether a new segment file is allocated in full at once.',
  }),
  'remote.log.copy.disable': boolean({
    default: false,
    doc: 'Tiered storage: stop copying to the remote tier. Stored and reported only.',
  }),
  'remote.log.delete.on.disable': boolean({
    default: false,
    doc: 'Tiered storage: delete remote data when it is switched off. Stored and reported only.',
  }),
  'remote.storage.enable': boolean({
    default: false,
    doc: 'Tiered storage. Stored and reported only.',
  }),
  'retention.bytes': long({
    default: -1,
    doc: 'Size per partition beyond which the oldest segments are deleted; -1 for no limit.',
  }),
  'retention.ms': long({
    default: WEEK_MS,
    min: -1,
    doc: 'Age beyond which segments are deleted; -1 for no limit.',
  }),
  'segment.bytes': int({
    default: 2 ** 30,
    min: SEGMENT_BYTES_MIN,
    doc: 'Size at which a segment is rolled.',
  }),
  'segment.index.bytes': int({
    default: 10 * 2 ** 20,
    min: 4,
    doc: 'Largest size of an offset index; a full index rolls its segment.',
  }),
  'segment.jitter.ms': long({
    default: 0,
    min: 0,
    doc: 'Upper bound of a random time taken off segment.ms, so that segments do not roll together.',
  }),
  'segment.ms': long({
    default: WEEK_MS,
    min: 1,
    doc: 'Age at which a segment is rolled even if it is not full.',
  }),
  'unclean.leader.election.enable': boolean({
    default: false,
    doc: 'Whether a replica out of sync may become leader. Stored and reported only.',
  }),
};

export const topicConfigTable = new ConfigTable(topicFields);

export type TopicConfigName = keyof typeof topicFields;

/** A broker config that gives a topic config its default, changeable at run time. */
function broker<V extends ConfigValue>(own: ConfigField<V>): ConfigField<V> {
  return { ...own, update: 'cluster-wide' };
}

const UPDATABLE = { update: 'cluster-wide' } as const;

/** Broker configs behind the topic configs; part of the broker's table. */
export const brokerLogFields = {
  'compression.gzip.level': broker(topicFields['compression.gzip.level']),
  'compression.lz4.level': broker(topicFields['compression.lz4.level']),
  'compression.type': broker(topicFields['compression.type']),
  'compression.zstd.level': broker(topicFields['compression.zstd.level']),
  'log.cleaner.delete.retention.ms': broker(topicFields['delete.retention.ms']),
  'log.cleaner.max.compaction.lag.ms': broker(topicFields['max.compaction.lag.ms']),
  'log.cleaner.min.cleanable.ratio': broker(topicFields['min.cleanable.dirty.ratio']),
  'log.cleaner.min.compaction.lag.ms': broker(topicFields['min.compaction.lag.ms']),
  'log.cleanup.policy': broker(topicFields['cleanup.policy']),
  'log.flush.interval.messages': broker(topicFields['flush.messages']),
  'log.flush.interval.ms': long({
    default: null,
    ...UPDATABLE,
    doc: 'Longest time before an fsync is forced; not set: log.flush.scheduler.interval.ms.',
  }),
  'log.flush.scheduler.interval.ms': long({
    default: LONG_MAX,
    doc: 'How often it is checked whether a log needs an fsync.',
  }),
  'log.index.interval.bytes': broker(topicFields['index.interval.bytes']),
  'log.index.size.max.bytes': broker(topicFields['segment.index.bytes']),
  'log.local.retention.bytes': broker(topicFields['local.retention.bytes']),
  'log.local.retention.ms': broker(topicFields['local.retention.ms']),
  'log.message.timestamp.after.max.ms': broker(topicFields['message.timestamp.after.max.ms']),
  'log.message.timestamp.before.max.ms': broker(topicFields['message.timestamp.before.max.ms']),
  'log.message.timestamp.type': broker(topicFields['message.timestamp.type']),
  'log.preallocate': broker(topicFields.preallocate),
  'log.retention.bytes': broker(topicFields['retention.bytes']),
  'log.retention.hours': int({
    default: 168,
    doc: 'Age in hours beyond which segments are deleted; log.retention.minutes and .ms go before.',
  }),
  'log.retention.minutes': int({
    default: null,
    doc: 'Age in minutes beyond which segments are deleted; log.retention.ms goes before.',
  }),
  'log.retention.ms': long({
    default: null,
    ...UPDATABLE,
    doc: 'Age in milliseconds beyond which segments are deleted; not set: log.retention.minutes.',
  }),
  'log.roll.hours': int({
    default: 168,
    min: 1,
    doc: 'Age in hours at which a segment is rolled; log.roll.ms goes before.',
  }),
  'log.roll.jitter.hours': int({
    default: 0,
    min: 0,
    doc: 'Upper bound in hours of the time taken off the roll age; log.roll.jitter.ms goes before.',
  }),
  'log.roll.jitter.ms': long({
    default: null,
    ...UPDATABLE,
    doc: 'Upper bound of the time taken off the roll age; not set: log.roll.jitter.hours.',
  }),
  'log.roll.ms': long({
    default: null,
    ...UPDATABLE,
    doc: 'Age in milliseconds at which a segment is rolled; not set: log.roll.hours.',
  }),
  'log.segment.bytes': broker(topicFields['segment.bytes']),
  'log.segment.delete.delay.ms': broker(topicFields['file.delete.delay.ms']),
  'message.max.bytes': broker(topicFields['max.message.bytes']),
  'min.insync.replicas': broker(topicFields['min.insync.replicas']),
  'unclean.leader.election.enable': broker(topicFields['unclean.leader.election.enable']),
};

export const brokerLogTable = new ConfigTable(brokerLogFields);

export type BrokerLogConfigName = keyof typeof brokerLogFields;

export interface TopicConfigSynonym {
  readonly name: BrokerLogConfigName;
  /** The topic's value is the broker's times this. */
  readonly scale: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function synonym(name: BrokerLogConfigName, scale = 1): TopicConfigSynonym {
  return { name, scale };
}

/** The broker configs asked for a topic's default; the first one that is set wins. */
export const topicConfigSynonyms: Readonly<Record<TopicConfigName, readonly TopicConfigSynonym[]>> =
  {
    'cleanup.policy': [synonym('log.cleanup.policy')],
    'compression.gzip.level': [synonym('compression.gzip.level')],
    'compression.lz4.level': [synonym('compression.lz4.level')],
    'compression.type': [synonym('compression.type')],
    'compression.zstd.level': [synonym('compression.zstd.level')],
    'delete.retention.ms': [synonym('log.cleaner.delete.retention.ms')],
    'file.delete.delay.ms': [synonym('log.segment.delete.delay.ms')],
    'flush.messages': [synonym('log.flush.interval.messages')],
    'flush.ms': [synonym('log.flush.interval.ms'), synonym('log.flush.scheduler.interval.ms')],
    'follower.replication.throttled.replicas': [],
    'index.interval.bytes': [synonym('log.index.interval.bytes')],
    'leader.replication.throttled.replicas': [],
    'local.retention.bytes': [synonym('log.local.retention.bytes')],
    'local.retention.ms': [synonym('log.local.retention.ms')],
    'max.compaction.lag.ms': [synonym('log.cleaner.max.compaction.lag.ms')],
    'max.message.bytes': [synonym('message.max.bytes')],
    'message.timestamp.after.max.ms': [synonym('log.message.timestamp.after.max.ms')],
    'message.timestamp.before.max.ms': [synonym('log.message.timestamp.before.max.ms')],
    'message.timestamp.type': [synonym('log.message.timestamp.type')],
    'min.cleanable.dirty.ratio': [synonym('log.cleaner.min.cleanable.ratio')],
    'min.compaction.lag.ms': [synonym('log.cleaner.min.compaction.lag.ms')],
    'min.insync.replicas': [synonym('min.insync.replicas')],
    preallocate: [synonym('log.preallocate')],
    'remote.log.copy.disable': [],
    'remote.log.delete.on.disable': [],
    'remote.storage.enable': [],
    'retention.bytes': [synonym('log.retention.bytes')],
    'retention.ms': [
      synonym('log.retention.ms'),
      synonym('log.retention.minutes', MINUTE_MS),
      synonym('log.retention.hours', HOUR_MS),
    ],
    'segment.bytes': [synonym('log.segment.bytes')],
    'segment.index.bytes': [synonym('log.index.size.max.bytes')],
    'segment.jitter.ms': [synonym('log.roll.jitter.ms'), synonym('log.roll.jitter.hours', HOUR_MS)],
    'segment.ms': [synonym('log.roll.ms'), synonym('log.roll.hours', HOUR_MS)],
    'unclean.leader.election.enable': [synonym('unclean.leader.election.enable')],
  };

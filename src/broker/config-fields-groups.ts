/** The broker configs of the group coordinator that this broker obeys; part of config-fields.ts. */

import { int, list, long, string } from '../base/config-table.js';

const INT_MAX = 2 ** 31 - 1;
const MIB = 2 ** 20;

export const groupFields = {
  'group.consumer.assignors': list({
    default: ['uniform', 'range'],
    doc: 'Assignors of consumer groups (KIP-848) that members may ask for; the first is taken where they ask for none. There are no others than these two.',
  }),
  'group.consumer.heartbeat.interval.ms': int({
    default: 5000,
    min: 1,
    doc: 'How often members of consumer groups (KIP-848) send heartbeats.',
  }),
  'group.consumer.max.heartbeat.interval.ms': int({
    default: 15_000,
    min: 1,
    doc: 'Longest heartbeat interval of a consumer group (KIP-848).',
  }),
  'group.consumer.max.session.timeout.ms': int({
    default: 60_000,
    min: 1,
    doc: 'Longest session timeout of a consumer group (KIP-848).',
  }),
  'group.consumer.max.size': int({
    default: INT_MAX,
    min: 1,
    doc: 'Most members of a consumer group (KIP-848).',
  }),
  'group.consumer.migration.policy': string({
    default: 'bidirectional',
    check: (text) =>
      ['disabled', 'upgrade', 'downgrade', 'bidirectional'].includes(text.toLowerCase())
        ? null
        : 'a migration policy is disabled, upgrade, downgrade or bidirectional',
    doc: 'Whether a classic group becomes a consumer group (KIP-848) when such a consumer joins it (upgrade), and a classic group again when the last one leaves (downgrade).',
  }),
  'group.consumer.min.heartbeat.interval.ms': int({
    default: 5000,
    min: 1,
    doc: 'Shortest heartbeat interval of a consumer group (KIP-848).',
  }),
  'group.consumer.min.session.timeout.ms': int({
    default: 45_000,
    min: 1,
    doc: 'Shortest session timeout of a consumer group (KIP-848).',
  }),
  'group.consumer.session.timeout.ms': int({
    default: 45_000,
    min: 1,
    doc: 'After so long without a heartbeat a member of a consumer group (KIP-848) is removed.',
  }),
  'group.initial.rebalance.delay.ms': int({
    default: 0,
    min: 0,
    doc: 'How long the first rebalance of an empty group waits for more members. (3000 in Kafka: here a consumer starts at once.)',
  }),
  'group.max.session.timeout.ms': int({
    default: 1_800_000,
    min: 1,
    doc: 'Longest session timeout that a member of a classic group may ask for.',
  }),
  'group.max.size': int({
    default: INT_MAX,
    min: 1,
    doc: 'Most members of a classic group.',
  }),
  'group.min.session.timeout.ms': int({
    default: 6000,
    min: 1,
    doc: 'Shortest session timeout that a member of a classic group may ask for.',
  }),
  'offset.metadata.max.bytes': int({
    default: 4096,
    min: 0,
    importance: 'high',
    doc: 'Largest metadata text of a committed offset.',
  }),
  'offsets.load.buffer.size': int({
    default: 5 * MIB,
    min: 1,
    importance: 'high',
    doc: 'Bytes of one read of the offsets topic at the start; a larger batch is read whole.',
  }),
  'offsets.retention.check.interval.ms': long({
    default: 600_000,
    min: 1,
    importance: 'high',
    doc: 'How often it is checked whether committed offsets have expired.',
  }),
  'offsets.retention.minutes': int({
    default: 10_080,
    min: 1,
    importance: 'high',
    doc: 'How long a committed offset is kept: in a group with members from the time when nobody subscribes to its topic, else from the time when the last member left, or from the commit.',
  }),
  'offsets.topic.compression.codec': int({
    default: 0,
    min: 0,
    max: 4,
    importance: 'high',
    doc: 'Compression of the records of the offsets topic: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
  }),
  'offsets.topic.num.partitions': int({
    default: 1,
    min: 1,
    importance: 'high',
    doc: 'Partitions of __consumer_offsets, when it is made. (50 in Kafka: for many brokers.)',
  }),
  'offsets.topic.segment.bytes': int({
    default: 100 * MIB,
    min: 1,
    importance: 'high',
    doc: 'Segment size of __consumer_offsets, when it is made.',
  }),
};

type ConsumerBounds = Readonly<
  Record<
    `group.consumer.${'' | 'min.' | 'max.'}${'heartbeat.interval' | 'session.timeout'}.ms`,
    number
  >
>;

/** What Kafka refuses to start with. */
export function consumerBoundsProblems(values: ConsumerBounds): string[] {
  const problems: string[] = [];
  for (const name of ['heartbeat.interval', 'session.timeout'] as const) {
    const own = `group.consumer.${name}.ms` as const;
    const min = `group.consumer.min.${name}.ms` as const;
    const max = `group.consumer.max.${name}.ms` as const;
    if (values[max] < values[min]) problems.push(`${max} must be greater than or equal to ${min}`);
    if (values[own] < values[min]) problems.push(`${own} must be greater than or equal to ${min}`);
    if (values[own] > values[max]) problems.push(`${own} must be less than or equal to ${max}`);
  }
  const heartbeat = 'group.consumer.heartbeat.interval.ms';
  const session = 'group.consumer.session.timeout.ms';
  if (values[heartbeat] >= values[session]) {
    problems.push(`${heartbeat} must be less than ${session}`);
  }
  return problems;
}

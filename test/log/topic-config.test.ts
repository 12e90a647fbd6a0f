import t from 'tap';
import {
  defaultBrokerLogSettings,
  defaultLogConfig,
  deriveLogConfig,
  describeTopicConfigs,
} from '#src/log/topic-config.js';
import {
  brokerLogTable,
  topicConfigSynonyms,
  topicConfigTable,
} from '#src/log/topic-config-table.js';
import { topicNameProblem, topicNamesCollide } from '#src/log/topic-name.js';

function derive(overrides: Record<string, string>, broker: Record<string, string> = {}) {
  const settings = brokerLogTable.parse(Object.entries(broker));
  return deriveLogConfig(settings, new Map(Object.entries(overrides)));
}

t.test('the defaults are those of Kafka 4', async (t) => {
  t.match(derive({}), { ok: true, config: defaultLogConfig });
  t.match(defaultLogConfig, {
    cleanupDelete: true,
    cleanupCompact: false,
    retentionMs: 604_800_000,
    retentionBytes: Number.POSITIVE_INFINITY,
    segmentBytes: 1_073_741_824,
    messageBytesMax: 1_048_588,
    timestampAfterMaxMs: 3_600_000,
    fileDeleteDelayMs: 60_000,
  });
  t.equal(topicConfigTable.defaultText('flush.messages'), '9223372036854775807');
  t.equal(topicConfigTable.names.length, Object.keys(topicConfigSynonyms).length);
});

t.test('a topic override goes before the broker, the broker before the default', async (t) => {
  t.match(derive({ 'retention.ms': '5' }, { 'log.retention.ms': '6' }), {
    config: { retentionMs: 5 },
  });
  t.match(derive({}, { 'log.retention.ms': '6', 'log.retention.hours': '1' }), {
    config: { retentionMs: 6 },
  });
  t.match(derive({}, { 'log.retention.minutes': '2', 'log.retention.hours': '1' }), {
    config: { retentionMs: 120_000 },
  });
  t.match(derive({}, { 'log.retention.hours': '1' }), { config: { retentionMs: 3_600_000 } });
  t.match(derive({}, { 'log.retention.hours': '-1' }), {
    config: { retentionMs: Number.POSITIVE_INFINITY },
  });
  t.match(derive({ 'retention.ms': '-1', 'cleanup.policy': 'compact,delete' }), {
    config: { retentionMs: Number.POSITIVE_INFINITY, cleanupCompact: true, cleanupDelete: true },
  });
  t.match(derive({ 'segment.bytes': '100' }), { config: { segmentBytes: 100 } });
});

t.test('bad overrides are INVALID_CONFIG and say why', async (t) => {
  const bad: Record<string, string>[] = [
    { 'no.such.config': '1' },
    { 'segment.bytes': '13' },
    { 'segment.bytes': 'many' },
    { 'cleanup.policy': 'delete,burn' },
    { 'message.timestamp.type': 'createtime' },
    { preallocate: 'yes' },
    { 'min.cleanable.dirty.ratio': '1.1' },
    { 'compression.gzip.level': '0' },
    { 'compression.zstd.level': '23' },
    { 'retention.ms': '-2' },
    { 'flush.messages': '9223372036854775808' },
    { 'leader.replication.throttled.replicas': '1:2,x' },
    { 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '9' },
  ];
  for (const overrides of bad) {
    const name = Object.keys(overrides)[0] as string;
    const derived = derive(overrides);
    t.match(derived, { ok: false, error: 'INVALID_CONFIG' }, JSON.stringify(overrides));
    t.ok(!derived.ok && derived.message.includes(name));
  }
});

t.test('every config is described with its value, source and synonyms', async (t) => {
  const settings = brokerLogTable.parse([['log.roll.hours', '2']]);
  const all = describeTopicConfigs(settings, new Map([['retention.bytes', '77']]));
  t.same(
    all.map(({ name }) => name),
    topicConfigTable.names,
  );
  const of = (name: string) => all.find((entry) => entry.name === name);
  t.match(of('retention.bytes'), {
    value: '77',
    source: 'DYNAMIC_TOPIC_CONFIG',
    type: 'long',
    synonyms: [
      { name: 'retention.bytes', value: '77', source: 'DYNAMIC_TOPIC_CONFIG' },
      { name: 'log.retention.bytes', value: '-1', source: 'DEFAULT_CONFIG' },
    ],
  });
  t.match(of('segment.ms'), {
    value: '7200000',
    source: 'STATIC_BROKER_CONFIG',
    synonyms: [
      { name: 'log.roll.hours', value: '2', source: 'STATIC_BROKER_CONFIG' },
      { name: 'log.roll.hours', value: '168', source: 'DEFAULT_CONFIG' },
    ],
  });
  t.match(of('flush.ms'), { value: '9223372036854775807', source: 'DEFAULT_CONFIG' });
  t.match(of('cleanup.policy'), { value: 'delete', type: 'list' });
  t.match(of('remote.storage.enable'), { value: 'false', source: 'DEFAULT_CONFIG' });
  for (const entry of all) t.ok(entry.doc.length > 0 && entry.value !== null, entry.name);
  t.equal(describeTopicConfigs(defaultBrokerLogSettings, new Map()).length, all.length);
});

t.test('topic names follow the whitelist of Kafka', async (t) => {
  for (const name of ['a', 'A.b_c-9', '...', '__consumer_offsets', 'x'.repeat(249)]) {
    t.equal(topicNameProblem(name), null, name);
  }
  for (const name of ['', '.', '..', 'a b', 'a/b', 'a\\b', 'é', 'a\n', 'x'.repeat(250), 'a\0']) {
    t.type(topicNameProblem(name), 'string', JSON.stringify(name));
  }
  t.equal(topicNamesCollide('a.b', 'a_b'), true);
  t.equal(topicNamesCollide('a.b', 'a.b'), false);
  t.equal(topicNamesCollide('a.b', 'a-b'), false);
});

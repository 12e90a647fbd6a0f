// 200 cases with kafkajs that know nothing of the broker they talk to: KAFKA_BROKERS says where it is.
// test/interop/same-cases.ts runs them against millrace/testing and against Apache Kafka.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import kafkajs from 'kafkajs';

const { CompressionTypes, Kafka, ConfigResourceTypes, logLevel } = kafkajs;

const run = `${process.pid}-${Date.now().toString(36)}`;
const kafka = new Kafka({
  clientId: 'same-cases',
  brokers: process.env.KAFKA_BROKERS.split(','),
  logLevel: logLevel.NOTHING,
  requestTimeout: 30_000,
  retry: { initialRetryTime: 50, retries: 8 },
});
const admin = kafka.admin();
const producer = kafka.producer({ allowAutoTopicCreation: false });
const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });

let count = 0;
/** A name that no other case has. */
const unique = (what) => `${what}-${run}-${++count}`;

/** Kafka answers that a topic is made before it shows it to all, or takes records for it. */
async function served(topic) {
  const client = impatient.admin();
  await client.connect();
  try {
    for (let tries = 1; ; tries++) {
      const failed = await client.fetchTopicOffsets(topic).then(
        () => null,
        (error) => error,
      );
      if (failed === null) return;
      if (tries === 200) throw failed;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  } finally {
    await client.disconnect();
  }
}

/** Asks until the answer is that, for what becomes known a moment later. */
async function eventually(wanted, ask) {
  let found = await ask();
  for (let tries = 0; tries < 200 && found !== wanted; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    found = await ask();
  }
  return found;
}

async function topicOf(options = {}) {
  const topic = unique('topic');
  const { partitions = 1, config = {} } = options;
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  const topics = [{ topic, numPartitions: partitions, configEntries }];
  await admin.createTopics({ waitForLeaders: false, topics });
  await served(topic);
  return topic;
}

/** A client that does not try again what Kafka says may be tried again. */
const impatient = new Kafka({
  brokers: process.env.KAFKA_BROKERS.split(','),
  logLevel: logLevel.NOTHING,
  retry: { retries: 0 },
});

async function once(client, use) {
  await client.connect();
  try {
    return await errorOf(use(client));
  } finally {
    await client.disconnect();
  }
}

/** What went wrong, as Kafka names it; 'none' if nothing did. */
async function errorOf(promise) {
  try {
    await promise;
    return 'none';
  } catch (error) {
    for (let at = error; at !== undefined && at !== null; at = at.cause ?? at.originalError) {
      if (typeof at.type === 'string') return at.type;
      const [inner] = at.errors ?? [];
      if (typeof inner?.type === 'string') return inner.type;
    }
    return error.name;
  }
}

const same = (name, expected, check) =>
  it(name, async () => assert.deepEqual(await check(), expected));

async function offsetsOf(topic) {
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets
    .sort((a, b) => a.partition - b.partition)
    .map(({ low, high }) => `${low}-${high}`)
    .join();
}

const READ_MS_MAX = 40_000;

/** Consumes until there are so many; answers what `view` makes of each, by partition and offset. */
async function read(topic, wanted, view, options = {}) {
  const { groupId = unique('group'), fromBeginning = true, isolation = 1, during } = options;
  const consumer = kafka.consumer({
    groupId,
    readUncommitted: isolation === 0,
    maxWaitTimeInMs: 100,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
  });
  const found = [];
  let settle;
  const enough = new Promise((resolve) => {
    settle = resolve;
  });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning });
  await consumer.run({
    ...options.run,
    eachMessage: async ({ topic: of, partition, message }) => {
      found.push({ ...message, topic: of, partition });
      if (found.length >= wanted) settle();
    },
  });
  let late;
  const tooLate = new Promise((_, reject) => {
    const text = () => `${found.length} of ${wanted} records after ${READ_MS_MAX} ms`;
    late = setTimeout(() => reject(new Error(text())), READ_MS_MAX);
  });
  try {
    await Promise.race([joined, tooLate]);
    await during?.(consumer);
    if (wanted > 0) await Promise.race([enough, tooLate]);
  } finally {
    clearTimeout(late);
    await consumer.disconnect();
  }
  found.sort((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset));
  return found.map(view);
}

const textOf = ({ value }) => (value === null ? null : String(value));
const values = (n, prefix = 'v') =>
  Array.from({ length: n }, (_, i) => ({ value: `${prefix}${i}` }));

async function transactional(use, transactionalId = unique('tx')) {
  const client = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.disconnect();
  }
}

/** Commits an offset of a group without members: faster than admin.setOffsets, which joins the group. */
function commit(groupId, topic, offset) {
  return transactional(async (client) => {
    const tx = await client.transaction();
    const topics = [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }];
    await tx.sendOffsets({ consumerGroupId: groupId, topics });
    await tx.commit();
  });
}

before(() => Promise.all([admin.connect(), producer.connect(), idempotent.connect()]));
after(() => Promise.all([admin.disconnect(), producer.disconnect(), idempotent.disconnect()]));

const together = { concurrency: 4, timeout: 120_000 };

describe('topics', together, () => {
  for (const partitions of [1, 2, 3, 5, 8, 20]) {
    same(`${partitions} partitions, each with a leader`, [partitions, true], async () => {
      const topic = await topicOf({ partitions });
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const found = topics[0].partitions;
      return [found.length, found.every(({ leader, isr }) => isr.includes(leader))];
    });
  }
  const create = (topic, options = {}) =>
    errorOf(admin.createTopics({ waitForLeaders: false, topics: [{ topic, ...options }] }));
  for (const name of ['.', '..', 'a b', 'a/b', 'ä', 'a:b', 'x'.repeat(250), '']) {
    const shown = name.length > 20 ? `${name.length} letters` : JSON.stringify(name);
    same(`no topic is named ${shown}`, 'INVALID_TOPIC_EXCEPTION', () => create(name));
  }
  for (const name of ['A.b', 'a_b', 'a-b', '0', 'x'.repeat(200)]) {
    const shown = name.length > 20 ? `${name.length} letters` : name;
    same(`a topic may be named ${shown}`, 'none', () => create(`${name}${unique('')}`));
  }
  same('a topic is made once', [true, false], async () => {
    const topics = [{ topic: unique('topic') }];
    const make = () => admin.createTopics({ waitForLeaders: false, topics });
    return [await make(), await make()];
  });
  same('more replicas than brokers', 'INVALID_REPLICATION_FACTOR', () =>
    create(unique('topic'), { replicationFactor: 2 }),
  );
  same('no partitions', 'INVALID_PARTITIONS', () => create(unique('topic'), { numPartitions: 0 }));
  same('validated only, it is not made', false, async () => {
    const topic = unique('topic');
    // Not made, it has no leaders to wait for.
    await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics: [{ topic }] });
    return (await admin.listTopics()).includes(topic);
  });
  same('it is listed, and not after it was deleted', [true, false], async () => {
    // A client of its own: others go on asking for a topic that was deleted in between.
    const topic = await topicOf();
    const other = kafka.admin();
    await other.connect();
    const isListed = async () => (await other.listTopics()).includes(topic);
    const listed = await eventually(true, isListed);
    await other.deleteTopics({ topics: [topic] });
    const found = [listed, await eventually(false, isListed)];
    await other.disconnect();
    return found;
  });
  same('what is not there cannot be deleted', 'UNKNOWN_TOPIC_OR_PARTITION', () =>
    once(impatient.admin(), (client) => client.deleteTopics({ topics: [unique('none')] })),
  );
  same('what is not there has no metadata', 'UNKNOWN_TOPIC_OR_PARTITION', () =>
    once(impatient.admin(), (client) => client.fetchTopicOffsets(unique('none'))),
  );
  for (const [from, to, expected] of [
    [1, 3, 'none'],
    [2, 2, 'INVALID_PARTITIONS'],
    [3, 2, 'INVALID_PARTITIONS'],
  ]) {
    same(`partitions from ${from} to ${to}`, expected, async () => {
      const topic = await topicOf({ partitions: from });
      return errorOf(admin.createPartitions({ topicPartitions: [{ topic, count: to }] }));
    });
  }
});

describe('configs', together, () => {
  const describeOne = async (topic, name) => {
    const type = ConfigResourceTypes.TOPIC;
    const resources = [{ type, name: topic, configNames: [name] }];
    const found = await admin.describeConfigs({ includeSynonyms: false, resources });
    const [entry] = found.resources[0].configEntries;
    return [entry.configValue, entry.isDefault];
  };
  for (const [name, value] of [
    ['retention.ms', '60000'],
    ['retention.bytes', '1000000'],
    ['cleanup.policy', 'compact'],
    ['cleanup.policy', 'compact,delete'],
    ['max.message.bytes', '2000000'],
    ['min.insync.replicas', '2'],
    ['segment.bytes', '2097152'],
    ['segment.ms', '3600000'],
    ['compression.type', 'gzip'],
    ['message.timestamp.type', 'LogAppendTime'],
    ['delete.retention.ms', '1000'],
    ['min.cleanable.dirty.ratio', '0.25'],
    ['flush.messages', '1000'],
    ['max.compaction.lag.ms', '100000'],
    ['index.interval.bytes', '8192'],
    ['segment.jitter.ms', '10'],
    ['preallocate', 'true'],
    ['unclean.leader.election.enable', 'true'],
  ]) {
    same(`${name}=${value} is kept`, [value, false], async () =>
      describeOne(await topicOf({ config: { [name]: value } }), name),
    );
  }
  for (const [name, value] of [
    ['cleanup.policy', 'delete'],
    ['min.insync.replicas', '1'],
    ['retention.bytes', '-1'],
    ['segment.ms', '604800000'],
    ['delete.retention.ms', '86400000'],
    ['min.compaction.lag.ms', '0'],
    ['index.interval.bytes', '4096'],
    ['max.message.bytes', '1048588'],
    ['compression.type', 'producer'],
    ['message.timestamp.type', 'CreateTime'],
    ['segment.bytes', '1073741824'],
  ]) {
    same(
      `${name} is ${value} by default`,
      value,
      async () => (await describeOne(await topicOf(), name))[0],
    );
  }
  for (const [name, value] of [
    ['retention.ms', 'soon'],
    ['cleanup.policy', 'forget'],
    ['no.such.config', '1'],
    ['max.message.bytes', '-5'],
    ['compression.type', 'rar'],
    ['min.cleanable.dirty.ratio', '2'],
    ['message.timestamp.type', 'Never'],
    ['segment.bytes', '10'],
    ['retention.ms', '-2'],
    ['min.insync.replicas', '0'],
  ]) {
    same(`${name}=${value} is refused`, 'INVALID_CONFIG', () =>
      errorOf(
        admin.createTopics({
          topics: [{ topic: unique('topic'), configEntries: [{ name, value }] }],
        }),
      ),
    );
  }
  same('a config is altered', ['120000', false], async () => {
    const topic = await topicOf();
    const configEntries = [{ name: 'retention.ms', value: '120000' }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
    return describeOne(topic, 'retention.ms');
  });
  same('a wrong config is not altered', 'INVALID_CONFIG', async () => {
    const topic = await topicOf();
    const configEntries = [{ name: 'retention.ms', value: 'x' }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    return errorOf(admin.alterConfigs({ validateOnly: false, resources }));
  });
});

describe('producing', together, () => {
  for (const acks of [-1, 0, 1]) {
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      same(`acks ${acks}, compression ${compression}`, ['0-3'], async () => {
        const topic = await topicOf();
        // Its partition is there: a record that nobody acknowledges is not sent twice.
        await offsetsOf(topic);
        await producer.send({ topic, acks, compression, messages: values(3) });
        // Without acknowledgement it is there a moment later.
        for (let tries = 0; tries < 100 && (await offsetsOf(topic)) !== '0-3'; tries++);
        return [await offsetsOf(topic)];
      });
    }
  }
  for (const n of [1, 2, 3, 10, 100, 500, 1000]) {
    same(`${n} in one batch have offsets 0 to ${n - 1}`, ['0', `0-${n}`], async () => {
      const topic = await topicOf();
      const [{ baseOffset }] = await producer.send({ topic, messages: values(n) });
      return [baseOffset, await offsetsOf(topic)];
    });
  }
  same('offsets go on from batch to batch', ['0', '2', '5'], async () => {
    const topic = await topicOf();
    const offsets = [];
    for (const n of [2, 3, 1]) {
      const [{ baseOffset }] = await producer.send({ topic, messages: values(n) });
      offsets.push(baseOffset);
    }
    return offsets;
  });
  for (const partition of [0, 1, 2]) {
    same(`to partition ${partition}`, partition, async () => {
      const topic = await topicOf({ partitions: 3 });
      const [answer] = await producer.send({ topic, messages: [{ value: 'v', partition }] });
      return answer.partition;
    });
  }
  for (const key of ['a', 'b', 'hello', '', 'ä', '0', 'key-17', '値', '-', 'x'.repeat(300)]) {
    const shown = key.length > 20 ? `${key.length} letters` : JSON.stringify(key);
    same(`records with the key ${shown} are in one partition`, 1, async () => {
      const topic = await topicOf({ partitions: 4 });
      const messages = [0, 1, 2].map((i) => ({ key, value: String(i) }));
      await producer.send({ topic, messages });
      return (await offsetsOf(topic)).split(',').filter((one) => one === '0-3').length;
    });
  }
  same('several topics in one request', ['0-2', '0-1'], async () => {
    const [a, b] = [await topicOf(), await topicOf()];
    await producer.sendBatch({
      topicMessages: [
        { topic: a, messages: values(2) },
        { topic: b, messages: values(1) },
      ],
    });
    return [await offsetsOf(a), await offsetsOf(b)];
  });
  for (const [bytes, expected] of [
    [500, 'none'],
    [2000, 'MESSAGE_TOO_LARGE'],
    [1_500_000, 'MESSAGE_TOO_LARGE'],
  ]) {
    same(`${bytes} bytes where 1000 are allowed`, expected, async () => {
      const topic = await topicOf({ config: { 'max.message.bytes': '1000' } });
      return errorOf(producer.send({ topic, messages: [{ value: Buffer.alloc(bytes, 97) }] }));
    });
  }
  same('a compacted topic takes no record without a key', 'INVALID_RECORD', async () => {
    const topic = await topicOf({ config: { 'cleanup.policy': 'compact' } });
    return errorOf(producer.send({ topic, messages: [{ value: 'v' }] }));
  });
  same('a compacted topic takes a record with a key', 'none', async () => {
    const topic = await topicOf({ config: { 'cleanup.policy': 'compact' } });
    return errorOf(producer.send({ topic, messages: [{ key: 'k', value: 'v' }] }));
  });
  same('a timestamp far ahead is refused', 'INVALID_TIMESTAMP', async () => {
    const topic = await topicOf();
    const timestamp = String(Date.now() + 48 * 3_600_000);
    return errorOf(producer.send({ topic, messages: [{ value: 'v', timestamp }] }));
  });
  for (const n of [1, 5, 12, 50]) {
    same(`idempotent, ${n} batches`, `0-${n}`, async () => {
      const topic = await topicOf();
      for (let i = 0; i < n; i++) await idempotent.send({ topic, messages: values(1) });
      return offsetsOf(topic);
    });
  }
  same('more replicas in sync than the topic has', 'none', async () => {
    const topic = await topicOf({ config: { 'min.insync.replicas': '2' } });
    const messages = values(1);
    return once(impatient.producer(), (client) => client.send({ topic, acks: -1, messages }));
  });
  same('a topic is made by its first record', true, async () => {
    const topic = unique('made');
    const maker = kafka.producer({ allowAutoTopicCreation: true });
    await maker.connect();
    await maker.send({ topic, messages: values(1) });
    await maker.disconnect();
    return eventually(true, async () => (await admin.listTopics()).includes(topic));
  });
});

describe('what is produced is consumed', together, () => {
  const text = (buffer) => (buffer === null ? null : String(buffer));
  for (const [what, message, expected] of [
    ['a text', { value: 'text' }, [null, 'text']],
    ['a key', { key: 'k', value: 'v' }, ['k', 'v']],
    ['an empty value', { value: '' }, [null, '']],
    ['no value', { key: 'k', value: null }, ['k', null]],
    ['an empty key', { key: '', value: 'v' }, ['', 'v']],
    ['letters of other languages', { key: 'ключ', value: '値' }, ['ключ', '値']],
    ['bytes', { value: Buffer.from([97, 0, 98]) }, [null, 'a\0b']],
    ['a line break', { value: 'a\nb' }, [null, 'a\nb']],
    ['a long key', { key: 'k'.repeat(5000), value: 'v' }, ['k'.repeat(5000), 'v']],
    ['100 kB', { value: 'x'.repeat(100_000) }, [null, 'x'.repeat(100_000)]],
  ]) {
    same(what, [expected], async () => {
      const topic = await topicOf();
      await producer.send({ topic, messages: [message] });
      return read(topic, 1, ({ key, value }) => [text(key), text(value)]);
    });
  }
  const headersOf = ({ headers }) =>
    Object.entries(headers).map(([name, value]) => [name, [value].flat().map(String)]);
  for (const [what, headers, expected] of [
    ['no header', {}, []],
    ['a header', { a: '1' }, [['a', ['1']]]],
    [
      'several headers',
      { a: '1', b: '2' },
      [
        ['a', ['1']],
        ['b', ['2']],
      ],
    ],
    ['a header twice', { a: ['1', '2'] }, [['a', ['1', '2']]]],
    ['a long header', { a: 'x'.repeat(2000) }, [['a', ['x'.repeat(2000)]]]],
    ['an empty header', { a: '' }, [['a', ['']]]],
    ['bytes in a header', { a: Buffer.from('x') }, [['a', ['x']]]],
  ]) {
    same(what, [expected], async () => {
      const topic = await topicOf();
      await producer.send({ topic, messages: [{ value: 'v', headers }] });
      return read(topic, 1, headersOf);
    });
  }
  for (const timestamp of ['1500000000000', '1', '0', '1600000000123']) {
    same(`the timestamp ${timestamp}`, [timestamp], async () => {
      const topic = await topicOf();
      await producer.send({ topic, messages: [{ value: 'v', timestamp }] });
      return read(topic, 1, (message) => message.timestamp);
    });
  }
  same('the time of the append, where the topic says so', [true], async () => {
    const topic = await topicOf({ config: { 'message.timestamp.type': 'LogAppendTime' } });
    await producer.send({ topic, messages: [{ value: 'v', timestamp: '1' }] });
    return read(topic, 1, ({ timestamp }) => Number(timestamp) > 1_000_000_000_000);
  });
  for (const [n, partitions] of [
    [1, 1],
    [10, 1],
    [100, 1],
    [1000, 1],
    [30, 3],
    [500, 5],
  ]) {
    const expected = values(n)
      .map(({ value }) => value)
      .sort();
    same(`${n} records in ${partitions} partitions`, expected, async () => {
      const topic = await topicOf({ partitions });
      await producer.send({ topic, messages: values(n) });
      return (await read(topic, n, textOf)).sort();
    });
  }
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    same(`compression ${compression}, 200 records`, 200, async () => {
      const topic = await topicOf();
      await producer.send({ topic, compression, messages: values(200) });
      return (await read(topic, 200, textOf)).length;
    });
  }
});

describe('groups', together, () => {
  same('from the end only what comes later', ['later'], async () => {
    const topic = await topicOf();
    await producer.send({ topic, messages: values(3) });
    const groupId = unique('group');
    // A committed offset makes the end a fixed place.
    await commit(groupId, topic, 3);
    await producer.send({ topic, messages: [{ value: 'later' }] });
    return read(topic, 1, textOf, { groupId, fromBeginning: false });
  });
  for (const n of [1, 2, 4, 7, 9]) {
    same(`after ${n} of 10 were committed the rest is read`, 10 - n, async () => {
      const topic = await topicOf();
      const groupId = unique('group');
      await producer.send({ topic, messages: values(10) });
      await commit(groupId, topic, n);
      return (await read(topic, 10 - n, textOf, { groupId })).length;
    });
  }
  same('what was read is committed when the consumer leaves', '5', async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    await producer.send({ topic, messages: values(5) });
    await read(topic, 5, textOf, { groupId });
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return found.partitions[0].offset;
  });
  same('without commits there is no offset', '-1', async () => {
    const topic = await topicOf();
    const [found] = await admin.fetchOffsets({ groupId: unique('group'), topics: [topic] });
    return found.partitions[0].offset;
  });
  same('offsets of two groups are their own', ['2', '5'], async () => {
    const topic = await topicOf();
    const groups = [unique('group'), unique('group')];
    await commit(groups[0], topic, 2);
    await commit(groups[1], topic, 5);
    const found = [];
    for (const groupId of groups) {
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
      found.push(partitions[0].offset);
    }
    return found;
  });
  same('an offset beyond the end begins at the start', 3, async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    await producer.send({ topic, messages: values(3) });
    await commit(groupId, topic, 99);
    return (await read(topic, 3, textOf, { groupId })).length;
  });
  for (const offset of [0, 1, 3, 6, 7]) {
    same(`it seeks to ${offset}`, `v${offset}`, async () => {
      const topic = await topicOf();
      await producer.send({ topic, messages: values(8) });
      const groupId = unique('group');
      await commit(groupId, topic, 8);
      const during = (consumer) => consumer.seek({ topic, partition: 0, offset: String(offset) });
      return (await read(topic, 8 - offset, textOf, { groupId, during }))[0];
    });
  }
  same('while it runs it is stable and has a member', ['Stable', 1, 'consumer'], async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    let found;
    const during = async () => {
      const { groups } = await admin.describeGroups([groupId]);
      found = [groups[0].state, groups[0].members.length, groups[0].protocolType];
    };
    await read(topic, 0, textOf, { groupId, during });
    return found;
  });
  same('afterwards it is empty', ['Empty', 0], async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    await producer.send({ topic, messages: values(1) });
    await read(topic, 1, textOf, { groupId });
    const { groups } = await admin.describeGroups([groupId]);
    return [groups[0].state, groups[0].members.length];
  });
  same('one that never was is dead', 'Dead', async () => {
    const { groups } = await admin.describeGroups([unique('group')]);
    return groups[0].state;
  });
  same('it is listed, and not after it was deleted', [true, false], async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    await producer.send({ topic, messages: values(1) });
    await read(topic, 1, textOf, { groupId });
    const listed = async () =>
      (await admin.listGroups()).groups.some((group) => group.groupId === groupId);
    const before = await listed();
    await admin.deleteGroups([groupId]);
    return [before, await listed()];
  });
  same('one that never was cannot be deleted', 'GROUP_ID_NOT_FOUND', () =>
    errorOf(deleteGroup(unique('group'))),
  );
  same('one with a member cannot be deleted', 'NON_EMPTY_GROUP', async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    let found;
    const during = async () => {
      found = await errorOf(deleteGroup(groupId));
    };
    await read(topic, 0, textOf, { groupId, during });
    return found;
  });
  same('offsets of one with a member cannot be set', 'KafkaJSNonRetriableError', async () => {
    const topic = await topicOf();
    const groupId = unique('group');
    let found;
    const during = async () => {
      const partitions = [{ partition: 0, offset: '0' }];
      found = await admin.setOffsets({ groupId, topic, partitions }).catch((error) => error.name);
    };
    await read(topic, 0, textOf, { groupId, during });
    return found;
  });
  same('two groups read the same', [3, 3], async () => {
    const topic = await topicOf();
    await producer.send({ topic, messages: values(3) });
    const both = await Promise.all([read(topic, 3, textOf), read(topic, 3, textOf)]);
    return both.map((one) => one.length);
  });
  same('two topics by an expression', ['a', 'b'], async () => {
    const prefix = unique('many');
    const topics = ['one', 'two'].map((end) => `${prefix}.${end}`);
    const made = topics.map((topic) => ({ topic }));
    await admin.createTopics({ waitForLeaders: false, topics: made });
    for (const topic of topics) await served(topic);
    await producer.send({ topic: topics[0], messages: [{ value: 'a' }] });
    await producer.send({ topic: topics[1], messages: [{ value: 'b' }] });
    const pattern = new RegExp(`^${prefix}\\.`);
    return (await read(pattern, 2, textOf)).sort();
  });
  for (const n of [1, 2, 3]) {
    same(`${n} partitions read side by side`, 20 * n, async () => {
      const topic = await topicOf({ partitions: n });
      const messages = Array.from({ length: 20 * n }, (_, i) => ({ value: 'v', partition: i % n }));
      await producer.send({ topic, messages });
      const options = { run: { partitionsConsumedConcurrently: n } };
      return (await read(topic, 20 * n, textOf, options)).length;
    });
  }
});

async function deleteGroup(groupId) {
  const [failed] =
    (await admin.deleteGroups([groupId]).catch((error) => error.groups ?? [error])) ?? [];
  if (failed?.error !== undefined) throw failed.error;
}

async function deleteBefore(topic, offset) {
  // It deletes of topics alone whose leaders it has asked for.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
}

describe('offsets and deleted records', together, () => {
  for (const n of [0, 1, 12, 250]) {
    same(`the end after ${n} records`, `0-${n}`, async () => {
      const topic = await topicOf();
      if (n > 0) await producer.send({ topic, messages: values(n) });
      return offsetsOf(topic);
    });
  }
  for (const [at, expected] of [
    [0, '0'],
    [1000, '0'],
    [1001, '1'],
    [2000, '1'],
    [1501, '1'],
    [2001, '3'],
  ]) {
    same(`the offset of the time ${at}`, expected, async () => {
      const topic = await topicOf();
      const messages = [1000, 2000, 1500].map((ms) => ({ value: 'v', timestamp: String(ms) }));
      await producer.send({ topic, messages });
      const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, at);
      return found.offset;
    });
  }
  for (const offset of [1, 2, 4, 5]) {
    same(`records before ${offset} of 5 are deleted`, `${offset}-5`, async () => {
      const topic = await topicOf();
      await producer.send({ topic, messages: values(5) });
      await deleteBefore(topic, String(offset));
      return offsetsOf(topic);
    });
  }
  same('what is deleted is not read', ['v3', 'v4'], async () => {
    const topic = await topicOf();
    await producer.send({ topic, messages: values(5) });
    await deleteBefore(topic, '3');
    return read(topic, 2, textOf);
  });
  same('more than there is cannot be deleted', 'KafkaJSNonRetriableError', async () => {
    const topic = await topicOf();
    return errorOf(deleteBefore(topic, '7'));
  });
});

describe('transactions', together, () => {
  for (const n of [1, 2, 3, 20, 100]) {
    same(`${n} committed records are read`, n, async () => {
      const topic = await topicOf();
      await transactional(async (client) => {
        const tx = await client.transaction();
        await tx.send({ topic, messages: values(n) });
        await tx.commit();
      });
      return (await read(topic, n, textOf)).length;
    });
  }
  same('aborted records are not read', ['after'], async () => {
    const topic = await topicOf();
    await transactional(async (client) => {
      const tx = await client.transaction();
      await tx.send({ topic, messages: values(3) });
      await tx.abort();
    });
    await producer.send({ topic, messages: [{ value: 'after' }] });
    return read(topic, 1, textOf);
  });
  same('aborted records are read by who wants them', ['v0', 'v1', 'after'], async () => {
    const topic = await topicOf();
    await transactional(async (client) => {
      const tx = await client.transaction();
      await tx.send({ topic, messages: values(2) });
      await tx.abort();
    });
    await producer.send({ topic, messages: [{ value: 'after' }] });
    return read(topic, 3, textOf, { isolation: 0 });
  });
  for (const ends of [
    ['commit', 'abort'],
    ['abort', 'commit'],
    ['commit', 'commit', 'abort'],
  ]) {
    const expected = ends.flatMap((end, i) => (end === 'commit' ? [`${i}`] : []));
    same(`one after another: ${ends.join(', ')}`, expected, async () => {
      const topic = await topicOf();
      await transactional(async (client) => {
        for (const [i, end] of ends.entries()) {
          const tx = await client.transaction();
          await tx.send({ topic, messages: [{ value: String(i) }] });
          await tx[end]();
        }
      });
      return read(topic, expected.length, textOf);
    });
  }
  same('two topics in one', [1, 1], async () => {
    const topics = [await topicOf(), await topicOf()];
    await transactional(async (client) => {
      const tx = await client.transaction();
      for (const topic of topics) await tx.send({ topic, messages: values(1) });
      await tx.commit();
    });
    const found = [];
    for (const topic of topics) found.push((await read(topic, 1, textOf)).length);
    return found;
  });
  for (const [end, expected] of [
    ['commit', '2'],
    ['abort', '-1'],
  ]) {
    same(`offsets in a transaction: ${end}`, expected, async () => {
      const topic = await topicOf();
      const groupId = unique('group');
      await transactional(async (client) => {
        const tx = await client.transaction();
        const partitions = [{ partition: 0, offset: '2' }];
        await tx.sendOffsets({ consumerGroupId: groupId, topics: [{ topic, partitions }] });
        await tx[end]();
      });
      const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return found.partitions[0].offset;
    });
  }
  same('markers take offsets', '0-3', async () => {
    const topic = await topicOf();
    await transactional(async (client) => {
      const tx = await client.transaction();
      await tx.send({ topic, messages: values(2) });
      await tx.commit();
    });
    return offsetsOf(topic);
  });
  same('a later producer of the same id fences the first', 'INVALID_PRODUCER_EPOCH', async () => {
    const topic = await topicOf();
    const id = unique('tx');
    return transactional(async (first) => {
      const tx = await first.transaction();
      await tx.send({ topic, messages: values(1) });
      await transactional(async (second) => {
        const other = await second.transaction();
        await other.send({ topic, messages: values(1) });
        await other.commit();
      }, id);
      return errorOf(tx.send({ topic, messages: values(1) }));
    }, id);
  });
});

describe('the cluster', together, () => {
  same('has one broker, which is the controller', [1, true], async () => {
    const { brokers, controller } = await admin.describeCluster();
    return [brokers.length, brokers.some(({ nodeId }) => nodeId === controller)];
  });
  same('has an id', true, async () => (await admin.describeCluster()).clusterId.length > 10);
});

// kafkajs 2.2.4. It has no consumer without a group, so fetching goes through its cluster and broker objects.

import { createRequire } from 'node:module';
import { init, compress as zstdCompress, decompress as zstdDecompress } from '@bokuweb/zstd-wasm';
import kafkajs from 'kafkajs';
import snappyCodec from 'kafkajs-snappy';
import lz4 from 'lz4-napi';
import { main } from '../common.mjs';

const require = createRequire(import.meta.url);
const Cluster = require('kafkajs/src/cluster');
const createSocketFactory = require('kafkajs/src/network/socketFactory');
const { createLogger, LEVELS } = require('kafkajs/src/loggers');
const createLogCreator = require('kafkajs/src/loggers/console');

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
const codecs = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
CompressionCodecs[CompressionTypes.Snappy] = snappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4.compressFrameSync(encoder.buffer),
  decompress: async (buffer) => lz4.decompressFrameSync(buffer),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstdCompress(encoder.buffer)),
  decompress: async (buffer) =>
    Buffer.from(zstdDecompress(buffer, { defaultHeapSize: 16 * 1024 * 1024 })),
});
await init();

const brokers = [process.env.BOOTSTRAP];
const retry = { retries: 5, initialRetryTime: 200 };
const kafka = new Kafka({ brokers, clientId: 'interop', logLevel: logLevel.NOTHING, retry });
const opened = [];

async function open(part, close = 'disconnect') {
  await part.connect();
  opened.push(() => part[close]());
  return part;
}

const admin = () => open(kafka.admin());

async function fetchLoop(topic, from, count, onRecord) {
  const logger = createLogger({ level: LEVELS.NOTHING, logCreator: createLogCreator });
  const socketFactory = createSocketFactory();
  const cluster = await open(
    new Cluster({
      logger,
      socketFactory,
      brokers,
      clientId: 'interop',
      retry,
      connectionTimeout: 5000,
    }),
  );
  await cluster.addTargetTopic(topic);
  const [{ leader }] = cluster.findTopicPartitionMetadata(topic);
  const broker = await cluster.findBroker({ nodeId: leader });
  for (let left = count, offset = from; left > 0; ) {
    const partitions = [{ partition: 0, fetchOffset: String(offset), maxBytes: 4 * 1024 * 1024 }];
    const { responses } = await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      isolationLevel: 0,
      topics: [{ topic, partitions }],
    });
    for (const message of responses[0].partitions[0].messages) {
      // A batch comes whole, also when the offset lies inside it.
      if (Number(message.offset) < offset || left === 0 || message.isControlRecord) continue;
      await onRecord({ ...message, headers: headerPairs(message.headers) });
      offset = Number(message.offset) + 1;
      left--;
    }
  }
}

function headerPairs(headers) {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, one]),
  );
}

function headerObject(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  return headers;
}

async function offset(topic, at) {
  if (at.timestamp !== undefined) {
    const [found] = await (await admin()).fetchTopicOffsetsByTimestamp(topic, at.timestamp);
    return found.offset;
  }
  const [found] = await (await admin()).fetchTopicOffsets(topic);
  return at.offset === 'earliest' ? found.low : found.high;
}

await main({
  version: () => require('kafkajs/package.json').version,
  async metadata() {
    const client = await admin();
    const { brokers: nodes, controller } = await client.describeCluster();
    const { topics } = await client.fetchTopicMetadata();
    return {
      brokers: nodes.map(({ host, port }) => `${host}:${port}`),
      controller: nodes.some((node) => node.nodeId === controller),
      topics: Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions.length])),
    };
  },
  async create(topic, numPartitions, configs) {
    const configEntries = configs.map(([name, value]) => ({ name, value }));
    const client = await admin();
    const topics = [{ topic, numPartitions, configEntries }];
    // kafkajs answers false where the broker answers that the topic exists.
    if (await client.createTopics({ topics })) return;
    throw Object.assign(new Error('TOPIC_ALREADY_EXISTS'), { code: 36 });
  },
  remove: async (topic) => (await admin()).deleteTopics({ topics: [topic] }),
  async configs(topic) {
    const { resources } = await (await admin()).describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const [{ configEntries }] = resources;
    return Object.fromEntries(configEntries.map((entry) => [entry.configName, entry.configValue]));
  },
  async produce(topic, records, { codec, idempotent }) {
    const producer = await open(
      kafka.producer({ idempotent, maxInFlightRequests: 1, createPartitioner: () => () => 0 }),
    );
    const messages = records.map((record) => ({
      ...record,
      headers: headerObject(record.headers),
      timestamp: record.timestamp === undefined ? undefined : String(record.timestamp),
      partition: 0,
    }));
    await producer.send({ topic, messages, acks: -1, compression: codecs[codec] });
  },
  async consume(topic, from, count, onRecord) {
    const start = typeof from.offset === 'number' ? from.offset : Number(await offset(topic, from));
    await fetchLoop(topic, start, count, onRecord);
  },
  async transactional(transactionalId) {
    const producer = await open(
      kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 }),
    );
    let transaction;
    return {
      begin: async () => {
        transaction = await producer.transaction();
      },
      send: (topic, value) => transaction.send({ topic, messages: [{ value, partition: 0 }] }),
      offsets: (consumerGroupId, topic, at) =>
        transaction.sendOffsets({
          consumerGroupId,
          topics: [{ topic, partitions: [{ partition: 0, offset: String(at) }] }],
        }),
      commit: () => transaction.commit(),
      abort: () => transaction.abort(),
    };
  },
  async readCommitted(topic, count) {
    const consumer = await open(
      kafka.consumer({ groupId: `${topic}-read`, readUncommitted: false, maxWaitTimeInMs: 100 }),
    );
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = [];
    await new Promise((resolve) => {
      const eachMessage = async ({ message }) => {
        values.push(String(message.value));
        if (values.length === count) resolve();
      };
      consumer.run({ eachMessage });
    });
    return values;
  },
  async steered(topic, groupId, onRecord) {
    const consumer = await open(kafka.consumer({ groupId, maxWaitTimeInMs: 100 }));
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => onRecord(partition, Number(message.offset)),
    });
    return {
      pause: (partitions) => consumer.pause([{ topic, partitions }]),
      resume: (partitions) => consumer.resume([{ topic, partitions }]),
      seek(partitions, to) {
        for (const partition of partitions) consumer.seek({ topic, partition, offset: String(to) });
      },
      close: () => {},
    };
  },
  createPartitions: async (topic, count) =>
    (await admin()).createPartitions({ topicPartitions: [{ topic, count }] }),
  alter: async (topic, name, value) =>
    (await admin()).alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] },
      ],
    }),
  async deleteRecords(topic, before) {
    const client = await admin();
    // It has the leaders of topics only that it has been asked about in this way.
    await client.fetchTopicOffsets(topic);
    const partitions = [{ partition: 0, offset: String(before) }];
    await client.deleteTopicRecords({ topic, partitions });
  },
  groups: async () => (await (await admin()).listGroups()).groups.map(({ groupId }) => groupId),
  groupState: async (group) => (await (await admin()).describeGroups([group])).groups[0].state,
  deleteGroup: async (group) => (await admin()).deleteGroups([group]),
  offset,
  close: async () => {
    for (const close of opened.reverse()) await close();
  },
  errorCode: (error) => {
    for (
      let cause = error;
      cause;
      cause = cause.cause ?? cause.originalError ?? cause.errors?.[0]
    ) {
      if (typeof cause.code === 'number') return cause.code;
    }
    return undefined;
  },
});

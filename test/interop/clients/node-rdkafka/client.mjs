// node-rdkafka: librdkafka 2.12 by assign(). It has no call that describes configs.

import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import kafka from 'node-rdkafka';
import { main } from '../common.mjs';

const common = { 'bootstrap.servers': process.env.BOOTSTRAP, 'client.id': 'interop' };
const TIMEOUT_MS = 20_000;
const opened = [];

async function open(client) {
  await promisify(client.connect.bind(client))({ allTopics: false, timeout: TIMEOUT_MS });
  opened.push(() => promisify(client.disconnect.bind(client))());
  return client;
}

function admin() {
  const client = kafka.AdminClient.create(common);
  opened.push(() => client.disconnect());
  return client;
}

const consumer = (more = {}) =>
  open(
    new kafka.KafkaConsumer(
      {
        ...common,
        'group.id': 'none',
        'enable.auto.commit': false,
        'enable.partition.eof': false,
        'isolation.level': 'read_uncommitted',
        'fetch.wait.max.ms': 100,
        'check.crcs': true,
        'queued.max.messages.kbytes': 32 * 1024,
        // Not a second's rest whenever 100,000 records wait.
        'fetch.queue.backoff.ms': 10,
        ...more,
      },
      { 'auto.offset.reset': 'error' },
    ),
  );

async function offset(topic, at, client) {
  const using = client ?? (await consumer());
  if (at.timestamp !== undefined) {
    const asked = [{ topic, partition: 0, offset: at.timestamp }];
    const [found] = await promisify(using.offsetsForTimes.bind(using))(asked, TIMEOUT_MS);
    return found.offset;
  }
  const query = promisify(using.queryWatermarkOffsets.bind(using));
  const { lowOffset, highOffset } = await query(topic, 0, TIMEOUT_MS);
  return at.offset === 'earliest' ? lowOffset : highOffset;
}

await main({
  version: () => {
    const { version } = createRequire(import.meta.url)('node-rdkafka/package.json');
    return `${version} (librdkafka ${kafka.librdkafkaVersion})`;
  },
  async metadata() {
    const client = await consumer();
    const found = await promisify(client.getMetadata.bind(client))({
      allTopics: true,
      timeout: TIMEOUT_MS,
    });
    return {
      brokers: found.brokers.map(({ host, port }) => `${host}:${port}`),
      topics: Object.fromEntries(found.topics.map((one) => [one.name, one.partitions.length])),
    };
  },
  async create(topic, num_partitions, configs) {
    const client = admin();
    await promisify(client.createTopic.bind(client))(
      { topic, num_partitions, replication_factor: 1, config: Object.fromEntries(configs) },
      TIMEOUT_MS,
    );
  },
  async remove(topic) {
    const client = admin();
    await promisify(client.deleteTopic.bind(client))(topic, TIMEOUT_MS);
  },
  async produce(topic, records, { codec, idempotent }) {
    const producer = new kafka.Producer(
      {
        ...common,
        dr_cb: true,
        'enable.idempotence': idempotent,
        'compression.codec': codec,
        'linger.ms': 500,
        'message.max.bytes': 10_000_000,
        'message.timeout.ms': TIMEOUT_MS,
      },
      { 'request.required.acks': -1 },
    );
    await open(producer);
    producer.setPollInterval(20);
    let left = records.length;
    const delivered = new Promise((resolve, reject) => {
      producer.on('delivery-report', (error) => {
        left--;
        if (error) reject(error);
        else if (left === 0) resolve();
      });
    });
    for (const { key, value, headers, timestamp } of records) {
      const named = headers.map(([name, content]) => ({ [name]: content }));
      producer.produce(topic, 0, value, key, timestamp ?? Date.now(), null, named);
    }
    await delivered;
  },
  async consume(topic, from, count, onRecord) {
    const client = await consumer();
    const start = typeof from.offset === 'number' ? from.offset : await offset(topic, from, client);
    client.assign([{ topic, partition: 0, offset: start }]);
    const consume = promisify(client.consume.bind(client));
    client.setDefaultConsumeTimeout(100);
    for (let left = count; left > 0; ) {
      for (const { headers = [], ...record } of await consume(Math.min(left, 10_000))) {
        await onRecord({ ...record, headers: headers.flatMap((pair) => Object.entries(pair)) });
        left--;
      }
    }
  },
  async transactional(id) {
    const producer = new kafka.Producer({ ...common, 'transactional.id': id, 'linger.ms': 0 });
    await open(producer);
    producer.setPollInterval(20);
    const call = (name, ...args) => promisify(producer[name].bind(producer))(...args, TIMEOUT_MS);
    await call('initTransactions');
    return {
      begin: () => promisify(producer.beginTransaction.bind(producer))(),
      send: async (topic, value) => {
        producer.produce(topic, 0, Buffer.from(value));
        // An abort drops what has not left yet, and there would be nothing to abort.
        await call('flush');
      },
      offsets: async (group, topic, at) => {
        const owner = await consumer({ 'group.id': group });
        await call('sendOffsetsToTransaction', [{ topic, partition: 0, offset: at }], owner);
      },
      commit: () => call('commitTransaction'),
      abort: () => call('abortTransaction'),
    };
  },
  async readCommitted(topic, count) {
    const client = await consumer({ 'isolation.level': 'read_committed' });
    client.assign([{ topic, partition: 0, offset: 0 }]);
    client.setDefaultConsumeTimeout(100);
    const values = [];
    while (values.length < count) {
      const read = await promisify(client.consume.bind(client))(count);
      values.push(...read.map(({ value }) => String(value)));
    }
    return values;
  },
  async steered(topic, group, onRecord) {
    const settings = { 'group.id': group, 'enable.auto.commit': false, 'fetch.wait.max.ms': 100 };
    const reader = await open(
      new kafka.KafkaConsumer({ ...common, ...settings }, { 'auto.offset.reset': 'earliest' }),
    );
    reader.on('data', ({ partition, offset: at }) => onRecord(partition, at));
    reader.subscribe([topic]);
    reader.consume();
    const all = (partitions) => partitions.map((partition) => ({ topic, partition }));
    return {
      pause: (partitions) => reader.pause(all(partitions)),
      resume: (partitions) => reader.resume(all(partitions)),
      async seek(partitions, to) {
        const seek = promisify(reader.seek.bind(reader));
        for (const one of all(partitions)) await seek({ ...one, offset: to }, TIMEOUT_MS);
      },
      close: () => {},
    };
  },
  async createPartitions(topic, count) {
    const client = admin();
    await promisify(client.createPartitions.bind(client))(topic, count, TIMEOUT_MS);
  },
  offset: (topic, at) => offset(topic, at),
  close: async () => {
    for (const close of opened.reverse()) await close();
  },
  // librdkafka's codes are Kafka's where they are positive; a delivery report has only the text.
  errorCode: (error) => (/message size too large/i.test(error.message) ? 10 : error.code),
});

// @platformatic/kafka in two versions. Consumer.fetch needs no group; it answers batches as they come.

import { readFileSync } from 'node:fs';
import { main } from '../common.mjs';

/** `library`: what the package exports; `packageJson`: where its version stands. */
export async function program({ Admin, Consumer, Producer }, packageJson) {
  const options = {
    clientId: 'interop',
    bootstrapBrokers: [process.env.BOOTSTRAP],
    retries: 3,
    timeout: 30_000,
  };
  const opened = [];

  function open(client) {
    opened.push(client);
    return client;
  }

  const admin = () => open(new Admin(options));
  const consumer = () => open(new Consumer({ ...options, groupId: 'none', maxWaitTime: 500 }));

  async function offset(topic, at) {
    const wanted = { earliest: -2, latest: -1, 'max-timestamp': -3 }[at.offset] ?? at.timestamp;
    const found = await consumer().listOffsetsWithTimestamps({
      topics: [topic],
      partitions: { [topic]: [0] },
      timestamp: BigInt(wanted),
    });
    return found.get(topic).get(0).offset;
  }

  await main({
    version: () => JSON.parse(readFileSync(packageJson)).version,
    async metadata() {
      const client = admin();
      const topics = await client.listTopics();
      const found = await client.metadata({ topics });
      const nodes = [...found.brokers.values()];
      return {
        brokers: nodes.map(({ host, port }) => `${host}:${port}`),
        controller: found.brokers.has(found.controllerId),
        topics: Object.fromEntries(
          topics.map((name) => [name, found.topics.get(name).partitionsCount]),
        ),
      };
    },
    async create(topic, partitions, configs) {
      await admin().createTopics({
        topics: [topic],
        partitions,
        replicas: 1,
        configs: configs.map(([name, value]) => ({ name, value })),
      });
    },
    remove: (topic) => admin().deleteTopics({ topics: [topic] }),
    async configs(topic) {
      const [found] = await admin().describeConfigs({
        resources: [{ resourceType: 2, resourceName: topic, configurationKeys: null }],
      });
      return Object.fromEntries(found.configs.map(({ name, value }) => [name, value]));
    },
    async produce(topic, records, { codec, idempotent }) {
      const producer = open(new Producer({ ...options, autocreateTopics: true }));
      const messages = records.map(({ key, value, headers, timestamp }) => ({
        topic,
        partition: 0,
        ...(key === null ? {} : { key }),
        ...(value === null ? {} : { value }),
        ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
        headers: new Map(headers.map(([name, content]) => [Buffer.from(name), content])),
      }));
      await producer.send({ messages, acks: -1, compression: codec, idempotent });
    },
    async consume(topic, from, count, onRecord) {
      const client = consumer();
      const { id, partitions } = (await client.metadata({ topics: [topic] })).topics.get(topic);
      let next = typeof from.offset === 'number' ? BigInt(from.offset) : await offset(topic, from);
      for (let left = count; left > 0; ) {
        const { responses } = await client.fetch({
          node: partitions[0].leader,
          topics: [
            {
              topicId: id,
              partitions: [
                {
                  partition: 0,
                  currentLeaderEpoch: -1,
                  fetchOffset: next,
                  lastFetchedEpoch: -1,
                  partitionMaxBytes: 4 * 1024 * 1024,
                },
              ],
            },
          ],
          isolationLevel: 0,
          minBytes: 1,
          maxBytes: 16 * 1024 * 1024,
        });
        for (const batch of responses[0]?.partitions[0]?.records ?? []) {
          const isControl = (batch.attributes & 0x20) !== 0;
          const isAppendTime = (batch.attributes & 0x08) !== 0;
          for (const record of isControl ? [] : batch.records) {
            const at = batch.firstOffset + BigInt(record.offsetDelta);
            if (at < next || left === 0) continue;
            left--;
            await onRecord({
              offset: at,
              timestamp: isAppendTime
                ? batch.maxTimestamp
                : batch.firstTimestamp + record.timestampDelta,
              key: record.key,
              value: record.value,
              headers: record.headers.map(([name, content]) => [String(name), content]),
            });
          }
          const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
          if (end > next) next = end;
        }
      }
    },
    // Its InitProducerId says that it is producer 0 of epoch 0, which of an id in use is a fenced one.
    takesOver: false,
    async transactional(transactionalId) {
      const producer = open(
        new Producer({
          ...options,
          transactionalId,
          idempotent: true,
          acks: -1,
          autocreateTopics: true,
        }),
      );
      let transaction;
      return {
        begin: async () => {
          transaction = await producer.beginTransaction();
        },
        send: (topic, value) =>
          transaction.send({
            messages: [{ topic, partition: 0, value: Buffer.from(value) }],
            acks: -1,
          }),
        offsets: async (groupId, topic, at) => {
          // What a consumer puts into its messages; the offset is that of the last one.
          const [coordinatorId] = (await producer.metadata({ topics: [topic] })).brokers.keys();
          const owner = { groupId, generationId: -1, memberId: '', coordinatorId };
          await transaction.addConsumer(owner);
          const message = { topic, partition: 0, offset: BigInt(at) - 1n };
          await transaction.addOffset({ ...message, metadata: { consumer: owner } });
        },
        commit: () => transaction.commit(),
        abort: () => transaction.abort(),
      };
    },
    async readCommitted(topic, count) {
      const reader = open(
        new Consumer({ ...options, groupId: `${topic}-read`, isolationLevel: 1, maxWaitTime: 100 }),
      );
      const stream = await reader.consume({ topics: [topic], mode: 'earliest', autocommit: false });
      const values = [];
      for await (const { value } of stream) {
        values.push(String(value));
        if (values.length === count) break;
      }
      return values;
    },
    async steered(topic, groupId, onRecord) {
      const reader = open(new Consumer({ ...options, groupId, maxWaitTime: 100 }));
      const read = async (how) => {
        const stream = await reader.consume({ topics: [topic], autocommit: false, ...how });
        stream.on('data', ({ partition, offset }) => onRecord(partition, Number(offset)));
        return stream;
      };
      let stream = await read({ mode: 'earliest' });
      return {
        pause: () => stream.pause(),
        witness: (count) => this.consume(topic, { offset: 0 }, count, () => {}),
        resume: () => stream.resume(),
        async seek(partitions, to) {
          await stream.close();
          const offsets = partitions.map((partition) => ({ topic, partition, offset: BigInt(to) }));
          stream = await read({ mode: 'manual', offsets });
        },
        close: () => stream.close(),
      };
    },
    createPartitions: (topic, count) =>
      admin().createPartitions({ topics: [{ name: topic, count, assignments: null }] }),
    alter: (topic, name, value) =>
      admin().incrementalAlterConfigs({
        resources: [
          {
            resourceType: 2,
            resourceName: topic,
            configs: [{ name, value, configOperation: 0 }],
          },
        ],
      }),
    deleteRecords: (topic, before) =>
      admin().deleteRecords({
        topics: [{ name: topic, partitions: [{ partition: 0, offset: BigInt(before) }] }],
      }),
    groups: async () => [...(await admin().listGroups()).keys()],
    async groupState(group) {
      const { state } = (await admin().describeGroups({ groups: [group] })).get(group);
      // The older version has its own names, in capitals.
      return state[0] + state.slice(1).toLowerCase();
    },
    deleteGroup: (group) => admin().deleteGroups({ groups: [group] }),
    offset,
    close: async () => {
      for (const client of opened.reverse()) await client.close();
    },
    errorCode: (error) => {
      for (let cause = error; cause; cause = cause.cause ?? cause.errors?.[0]) {
        if (typeof cause.apiCode === 'number') return cause.apiCode;
      }
      return undefined;
    },
  });
}

// An administrator's round trip with kafkajs; prints what it sees. Usage: node admin.mjs HOST:PORT

import { Kafka, logLevel } from 'kafkajs';

const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
const admin = kafka.admin();
const TOPIC = 'by-kafkajs';
const say = (what, answer) => console.log(`${what}: ${JSON.stringify(answer)}`);
const refused = (promise) =>
  promise.then(
    () => 'done',
    (error) => error.type ?? error.message,
  );

await admin.connect();
say('create', await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] }));
say('again', await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] }));
say('grow', await admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: 4 }] }));
const shrink = admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: 1 }] });
say('shrink', await refused(shrink));
const metadata = await admin.fetchTopicMetadata({ topics: [TOPIC] });
say('partitions', metadata.topics[0].partitions.length);
const producer = kafka.producer();
await producer.connect();
const messages = ['a', 'b', 'c'].map((value) => ({ value, partition: 0 }));
await producer.send({ topic: TOPIC, messages });
await producer.disconnect();
const alter = (name, value) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: 2, name: TOPIC, configEntries: [{ name, value }] }],
  });
say('alter', (await alter('retention.ms', '123456789')).resources);
say('alter wrongly', await refused(alter('retention.ms', 'x')));
const described = await admin.describeConfigs({
  includeSynonyms: false,
  resources: [{ type: 2, name: TOPIC, configNames: ['retention.ms'] }],
});
const entries = described.resources[0].configEntries;
say(
  'describe',
  entries.map(({ configName, configValue }) => `${configName}=${configValue}`),
);
const partitions = [{ partition: 0, offset: '2' }];
await admin.deleteTopicRecords({ topic: TOPIC, partitions });
const offsets = await admin.fetchTopicOffsets(TOPIC);
say(
  'offsets',
  offsets.sort((a, b) => a.partition - b.partition),
);
say('reassignments', await admin.listPartitionReassignments({ topics: null }));
say('delete', await refused(admin.deleteTopics({ topics: [TOPIC] })));
await admin.disconnect();

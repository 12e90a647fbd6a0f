// What librdkafka's tests call as kafka-topics.sh: creates, extends and deletes a topic. Kafka 4's own
// refuses in itself the small segments that those tests ask for.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const interop = new URL('../../interop/clients/', import.meta.url);
const { values } = parseArgs({
  options: {
    'bootstrap-server': { type: 'string' },
    create: { type: 'boolean' },
    alter: { type: 'boolean' },
    delete: { type: 'boolean' },
    topic: { type: 'string' },
    partitions: { type: 'string' },
    'replication-factor': { type: 'string' },
    config: { type: 'string', multiple: true },
  },
});
const { topic, partitions = '1', config = [], 'bootstrap-server': bootstrap } = values;
const franz = (...args) =>
  execFileSync(fileURLToPath(new URL('go/bin/franz', interop)), args, {
    env: { ...process.env, BOOTSTRAP: bootstrap },
    stdio: 'inherit',
  });
if (values.create) franz('create', topic, partitions, ...config);
else if (values.delete) franz('delete', topic);
else if (values.alter) {
  const require = createRequire(new URL('kafkajs/package.json', interop));
  const { Kafka, logLevel } = require('kafkajs');
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createPartitions({ topicPartitions: [{ topic, count: Number(partitions) }] });
  await admin.disconnect();
} else throw new Error('--create, --alter or --delete');

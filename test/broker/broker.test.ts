import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Broker } from '#src/broker/broker.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { keepingLogger } from '../support/keeping-logger.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
  tempDir,
} from '../support/test-broker.js';

t.test('topics, records, overrides and the cluster id outlive a restart', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  const topicId = await createTopic(client, 'a', {
    partitions: 3,
    configs: { 'retention.ms': '-1' },
  });
  await createTopic(client, 'gone');
  await client.request(deleteTopics, 5, { topicNames: ['gone'], timeoutMs: 1 });
  await produceTo(client, 'a', ['kept'], { partition: 2 });
  await first.close();
  const second = await startBroker(t, { 'log.dirs': dir });
  t.equal(second.clusterId, first.clusterId);
  const again = await connectTo(t, second);
  const { topics } = await again.request(metadata, 12, { topics: null });
  t.match(topics, [{ name: 'a', topicId, partitions: { length: 3 } }]);
  t.equal(topics.length, 1);
  const { records } = await fetchFrom(again, 'a', { partition: 2 });
  t.match(Buffer.from(records ?? []).toString('latin1'), /kept/);
  t.equal(second.services.controller.logConfigOf('a')?.retentionMs, Infinity);
});

t.test('a second broker on the directory is refused and says who holds it', async (t) => {
  const dir = tempDir(t);
  await startBroker(t, { 'log.dirs': dir });
  await t.rejects(
    Broker.start({ config: { 'log.dirs': dir, listeners: 'PLAINTEXT://127.0.0.1:0' } }),
    {
      code: 'DIRECTORY_LOCKED',
      message: new RegExp(`process ${process.pid}`),
    },
  );
});

t.test('a port in use is an error, and lets the directory go', async (t) => {
  const dir = tempDir(t);
  const other = await startBroker(t);
  const config = { 'log.dirs': dir, listeners: `PLAINTEXT://127.0.0.1:${other.port}` };
  await t.rejects(Broker.start({ config }));
  await startBroker(t, { 'log.dirs': dir });
});

t.test('several data directories share the partitions', async (t) => {
  const dirs = [tempDir(t), tempDir(t)];
  const broker = await startBroker(t, { 'log.dirs': dirs });
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 4 });
  const counts = dirs.map((dir) => readdirSync(dir).filter((name) => name.startsWith('a-')).length);
  t.same(counts, [2, 2]);
});

t.test('several listeners, each told as it is', async (t) => {
  const broker = await startBroker(t, {
    listeners: 'ONE://127.0.0.1:0,TWO://127.0.0.1:0',
    'listener.security.protocol.map': 'ONE:PLAINTEXT,TWO:PLAINTEXT',
    'advertised.listeners': 'ONE://127.0.0.1:0,TWO://two.example:9999',
  });
  t.same(
    broker.listeners.map(({ name }) => name),
    ['ONE', 'TWO'],
  );
  const client = await connectTo(t, broker);
  const told = await client.request(metadata, 9, { topics: [] });
  t.match(told.brokers, [{ host: '127.0.0.1', port: broker.port }]);
  const { RawClient } = await import('../support/raw-client.js');
  await using two = await RawClient.connect(broker.listeners[1]?.port ?? 0);
  const other = await two.request(metadata, 9, { topics: [] });
  t.match(other.brokers, [{ host: 'two.example', port: 9999 }]);
});

t.test('warnings of the config are logged; a bad config is an error', async (t) => {
  const logger = keepingLogger();
  await startBroker(t, { 'num.partition': 3 } as never, { logger });
  t.match(logger.lines, [/unknown config num.partition, did you mean num.partitions/]);
  await t.rejects(Broker.start({ config: { 'num.partitions': 0 } }), { code: 'INVALID_CONFIG' });
});

t.test(
  'damaged metadata does not stop the start: topics come back from their directories',
  async (t) => {
    const dir = tempDir(t);
    const first = await startBroker(t, { 'log.dirs': dir });
    const client = await connectTo(t, first);
    const topicId = await createTopic(client, 'a');
    await produceTo(client, 'a', ['kept']);
    await first.close();
    for (const name of ['millrace.metadata', 'millrace.metadata.backup']) {
      const bytes = readFileSync(join(dir, name));
      bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
      writeFileSync(join(dir, name), bytes);
    }
    const logger = keepingLogger();
    const second = await startBroker(t, { 'log.dirs': dir }, { logger });
    t.match(logger.lines.join('\n'), /metadata file is damaged/);
    const again = await connectTo(t, second);
    const { topics } = await again.request(metadata, 12, { topics: null });
    t.match(topics, [{ name: 'a', topicId }]);
    t.equal((await fetchFrom(again, 'a')).highWatermark, 1);
  },
);

t.test('close is idempotent, and finishes what is in flight', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const created = client.request(createTopics, 7, {
    topics: [{ name: 'a', numPartitions: 20, replicationFactor: 1, assignments: [], configs: [] }],
  });
  // The request is in: the next one is answered after it.
  while (broker.services.controller.image.entry('a') === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([broker.close(), broker.close()]);
  t.match(await created, { topics: [{ errorCode: 0 }] });
});

// The clients of the log checker, on librdkafka: `client.mjs ROLE BOOTSTRAP NAME FILE`. Each runs until
// SIGTERM and writes a line to FILE for whatever it was told by the broker (../../checker.ts reads them).
//
//     idempotent     sent COUNT | ack SEQUENCE PARTITION OFFSET | failed SEQUENCE CODE
//     transactional  begin TXN COUNT | committed TXN | aborted TXN | unknown TXN CODE MESSAGE
//     committed, uncommitted   TOPIC PARTITION OFFSET VALUE   of every record, by isolation level

import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(
  new URL('../../../interop/clients/node-rdkafka/package.json', import.meta.url),
);
const Kafka = require('node-rdkafka');
const [role, bootstrap, name, file] = process.argv.slice(2);
const PARTITIONS = 3;
const broker = {
  'metadata.broker.list': bootstrap,
  'reconnect.backoff.max.ms': 300,
  // Shorter than a pause of the broker: requests are sent again whose first copy may still arrive.
  'socket.timeout.ms': 2000,
};
let stopping = false;
process.on('SIGTERM', () => {
  stopping = true;
});
let lines = '';
const write = (line) => {
  lines += `${line}\n`;
};
const writeOut = () => {
  if (lines !== '') appendFileSync(file, lines);
  lines = '';
};
const writer = setInterval(writeOut, 100);

await { idempotent, transactional, committed: poll, uncommitted: poll }[role]();
clearInterval(writer);
writeOut();
process.exit(0);

async function idempotent() {
  const producer = new Kafka.Producer(
    {
      ...broker,
      'enable.idempotence': true,
      'linger.ms': 5,
      'queue.buffering.max.messages': 5000,
      dr_cb: true,
    },
    { 'message.timeout.ms': 0, 'request.timeout.ms': 1500 },
  );
  producer.on('delivery-report', (error, report) => {
    if (error) write(`failed ${report.opaque} ${error.code}`);
    else write(`ack ${report.opaque} ${report.partition} ${report.offset}`);
  });
  await connected(producer);
  producer.setPollInterval(20);
  let sequence = 0;
  while (!stopping) {
    for (let i = 0; i < 5; i++) {
      try {
        const value = Buffer.from(`${name}:${sequence}`);
        producer.produce('idempotent', sequence % PARTITIONS, value, null, null, sequence);
        sequence++;
      } catch (error) {
        if (error.code !== Kafka.CODES.ERRORS.ERR__QUEUE_FULL) throw error;
        break;
      }
    }
    await sleep(10);
  }
  await new Promise((resolve, reject) => {
    producer.flush(60_000, (error) => (error ? reject(error) : resolve()));
  });
  // The last reports come with a later poll.
  await sleep(500);
  write(`sent ${sequence}`);
}

async function transactional() {
  let producer = await transactionalProducer();
  for (let number = 0; !stopping; number++) {
    const count = 1 + Math.floor(Math.random() * 20);
    const commits = Math.random() < 0.75;
    try {
      await call(producer, 'beginTransaction');
      write(`begin ${number} ${count}`);
      for (let i = 0; i < count; i++) {
        const partition = Math.floor(Math.random() * PARTITIONS);
        producer.produce('transactional', partition, Buffer.from(`${name}:${number}:${i}`));
      }
      // Else an abort finds its records still here and sends none of them.
      if (!commits) await sleep(Math.random() * 30);
      await call(producer, commits ? 'commitTransaction' : 'abortTransaction');
      write(`${commits ? 'committed' : 'aborted'} ${number}`);
    } catch (error) {
      if (error.isTxnRequiresAbort) {
        try {
          await call(producer, 'abortTransaction');
          write(`aborted ${number}`);
          continue;
        } catch {
          // The same as after a fatal error.
        }
      }
      write(`unknown ${number} ${error.code} ${error.message}`);
      producer.disconnect();
      producer = await transactionalProducer();
    }
    await sleep(5);
  }
}

async function transactionalProducer() {
  for (;;) {
    const producer = new Kafka.Producer(
      {
        ...broker,
        'transactional.id': name,
        'transaction.timeout.ms': 30_000,
        'linger.ms': 2,
        dr_cb: true,
      },
      { 'request.timeout.ms': 1500 },
    );
    await connected(producer);
    producer.setPollInterval(20);
    try {
      await call(producer, 'initTransactions');
      return producer;
    } catch (error) {
      write(`# ${error.message}`);
      producer.disconnect();
    }
  }
}

/** A call of the transactional API; again as long as it may be made again. */
async function call(producer, method) {
  for (;;) {
    try {
      return await new Promise((resolve, reject) => {
        const done = (error) => (error ? reject(error) : resolve());
        if (method === 'beginTransaction') producer[method](done);
        else producer[method](30_000, done);
      });
    } catch (error) {
      if (!error.isRetriable) throw error;
    }
  }
}

async function poll() {
  const consumer = new Kafka.KafkaConsumer({
    ...broker,
    'group.id': name,
    'enable.auto.commit': false,
    'isolation.level': `read_${role}`,
    'fetch.error.backoff.ms': 100,
  });
  consumer.on('event.error', () => {});
  await connected(consumer);
  consumer.assign(
    ['idempotent', 'transactional'].flatMap((topic) =>
      Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: 0 })),
    ),
  );
  consumer.on('data', ({ topic, partition, offset, value }) => {
    write(`${topic} ${partition} ${offset} ${value}`);
  });
  consumer.consume();
  while (!stopping) await sleep(50);
}

function connected(client) {
  client.on('event.error', () => {});
  return new Promise((resolve, reject) => {
    client.connect({ timeout: 30_000 }, (error) => (error ? reject(error) : resolve()));
  });
}

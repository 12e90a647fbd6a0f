// The command line that the Node.js client programs share; README.md beside this file describes it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs one command by the functions of a client: version, metadata, create, remove, configs, produce, consume, offset,
 * transactional (begin, send, offsets, commit, abort), readCommitted, steered (pause, resume, seek, close), close and errorCode; where
 * it has them createPartitions, alter, deleteRecords, groups, groupState, deleteGroup. `consume` calls `onRecord` for
 * every record and ends after `count` of them.
 */
export async function main(client) {
  const [command, ...args] = process.argv.slice(2);
  try {
    await commands[command](client, args);
    await client.close();
    process.exit(0);
  } catch (error) {
    console.error(error);
    console.error(`error ${client.errorCode(error) ?? '?'} ${error.message}`);
    process.exit(1);
  }
}

const commands = {
  version: (client) => print(client.version()),
  metadata: async (client) => print(JSON.stringify(await client.metadata())),
  create: (client, [topic, partitions, ...configs]) =>
    client.create(
      topic,
      Number(partitions),
      configs.map((text) => text.split('=')),
    ),
  delete: (client, [topic]) => client.remove(topic),
  configs: async (client, [topic]) => print(JSON.stringify(await client.configs(topic))),
  offset: async (client, [topic, at]) => print(String(await client.offset(topic, parseAt(at)))),
  async produce(client, [topic, file, ...options]) {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    await client.produce(topic, lines.map(parseRecord), parseOptions(options));
  },
  async consume(client, [topic, from, count]) {
    const lines = [];
    await client.consume(topic, parseAt(from), Number(count), (record) =>
      lines.push(formatRecord(record)),
    );
    await print(lines.join('\n'));
  },
  async transact(client, [topic, input, group, id]) {
    const producer = await client.transactional(id);
    const write = async (using, values, offset) => {
      for (const value of values) await using.send(topic, value);
      if (offset !== undefined) await using.offsets(group, input, offset);
    };
    await producer.begin();
    await write(producer, ['committed 0', 'committed 1'], 1);
    await producer.commit();
    await producer.begin();
    await write(producer, ['aborted 0', 'aborted 1'], 99);
    await producer.abort();
    await producer.begin();
    await write(producer, ['committed 2'], 3);
    await producer.commit();
    await producer.begin();
    const heir =
      client.takesOver === false ? producer : await successor(client, producer, topic, id);
    await write(heir, ['committed 3']);
    await heir.commit();
    await print(JSON.stringify(await client.readCommitted(topic, 4)));
  },
  async steer(client, [topic, group]) {
    const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
    let seen = [0, 0];
    let wake = () => {};
    const until = async (isEnough) => {
      while (!isEnough()) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
    };
    const consumer = await client.steered(topic, group, (partition, offset) => {
      seen[partition]++;
      say({ partition, offset });
      wake();
    });
    await until(() => seen[0] === 20 && seen[1] === 20);
    await consumer.pause([0]);
    say({ did: 'pause' });
    // A client that pauses everything has another way to see that there is something to read.
    await (consumer.witness?.(25) ?? until(() => seen[1] === 25));
    say({ did: 'resume' });
    await consumer.resume([0]);
    await until(() => seen[0] === 25 && seen[1] === 25);
    say({ did: 'seek' });
    seen = [0, 0];
    await consumer.seek([0, 1], 5);
    await until(() => seen[0] === 20 && seen[1] === 20);
    await consumer.close();
  },
  async administer(client, [topic, group]) {
    const answer = {};
    const found = async () => (await client.metadata()).topics[topic];
    await client.create(topic, 2, []);
    answer.again = await client.create(topic, 2, []).then(
      () => 0,
      (error) => client.errorCode(error),
    );
    if (client.createPartitions) await client.createPartitions(topic, 3);
    answer.partitions = await soon(3, found);
    if (client.alter) {
      await client.alter(topic, 'retention.ms', '123456789');
      const read = async () => (await client.configs(topic))['retention.ms'];
      answer.retention = await soon('123456789', read);
    }
    if (client.deleteRecords) {
      const record = { key: null, value: Buffer.from('x'), headers: [] };
      await client.produce(topic, [record, record, record], { codec: 'none', idempotent: false });
      await client.deleteRecords(topic, 2);
      answer.earliest = Number(await client.offset(topic, { offset: 'earliest' }));
    }
    if (client.groups) {
      answer.listed = (await client.groups()).includes(group);
      answer.state = await client.groupState(group);
      await client.deleteGroup(group);
      answer.left = (await client.groups()).includes(group);
    }
    await client.remove(topic);
    answer.deleted = (await soon(undefined, found)) === undefined;
    await print(JSON.stringify(answer));
  },
  async 'consume-text'(client, [topic, count]) {
    let parts = [];
    let size = 0;
    const newline = Buffer.from('\n');
    await client.consume(topic, { offset: 'earliest' }, Number(count), (record) => {
      parts.push(record.value, newline);
      size += record.value.length + 1;
      if (size < 1024 * 1024) return undefined;
      const block = Buffer.concat(parts);
      parts = [];
      size = 0;
      // A client that awaits its callback is slowed down to the reader's pace.
      return process.stdout.write(block) ? undefined : once(process.stdout, 'drain');
    });
    await write(Buffer.concat(parts));
  },
};

/** The next producer of the id, in a transaction of its own; that of the one before must fail. */
async function successor(client, producer, topic, id) {
  await producer.send(topic, 'zombie');
  const heir = await client.transactional(id);
  // Some clients ask for their producer id when the first transaction begins.
  await heir.begin();
  let fenced = false;
  await producer.commit().catch(() => {
    fenced = true;
  });
  if (!fenced) throw new Error('a producer commits that has a successor');
  return heir;
}

/** What `read` answers once it is as wanted, or at last: a change may take a moment to be seen. */
async function soon(wanted, read) {
  let seen = await read();
  for (let left = 50; left > 0 && seen !== wanted; left--) {
    await sleep(100);
    seen = await read();
  }
  return seen;
}

function parseAt(text) {
  if (text.startsWith('@')) return { timestamp: Number(text.slice(1)) };
  return { offset: /^\d+$/.test(text) ? Number(text) : text };
}

function parseOptions(args) {
  const at = args.indexOf('--codec');
  return { codec: at < 0 ? 'none' : args[at + 1], idempotent: args.includes('--idempotent') };
}

function parseRecord(line) {
  const { key, value, headers = [], timestamp } = JSON.parse(line);
  return {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([name, content]) => [name, bytes(content)]),
    timestamp,
  };
}

/** `record`: offset, timestamp, key, value as buffers or null, headers as [string, buffer or null] pairs. */
function formatRecord({ offset, timestamp, key, value, headers }) {
  return JSON.stringify({
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: base64(key),
    value: base64(value),
    headers: headers.map(([name, content]) => [name, base64(content)]),
  });
}

function bytes(text) {
  return text === null || text === undefined ? null : Buffer.from(text, 'base64');
}

function base64(value) {
  return value === null || value === undefined ? null : Buffer.from(value).toString('base64');
}

function print(text) {
  return write(`${text}\n`);
}

function write(data) {
  return new Promise((resolve) => process.stdout.write(data, () => resolve()));
}

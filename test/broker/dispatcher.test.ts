import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { servedApis } from '#src/broker/handler.js';
import { allHandlers } from '#src/broker/handlers/all.js';
import { apiByKey } from '#src/protocol/api-table.js';
import { encodeRequest } from '#src/protocol/codec.js';
import type { produce } from '#src/protocol/messages/00-produce.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { saslHandshake } from '#src/protocol/messages/17-sasl-handshake.js';
import { goldenFrames } from '../protocol/golden.js';
import { keepingLogger } from '../support/keeping-logger.js';
import { bytesOf, RawClient } from '../support/raw-client.js';
import {
  batchOf,
  connectTo,
  createTopic,
  fetchRequest,
  startBroker,
} from '../support/test-broker.js';

const request = (hex: string): Buffer => {
  const frame = Buffer.from(hex, 'hex');
  const size = Buffer.alloc(4);
  size.writeInt32BE(frame.length);
  return Buffer.concat([size, frame]);
};

t.test('what is not served closes the connection, with one line in the log', async (t) => {
  const logger = keepingLogger();
  const broker = await startBroker(t, {}, { logger });
  for (const [what, hex] of [
    ['an unknown API', '7fff000000000001ffff'],
    ['a negative API key', 'ffff000000000001ffff'],
    ['a version too high', '0003006300000001ffff'],
    ['a version too low', '0001000300000001ffff'],
    ['a negative version', '0003ffff00000001ffff'],
    ['a body that ends early', '0003000100000001ffff0000'],
    ['a header that ends early', '00030001'],
    ['an empty frame', ''],
  ] as const) {
    logger.lines.length = 0;
    const client = await connectTo(t, broker);
    client.sendBytes(request(hex));
    await client.closed();
    t.equal(logger.lines.length, 1, what);
    t.match(logger.lines[0], /^warn closing a connection/);
  }
  const unserved = await connectTo(t, broker);
  unserved.send(saslHandshake, 0, { mechanism: 'PLAIN' }).frame.catch(() => {});
  await unserved.closed();
  t.match(logger.lines.at(-1), /"api":17/, 'by its key: an API without handler has no name here');
});

t.test('the lines about bad requests are bounded', async (t) => {
  const logger = keepingLogger();
  const broker = await startBroker(t, {}, { logger });
  for (let i = 0; i < 100; i++) {
    const client = await RawClient.connect(broker.port);
    client.sendBytes(request('7fff000000000001ffff'));
    await client.closed();
  }
  t.equal(logger.lines.length, 60);
});

t.test('bad input to every handler: the broker lives and serves a bystander', async (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? 20_261_122);
  t.comment(`seed ${seed}`);
  const random = seededRandom(seed);
  const logger = keepingLogger();
  const clientTelemetry = () => {};
  const broker = await startBroker(t, { 'num.partitions': 1 }, { logger, clientTelemetry });
  const bystander = await connectTo(t, broker);
  const topicId = await createTopic(bystander, 'a');
  const valid = validFrames(topicId);
  t.same(
    [...new Set(valid.map((frame) => frame.readInt16BE(4)))].sort((a, b) => a - b),
    servedApis(allHandlers).map(({ key }) => key),
    'every API has frames to mutate',
  );
  const endMs = performance.now() + 10_000;
  let sent = 0;
  while (sent < 20_000 && performance.now() < endMs) {
    // Many frames a connection: a refused one closes it, and the rest of its frames are not read.
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RawClient.connect(broker.port)),
    );
    for (const client of clients) {
      client.socket.on('error', () => {});
      for (let i = 0; i < 5; i++, sent++) {
        client.sendBytes(mutated(valid[random.below(valid.length)] as Buffer, random.below));
      }
    }
    const asked = performance.now();
    const answer = await bystander.request(metadata, 9, {
      topics: [{ name: 'a' }],
      allowAutoTopicCreation: false,
    });
    if (answer.topics[0]?.errorCode !== 0) t.fail('the bystander is not served');
    if (performance.now() - asked > 20_000) t.fail('the bystander waits too long');
    for (const client of clients) client.socket.end();
  }
  t.ok(sent >= 2000, `${sent} frames sent`);
  const faults = logger.lines.filter((line) => line.startsWith('error'));
  t.same(faults, [], 'no handler threw');
});

/** A valid frame, with its size, of every API in every version. */
function validFrames(topicId: string): Buffer[] {
  const bodies: Record<number, unknown> = {
    0: {
      acks: 1,
      timeoutMs: 1,
      topicData: [
        { name: 'a', topicId, partitionData: [{ index: 0, records: batchOf(['a', 'b', 'c']) }] },
      ],
    },
    1: fetchRequest('a', { topicId, sessionEpoch: 0 }),
    2: {
      replicaId: -1,
      topics: [{ name: 'a', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      timeoutMs: 1,
    },
    3: { topics: [{ name: 'a' }] },
    10: { key: 'g', coordinatorKeys: ['g', 'h'] },
    18: { clientSoftwareName: 'x', clientSoftwareVersion: '1' },
    19: {
      topics: [
        {
          name: 'b',
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [{ name: 'retention.ms', value: '1' }],
        },
      ],
      validateOnly: true,
    },
    20: { topics: [{ name: 'b', topicId }], topicNames: ['b'], timeoutMs: 1 },
    22: { transactionalId: null, transactionTimeoutMs: 1 },
    32: { resources: [{ resourceType: 2, resourceName: 'a', configurationKeys: ['x'] }] },
    60: { includeClusterAuthorizedOperations: true, includeFencedBrokers: false },
  };
  const frames: Buffer[] = [];
  for (const [key, body] of Object.entries(bodies)) {
    const api = apiByKey(Number(key)) as typeof produce;
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      frames.push(bytesOf(encodeRequest(api, version, 1, 'client', body as never)));
    }
  }
  // For the others what Kafka's own classes wrote: its topics and groups are unknown here.
  for (const { key } of servedApis(allHandlers)) {
    if (key in bodies) continue;
    for (const frame of goldenFrames(apiByKey(key) as typeof produce)) {
      if (frame.request) frames.push(request(frame.hex));
    }
  }
  return frames;
}

/** Changed bytes, cuts, doubled parts, huge lengths; mostly behind the size and key. */
function mutated(frame: Buffer, below: (bound: number) => number): Buffer {
  const bytes = Buffer.from(frame);
  const at = 6 + below(bytes.length - 6);
  switch (below(6)) {
    case 0:
      bytes[at] = below(256);
      break;
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << below(8));
      break;
    case 2:
      bytes.fill(0xff, at, Math.min(bytes.length, at + 4));
      break;
    case 3:
      bytes.writeInt32BE(2 ** 31 - 1 - below(1000), Math.min(at, bytes.length - 4));
      break;
    case 4: {
      const cut = bytes.subarray(0, at);
      cut.writeInt32BE(cut.length - 4);
      return cut;
    }
    default: {
      const doubled = Buffer.concat([bytes.subarray(0, at), bytes.subarray(6)]);
      doubled.writeInt32BE(doubled.length - 4);
      return doubled;
    }
  }
  return bytes;
}

import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  batchOf,
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
} from '../../support/test-broker.js';

t.test('every version writes, and offsets go on', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const topicId = await createTopic(client, 'a');
  let offset = 0;
  for (let version = 3; version <= 13; version++) {
    const { responses } = await client.request(produce, version, {
      acks: version % 2 === 0 ? 1 : -1,
      timeoutMs: 1000,
      topicData: [
        { name: 'a', topicId, partitionData: [{ index: 0, records: batchOf(['x', 'y']) }] },
      ],
    });
    t.match(responses, [version < 13 ? { name: 'a' } : { topicId }]);
    t.match(responses[0]?.partitionResponses[0], {
      index: 0,
      errorCode: 0,
      baseOffset: offset,
      logAppendTimeMs: -1,
    });
    offset += 2;
  }
  const { records } = await fetchFrom(client, 'a');
  t.equal(records?.length, 11 * batchOf(['x', 'y']).length);
});

t.test('behaviour 2: versions 0 to 2 are refused in their own form', async (t) => {
  const broker = await startBroker(t);
  for (let version = 0; version <= 2; version++) {
    const client = await connectTo(t, broker);
    client.sendBytes(oldProduceRequest(version));
    const frame = await client.nextFrame();
    const body = frame.subarray(4);
    // one topic "a", one partition 0, error 35, base offset -1
    const common = '00000001' + '000161' + '00000001' + '00000000' + '0023' + 'ffffffffffffffff';
    const rest = version === 0 ? '' : version === 1 ? '00000000' : 'ffffffffffffffff00000000';
    t.equal(body.toString('hex'), common + rest, `version ${version}`);
  }
});

function oldProduceRequest(version: number): Buffer {
  const body = Buffer.from(
    `0000000${version}00000007ffff` + // key 0, version, correlation 7, no client id
      '0001' + // acks 1
      '000003e8' +
      '00000001' +
      '000161' +
      '00000001' +
      '00000000' +
      '00000000',
    'hex',
  );
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

t.test('acks 0 has no response, and a failure closes the connection', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const request = (name: string) => ({
    acks: 0,
    timeoutMs: 1000,
    topicData: [{ name, partitionData: [{ index: 0, records: batchOf(['x']) }] }],
  });
  client.sendOneWay(produce, 9, request('a'));
  // The next response on the connection is that of the next request, and it sees the record.
  t.equal((await fetchFrom(client, 'a', { maxWaitMs: 5000 })).highWatermark, 1);
  client.sendOneWay(produce, 9, request('nowhere'));
  await client.closed();
  t.pass('closed');
});

t.test('other acks are refused', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  for (const acks of [2, -2, 32767]) {
    const answer = await produceTo(client, 'a', ['x'], { acks });
    t.match(answer, { errorCode: errorCodes.INVALID_REQUIRED_ACKS, baseOffset: -1 });
  }
});

t.test('errors are per partition and touch no other', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  const damaged = batchOf(['damaged']);
  damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1;
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        name: 'a',
        partitionData: [
          { index: 0, records: damaged },
          { index: 1, records: batchOf(['good']) },
          { index: 2, records: batchOf(['no such partition']) },
          { index: -1, records: batchOf(['no such partition']) },
          { index: 1, records: null },
        ],
      },
      { name: 'b', partitionData: [{ index: 0, records: batchOf(['no such topic']) }] },
      { name: '__consumer_offsets', partitionData: [{ index: 0, records: batchOf(['x']) }] },
    ],
  });
  t.same(
    responses.map(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode)),
    [
      [
        errorCodes.CORRUPT_MESSAGE,
        errorCodes.NONE,
        errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        errorCodes.INVALID_RECORD,
      ],
      [errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
      [errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
    ],
  );
  t.ok(responses[0]?.partitionResponses[0]?.errorMessage, 'with a message from version 8 on');
});

t.test('an unknown topic id is told as such', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const { responses } = await client.request(produce, 13, {
    acks: 1,
    timeoutMs: 1000,
    topicData: [
      {
        topicId: 'BBBBBBBBBBBBBBBBBBBBBA',
        partitionData: [{ index: 0, records: batchOf(['x']) }],
      },
    ],
  });
  t.equal(responses[0]?.partitionResponses[0]?.errorCode, errorCodes.UNKNOWN_TOPIC_ID);
});

t.test('behaviour 11: max.message.bytes and key-less records on a compacted topic', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'small', { configs: { 'max.message.bytes': '200' } });
  t.equal((await produceTo(client, 'small', ['ok'])).errorCode, 0);
  const large = await produceTo(client, 'small', ['x'.repeat(200)]);
  t.equal(large.errorCode, errorCodes.MESSAGE_TOO_LARGE);
  await createTopic(client, 'compacted', { configs: { 'cleanup.policy': 'compact' } });
  const keyless = await produceTo(client, 'compacted', ['x']);
  t.equal(keyless.errorCode, errorCodes.INVALID_RECORD);
});

t.test('behaviour 11: zstd needs Produce 7', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const builder = new BatchBuilder({ compression: 'zstd' });
  builder.append({ timestamp: 1_700_000_000_000, value: Buffer.alloc(500, 'z') });
  const records = builder.build();
  const old = await produceTo(client, 'a', [], { version: 6, records });
  t.equal(old.errorCode, errorCodes.UNSUPPORTED_COMPRESSION_TYPE);
  t.equal((await produceTo(client, 'a', [], { version: 7, records })).errorCode, 0);
});

t.test('behaviour 12: LogAppendTime is told and stored', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { configs: { 'message.timestamp.type': 'LogAppendTime' } });
  const answer = await produceTo(client, 'a', ['x']);
  t.ok(answer.logAppendTimeMs > 1_700_000_000_000);
  const { records } = await fetchFrom(client, 'a');
  t.equal(((records as Uint8Array)[22] as number) & 8, 8, 'the timestamp type bit');
});

t.test('pipelined requests of one connection are answered in order', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  const sent = Array.from({ length: 50 }, (_, i) =>
    client.send(produce, 9, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ name: 'a', partitionData: [{ index: 0, records: batchOf([`v${i}`]) }] }],
    }),
  );
  for (const [i, { frame, correlationId }] of sent.entries()) {
    const bytes = await frame;
    t.equal(bytes.readInt32BE(0), correlationId);
    const answer = client.decode(produce, 9, bytes);
    t.equal(answer.responses[0]?.partitionResponses[0]?.baseOffset, i);
  }
});

t.test('min.insync.replicas above the one replica counts as one, as in Kafka', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { configs: { 'min.insync.replicas': '2' } });
  t.match(await produceTo(client, 'a', ['x'], { acks: -1 }), { errorCode: 0, baseOffset: 0 });
  t.match(await produceTo(client, 'a', ['x'], { acks: 1 }), { errorCode: 0, baseOffset: 1 });
});

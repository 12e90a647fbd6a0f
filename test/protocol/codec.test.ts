import t from 'tap';
import type { Chunk, FileSlice } from '#src/base/chunk.js';
import { HotRange } from '#src/base/hot-range.js';
import { apiByKey, apis } from '#src/protocol/api-table.js';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  supports,
} from '#src/protocol/codec.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { listOffsets } from '#src/protocol/messages/02-list-offsets.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { syncGroup } from '#src/protocol/messages/14-sync-group.js';
import { apiVersions } from '#src/protocol/messages/18-api-versions.js';
import { ProtocolError } from '#src/protocol/protocol-error.js';
import { UUID_ZERO } from '#src/protocol/schema.js';

function bytesOf(chunks: readonly Chunk[]): Buffer {
  return Buffer.concat(chunks as readonly Uint8Array[]);
}

/** A request frame without its size, and where its body starts. */
function bodyOf(chunks: readonly Chunk[]): { frame: Buffer; position: number } {
  const frame = bytesOf(chunks).subarray(4);
  return { frame, position: decodeRequestHeader(frame, apiByKey).bodyPosition };
}

function slice(length: number): FileSlice {
  return {
    fd: 3,
    position: 0,
    length,
    openFile: { fd: 3, hot: new HotRange() },
    intactLength: length,
    copyTo: () => 0,
    retain() {},
    release() {},
  };
}

t.test('records go out by reference, between the bytes around them', (t) => {
  const [first, second, third] = [slice(1000), slice(70_000), Buffer.from('abc')];
  const partition = { errorCode: 0, highWatermark: 9, abortedTransactions: null };
  const chunks = encodeResponse(fetch, 12, 5, {
    responses: [
      {
        topic: 'a',
        partitions: [
          { ...partition, partitionIndex: 0, records: first },
          { ...partition, partitionIndex: 1, records: null },
          { ...partition, partitionIndex: 2, records: [second, third] },
        ],
      },
    ],
  });
  t.equal(chunks.length, 6);
  t.equal(chunks[1], first);
  t.equal(chunks[3], second);
  t.equal(chunks[4], third);
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  t.equal((chunks[0] as Buffer).readInt32BE(0), size - 4, 'the size counts the slices');

  const filled = chunks.map((chunk) =>
    chunk instanceof Uint8Array ? chunk : Buffer.alloc(chunk.length, 1),
  );
  const frame = bytesOf(filled).subarray(4);
  const { bodyPosition, correlationId } = decodeResponseHeader(fetch, 12, frame);
  t.equal(correlationId, 5);
  const partitions = decodeResponse(fetch, 12, frame, bodyPosition).responses[0]?.partitions;
  const sizes = partitions?.map(({ records }) => records?.length ?? null);
  t.strictSame(sizes, [1000, null, 70_003]);
  t.end();
});

t.test('an empty list of chunks is empty records, not null', (t) => {
  const body = { acks: 1, timeoutMs: 1 };
  const topicData = [{ name: 't', partitionData: [{ index: 0, records: [] }] }];
  for (const version of [3, 9]) {
    const chunks = encodeRequest(produce, version, 1, 'c', { ...body, topicData });
    const { frame, position } = bodyOf(chunks);
    const decoded = decodeRequest(produce, version, frame, position);
    t.equal(decoded.topicData[0]?.partitionData[0]?.records?.length, 0);
  }
  t.end();
});

t.test('decoded records are a view of the frame, bytes are a copy', (t) => {
  const topicData = [
    { name: 't', partitionData: [{ index: 0, records: Buffer.from('0123456789') }] },
  ];
  const sent = bodyOf(encodeRequest(produce, 9, 1, 'c', { acks: 1, timeoutMs: 1, topicData }));
  const { frame, position } = sent;
  const records = decodeRequest(produce, 9, frame, position).topicData[0]?.partitionData[0]
    ?.records;
  t.equal(records?.buffer, frame.buffer);
  t.equal(Buffer.from(records ?? []).toString(), '0123456789');

  const answer = encodeResponse(syncGroup, 5, 1, { errorCode: 0, assignment: Buffer.from('xyz') });
  const answerFrame = bytesOf(answer).subarray(4);
  const header = decodeResponseHeader(syncGroup, 5, answerFrame);
  const { assignment } = decodeResponse(syncGroup, 5, answerFrame, header.bodyPosition);
  answerFrame.fill(0);
  t.equal(Buffer.from(assignment).toString(), 'xyz');
  t.end();
});

t.test('a plain Uint8Array in the middle of its memory decodes like a Buffer', (t) => {
  const { frame, position } = bodyOf(encodeRequest(metadata, 12, 1, 'é', { topics: null }));
  const memory = new Uint8Array(frame.length + 20).fill(255);
  memory.set(frame, 10);
  const view = memory.subarray(10, 10 + frame.length);
  t.equal(decodeRequestHeader(view, apiByKey).clientId, 'é');
  t.equal(decodeRequest(metadata, 12, view, position).topics, null);
  t.end();
});

t.test('left out fields take their default, those that the version lacks are ignored', (t) => {
  const chunks = encodeRequest(fetch, 4, 1, 'c', {
    maxWaitMs: 1,
    minBytes: 1,
    sessionId: 77,
    topics: [],
    rackId: 'r',
  });
  const { frame, position } = bodyOf(chunks);
  t.strictSame(decodeRequest(fetch, 4, frame, position), {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 1,
    minBytes: 1,
    maxBytes: 2 ** 31 - 1,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [],
    forgottenTopicsData: [],
    rackId: '',
  });
  t.end();
});

t.test('an ApiVersions request of any version has a header, and an answer in v0 form', (t) => {
  for (const version of [0, 2, 3, 4, 5, 77, 32767]) {
    const request = Buffer.alloc(14);
    request.writeInt16BE(18, 0);
    request.writeInt16BE(version, 2);
    request.writeInt32BE(99, 4);
    request.writeInt16BE(2, 8);
    request.write('me', 10);
    const header = decodeRequestHeader(request, apiByKey);
    t.equal(header.api, apiVersions);
    t.equal(header.apiVersion, version);
    t.equal(header.correlationId, 99);
    t.equal(header.clientId, 'me');
    t.equal(supports(apiVersions, version), version <= 4);
  }
  const apiKeys = [{ apiKey: 18, minVersion: 0, maxVersion: 4 }];
  const body = { errorCode: errorCodes.UNSUPPORTED_VERSION, apiKeys };
  const v0 = bytesOf(encodeResponse(apiVersions, 0, 99, body));
  t.equal(v0.toString('hex'), '0000001000000063002300000001001200000004');
  // Correlation id, then the body at once: no tagged section in the header.
  const v4 = bytesOf(encodeResponse(apiVersions, 4, 99, body));
  t.equal(v4.toString('hex'), '0000001300000063002302001200000004000000000000');
  t.equal(decodeResponseHeader(apiVersions, 4, v4.subarray(4)).bodyPosition, 4);
  t.end();
});

t.test('headers of unknown APIs are read as far as they go', (t) => {
  const header = decodeRequestHeader(
    Buffer.from('270f0001000000070003616263ffff', 'hex'),
    apiByKey,
  );
  t.match(header, { apiKey: 9999, apiVersion: 1, correlationId: 7, clientId: 'abc' });
  t.equal(header.api, undefined);
  t.equal(decodeRequestHeader(Buffer.from('270f000100000007', 'hex'), apiByKey).clientId, null);
  t.equal(decodeRequestHeader(Buffer.from('270f0001000000077fff', 'hex'), apiByKey).clientId, null);
  t.throws(
    () => decodeRequestHeader(Buffer.from('270f0001000000', 'hex'), apiByKey),
    ProtocolError,
  );
  t.throws(() => decodeRequestHeader(new Uint8Array(0), apiByKey), { code: 'INVALID_REQUEST' });
  // A version that is known must have a whole header: client id, tagged section.
  t.throws(
    () => decodeRequestHeader(Buffer.from('00030001000000070003', 'hex'), apiByKey),
    ProtocolError,
  );
  t.throws(
    () => decodeRequestHeader(Buffer.from('000300090000000700026d65', 'hex'), apiByKey),
    ProtocolError,
  );
  t.end();
});

t.test('tagged fields in a request header are skipped', (t) => {
  const frame = Buffer.from('0003000900000007ffff020501aa1f03010203', 'hex');
  t.equal(decodeRequestHeader(frame, apiByKey).bodyPosition, frame.length);
  t.throws(
    () => decodeRequestHeader(Buffer.from('0003000900000007ffff0205', 'hex'), apiByKey),
    ProtocolError,
  );
  t.end();
});

t.test('a version without schema is refused', (t) => {
  t.throws(() => decodeRequest(produce, 2, Buffer.alloc(99), 0), ProtocolError);
  t.throws(() => decodeRequest(fetch, 99, Buffer.alloc(99), 0), ProtocolError);
  t.throws(() => decodeRequest(fetch, 99, Buffer.alloc(99), 0), { message: /has no version 99$/ });
  t.throws(() => encodeResponse(produce, 14, 1, { responses: [] }), { name: 'AssertionError' });
  t.end();
});

t.test('bytes after the body are ignored, as Kafka ignores them', (t) => {
  const { frame, position } = bodyOf(encodeRequest(metadata, 12, 1, 'c', { topics: [] }));
  const longer = Buffer.concat([frame, Buffer.from('surplus')]);
  t.strictSame(decodeRequest(metadata, 12, longer, position).topics, []);
  t.end();
});

t.test('an int64 beyond 2^53 is refused, but a timestamp is rounded', (t) => {
  const request = (timestamp: number) =>
    encodeRequest(listOffsets, 1, 1, 'c', {
      replicaId: -1,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp }] }],
    });
  const back = (timestamp: number) => {
    const { frame, position } = bodyOf(request(timestamp));
    return decodeRequest(listOffsets, 1, frame, position).topics[0]?.partitions[0]?.timestamp;
  };
  for (const exact of [-1, -2, -3, 0, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53, 2 ** 62, -(2 ** 63)]) {
    t.equal(back(exact), exact);
  }
  const nanoseconds = Number(1_700_000_000_123_456_789n);
  t.equal(back(nanoseconds), nanoseconds);
  t.equal(back(2 ** 63), 2 ** 63, 'clamped to Long.MAX_VALUE, which decodes as 2^63');
  t.ok(
    bytesOf(request(2 ** 63))
      .toString('hex')
      .endsWith('7fffffffffffffff'),
  );
  t.ok(
    bytesOf(request(-(2 ** 70)))
      .toString('hex')
      .endsWith('8000000000000000'),
  );

  const body = { maxWaitMs: 1, minBytes: 1 };
  const partitions = [{ partition: 0, fetchOffset: 2 ** 53 - 1, partitionMaxBytes: 1 }];
  const topics = [{ topic: 't', partitions }];
  const { frame, position } = bodyOf(encodeRequest(fetch, 4, 1, 'c', { ...body, topics }));
  const decoded = decodeRequest(fetch, 4, frame, position);
  t.equal(decoded.topics[0]?.partitions[0]?.fetchOffset, 2 ** 53 - 1);
  const at = frame.length - 12;
  for (const hex of [
    '0020000000000000',
    '7fffffffffffffff',
    'ffe0000000000000',
    '8000000000000000',
  ]) {
    frame.write(hex, at, 'hex');
    t.throws(() => decodeRequest(fetch, 4, frame, position), { code: 'INVALID_REQUEST' }, hex);
  }
  frame.write('ffe0000000000001', at, 'hex');
  const lowest = decodeRequest(fetch, 4, frame, position);
  t.equal(lowest.topics[0]?.partitions[0]?.fetchOffset, -(2 ** 53 - 1));
  t.end();
});

t.test('encoding asserts what would be a wrong frame, and leaves nothing behind', (t) => {
  const assertion = { name: 'AssertionError' };
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1 };
  const request = (topic: string, change: object, version = 12) =>
    encodeRequest(fetch, version, 1, 'c', {
      maxWaitMs: 1,
      minBytes: 1,
      topics: [{ topic, topicId: UUID_ZERO, partitions: [{ ...partition, ...change }] }],
    });
  t.throws(() => request('t', { fetchOffset: 2 ** 53 }), assertion);
  t.throws(() => request('t', { fetchOffset: 0.5 }), assertion);
  t.throws(() => request('t', { fetchOffset: Number.NaN }), assertion);
  t.throws(() => request('x'.repeat(32_768), {}), assertion);
  t.throws(() => request('x'.repeat(32_768), {}, 4), assertion);
  t.doesNotThrow(() => request('x'.repeat(32_767), {}));
  t.throws(() => request('t', { replicaDirectoryId: 'short' }, 17), assertion);
  t.throws(() => encodeRequest(metadata, 0, 1, 'c', { topics: null }), assertion, 'null in v0');
  if (process.env['MILLRACE_VERIFY'] === '1') {
    t.throws(() => request('t', { partition: 2 ** 31 }), assertion);
  }
  const bytes = bytesOf(request('t', {}));
  t.equal(bytes.readInt32BE(0), bytes.length - 4);
  t.equal(decodeRequestHeader(bytes.subarray(4), apiByKey).clientId, 'c');
  t.end();
});

t.test('the schemas cover the versions that clients must find', (t) => {
  // The smallest set for librdkafka, kafkajs, Java, sarama, kafka-go, rskafka, kafka-python.
  const needed: readonly (readonly [string, number, number])[] = [
    ['Produce', 0, 7],
    ['Fetch', 4, 12],
    ['ListOffsets', 1, 5],
    ['Metadata', 0, 9],
    ['OffsetCommit', 2, 8],
    ['OffsetFetch', 1, 8],
    ['FindCoordinator', 0, 4],
    ['JoinGroup', 0, 6],
    ['Heartbeat', 0, 4],
    ['LeaveGroup', 0, 4],
    ['SyncGroup', 0, 4],
    ['DescribeGroups', 2, 5],
    ['ListGroups', 1, 4],
    ['SaslHandshake', 0, 1],
    ['ApiVersions', 0, 4],
    ['CreateTopics', 2, 7],
    ['DeleteTopics', 1, 6],
    ['DeleteRecords', 1, 2],
    ['InitProducerId', 0, 3],
    ['OffsetForLeaderEpoch', 2, 4],
    ['AddPartitionsToTxn', 0, 3],
    ['AddOffsetsToTxn', 0, 1],
    ['EndTxn', 1, 3],
    ['TxnOffsetCommit', 1, 3],
    ['DescribeConfigs', 1, 2],
    ['AlterConfigs', 0, 2],
    ['SaslAuthenticate', 0, 2],
    ['CreatePartitions', 0, 1],
    ['DeleteGroups', 1, 2],
    ['IncrementalAlterConfigs', 0, 1],
    ['OffsetDelete', 0, 0],
    ['DescribeCluster', 0, 1],
  ];
  for (const [name, min, max] of needed) {
    const api = apis.find((candidate) => candidate.name === name);
    t.ok(api !== undefined && api.advertised.min <= min && api.advertised.max >= max, name);
  }
  t.strictSame(produce.versions, { min: 3, max: 13 });
  t.equal(apiByKey(1), fetch);
  t.equal(apiByKey(4), undefined);
  t.strictSame(
    apis.map(({ key }) => key),
    apis.map(({ key }) => key).sort((a, b) => a - b),
  );
  t.end();
});

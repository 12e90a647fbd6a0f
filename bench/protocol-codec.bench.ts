/**
 * How much faster is a compiled codec than the interpreter? A Fetch request and a Fetch response of
 * 20 partitions, decoded and encoded, and a small Produce request as a producer sends it.
 *
 *     node dist-test/bench/protocol-codec.bench.js [seconds per case]
 */

import Benchmark from 'benchmark';
import { compile } from '#src/protocol/compile.js';
import type { RequestInput, ResponseInput } from '#src/protocol/infer.js';
import { interpret } from '#src/protocol/interpret.js';
import type { MessageCodec } from '#src/protocol/message-codec.js';
import { MessageReader } from '#src/protocol/message-reader.js';
import { MessageWriter } from '#src/protocol/message-writer.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import type { Schema } from '#src/protocol/schema.js';

const PARTITIONS = 20;
const secondsMax = Number(process.argv[2] ?? 1);
const indexes = Array.from({ length: PARTITIONS }, (_, index) => index);
const records = Buffer.alloc(500, 7);

const fetchRequest: RequestInput<typeof fetch> = {
  maxWaitMs: 500,
  minBytes: 1,
  isolationLevel: 0,
  topics: [
    {
      topic: 'page-views',
      partitions: indexes.map((partition) => ({
        partition,
        currentLeaderEpoch: 3,
        fetchOffset: 123_456_789 + partition,
        partitionMaxBytes: 1 << 20,
      })),
    },
  ],
};

const fetchResponse: ResponseInput<typeof fetch> = {
  responses: [
    {
      topic: 'page-views',
      partitions: indexes.map((partitionIndex) => ({
        partitionIndex,
        errorCode: 0,
        highWatermark: 123_456_789,
        lastStableOffset: 123_456_789,
        logStartOffset: 0,
        abortedTransactions: null,
        records,
      })),
    },
  ],
};

const produceRequest: RequestInput<typeof produce> = {
  acks: -1,
  timeoutMs: 30_000,
  topicData: [{ name: 'page-views', partitionData: [{ index: 4, records }] }],
};

const cases: readonly (readonly [string, Schema, number, unknown])[] = [
  ['Fetch request v12, 20 partitions', fetch.request, 12, fetchRequest],
  ['Fetch response v12, 20 partitions', fetch.response, 12, fetchResponse],
  ['Produce request v9, 1 partition', produce.request, 9, produceRequest],
];

/** Nanoseconds of one call, by the mean. */
function measure(call: () => void): number {
  let meanSeconds = 0;
  new Benchmark(call, { maxTime: secondsMax, minTime: secondsMax / 10 })
    .on('complete', (event: Benchmark.Event) => {
      meanSeconds = (event.target as unknown as Benchmark).stats.mean;
    })
    .run();
  return meanSeconds * 1e9;
}

const writer = new MessageWriter();

function encode(codec: MessageCodec, message: unknown): Uint8Array[] {
  writer.int32(0);
  codec.encode(writer, message);
  const chunks = writer.finishFrame() as Uint8Array[];
  writer.reset();
  return chunks;
}

for (const [title, schema, version, message] of cases) {
  const compiled = compile(schema, version);
  const interpreted = interpret(schema, version);
  const bytes = Buffer.concat(encode(compiled, message)).subarray(4);
  const rows = [
    [
      'decode',
      (codec: MessageCodec) => () => {
        codec.decode(new MessageReader(bytes));
      },
    ],
    [
      'encode',
      (codec: MessageCodec) => () => {
        encode(codec, message);
      },
    ],
  ] as const;
  for (const [what, make] of rows) {
    const fast = measure(make(compiled));
    const slow = measure(make(interpreted));
    console.log(
      `${what} ${title} (${bytes.length} bytes): compiled ${fast.toFixed(0)} ns, ` +
        `interpreted ${slow.toFixed(0)} ns, ratio ${(slow / fast).toFixed(1)}`,
    );
  }
}

/**
 * Schemas compiled to source against the same schemas interpreted, and the frame decoder: a Fetch request
 * and response of 20 partitions, a small Produce request as a producer sends it, and 1 MiB of a stream
 * cut into frames.
 */

import { AssemblyBudget } from '#src/net/assembly-budget.js';
import { FrameDecoder } from '#src/net/frame-decoder.js';
import { compile } from '#src/protocol/compile.js';
import type { RequestInput, ResponseInput } from '#src/protocol/infer.js';
import { interpret } from '#src/protocol/interpret.js';
import type { MessageCodec } from '#src/protocol/message-codec.js';
import { MessageReader } from '#src/protocol/message-reader.js';
import { MessageWriter } from '#src/protocol/message-writer.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import type { Schema } from '#src/protocol/schema.js';
import { microCase } from './harness/micro.js';
import type { Case, Suite, Target } from './harness/suite.js';

const PARTITIONS = 20;
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

const messages: readonly (readonly [string, Schema, number, unknown])[] = [
  ['Fetch request v12', fetch.request, 12, fetchRequest],
  ['Fetch response v12', fetch.response, 12, fetchResponse],
  ['Produce request v9', produce.request, 9, produceRequest],
];

const writer = new MessageWriter();

function encode(codec: MessageCodec, message: unknown): Uint8Array[] {
  writer.int32(0);
  codec.encode(writer, message);
  const chunks = writer.finishFrame() as Uint8Array[];
  writer.reset();
  return chunks;
}

/** Calls of `onFrame` for a stream of frames of `size`, pushed in pieces as a socket gives them. */
function frames(size: number): Case {
  const bytes = Buffer.alloc(1 << 20);
  let count = 0;
  for (let at = 0; at + 4 + size <= bytes.length; at += 4 + size, count++) {
    bytes.writeInt32BE(size, at);
  }
  const end = count * (size + 4);
  let seen = 0;
  const sink = {
    onFrame: () => ++seen > 0,
    onBadSize() {},
    onGivenUp() {},
  };
  const decoder = new FrameDecoder(sink, new AssemblyBudget(1 << 30), 1 << 24);
  return microCase({
    ...{ name: `cut frames of ${size} B`, unit: 'frames', perCall: count },
    work() {
      decoder.push(bytes, end);
      return seen;
    },
  });
}

function cases(): Case[] {
  const all: Case[] = [];
  for (const [title, schema, version, message] of messages) {
    const compiled = compile(schema, version);
    const interpreted = interpret(schema, version);
    const bytes = Buffer.concat(encode(compiled, message)).subarray(4);
    const pairs = [
      ['decode', (codec: MessageCodec) => codec.decode(new MessageReader(bytes))],
      ['encode', (codec: MessageCodec) => encode(codec, message)],
    ] as const;
    for (const [what, call] of pairs) {
      const baseline = `${what} ${title}, interpreted`;
      const shape = { unit: 'messages', perCall: 1 };
      const work = (codec: MessageCodec) => () => (call(codec) === undefined ? 0 : 1);
      all.push(microCase({ ...shape, name: baseline, work: work(interpreted) }));
      const name = `${what} ${title}, compiled`;
      all.push(microCase({ ...shape, name, baseline, work: work(compiled) }));
    }
  }
  return [...all, frames(100), frames(16_384)];
}

export const suite: Suite = {
  name: 'protocol-codec',
  title: 'Protocol codecs',
  question: 'How much faster is a compiled codec than the interpreter, and what does a frame cost?',
  targets: messages.map(
    ([title]): Target => ({ id: 'codec', case: `decode ${title}, compiled`, atLeast: 1.5 }),
  ),
  open: () => Promise.resolve({ cases: cases() }),
};

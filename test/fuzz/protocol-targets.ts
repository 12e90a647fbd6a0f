/** Frames, headers and messages: what a stranger can send. */

import type { Random } from '#src/base/random.js';
import { AssemblyBudget } from '#src/net/assembly-budget.js';
import { FrameDecoder } from '#src/net/frame-decoder.js';
import { apiByKey, apis } from '#src/protocol/api-table.js';
import { compile } from '#src/protocol/compile.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { interpret } from '#src/protocol/interpret.js';
import type { MessageCodec } from '#src/protocol/message-codec.js';
import { MessageReader } from '#src/protocol/message-reader.js';
import { ProtocolError } from '#src/protocol/protocol-error.js';
import type { Schema } from '#src/protocol/schema.js';
import { goldenFrames } from '../protocol/golden.js';
import { allowing, type FuzzTarget, hold, same } from './target.js';

const FRAME_BYTES_MAX = 20_000;

interface Message {
  readonly schema: Schema;
  readonly version: number;
  readonly body: Uint8Array;
}

const frames: Uint8Array[] = [];
const messages: Message[] = [];
for (const api of apis) {
  for (const frame of goldenFrames(api)) {
    const bytes = Buffer.from(frame.hex, 'hex');
    const { bodyPosition } = frame.request
      ? decodeRequestHeader(bytes, apiByKey)
      : decodeResponseHeader(api, frame.version, bytes);
    const schema = frame.request ? api.request : api.response;
    messages.push({ schema, version: frame.version, body: bytes.subarray(bodyPosition) });
    if (frame.request) frames.push(bytes);
  }
}

const frameDecoder: FuzzTarget = {
  name: 'frame decoder',
  samples: [1, 3, 8].map((count) => {
    const some = frames.filter((_, i) => i % 7 === count % 7).slice(0, count);
    return Buffer.concat(some.flatMap((frame) => [int32(frame.length), frame]));
  }),
  run(bytes, random) {
    const expected = framesOf(bytes);
    let at = 0;
    let bad: number | null = null;
    const decoder = new FrameDecoder(
      {
        onFrame(frame) {
          const wanted = expected.frames[at++];
          hold(
            wanted !== undefined && Buffer.compare(frame, wanted) === 0,
            'the frame is the next',
          );
          return random.below(4) > 0;
        },
        onBadSize(size) {
          bad = size;
        },
        onGivenUp: () => hold(false, 'nothing else holds bytes'),
      },
      new AssemblyBudget(2 ** 20),
      FRAME_BYTES_MAX,
    );
    for (let from = 0; from < bytes.length && bad === null; ) {
      const size = 1 + random.below(random.below(4) === 0 ? 8 : 4096);
      const end = Math.min(bytes.length, from + size);
      decoder.push(bytes.subarray(from, end), end - from);
      while (decoder.stopped && bad === null) decoder.resume();
      from = end;
    }
    hold(at === expected.frames.length, 'every frame came');
    hold(bad === expected.bad, 'a bad size is told');
    decoder.close();
    return bad === null;
  },
};

/** The frames of a stream, read plainly. */
function framesOf(bytes: Buffer): { frames: Buffer[]; bad: number | null } {
  const found: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const size = bytes.readInt32BE(at);
    if (size < 0 || size > FRAME_BYTES_MAX) return { frames: found, bad: size };
    if (bytes.length - at - 4 < size) break;
    found.push(bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return { frames: found, bad: null };
}

const requestHeader: FuzzTarget = {
  name: 'request header',
  samples: frames,
  run(bytes) {
    const header = allowing([ProtocolError], () => decodeRequestHeader(bytes, apiByKey));
    if (header === null) return false;
    hold(header.bodyPosition >= 8 && header.bodyPosition <= bytes.length, 'a body in the frame');
    return true;
  },
};

const pairs = new Map<string, readonly [MessageCodec, MessageCodec]>();

function pairOf({ schema, version }: Message): readonly [MessageCodec, MessageCodec] {
  const key = `${schema.name} ${version}`;
  let pair = pairs.get(key);
  if (pair === undefined) {
    pair = [compile(schema, version), interpret(schema, version)];
    pairs.set(key, pair);
  }
  return pair;
}

function decodeBy(codec: MessageCodec, bytes: Uint8Array): unknown {
  return allowing([ProtocolError], () => {
    const reader = new MessageReader(bytes);
    return { value: codec.decode(reader), position: reader.position };
  });
}

/** Every message of every API and version; a sample may meet the schema of another. */
const message: FuzzTarget = {
  name: 'messages',
  samples: messages.map(({ body }) => body),
  // A field that is missing costs a default, not bytes of the frame.
  allocationMax: 64 * 2 ** 20,
  run(bytes: Buffer, random: Random) {
    // Nearly always that of the sample, which the mutator drew from the same list; see `byMessage`.
    return runMessage(messages[random.below(messages.length)] as Message, bytes);
  },
};

function runMessage(of: Message, bytes: Buffer): boolean {
  const [compiled, interpreted] = pairOf(of);
  const decoded = decodeBy(compiled, bytes);
  hold(
    same(decoded, decodeBy(interpreted, bytes)),
    `${of.schema.name} ${of.version}: compiled and interpreted agree`,
  );
  return decoded !== null;
}

/** A target an API and direction, so that a sample meets its own schema, if of another version. */
function byMessage(): FuzzTarget[] {
  const byName = new Map<string, Message[]>();
  for (const each of messages) {
    byName.set(each.schema.name, [...(byName.get(each.schema.name) ?? []), each]);
  }
  return [...byName].map(([name, versions]) => ({
    name: `message ${name}`,
    samples: versions.map(({ body }) => body),
    allocationMax: 64 * 2 ** 20,
    run: (bytes, random) => runMessage(versions[random.below(versions.length)] as Message, bytes),
  }));
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** All messages as one target: for a run in which each target has its share of a short time. */
export const protocolTargets: readonly FuzzTarget[] = [frameDecoder, requestHeader, message];

/** The messages one by one, with their own schema. */
export const messageTargets: readonly FuzzTarget[] = byMessage();

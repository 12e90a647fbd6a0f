import assert from 'node:assert/strict';
import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { apiByKey, apis } from '#src/protocol/api-table.js';
import { compile } from '#src/protocol/compile.js';
import { decodeRequestHeader, decodeResponseHeader } from '#src/protocol/headers.js';
import { interpret } from '#src/protocol/interpret.js';
import type { MessageCodec } from '#src/protocol/message-codec.js';
import { ELEMENTS_MAX, MessageReader } from '#src/protocol/message-reader.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { saslAuthenticate } from '#src/protocol/messages/36-sasl-authenticate.js';
import { ProtocolError } from '#src/protocol/protocol-error.js';
import type { Schema } from '#src/protocol/schema.js';
import { goldenFrames } from './golden.js';

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
const fuzzMs = Number(process.env['MILLRACE_FUZZ_MS'] ?? 4000);
const HANG_MS = 5000;

function codecs(schema: Schema, version: number): readonly [MessageCodec, MessageCodec] {
  return [compile(schema, version), interpret(schema, version)];
}

/** Decodes with both codecs: the value, or null if both throw the one error. */
function decode(pair: readonly [MessageCodec, MessageCodec], bytes: Uint8Array): unknown {
  const [compiled, interpreted] = pair.map((codec) => {
    try {
      const reader = new MessageReader(bytes);
      return { value: codec.decode(reader), position: reader.position };
    } catch (error) {
      if (!(error instanceof ProtocolError && error.code === 'INVALID_REQUEST')) throw error;
      return null;
    }
  });
  assert.deepStrictEqual(compiled, interpreted);
  return compiled?.value ?? null;
}

t.test('lengths that the bytes cannot hold are refused', (t) => {
  const flexible = codecs(metadata.request, 12);
  const plain = codecs(metadata.request, 4);
  const refused: readonly (readonly [typeof plain, string, string])[] = [
    [plain, '7fffffff', 'huge count'],
    [plain, 'fffffffe', 'negative count'],
    [plain, '80000000', 'most negative count'],
    [plain, '0000000100', 'count above what is left'],
    [plain, '000000018000', 'negative string length'],
    [plain, '00000001ffff01', 'null string that may not be null'],
    [plain, '0000000100056162', 'string longer than what is left'],
    [plain, '', 'nothing'],
    [flexible, 'ffffffff0f', 'huge compact count'],
    [flexible, 'ffffffffffffffff7f', 'varint too long'],
    [flexible, '80', 'varint cut short'],
    [flexible, '0200000000000000000000000000000000ff', 'string length cut short'],
    [flexible, '010000ffffffff0f', 'huge count of tagged fields'],
    [flexible, '010000010105', 'tagged field longer than what is left'],
  ];
  for (const [pair, hex, title] of refused) {
    t.equal(decode(pair, Buffer.from(hex, 'hex')), null, title);
  }
  t.not(decode(flexible, Buffer.from('01010101070401020304', 'hex')), null, 'unknown tag');
  t.equal(decode(codecs(saslAuthenticate.request, 0), Buffer.from('7fffffff00', 'hex')), null);
  t.equal(decode(codecs(saslAuthenticate.request, 0), Buffer.from('ffffffff', 'hex')), null);
  t.end();
});

t.test('a count or length is refused before anything is read for it', (t) => {
  const elements = Buffer.alloc(1024);
  elements.writeInt32BE(511, 0);
  const tags = Buffer.alloc(1024);
  tags.write('010000e807', 'hex');
  const text = Buffer.alloc(100_000);
  text.write(`02${'00'.repeat(16)}c1b802`, 'hex');
  const cases: readonly (readonly [Schema, number, Buffer, RegExp])[] = [
    [metadata.request, 4, elements, /^511 array elements at byte 4 of 1024$/],
    [metadata.request, 12, tags, /^1000 tagged fields at byte 5 of 1024$/],
    [metadata.request, 12, text, /^a string of 40000 bytes at byte 20 of 100000$/],
  ];
  for (const [schema, version, bytes, message] of cases) {
    for (const codec of codecs(schema, version)) {
      t.throws(() => codec.decode(new MessageReader(bytes)), { message });
    }
  }
  t.end();
});

t.test('a known tagged field must have the size that is declared', (t) => {
  const pair = codecs(fetch.request, 12);
  const head = '0000000100000001000000010000000000ffffffff010101';
  const body = Buffer.from(`ffffffff${head}`, 'hex');
  const tagged = (hex: string) => Buffer.concat([body, Buffer.from(hex, 'hex')]);
  t.not(decode(pair, tagged('00')), null, 'no tags');
  t.match(decode(pair, tagged('010003026162')), null, 'declared 3, cluster id of 2 bytes cut');
  t.match(decode(pair, tagged('0100020261')), { clusterId: 'a' });
  t.equal(decode(pair, tagged('010003026100')), null, 'declared 3, read 2');
  t.equal(decode(pair, tagged('0100010261')), null, 'declared 1, read 2');
  t.match(decode(pair, tagged('02000202610002026262')), { clusterId: 'b' }, 'the last one counts');
  t.end();
});

t.test('no memory is taken for counts that are not there', (t) => {
  const frame = Buffer.alloc(1024);
  frame.writeInt32BE(100, 0);
  const [compiled, interpreted] = codecs(metadata.request, 4);
  for (const codec of [compiled, interpreted]) {
    for (const count of [2 ** 31 - 1, 2 ** 24, 600]) {
      frame.writeInt32BE(count, 0);
      const before = process.memoryUsage();
      for (let i = 0; i < 50; i++) {
        t.throws(() => codec.decode(new MessageReader(frame)), ProtocolError);
      }
      const after = process.memoryUsage();
      t.ok(after.heapTotal - before.heapTotal < 64 * 2 ** 20, 'heap');
      t.ok(after.arrayBuffers - before.arrayBuffers < 2 ** 20, 'buffers');
    }
  }
  t.end();
});

t.test('a message has a bounded number of array elements', (t) => {
  // Metadata v4 topics: 2 bytes each, an empty name.
  const bomb = Buffer.alloc(4 + 2 * (ELEMENTS_MAX + 1) + 1);
  bomb.writeInt32BE(ELEMENTS_MAX + 1, 0);
  t.equal(decode(codecs(metadata.request, 4), bomb), null);
  bomb.writeInt32BE(ELEMENTS_MAX, 0);
  const [compiled] = codecs(metadata.request, 4);
  const decoded = compiled.decode(new MessageReader(bomb)) as { topics: unknown[] };
  t.equal(decoded.topics.length, ELEMENTS_MAX);

  // All arrays together: OffsetFetch v1, two topics with more than half of the elements each.
  const half = ELEMENTS_MAX / 2;
  const topic = Buffer.alloc(2 + 4 + 4 * half);
  topic.writeInt32BE(half, 2);
  const head = Buffer.from('000000000002', 'hex');
  t.equal(decode(codecs(offsetFetch.request, 1), Buffer.concat([head, topic, topic])), null);
  head.writeInt32BE(1, 2);
  t.not(decode(codecs(offsetFetch.request, 1), Buffer.concat([head, topic])), null);
  t.end();
});

/** Changes some bytes: single values, extremes, cuts, insertions. */
function mutate(source: Buffer, random: ReturnType<typeof seededRandom>): Buffer {
  let bytes = Buffer.from(source);
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(Math.max(1, bytes.length));
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        bytes.fill(
          [0xff, 0x7f, 0x80, 0x00][random.below(4)] as number,
          at,
          Math.min(bytes.length, at + random.below(9)),
        );
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(5))]);
        break;
      case 5: {
        const added = Buffer.from(random.fill(new Uint8Array(random.below(9))));
        bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
        break;
      }
      default: {
        const from = random.below(Math.max(1, bytes.length));
        const copied = bytes.subarray(from, from + random.below(40));
        bytes = Buffer.concat([bytes.subarray(0, at), copied, bytes.subarray(at)]);
      }
    }
  }
  return bytes;
}

/** Characters, bytes and array elements of a decoded value: what had to be allocated for it. */
function weight(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) {
    return value.reduce((sum: number, element) => sum + 1 + weight(element), 0);
  }
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, element) => sum + weight(element), 0);
}

/** A uuid of 16 bytes decodes to this many characters, and each struct may have one by default. */
const UUID_WEIGHT = 22;

function checkHeader(frame: Uint8Array): void {
  try {
    decodeRequestHeader(frame, apiByKey);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

t.test('mutated frames throw the one error or decode alike, in bounded time and space', (t) => {
  t.comment(`seed ${seed}; MILLRACE_SEED repeats it, MILLRACE_FUZZ_MS makes it longer`);
  const random = seededRandom(seed);
  const targets = apis.flatMap((api) =>
    goldenFrames(api).map((frame) => {
      const schema = frame.request ? api.request : api.response;
      const bytes = Buffer.from(frame.hex, 'hex');
      const { bodyPosition } = frame.request
        ? decodeRequestHeader(bytes, apiByKey)
        : decodeResponseHeader(api, frame.version, bytes);
      return { key: `${schema.name} ${frame.version}`, schema, frame, bytes, bodyPosition };
    }),
  );
  const pairs = new Map<string, readonly [MessageCodec, MessageCodec]>();
  let runs = 0;
  let accepted = 0;
  const endMs = performance.now() + fuzzMs;
  for (let nowMs = performance.now(); nowMs < endMs; ) {
    const target = targets[random.below(targets.length)] as (typeof targets)[number];
    const { key, schema, frame } = target;
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = codecs(schema, frame.version);
      pairs.set(key, pair);
    }
    const header = mutate(target.bytes, random);
    const body = mutate(target.bytes.subarray(target.bodyPosition), random);
    try {
      checkHeader(header);
      const value = decode(pair, body);
      if (value !== null) accepted++;
      const bound = (4 + UUID_WEIGHT) * body.length + 40 * UUID_WEIGHT;
      assert.ok(weight(value) <= bound, `weight ${weight(value)} of ${body.length} bytes`);
    } catch (error) {
      t.fail(`${key}: ${header.toString('hex')} ${body.toString('hex')}`, { error: String(error) });
      break;
    }
    const spentMs = performance.now() - nowMs;
    if (spentMs > HANG_MS) t.fail(`${key} took ${spentMs} ms: ${body.toString('hex')}`);
    nowMs += spentMs;
    runs++;
  }
  t.comment(`${runs} mutations, ${accepted} of them decoded`);
  t.ok(runs > 100, 'enough of them');
  t.ok(accepted > 0 && accepted < runs, 'both outcomes were seen');
  t.end();
});

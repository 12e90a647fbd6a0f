// The tasks: each is written once and runs with every client, against our broker or a real Kafka.

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type Codec, codecs, Refused, type TestRecord } from './client.js';
import { KcatClient } from './kcat.js';
import { roundTrip } from './round-trip.js';
import { storedBatch } from './segment-file.js';
import type { Server } from './servers.js';
import { steering } from './steering.js';
import { transactions } from './transactions.js';

export type Context = {
  readonly server: Server;
  readonly client: Client;
  readonly ledger: Ledger;
};

export type Task = { readonly name: string; run(context: Context): Promise<void> };

/** What the suite knows to be stored: topic, offset, record, and who wrote it. */
export class Ledger {
  readonly #topics = new Map<string, Map<number, { record: TestRecord; writer: string }>>();

  add(topic: string, base: number, records: readonly TestRecord[], writer: string): void {
    const known = this.#topics.get(topic) ?? new Map();
    records.forEach((record, index) => {
      known.set(base + index, { record, writer });
    });
    this.#topics.set(topic, known);
  }

  entries(topic: string): readonly [number, { record: TestRecord; writer: string }][] {
    return [...(this.#topics.get(topic) ?? new Map())];
  }
}

export const OFFSETS_TOPIC = 'offsets';
export const MIDDLE_TOPIC = 'middle';
const OFFSETS_START_MS = 1_700_000_000_000;
const OFFSETS_COUNT = 30;
const OFFSETS_MAX = 17;

/** Records of the topic `offsets`: one a second, but the largest time is in the middle. */
export const offsetsRecords: readonly TestRecord[] = Array.from({ length: OFFSETS_COUNT }, (_, i) =>
  plain(`k${i}`, `v${i}`, OFFSETS_START_MS + (i === OFFSETS_MAX ? 100_000 : i * 1000)),
);

/** Records of the topic `middle`, written as one batch: one every ten milliseconds. */
export const middleRecords: readonly TestRecord[] = Array.from({ length: 40 }, (_, i) =>
  plain(`k${i}`, `value ${i} `.repeat(10), OFFSETS_START_MS + i * 10),
);

/** The topic that all clients write with one codec and every client reads. */
export function codecTopic(codec: Codec): string {
  return `codec-${codec}`;
}

const reference = new KcatClient();

export const tasks: readonly Task[] = [
  { name: 'metadata', run: metadata },
  { name: 'create', run: create },
  { name: 'configs', run: configs },
  { name: 'records', run: shapes },
  ...codecs
    .filter((codec) => codec !== 'none')
    .map((codec) => ({ name: codec, run: (context: Context) => compressed(context, codec) })),
  { name: 'idempotent', run: idempotent },
  { name: 'offsets', run: offsets },
  { name: 'middle', run: middle },
  { name: 'large', run: large },
  { name: 'too-large', run: tooLarge },
  { name: 'transactions', run: transactions },
  { name: 'steer', run: steering },
  { name: 'admin', run: roundTrip },
  { name: 'auto-create', run: autoCreate },
  { name: 'delete', run: remove },
];

async function metadata({ server, client }: Context): Promise<void> {
  const found = await client.metadata(server.bootstrap);
  deepEqual(found.brokers, [server.bootstrap]);
  ok(found.controller !== false, 'the controller is not a listed broker');
  equal(found.topics[OFFSETS_TOPIC], 1, `partitions of ${OFFSETS_TOPIC}`);
}

async function create({ server, client }: Context): Promise<void> {
  const topic = ownTopic(client, 'created');
  await client.create(server.bootstrap, topic, 3, { 'retention.ms': '123456789' });
  const found = await client.metadata(server.bootstrap);
  equal(found.topics[topic], 3, 'partitions of the new topic');
  const error = await failure(client.create(server.bootstrap, topic, 3, {}));
  equal(error instanceof Refused ? error.code : error, 36, 'error code of a second create');
}

async function configs({ server, client }: Context): Promise<void> {
  const found = await client.configs(server.bootstrap, ownTopic(client, 'created'));
  equal(found['retention.ms'], '123456789');
  equal(found['cleanup.policy'], 'delete');
  equal(found['max.message.bytes'], '1048588');
  equal(found['segment.bytes'], '1073741824');
  ok(Object.keys(found).length >= 25, `only ${Object.keys(found).length} configs`);
}

/** Every shape of key, value, header and timestamp that this client can write. */
async function shapes(context: Context): Promise<void> {
  const { limits, name } = context.client;
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const timed = limits.has('timestamp') ? null : OFFSETS_START_MS;
  const records: TestRecord[] = [
    plain(`${name}-key`, 'value', timed),
    { ...plain('', 'no key', timed), key: null },
    { ...plain(`${name}-tombstone`, '', timed), value: null },
    { ...plain(`${name}-one`, 'header', timed), headers: [['trace', Buffer.from('id-7')]] },
    {
      ...plain(`${name}-many`, 'headers', timed),
      headers: [
        ['a', Buffer.from('1')],
        ['a', Buffer.from('2')],
        ['größe', Buffer.from('ünï')],
      ],
    },
    plain(`${name}-ünïcödé`, 'čţ 日本語 🎉', timed),
    plain(`${name}-now`, 'the client chooses the time', null),
  ];
  if (!limits.has('empty-value')) records.push(plain(`${name}-empty`, '', timed));
  if (!limits.has('binary')) records.push({ ...plain(`${name}-bytes`, '', timed), value: bytes });
  if (!limits.has('null-header')) {
    records.push({ ...plain(`${name}-null`, 'header', timed), headers: [['nothing', null]] });
  }
  await writeAndRead(context, codecTopic('none'), records, { codec: 'none', idempotent: false });
}

async function compressed(context: Context, codec: Codec): Promise<void> {
  const { client, server } = context;
  const timed = client.limits.has('timestamp') ? null : OFFSETS_START_MS;
  const records = Array.from({ length: 50 }, (_, i) =>
    plain(`${client.name}-${i}`, `compress me ${i} `.repeat(20), timed),
  );
  const options = { codec, idempotent: false };
  const base = await writeAndRead(context, codecTopic(codec), records, options);
  if (server.dataDir === null) return;
  const batch = storedBatch(server.dataDir, codecTopic(codec), base);
  equal(batch.codec, codec, 'codec in the attributes of the stored batch');
  const raw = records.reduce(
    (sum, { key, value }) => sum + Number(key?.length) + Number(value?.length),
    0,
  );
  ok(batch.sizeInBytes < raw / 2, `${batch.sizeInBytes} bytes stored of ${raw}`);
}

async function idempotent(context: Context): Promise<void> {
  const { client, server } = context;
  const records = Array.from({ length: 20 }, (_, i) =>
    plain(`${client.name}-${i}`, `once ${i}`, null),
  );
  const topic = 'idempotent';
  const base = await writeAndRead(context, topic, records, { codec: 'none', idempotent: true });
  if (server.dataDir === null) return;
  const batch = storedBatch(server.dataDir, topic, base);
  ok(batch.producerId >= 0, 'no producer id in the stored batch');
  equal(batch.baseSequence, 0);
}

async function offsets({ server, client }: Context): Promise<void> {
  const at = (timestampMs: number): Promise<number> =>
    client.offset(server.bootstrap, OFFSETS_TOPIC, { timestampMs });
  equal(await client.offset(server.bootstrap, OFFSETS_TOPIC, 'earliest'), 0, 'earliest');
  equal(await client.offset(server.bootstrap, OFFSETS_TOPIC, 'latest'), OFFSETS_COUNT, 'latest');
  equal(await at(OFFSETS_START_MS + 10_500), 11, 'between two times');
  equal(await at(OFFSETS_START_MS + 12_000), 12, 'at a time');
  equal(await at(OFFSETS_START_MS + 20_000), OFFSETS_MAX, 'times that go back');
  const later = await at(OFFSETS_START_MS + 200_000);
  // Some clients answer the end where the broker says that there is none.
  ok(later === -1 || later === OFFSETS_COUNT, `after all times: ${later}`);
  if (!client.limits.has('max-timestamp')) {
    const found = await client.offset(server.bootstrap, OFFSETS_TOPIC, 'max-timestamp');
    equal(found, OFFSETS_MAX, 'offset of the largest time');
  }
  if (client instanceof KcatClient) {
    const tail = await client.consumeToEnd(server.bootstrap, OFFSETS_TOPIC, '-5');
    deepEqual(
      tail.map(({ offset }) => offset),
      [25, 26, 27, 28, 29],
    );
    deepEqual(await client.consumeToEnd(server.bootstrap, OFFSETS_TOPIC, 'end'), []);
    const from = `s@${OFFSETS_START_MS + 28_000}`;
    // Offset 17 has the first time that is as large.
    equal(
      (await client.consumeToEnd(server.bootstrap, OFFSETS_TOPIC, from))[0]?.offset,
      OFFSETS_MAX,
    );
  }
}

async function middle({ server, client }: Context): Promise<void> {
  if (server.dataDir !== null) {
    const { baseOffset, lastOffset } = storedBatch(server.dataDir, MIDDLE_TOPIC, 7);
    deepEqual([baseOffset, lastOffset], [0, middleRecords.length - 1], 'the topic is one batch');
  }
  const read = await client.consume(server.bootstrap, MIDDLE_TOPIC, 7, 33);
  same(client, middleRecords.slice(7), read, 7);
  if (client.limits.has('read-from-timestamp')) return;
  const timestampMs = OFFSETS_START_MS + 205;
  const later = await client.consume(server.bootstrap, MIDDLE_TOPIC, { timestampMs }, 19);
  same(client, middleRecords.slice(21), later, 21);
}

async function large(context: Context): Promise<void> {
  const records = [plain('large', randomText(900_000), null)];
  const topic = ownTopic(context.client, 'large');
  await writeAndRead(context, topic, records, { codec: 'none', idempotent: false });
}

async function tooLarge({ server, client }: Context): Promise<void> {
  const records = [plain('too-large', randomText(1_200_000), null)];
  const topic = ownTopic(client, 'large');
  const before = await reference.offset(server.bootstrap, topic, 'latest');
  const options = { codec: 'none', idempotent: false } as const;
  const error = await failure(client.produce(server.bootstrap, topic, records, options));
  equal(error instanceof Refused ? error.code : error, 10, 'MESSAGE_TOO_LARGE');
  equal(await reference.offset(server.bootstrap, topic, 'latest'), before, 'the log has grown');
}

async function autoCreate(context: Context): Promise<void> {
  const records = [plain('first', 'of a topic that nobody created', null)];
  const topic = ownTopic(context.client, 'auto');
  const { server, client } = context;
  await client.produce(server.bootstrap, topic, records, { codec: 'none', idempotent: false });
  same(client, records, await client.consume(server.bootstrap, topic, 0, 1), 0);
}

async function remove({ server, client }: Context): Promise<void> {
  const topic = ownTopic(client, 'created');
  await client.remove(server.bootstrap, topic);
  // A real Kafka deletes a moment after its answer.
  for (let wait = 0; wait < 50; wait++) {
    const found = await reference.metadata(server.bootstrap);
    const dir = server.dataDir === null ? null : join(server.dataDir, `${topic}-0`);
    if (!(topic in found.topics) && (dir === null || !existsSync(dir))) return;
    await sleep(100);
  }
  throw new Error(`${topic} is still there`);
}

/** Reads whatever the other clients wrote, in all codecs: the row of the cross-client matrix. */
export async function matrix({ server, client, ledger }: Context): Promise<void> {
  for (const codec of codecs) {
    if (client.unreadable[codec] !== undefined) continue;
    const known = ledger.entries(codecTopic(codec));
    if (known.length === 0) continue;
    const end = await reference.offset(server.bootstrap, codecTopic(codec), 'latest');
    const read = await client.consume(server.bootstrap, codecTopic(codec), 0, end);
    const byOffset = new Map(read.map((record) => [record.offset, record]));
    for (const [offset, { record, writer }] of known) {
      const found = byOffset.get(offset);
      ok(found !== undefined, `${codec}: no offset ${offset}`);
      const expected = asReadBy(client, record);
      deepEqual(comparable(found, record), comparable(expected, record), `${codec} by ${writer}`);
    }
  }
}

/** Writes records, reads them back with the same client and notes them for the matrix. Answers the base offset. */
async function writeAndRead(
  { server, client, ledger }: Context,
  topic: string,
  records: readonly TestRecord[],
  options: { readonly codec: Codec; readonly idempotent: boolean },
): Promise<number> {
  const known = await reference.metadata(server.bootstrap);
  const base =
    topic in known.topics ? await reference.offset(server.bootstrap, topic, 'latest') : 0;
  await client.produce(server.bootstrap, topic, records, options);
  const end = await reference.offset(server.bootstrap, topic, 'latest');
  equal(end - base, records.length, 'records stored');
  same(client, records, await client.consume(server.bootstrap, topic, base, records.length), base);
  ledger.add(topic, base, records, client.name);
  return base;
}

/** Byte equality of records that a client read, and that they have the offsets from `base` on. */
function same(
  client: Client,
  expected: readonly TestRecord[],
  actual: readonly TestRecord[],
  base: number,
): void {
  deepEqual(
    actual.map(({ offset }) => offset),
    expected.map((_, index) => base + index),
    'offsets',
  );
  expected.forEach((record, index) => {
    deepEqual(comparable(actual[index], record), comparable(asReadBy(client, record), record));
  });
}

/** The record as this client shows it to its user. */
export function asReadBy({ limits }: Client, record: TestRecord): TestRecord {
  const show = (content: Buffer | null): Buffer | null => {
    if (content === null) return limits.has('reads null headers as empty') ? Buffer.alloc(0) : null;
    const zero = limits.has('cuts headers') ? content.indexOf(0) : -1;
    return zero < 0 ? content : content.subarray(0, zero);
  };
  return { ...record, headers: record.headers.map(([name, content]) => [name, show(content)]) };
}

/** Headers of one name keep their order; some clients do not keep the order of the names. */
export function comparable(record: TestRecord | undefined, like: TestRecord): unknown {
  ok(record !== undefined);
  return {
    ...(like.timestamp === null ? {} : { timestamp: record.timestamp }),
    key: text(record.key),
    value: text(record.value),
    headers: [...record.headers]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, content]) => [name, text(content)]),
  };
}

/** Bytes as text with a character for each, or null: short in an error message. */
function text(content: Buffer | null): string | null {
  return content === null ? null : content.toString('latin1');
}

function plain(key: string, value: string, timestamp: number | null): TestRecord {
  return { timestamp, key: Buffer.from(key), value: Buffer.from(value), headers: [] };
}

function ownTopic(client: Client, purpose: string): string {
  return `${client.name.replaceAll(' ', '-')}-${purpose}`;
}

/** Letters that no codec makes much smaller. */
function randomText(size: number): string {
  return randomBytes(size).toString('base64').slice(0, size);
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  let found: unknown;
  await rejects(promise, (error) => {
    found = error;
    return true;
  });
  return found;
}

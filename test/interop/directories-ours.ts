// The matrix as our engine writes it, with a list of what was appended: what Kafka's tools say of the
// files is compared with that list, not with what our code reads back.

import { mkdirSync } from 'node:fs';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import { systemEnv } from '#src/file/env.js';
import { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import type { AppendResult } from '#src/log/results.js';
import {
  defaultBrokerLogSettings,
  deriveLogConfig,
  type LogConfig,
} from '#src/log/topic-config.js';
import { BatchBuilder, type NewRecord } from '#src/record/batch-builder.js';
import { type Codec, codecs } from './client.js';

/** A batch as it was appended. */
export type Written = {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** -1: none. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
  /** A marker, else null. */
  readonly ends: 'COMMIT' | 'ABORT' | null;
  readonly codec: Codec;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly records: readonly NewRecord[];
};

/** What was written to a topic, and where its active segment begins. */
export type WrittenTopic = {
  readonly batches: readonly Written[];
  readonly activeOffset: number;
  readonly logStartOffset: number;
  readonly compacted: boolean;
};

export type OurTopic = {
  readonly topicId: string;
  readonly configs: Readonly<Record<string, string>>;
};

/** Lately: Kafka forgets producers that it has not heard of for a day. */
const START_MS = Date.now() - 3_600_000;
export const COORDINATOR_EPOCH = 4;

/** A producer with its sequence. Its epoch rises at the end of a transaction if `risingEpoch`. */
type Producer = { readonly id: number; epoch: number; sequence: number; risingEpoch: boolean };

class TopicWriter {
  readonly batches: Written[] = [];
  readonly #log: PartitionLog;
  readonly #clock: ManualClock;
  readonly #leaderEpoch: number;

  constructor(log: PartitionLog, clock: ManualClock) {
    this.#log = log;
    this.#clock = clock;
    this.#leaderEpoch = Math.max(0, log.latestLeaderEpoch);
  }

  async send(
    records: readonly NewRecord[],
    { codec = 'none', producer, transactional = false }: SendOptions = {},
  ): Promise<void> {
    const builder = new BatchBuilder({
      compression: codec,
      ...(producer === undefined
        ? {}
        : {
            producerId: producer.id,
            producerEpoch: producer.epoch,
            baseSequence: producer.sequence,
            isTransactional: transactional,
          }),
    });
    for (const record of records) builder.append(record);
    const options = { leaderEpoch: this.#leaderEpoch, owned: false, transactional };
    const { baseOffset, lastOffset } = accepted(await this.#log.append(builder.build(), options));
    const appendTime = this.#log.config.messageTimestampType === 'LogAppendTime';
    const timestamp = this.#clock.nowMs();
    this.batches.push({
      ...{ baseOffset, lastOffset, codec, transactional, ends: null },
      producerId: producer?.id ?? -1,
      producerEpoch: producer?.epoch ?? -1,
      baseSequence: producer?.sequence ?? -1,
      timestampType: appendTime ? 'LogAppendTime' : 'CreateTime',
      records: appendTime ? records.map((record) => ({ ...record, timestamp })) : records,
    });
    if (producer !== undefined) producer.sequence += records.length;
  }

  async end(producer: Producer, ends: 'COMMIT' | 'ABORT'): Promise<void> {
    if (producer.risingEpoch) producer.epoch++;
    const { baseOffset, lastOffset } = accepted(
      await this.#log.appendEndTxnMarker({
        type: ends === 'COMMIT' ? 'commit' : 'abort',
        producerId: producer.id,
        producerEpoch: producer.epoch,
        coordinatorEpoch: COORDINATOR_EPOCH,
        leaderEpoch: this.#leaderEpoch,
        epochRises: producer.risingEpoch,
      }),
    );
    if (producer.risingEpoch) producer.sequence = 0;
    this.batches.push({
      ...{ baseOffset, lastOffset, ends, codec: 'none', transactional: true, baseSequence: -1 },
      producerId: producer.id,
      producerEpoch: producer.epoch,
      timestampType: 'CreateTime',
      records: [{ timestamp: this.#clock.nowMs() }],
    });
  }

  topic(): WrittenTopic {
    return {
      batches: this.batches,
      activeOffset: this.#log.activeSegmentOffset,
      logStartOffset: this.#log.logStartOffset,
      compacted: this.#log.config.cleanupCompact,
    };
  }
}

type SendOptions = {
  readonly codec?: Codec;
  readonly producer?: Producer;
  readonly transactional?: boolean;
};

/**
 * Writes the topics that are named like one of the matrix (behind a prefix) into a data directory and
 * closes it cleanly. With `round` above 0 it appends to what is there.
 */
export async function writeOurs(
  dataDir: string,
  topics: ReadonlyMap<string, OurTopic>,
  round = 0,
): Promise<Map<string, WrittenTopic>> {
  mkdirSync(dataDir, { recursive: true });
  const clock = new ManualClock(START_MS + 600_000 * (round + 1));
  const random = seededRandom(17 + round);
  const configs = new Map([...topics].map(([name, { configs }]) => [name, configOf(configs)]));
  const manager = await LogManager.open({
    ...{ env: systemEnv, clock, random, dirs: [dataDir], nodeId: 1, clusterId: null },
    config: configOf({}),
    topicConfig: (topic) => configs.get(topic),
    cleaner: { enable: false },
  });
  try {
    const writers = new Map<string, TopicWriter>();
    for (const [topic, { topicId }] of topics) {
      const config = configs.get(topic) as LogConfig;
      const log =
        manager.getLog(topic, 0) ??
        (await manager.createLog({ topic, partition: 0, topicId, config }));
      const writer = new TopicWriter(log, clock);
      writers.set(topic, writer);
      await fill(topic, { writer, log, clock, round, next: () => random.below(2 ** 32) / 2 ** 32 });
    }
    await manager.runCompaction({ force: true });
    return new Map([...writers].map(([topic, writer]) => [topic, writer.topic()]));
  } finally {
    await manager.close();
  }
}

type Fill = {
  readonly writer: TopicWriter;
  readonly log: PartitionLog;
  readonly clock: ManualClock;
  readonly round: number;
  /** In [0, 1). */
  readonly next: () => number;
};

async function fill(topic: string, given: Fill): Promise<void> {
  const kind = topic.replace(/^ours-/, '');
  const codec = codecs.find((one) => kind === `codec-${one}`);
  if (codec !== undefined) await fillCodec(codec, given);
  else if (kind === 'append-time') await fillAppendTime(given);
  else if (kind === 'idempotent') await fillIdempotent(given);
  else if (kind === 'transactions') await fillTransactions(given);
  else if (kind === 'open') await fillOpen(given);
  else if (kind === 'trimmed') await fillTrimmed(given);
  else if (kind === 'compacted') await fillCompacted(given);
  else if (kind === 'compacted-transactions') await fillCompactedTransactions(given);
  else if (kind !== 'empty') throw new Error(topic);
}

async function fillCodec(codec: Codec, { writer, round, next }: Fill): Promise<void> {
  for (let batch = 0; batch < 60; batch++) {
    const records = Array.from({ length: 1 + Math.floor(next() * 8) }, (_, n): NewRecord => {
      const i = (round * 60 + batch) * 8 + n;
      const noise = Buffer.from(Array.from({ length: 80 }, () => next() * 256));
      const text = Buffer.from(`value ${i} `.repeat(1 + (i % 20)));
      const value = i % 9 === 3 ? null : i % 9 === 5 ? Buffer.alloc(0) : i % 9 === 7 ? noise : text;
      const headers = [{ key: 'héader', value: Buffer.from(`one ${i}`) }];
      if (i % 8 === 1) headers.push({ key: '', value: Buffer.alloc(0) });
      return {
        // Up and down, so that the time index is not simply the last record's time.
        timestamp: START_MS + i * 1000 + (i % 7 === 0 ? 5000 : 0) - (i % 11 === 0 ? 3000 : 0),
        key: i % 5 === 2 ? null : Buffer.from(i % 5 === 4 ? '' : `key-${i}`),
        value,
        headers: i % 4 === 1 ? [...headers, { key: 'null', value: null }] : [],
      };
    });
    await writer.send(records, { codec });
  }
}

async function fillAppendTime({ writer, clock }: Fill): Promise<void> {
  for (let batch = 0; batch < 40; batch++) {
    await writer.send(texts(batch, 5, 'v'.repeat(60)), { codec: batch % 2 === 0 ? 'lz4' : 'none' });
    if (batch % 3 === 0) clock.advance(10);
  }
}

async function fillIdempotent({ writer, round }: Fill): Promise<void> {
  for (let id = 0; id < 3; id++) {
    const producer = newProducer(9000 + round * 10 + id);
    for (let batch = 0; batch < 10; batch++) {
      await writer.send(texts(batch, 4, 'v'.repeat(50)), { producer });
    }
  }
}

/** Two transactional producers, one of them with an epoch for each transaction, and a plain one. */
async function fillTransactions({ writer, clock, round, next }: Fill): Promise<void> {
  const producers = [newProducer(9100 + round * 10), newProducer(9101 + round * 10, true)];
  const open = new Set<Producer>();
  for (let i = 0; i < 80; i++) {
    clock.advance(7);
    const producer = producers[next() < 0.5 ? 0 : 1] as Producer;
    open.add(producer);
    const codec = codecs[i % 5] ?? 'none';
    const records = texts(i, 1 + Math.floor(next() * 4), 'r'.repeat(60));
    await writer.send(records, { codec, producer, transactional: true });
    if (next() < 0.3) await writer.send(texts(i, 1, 'plain'));
    if (next() < 0.3) {
      await writer.end(producer, next() < 0.5 ? 'COMMIT' : 'ABORT');
      open.delete(producer);
    }
  }
  for (const producer of open) await writer.end(producer, 'ABORT');
}

async function fillOpen({ writer, round }: Fill): Promise<void> {
  const producer = newProducer(9200 + round);
  await writer.send(texts(round, 1, 'before'));
  await writer.send(texts(round, 1, 'undecided'), { producer, transactional: true });
  await writer.send(texts(round, 1, 'behind'));
}

async function fillTrimmed({ writer, log, round }: Fill): Promise<void> {
  for (let batch = 0; batch < 10; batch++) await writer.send(texts(batch, 10, 'v'.repeat(60)));
  if (round === 0) await log.deleteRecordsBefore(77);
  await log.applyRetention();
}

async function fillCompacted({ writer, log }: Fill): Promise<void> {
  for (let batch = 0; batch < 50; batch++) {
    const records = Array.from({ length: 20 }, (_, n): NewRecord => {
      const i = batch * 20 + n;
      return {
        timestamp: START_MS + i * 100,
        key: Buffer.from(`k${i < 40 ? i : i % 17}`),
        value: i > 500 && i % 13 === 3 ? null : Buffer.from(`value-${i}${'-'.repeat(40)}`),
      };
    });
    await writer.send(records, { codec: 'snappy' });
  }
  await log.flush();
}

async function fillCompactedTransactions({ writer, log, clock, round, next }: Fill): Promise<void> {
  const producer = newProducer(9300 + round);
  for (let i = 0; i < 60; i++) {
    clock.advance(3);
    const records = Array.from({ length: 4 }, (): NewRecord => {
      const value = next() < 0.2 ? null : Buffer.from(`value ${i} ${' '.repeat(50)}`);
      return { timestamp: START_MS + i, key: Buffer.from(`k${Math.floor(next() * 12)}`), value };
    });
    await writer.send(records, { producer, transactional: true });
    await writer.end(producer, i % 3 === 1 ? 'ABORT' : 'COMMIT');
  }
  await log.flush();
}

function newProducer(id: number, risingEpoch = false): Producer {
  return { id, epoch: 0, sequence: 0, risingEpoch };
}

function texts(from: number, count: number, value: string): NewRecord[] {
  return Array.from({ length: count }, (_, n) => ({
    timestamp: START_MS + from * 100 + n,
    key: Buffer.from(`k${n}`),
    value: Buffer.from(`${value} ${from}`),
  }));
}

function configOf(texts: Readonly<Record<string, string>>): LogConfig {
  const overrides = Object.entries({ 'retention.ms': '-1', ...texts });
  const derived = deriveLogConfig(
    defaultBrokerLogSettings,
    new Map(overrides.map(([name, value]) => [name.replace(/^internal\./, ''), value])),
  );
  if (!derived.ok) throw new Error(derived.message);
  return derived.config;
}

function accepted(result: AppendResult): { baseOffset: number; lastOffset: number } {
  if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
  return { baseOffset: result.baseOffset, lastOffset: result.lastOffset };
}

/**
 * Topics and their logs without a socket, in the broker's thread: what `createTopic`, `produce`, `log`
 * and `consumeAll` do. Refusals are MillraceErrors with the name of Kafka's error as code.
 */

import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { BrokerServices } from '../broker/handler.js';
import { nearestName } from '../broker/nearest-name.js';
import { leaderEpochOf } from '../broker/partitions.js';
import type { Topic } from '../cluster/metadata-image.js';
import type { PartitionLog } from '../log/partition-log.js';
import { BatchBuilder } from '../record/batch-builder.js';
import { BatchReader } from '../storage/batch-reader.js';
import { type PackedRecords, RecordPacker } from './packed-records.js';
import { partitionOf } from './partitioner.js';
import type {
  Isolation,
  LogOffsets,
  LogSegment,
  NewTopic,
  Produced,
  ProducedRecord,
  RecordText,
} from './types.js';

export interface ReadRange {
  readonly from?: number | undefined;
  /** Exclusive. */
  readonly to?: number | undefined;
  readonly isolation?: Isolation | undefined;
}

/** What was consumed so far, and where to go on in each partition. */
interface Consumed {
  readonly packer: RecordPacker;
  readonly next: Map<number, number>;
}

export class TopicAccess {
  readonly #services: () => BrokerServices;
  readonly #clock: Clock;
  /** Records without a key and a partition so far. */
  #keylessCount = 0;

  constructor(services: () => BrokerServices, clock: Clock) {
    this.#services = services;
    this.#clock = clock;
  }

  async create({ name, partitions, config = {} }: NewTopic): Promise<void> {
    const { controller, config: broker } = this.#services();
    const configs = Object.entries(config).map(([key, value]) => [key, String(value)]);
    const created = await controller.createTopic({
      name,
      partitionCount: partitions ?? broker.values['num.partitions'],
      configs: Object.fromEntries(configs) as Record<string, string>,
    });
    if (!created.ok) throw new MillraceError(created.message, { code: created.error });
  }

  async produce(topic: string, records: readonly ProducedRecord[]): Promise<Produced[]> {
    const { controller } = this.#services();
    if (controller.image.topic(topic) === undefined) await this.create({ name: topic });
    const { partitionCount } = this.topic(topic);
    const byPartition = new Map<number, number[]>();
    records.forEach((record, at) => {
      const partition = this.#partitionFor(record, partitionCount);
      const known = byPartition.get(partition);
      if (known === undefined) byPartition.set(partition, [at]);
      else known.push(at);
    });
    const produced: Produced[] = [];
    const work = [...byPartition].map(async ([partition, places]) => {
      const wanted = places.map((at) => records[at] as ProducedRecord);
      const offsets = await this.#append(this.logOf(topic, partition), wanted);
      places.forEach((at, i) => {
        produced[at] = { partition, offset: offsets[i] as number };
      });
    });
    await Promise.all(work);
    return produced;
  }

  /** Answers the offset of each. */
  async #append(log: PartitionLog, records: readonly ProducedRecord[]): Promise<number[]> {
    const appended: Promise<number[]>[] = [];
    const sizeMax = Math.max(1, log.config.messageBytesMax);
    let builder = new BatchBuilder({ sizeMax });
    const send = (): void => {
      const { count } = builder;
      appended.push(this.#appendBatch(log, builder.build(), count));
      builder = new BatchBuilder({ sizeMax });
    };
    for (const record of records) {
      const built = {
        timestamp: record.timestamp ?? this.#clock.nowMs(),
        key: bytesOf(record.key ?? null),
        value: bytesOf(record.value),
        headers: Object.entries(record.headers ?? {}).map(([key, value]) => ({
          key,
          value: bytesOf(value),
        })),
      };
      if (builder.append(built)) continue;
      send();
      builder.append(built);
    }
    if (builder.count > 0) send();
    return (await Promise.all(appended)).flat();
  }

  async #appendBatch(log: PartitionLog, batch: Uint8Array, count: number): Promise<number[]> {
    const result = await log.append(batch, { leaderEpoch: leaderEpochOf(log), owned: true });
    if (!result.ok) throw new MillraceError(result.message, { code: result.error });
    return Array.from({ length: count }, (_, i) => result.baseOffset + i);
  }

  #partitionFor({ key, partition }: ProducedRecord, partitionCount: number): number {
    if (partition !== undefined) return partition;
    const bytes = bytesOf(key ?? null);
    return bytes === null
      ? this.#keylessCount++ % partitionCount
      : partitionOf(bytes, partitionCount);
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION. */
  topic(name: string): Topic {
    const { image } = this.#services().controller;
    const topic = image.topic(name);
    if (topic !== undefined) return topic;
    const names = [...image.topics()].map((one) => one.name);
    const nearest = nearestName(name, names);
    const hint = nearest === null ? '' : `; did you mean ${nearest}?`;
    throw unknown(`there is no topic ${name}${hint}`);
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION. */
  logOf(topic: string, partition: number): PartitionLog {
    const { partitionCount } = this.topic(topic);
    const log = this.#services().logs.getLog(topic, partition);
    if (log !== undefined) return log;
    throw unknown(
      partition >= 0 && partition < partitionCount
        ? `the log of ${topic}-${partition} could not be opened`
        : `${topic} has partitions 0 to ${partitionCount - 1}, not ${partition}`,
    );
  }

  offsets(topic: string, partition: number): LogOffsets {
    const log = this.logOf(topic, partition);
    const { logStartOffset, lastStableOffset, highWatermark, logEndOffset } = log;
    return { logStartOffset, lastStableOffset, highWatermark, logEndOffset };
  }

  segments(topic: string, partition: number): LogSegment[] {
    const { segments } = this.logOf(topic, partition);
    return segments.map(({ baseOffset, size }) => ({ baseOffset, sizeInBytes: size }));
  }

  async read(topic: string, partition: number, range: ReadRange): Promise<PackedRecords> {
    const packer = new RecordPacker();
    await readInto(packer, this.logOf(topic, partition), range);
    return packer.packed();
  }

  /** Reads on where `consumed` ended, until it has `count`, or all there is. */
  async consume(
    topic: string,
    consumed: Consumed,
    options: { readonly from: number; readonly isolation: Isolation; readonly count: number },
    partitions: readonly number[],
  ): Promise<void> {
    const { from, isolation, count } = options;
    for (const partition of partitions) {
      if (consumed.packer.count >= count) return;
      const log = this.logOf(topic, partition);
      const range = { from: consumed.next.get(partition) ?? from, isolation };
      consumed.next.set(partition, await readInto(consumed.packer, log, range, count));
    }
  }

  /** Records of the group's topic that it has not committed, of those that read_committed sees. */
  async lag(group: string, topic: string): Promise<number> {
    const { partitionCount } = this.topic(topic);
    const asked = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }));
    const fetched = this.#services().groups.fetchOffsets(group, asked, false);
    if (typeof fetched === 'string') return Number.POSITIVE_INFINITY;
    const packer = new RecordPacker();
    for (const { partition, committed } of fetched) {
      const range = { from: committed?.offset ?? 0 };
      await readInto(packer, this.logOf(topic, partition), range);
    }
    return packer.count;
  }
}

/** Answers the offset to go on from. */
async function readInto(
  packer: RecordPacker,
  log: PartitionLog,
  range: ReadRange,
  countMax = Number.POSITIVE_INFINITY,
): Promise<number> {
  const isolation = range.isolation ?? 'read_committed';
  const end = isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark;
  const from = Math.max(range.from ?? 0, log.logStartOffset);
  const to = Math.min(range.to ?? end, end);
  if (from >= to) return from;
  const reader = new BatchReader({
    ...{ partition: log, from, to, isolation },
    mmap: () => false,
    onClose: () => {},
  });
  for await (const batch of reader) {
    for (const record of batch) {
      if (packer.count >= countMax) return record.offset;
      packer.add(log.partition, record);
    }
  }
  return to;
}

function bytesOf(text: RecordText | undefined): Uint8Array | null {
  if (text === null || text === undefined) return null;
  return typeof text === 'string' ? Buffer.from(text) : text;
}

function unknown(message: string): MillraceError {
  return new MillraceError(message, { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
}

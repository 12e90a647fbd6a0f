/**
 * Logs of equal batches in a broker of any make, and the words that the C clients need to write and
 * read them: with equal batches the next offset is known without looking into a response.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chunk } from '#src/base/chunk.js';
import { seededRandom } from '#src/base/random.js';
import { encodeRequest } from '#src/protocol/codec.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { type ClientResult, runC } from './c-programs.js';
import { createTopic } from './wire-client.js';

export interface BatchShape {
  readonly bytes: Uint8Array;
  readonly records: number;
}

/** A batch of `records` records with values of `valueSize` random bytes. */
export function makeBatch(records: number, valueSize: number): BatchShape {
  const builder = new BatchBuilder({});
  const random = seededRandom(valueSize);
  for (let i = 0; i < records; i++) {
    const value = random.fill(new Uint8Array(valueSize));
    builder.append({ timestamp: 1_700_000_000_000, value });
  }
  return { bytes: builder.build(), records };
}

/** A batch of as many records of `valueSize` as make about `size` bytes. */
export function batchOfSize(size: number, valueSize = 1000): BatchShape {
  return makeBatch(Math.max(1, Math.floor((size - 61) / (valueSize + 12))), valueSize);
}

export interface ProduceFrames {
  readonly topic: string;
  readonly partitions: number;
  readonly batch: BatchShape;
  readonly acks?: number;
}

/** Produce requests, one a partition, as the C client sends them; answers its words. */
export function writeProduceFrames(
  dir: string,
  { topic, partitions, batch, acks = 1 }: ProduceFrames,
): { file: string; error_at: number } {
  const chunks: Uint8Array[] = [];
  for (let index = 0; index < partitions; index++) {
    const request: readonly Chunk[] = encodeRequest(produce, 7, index, 'bench', {
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index, records: batch.bytes }] }],
    });
    chunks.push(...(request as readonly Uint8Array[]));
  }
  const file = join(dir, `produce-${topic}-${partitions}-${batch.bytes.length}`);
  writeFileSync(file, Buffer.concat(chunks));
  // Size, correlation id, topics, name, partitions, index.
  return { file, error_at: 4 + 4 + 4 + 2 + topic.length + 4 + 4 };
}

export interface FilledLog {
  readonly topic: string;
  readonly partitions: number;
  readonly batch: BatchShape;
  readonly batchesEach: number;
}

/** Creates a topic and fills each of its partitions with equal batches. */
export async function fillLog(
  port: number,
  dir: string,
  log: FilledLog & { readonly configs?: Readonly<Record<string, string>> },
): Promise<FilledLog> {
  await createTopic(port, log.topic, log.partitions, log.configs);
  const words = writeProduceFrames(dir, log);
  await runC('produce_client', {
    ...{ ...words, port, requests: log.partitions * log.batchesEach },
    ...{ connections: 1, depth: 4 },
  });
  return log;
}

export interface FetchLoad {
  readonly requests: number;
  readonly batchesEach: number;
  readonly connections?: number;
  readonly depth?: number;
  readonly kind?: 'copy' | 'trunc';
  /** Of the log's partitions, all if not said. */
  readonly partitions?: number;
  /** Least bytes of an answer, all that were asked for if not said: at the end of a segment it is cut short. */
  readonly recordsMin?: number;
}

/** Fetches `batchesEach` batches a request, through the partitions and round again. */
export function fetchLog(port: number, log: FilledLog, load: FetchLoad): Promise<ClientResult> {
  const size = load.batchesEach * log.batch.bytes.length;
  const turns = Math.floor(log.batchesEach / load.batchesEach);
  return runC('fetch_client', {
    ...{ port, topic: log.topic, requests: load.requests },
    ...{ connections: load.connections ?? 1, depth: load.depth ?? 1, kind: load.kind ?? 'copy' },
    partitions: load.partitions ?? log.partitions,
    offset_step: load.batchesEach * log.batch.records,
    offset_end: turns * load.batchesEach * log.batch.records,
    ...{ max_bytes: size, records_min: load.recordsMin ?? size },
  });
}

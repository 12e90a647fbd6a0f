/** A transactional producer over raw requests, for tests: every request is one call. */

import { produce } from '#src/protocol/messages/00-produce.js';
import { initProducerId } from '#src/protocol/messages/22-init-producer-id.js';
import { addPartitionsToTxn } from '#src/protocol/messages/24-add-partitions-to-txn.js';
import { endTxn } from '#src/protocol/messages/26-end-txn.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import {
  baseOffsetOf,
  isControlBatch,
  lastOffsetDeltaOf,
  producerEpochOf,
  producerIdOf,
  sizeOf,
} from '#src/record/batch-view.js';
import { parseControlRecord } from '#src/record/control-record.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { HEADER_SIZE } from '#src/record/layout.js';
import type { RawClient } from './raw-client.js';
import { fetchFrom } from './test-broker.js';

export interface Producer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitOptions {
  readonly version?: number;
  readonly timeoutMs?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
}

/** The raw answer of InitProducerId. */
export function initRequest(
  client: RawClient,
  transactionalId: string | null,
  options: InitOptions = {},
) {
  return client.request(initProducerId, options.version ?? 5, {
    transactionalId,
    transactionTimeoutMs: options.timeoutMs ?? 60_000,
    producerId: options.producerId ?? -1,
    producerEpoch: options.producerEpoch ?? -1,
  });
}

/** Asks until no transaction before is in the way. */
export async function initProducer(
  client: RawClient,
  transactionalId: string,
  options: InitOptions = {},
): Promise<Producer> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const { errorCode, producerId, producerEpoch } = await initRequest(
      client,
      transactionalId,
      options,
    );
    if (errorCode === 0) return { transactionalId, producerId, producerEpoch };
    if (errorCode !== 51) throw new Error(`InitProducerId: ${errorCode}`);
  }
  throw new Error('InitProducerId: still CONCURRENT_TRANSACTIONS');
}

/** Answers the error code of the first partition. */
export async function addPartitions(
  client: RawClient,
  { transactionalId, producerId, producerEpoch }: Producer,
  topic: string,
  partitions: readonly number[] = [0],
  version = 3,
): Promise<number> {
  const answer = await client.request(addPartitionsToTxn, version, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions }],
  });
  return answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? -1;
}

export interface TransactionalBatch {
  readonly sequence: number;
  readonly values?: readonly string[];
  readonly partition?: number;
  readonly version?: number;
  /** Null: none in the request. */
  readonly transactionalId?: string | null;
  readonly isTransactional?: boolean;
}

export function transactionalBatch(
  { producerId, producerEpoch }: Producer,
  { sequence, values = ['value'], isTransactional = true }: TransactionalBatch,
): Uint8Array {
  const builder = new BatchBuilder({
    producerId,
    producerEpoch,
    baseSequence: sequence,
    isTransactional,
  });
  for (const value of values) {
    builder.append({ timestamp: 1_700_000_000_000, value: Buffer.from(value) });
  }
  return builder.build();
}

/** Produces one batch in the producer's transaction; the answer of the partition. */
export async function produceIn(
  client: RawClient,
  producer: Producer,
  topic: string,
  batch: TransactionalBatch,
) {
  const { responses } = await client.request(produce, batch.version ?? 12, {
    transactionalId:
      batch.transactionalId === undefined ? producer.transactionalId : batch.transactionalId,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [
      {
        name: topic,
        partitionData: [
          { index: batch.partition ?? 0, records: transactionalBatch(producer, batch) },
        ],
      },
    ],
  });
  const answer = responses[0]?.partitionResponses[0];
  if (answer === undefined) throw new Error('no answer for the partition');
  return answer;
}

/** The raw answer of EndTxn. */
export function endRequest(
  client: RawClient,
  { transactionalId, producerId, producerEpoch }: Producer,
  committed: boolean,
  version = 5,
) {
  return client.request(endTxn, version, { transactionalId, producerId, producerEpoch, committed });
}

/** Ends the transaction as a client of version 2 does; the producer of the next one. */
export async function endWith(
  client: RawClient,
  producer: Producer,
  committed: boolean,
): Promise<Producer> {
  const answer = await endRequest(client, producer, committed);
  if (answer.errorCode !== 0) throw new Error(`EndTxn: ${answer.errorCode}`);
  return {
    transactionalId: producer.transactionalId,
    producerId: answer.producerId,
    producerEpoch: answer.producerEpoch,
  };
}

/** What a consumer of committed records gets of a partition: without what was aborted. */
export async function committedValues(
  client: RawClient,
  topic: string,
  partition = 0,
): Promise<string[]> {
  const { bytes, aborted } = await fetchAll(client, topic, partition, 1);
  const skipped = new Set<number>();
  const values: string[] = [];
  for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
    const producerId = producerIdOf(bytes, at);
    for (const one of aborted) {
      if (one.firstOffset <= baseOffsetOf(bytes, at)) skipped.add(one.producerId);
    }
    aborted.splice(
      0,
      aborted.length,
      ...aborted.filter(({ firstOffset }) => firstOffset > baseOffsetOf(bytes, at)),
    );
    for (const { key, value } of decodeBatch(bytes, at)) {
      if (!isControlBatch(bytes, at)) {
        if (!skipped.has(producerId)) values.push(Buffer.from(value ?? []).toString());
      } else if (parseControlRecord(key, value)?.type === 'abort') {
        skipped.delete(producerId);
      }
    }
  }
  return values;
}

/** Markers of a partition in the order of the log, as `commit 5` with the producer's epoch. */
export async function markersOf(
  client: RawClient,
  topic: string,
  partition = 0,
): Promise<string[]> {
  const { bytes } = await fetchAll(client, topic, partition, 0);
  const markers: string[] = [];
  for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
    if (!isControlBatch(bytes, at)) continue;
    for (const { key, value } of decodeBatch(bytes, at)) {
      markers.push(`${parseControlRecord(key, value)?.type} ${producerEpochOf(bytes, at)}`);
    }
  }
  return markers;
}

/** All of a partition; a fetch answers of one segment. Aborted transactions as they were told first. */
async function fetchAll(
  client: RawClient,
  topic: string,
  partition: number,
  isolationLevel: number,
): Promise<{ bytes: Buffer; aborted: { producerId: number; firstOffset: number }[] }> {
  const parts: Uint8Array[] = [];
  const aborted = new Map<string, { producerId: number; firstOffset: number }>();
  for (let offset = 0; ; ) {
    const answer = await fetchFrom(client, topic, { partition, offset, isolationLevel });
    for (const one of answer.abortedTransactions ?? []) {
      aborted.set(`${one.producerId}@${one.firstOffset}`, one);
    }
    const records = answer.records ?? new Uint8Array(0);
    if (records.length === 0)
      return { bytes: Buffer.concat(parts), aborted: [...aborted.values()] };
    // The last batch may be cut off where the bytes asked for end, as in Kafka.
    let end = 0;
    while (end + HEADER_SIZE <= records.length && end + sizeOf(records, end) <= records.length) {
      offset = baseOffsetOf(records, end) + lastOffsetDeltaOf(records, end) + 1;
      end += sizeOf(records, end);
    }
    parts.push(records.subarray(0, end));
  }
}

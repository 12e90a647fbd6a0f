/**
 * A transactional id as a record of `__transaction_state`, in Kafka's own format: what
 * kafka-dump-log --transaction-log-decoder reads, and what Kafka would start from.
 *
 * The last producer epoch is not stored, as Kafka does not: it serves a client that repeats a request
 * within seconds. Previous and next producer id are where they differ from the current one; Kafka 4.2
 * reads them and leaves them out itself.
 */

import { ProtocolError } from '../../protocol/protocol-error.js';
import { decodeStored, encodeStored } from '../../protocol/stored/stored-message.js';
import { transactionLogKey, transactionLogValue } from '../../protocol/stored/transaction-log.js';
import { NO_PARTITIONS, type PartitionSet } from './partition-set.js';
import {
  NO_EPOCH,
  NO_PRODUCER_ID,
  type TransactionMetadata,
  transactionStates,
} from './transaction-metadata.js';

const KEY_VERSION = 0;
const VALUE_VERSION = 1;

export function encodeTransactionKey(transactionalId: string): Uint8Array {
  return encodeStored(transactionLogKey, KEY_VERSION, { transactionalId });
}

export function encodeTransactionValue(metadata: TransactionMetadata): Uint8Array {
  return encodeStored(transactionLogValue, VALUE_VERSION, {
    producerId: metadata.producerId,
    previousProducerId:
      metadata.previousProducerId === metadata.producerId
        ? NO_PRODUCER_ID
        : metadata.previousProducerId,
    nextProducerId: metadata.nextProducerId,
    producerEpoch: metadata.producerEpoch,
    transactionTimeoutMs: metadata.timeoutMs,
    transactionStatus: transactionStates.indexOf(metadata.state),
    transactionPartitions:
      metadata.state === 'Empty'
        ? null
        : [...metadata.partitions].map(([topic, partitions]) => ({
            topic,
            partitionIds: [...partitions],
          })),
    transactionLastUpdateTimestampMs: metadata.lastUpdateMs,
    transactionStartTimestampMs: metadata.startMs,
    clientTransactionVersion: metadata.clientVersion,
  });
}

/** Throws a ProtocolError where the bytes are not understood. */
export function decodeTransactionKey(key: Uint8Array): string {
  return decodeStored(transactionLogKey, key).transactionalId;
}

/** As `decodeTransactionKey`. */
export function decodeTransactionValue(
  transactionalId: string,
  value: Uint8Array,
): TransactionMetadata {
  const stored = decodeStored(transactionLogValue, value);
  const state = transactionStates[stored.transactionStatus];
  if (state === undefined) {
    throw new ProtocolError(`${transactionalId} has status ${stored.transactionStatus}`);
  }
  return {
    transactionalId,
    producerId: stored.producerId,
    previousProducerId: stored.previousProducerId,
    nextProducerId: stored.nextProducerId,
    producerEpoch: stored.producerEpoch,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs: stored.transactionTimeoutMs,
    state,
    partitions: partitionsIn(stored.transactionPartitions),
    startMs: stored.transactionStartTimestampMs,
    lastUpdateMs: stored.transactionLastUpdateTimestampMs,
    clientVersion: stored.clientTransactionVersion,
  };
}

function partitionsIn(
  topics: readonly { readonly topic: string; readonly partitionIds: readonly number[] }[] | null,
): PartitionSet {
  if (topics === null) return NO_PARTITIONS;
  return new Map(topics.map(({ topic, partitionIds }) => [topic, new Set(partitionIds)]));
}

/** Writes the markers that end a prepared transaction on its partitions, and tells which are left. */

import type { Logger } from '../../base/logger.js';
import { partitionsOf, type TopicPartition } from './partition-set.js';
import { bumpsEpoch, type TransactionMetadata } from './transaction-metadata.js';

export interface PartitionMarker {
  readonly topic: string;
  readonly partition: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly commit: boolean;
  /** As EndTxnMarkerAppend has it. */
  readonly epochRises: boolean;
}

/**
 * `done`: the transaction is ended there, by this marker or by a later one, or the partition is gone.
 * `again`: it cannot be written now. Never rejects.
 */
export type MarkerOutcome = 'done' | 'again';

export type MarkerWriter = (marker: PartitionMarker) => Promise<MarkerOutcome>;

export interface WriteMarkersOptions {
  readonly metadata: TransactionMetadata;
  readonly coordinatorEpoch: number;
  /** The partitions that an earlier call left; null: all. */
  readonly only: readonly TopicPartition[] | null;
  readonly writeMarker: MarkerWriter;
  readonly logger: Logger;
}

/** Answers the partitions on which the transaction is not ended yet. */
export async function writeMarkers(options: WriteMarkersOptions): Promise<TopicPartition[]> {
  const { metadata, coordinatorEpoch, writeMarker, logger } = options;
  const { producerId, producerEpoch, state, clientVersion, transactionalId } = metadata;
  const partitions = options.only ?? [...partitionsOf(metadata.partitions)];
  const outcomes = await Promise.all(
    partitions.map(({ topic, partition }) =>
      writeMarker({
        topic,
        partition,
        producerId,
        producerEpoch,
        coordinatorEpoch,
        commit: state === 'PrepareCommit',
        epochRises: bumpsEpoch(clientVersion),
      }),
    ),
  );
  const left = partitions.filter((_, i) => outcomes[i] === 'again');
  if (left.length > 0 && options.only === null) {
    const partitionsLeft = left.map(({ topic, partition }) => `${topic}-${partition}`).slice(0, 10);
    logger.warn('markers of a transaction are not written yet', {
      transactionalId,
      count: left.length,
      partitions: partitionsLeft.join(','),
    });
  }
  return left;
}

/**
 * WriteTxnMarkers 1-2: from coordinators, and from tools that abort a transaction which no coordinator
 * knows any more (kafka-transactions abort). Written as it comes, where the partition takes it.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf } from '../../protocol/infer.js';
import { writeTxnMarkers } from '../../protocol/messages/27-write-txn-markers.js';
import { TRANSACTION_VERSION } from '../features.js';
import { type BrokerServices, handler } from '../handler.js';
import { appendMarker } from '../transactions.js';

type Marker = ElementOf<RequestOf<typeof writeTxnMarkers>['markers']>;

export const writeTxnMarkersHandler = handler({
  message: writeTxnMarkers,
  versions: { min: 1, max: 2 },
  notes: '',
  async handle({ broker }, request) {
    const markers = await Promise.all(
      request.markers.map(async (marker) => ({
        producerId: marker.producerId,
        topics: await Promise.all(
          marker.topics.map(async ({ name, partitionIndexes }) => ({
            name,
            partitions: await Promise.all(
              partitionIndexes.map(async (partitionIndex) => ({
                partitionIndex,
                errorCode: await write(broker, marker, name, partitionIndex),
              })),
            ),
          })),
        ),
      })),
    );
    return { markers };
  },
});

async function write(
  { logs, groups }: BrokerServices,
  marker: Marker,
  topic: string,
  partition: number,
): Promise<number> {
  const log = logs.getLog(topic, partition);
  if (log === undefined) return errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult } = marker;
  const result = await appendMarker({ groups }, log, {
    producerId,
    producerEpoch,
    coordinatorEpoch,
    commit: transactionResult,
    epochRises: marker.transactionVersion >= TRANSACTION_VERSION,
  });
  return result.ok ? errorCodes.NONE : errorCodes[result.error];
}

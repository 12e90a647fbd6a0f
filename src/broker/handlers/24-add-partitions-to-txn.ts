/**
 * AddPartitionsToTxn 0-5. Clients send 0-3, for one transaction; 4 and 5 are for brokers, several
 * transactions at once, to add partitions or only to ask whether they are in it (verifyOnly).
 *
 * One partition that does not exist keeps all from being added.
 */

import {
  hasPartition,
  type PartitionSet,
  partitionSet,
} from '../../coordinator/transaction/partition-set.js';
import type { Admission } from '../../coordinator/transaction/transaction-coordinator.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf } from '../../protocol/infer.js';
import { addPartitionsToTxn } from '../../protocol/messages/24-add-partitions-to-txn.js';
import { TRANSACTION_VERSION } from '../features.js';
import { type BrokerServices, handler } from '../handler.js';
import { transactionErrorCode } from '../transactions.js';

type Request = RequestOf<typeof addPartitionsToTxn>;
type Transaction = ElementOf<Request['transactions']>;

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION_MIN = 2;
/** First version of many transactions. */
const BATCH_VERSION_MIN = 4;

export const addPartitionsToTxnHandler = handler({
  message: addPartitionsToTxn,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    if (version >= BATCH_VERSION_MIN) {
      const resultsByTransaction = await Promise.all(
        request.transactions.map(async (transaction) => ({
          transactionalId: transaction.transactionalId,
          topicResults: await add(broker, version, transaction),
        })),
      );
      return { errorCode: errorCodes.NONE, resultsByTransaction };
    }
    const resultsByTopicV3AndBelow = await add(broker, version, {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
      verifyOnly: false,
      topics: request.v3AndBelowTopics,
    });
    return { resultsByTopicV3AndBelow };
  },
});

async function add(broker: BrokerServices, version: number, transaction: Transaction) {
  const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = transaction;
  const known = existing(broker, topics);
  const isWhole = topics.every(({ name, partitions }) =>
    partitions.every((partition) => hasPartition(known, name, partition)),
  );
  const request = {
    transactionalId,
    producerId,
    producerEpoch,
    partitions: known,
    // Between brokers it is for clients of version 2; clients of that version do not send it.
    clientVersion: version >= BATCH_VERSION_MIN ? TRANSACTION_VERSION : 0,
  };
  let admission: Admission | null = null;
  if (isWhole && verifyOnly) {
    admission =
      transactionalId === '' ? () => 'INVALID_REQUEST' : broker.transactions.verify(request);
  } else if (isWhole) {
    const error = await broker.transactions.addPartitions(request);
    admission = () => error;
  }
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode:
        admission !== null
          ? transactionErrorCode(admission(name, partitionIndex), version, FENCED_VERSION_MIN)
          : hasPartition(known, name, partitionIndex)
            ? errorCodes.OPERATION_NOT_ATTEMPTED
            : errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    })),
  }));
}

/** Of the partitions named, those that there are. */
function existing({ controller }: BrokerServices, topics: Transaction['topics']): PartitionSet {
  return partitionSet(
    topics.flatMap(({ name, partitions }) => {
      const partitionCount = controller.image.topic(name)?.partitionCount ?? 0;
      return partitions
        .filter((partition) => partition >= 0 && partition < partitionCount)
        .map((partition) => ({ topic: name, partition }));
    }),
  );
}

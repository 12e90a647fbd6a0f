/**
 * TxnOffsetCommit 0-5: a group's offsets as part of a transaction; they count once it is committed. Of
 * clients of transaction.version 2 (5) the group joins the transaction here, of older ones it must
 * have joined by AddOffsetsToTxn.
 */

import type { OffsetToCommit } from '../../coordinator/group/group-coordinator.js';
import { partitionSet } from '../../coordinator/transaction/partition-set.js';
import type { TransactionError } from '../../coordinator/transaction/transaction-coordinator.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { RequestOf } from '../../protocol/infer.js';
import { txnOffsetCommit } from '../../protocol/messages/28-txn-offset-commit.js';
import { TRANSACTION_VERSION } from '../features.js';
import { type BrokerServices, handler } from '../handler.js';

type Request = RequestOf<typeof txnOffsetCommit>;

/** First version of clients of transaction.version 2. */
const JOIN_VERSION_MIN = 5;
/** First version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION_MIN = 4;
/** First version whose clients may be told COORDINATOR_LOAD_IN_PROGRESS. */
const LOADING_VERSION_MIN = 2;

export const txnOffsetCommitHandler = handler({
  message: txnOffsetCommit,
  versions: { min: 0, max: 5 },
  notes: '',
  async handle({ broker, version }, request) {
    const offsets: OffsetToCommit[] = [];
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => {
        const { partitionIndex } = partition;
        const topic = broker.controller.image.topic(name);
        if (!(partitionIndex >= 0 && partitionIndex < (topic?.partitionCount ?? 0))) {
          return { partitionIndex, at: -1 };
        }
        const count = offsets.push({
          topic: name,
          topicId: topic?.id ?? '',
          partition: partitionIndex,
          offset: partition.committedOffset,
          leaderEpoch: partition.committedLeaderEpoch,
          metadata: partition.committedMetadata,
        });
        return { partitionIndex, at: count - 1 };
      }),
    }));
    const codes = offsets.length === 0 ? [] : await commit(broker, version, request, offsets);
    return {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, at }) => ({
          partitionIndex,
          errorCode: codes[at] ?? errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        })),
      })),
    };
  },
});

/** An error code for each of the offsets. */
async function commit(
  { groups, transactions }: BrokerServices,
  version: number,
  request: Request,
  offsets: readonly OffsetToCommit[],
): Promise<number[]> {
  const { groupId, transactionalId, producerId, producerEpoch } = request;
  const ensured = await groups.ensureTopic();
  if (ensured !== 'NONE') return offsets.map(() => errorCodes[ensured]);
  const topic = groups.topicName;
  const partition = groups.partitionFor(groupId);
  const admission = await transactions.admit({
    transactionalId,
    producerId,
    producerEpoch,
    partitions: partitionSet([{ topic, partition }]),
    clientVersion: version >= JOIN_VERSION_MIN ? TRANSACTION_VERSION : 0,
  });
  const refused = admission(topic, partition);
  if (refused !== 'NONE') return offsets.map(() => refusalCode(refused, version));
  const errors = await groups.commitTransactionalOffsets({
    groupId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    generationId: request.generationId,
    producerId,
    producerEpoch,
    offsets,
  });
  return errors.map((error) =>
    error === 'COORDINATOR_LOAD_IN_PROGRESS' && version < LOADING_VERSION_MIN
      ? errorCodes.COORDINATOR_NOT_AVAILABLE
      : errorCodes[error],
  );
}

/** As Produce answers, in the words of this request. */
function refusalCode(error: TransactionError, version: number): number {
  if (error === 'PRODUCER_FENCED') return errorCodes.INVALID_PRODUCER_EPOCH;
  if (error === 'TRANSACTION_ABORTABLE' && version < ABORTABLE_VERSION_MIN) {
    return errorCodes.INVALID_TXN_STATE;
  }
  return errorCodes[error];
}

/**
 * AddOffsetsToTxn 0-4: takes a group's partition of `__consumer_offsets` into the transaction. Clients
 * of transaction.version 2 do not send it: TxnOffsetCommit 5 does both.
 */

import { partitionSet } from '../../coordinator/transaction/partition-set.js';
import { errorCodes } from '../../protocol/error-codes.js';
import { addOffsetsToTxn } from '../../protocol/messages/25-add-offsets-to-txn.js';
import { handler } from '../handler.js';
import { transactionErrorCode } from '../transactions.js';

/** First version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION_MIN = 2;

export const addOffsetsToTxnHandler = handler({
  message: addOffsetsToTxn,
  versions: { min: 0, max: 4 },
  notes: '',
  async handle({ broker: { groups, transactions }, version }, request) {
    const { groupId, transactionalId, producerId, producerEpoch } = request;
    const ensured = await groups.ensureTopic();
    if (ensured !== 'NONE') return { errorCode: errorCodes[ensured] };
    const error = await transactions.addPartitions({
      transactionalId,
      producerId,
      producerEpoch,
      partitions: partitionSet([
        { topic: groups.topicName, partition: groups.partitionFor(groupId) },
      ]),
      clientVersion: 0,
    });
    return { errorCode: transactionErrorCode(error, version, FENCED_VERSION_MIN) };
  },
});

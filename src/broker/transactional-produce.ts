/**
 * What Produce asks the transaction coordinator before transactional batches are appended (KIP-890):
 * of clients of transaction.version 2 (Produce 12 and later) the partitions join the transaction here,
 * of older ones it is checked that they have joined. So a batch that comes late, after its transaction
 * was ended, is refused and not left hanging in a log.
 *
 * Errors are translated into those that the producer of that version knows what to do with.
 */

import { partitionSet, type TopicPartition } from '../coordinator/transaction/partition-set.js';
import type {
  Admission,
  TransactionError,
} from '../coordinator/transaction/transaction-coordinator.js';
import { errorCodes } from '../protocol/error-codes.js';
import type { RequestOf } from '../protocol/infer.js';
import type { produce } from '../protocol/messages/00-produce.js';
import { isTransactional, producerEpochOf, producerIdOf } from '../record/batch-view.js';
import { HEADER_SIZE } from '../record/layout.js';
import { TRANSACTION_VERSION } from './features.js';
import type { RequestContext } from './handler.js';
import { topicOf } from './partitions.js';

/** First version of clients of transaction.version 2. */
const JOIN_VERSION_MIN = 12;
/** First version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION_MIN = 11;
/** First version that names topics by their ids. */
const TOPIC_ID_VERSION_MIN = 13;

export interface ProduceLeave {
  /** Why a transactional batch for the partition is refused; null: it is taken. */
  readonly refusalOf: (
    topic: string,
    partition: number,
  ) => { readonly errorCode: number; readonly message: string } | null;
  /** As AppendOptions has it. */
  readonly beginsAtZero: boolean;
}

type ProduceRequest = RequestOf<typeof produce>;

const NOTHING_TO_ASK: ProduceLeave = { refusalOf: () => null, beginsAtZero: false };

/** `records` may be less than a batch. */
export function isTransactionalBatch(records: Uint8Array): boolean {
  return records.length >= HEADER_SIZE && isTransactional(records, 0);
}

/** At once if nothing has to be waited for; a number: the error for every partition of the request. */
export function admitTransaction(
  context: RequestContext,
  request: ProduceRequest,
): number | ProduceLeave | Promise<ProduceLeave> {
  const { broker, version } = context;
  const partitions: TopicPartition[] = [];
  let producerId = -1;
  let producerEpoch = -1;
  for (const { name, topicId, partitionData } of request.topicData) {
    for (const { index, records } of partitionData) {
      if (records === null || !isTransactionalBatch(records)) continue;
      const id = producerIdOf(records, 0);
      const epoch = producerEpochOf(records, 0);
      if (producerId !== -1 && (id !== producerId || epoch !== producerEpoch)) {
        return errorCodes.INVALID_PRODUCER_ID_MAPPING;
      }
      producerId = id;
      producerEpoch = epoch;
      const byId = version >= TOPIC_ID_VERSION_MIN;
      const topic = topicOf(broker, byId ? topicId : name, byId);
      // What is not there is refused later, and joins no transaction.
      if (topic === undefined || topic.internal || !(index >= 0 && index < topic.partitionCount)) {
        continue;
      }
      partitions.push({ topic: topic.name, partition: index });
    }
  }
  if (producerId === -1) return NOTHING_TO_ASK;
  const { transactionalId } = request;
  if (transactionalId === null) return errorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  if (partitions.length === 0) return NOTHING_TO_ASK;
  const admission = broker.transactions.admit({
    transactionalId,
    producerId,
    producerEpoch,
    partitions: partitionSet(partitions),
    clientVersion: version >= JOIN_VERSION_MIN ? TRANSACTION_VERSION : 0,
  });
  return typeof admission === 'function'
    ? leaveOf(admission, version)
    : admission.then((admitted) => leaveOf(admitted, version));
}

function leaveOf(admission: Admission, version: number): ProduceLeave {
  return {
    refusalOf: (topic, partition) => {
      const error = admission(topic, partition);
      return error === 'NONE' ? null : refusal(error, version);
    },
    beginsAtZero: version >= JOIN_VERSION_MIN,
  };
}

function refusal(error: TransactionError, version: number): { errorCode: number; message: string } {
  switch (error) {
    case 'TRANSACTION_ABORTABLE':
      return {
        errorCode:
          version >= ABORTABLE_VERSION_MIN
            ? errorCodes.TRANSACTION_ABORTABLE
            : errorCodes.INVALID_TXN_STATE,
        message: 'The partition was not added to the transaction',
      };
    case 'PRODUCER_FENCED':
      return {
        errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
        message: 'The epoch is not that of the current producer',
      };
    case 'COORDINATOR_NOT_AVAILABLE':
      return { errorCode: errorCodes.NOT_ENOUGH_REPLICAS, message: unverified(error) };
    case 'CONCURRENT_TRANSACTIONS':
      return version >= JOIN_VERSION_MIN
        ? { errorCode: errorCodes.CONCURRENT_TRANSACTIONS, message: 'The one before is not over' }
        : { errorCode: errorCodes.NOT_ENOUGH_REPLICAS, message: unverified(error) };
    default:
      return { errorCode: errorCodes[error], message: unverified(error) };
  }
}

/** Older clients repeat a request that was answered with NOT_ENOUGH_REPLICAS, and nothing else. */
function unverified(error: TransactionError): string {
  return `It cannot be verified that the partition is in the transaction: ${error}`;
}

/**
 * What a request does to a transactional id: a pure function each, from what is known of the id to an
 * answer or to what is to be written. Errors and their order are Kafka 4.2's (TransactionCoordinator).
 *
 * Whoever calls holds the id while a change is being written (Kafka's "pending state"): these functions
 * see only what is in the log.
 */

import { assert } from '../../base/assert.js';
import {
  containsAll,
  hasPartition,
  NO_PARTITIONS,
  type PartitionSet,
  union,
} from './partition-set.js';
import {
  bumpsEpoch,
  EPOCH_BUMP_VERSION,
  isEpochExhausted,
  isPrepared,
  NO_EPOCH,
  NO_PRODUCER_ID,
  type TransactionMetadata,
} from './transaction-metadata.js';

export type TransactionError =
  | 'CONCURRENT_TRANSACTIONS'
  | 'COORDINATOR_NOT_AVAILABLE'
  | 'INVALID_PRODUCER_ID_MAPPING'
  | 'INVALID_REQUEST'
  | 'INVALID_TRANSACTION_TIMEOUT'
  | 'INVALID_TXN_STATE'
  | 'PRODUCER_FENCED'
  | 'TRANSACTION_ABORTABLE'
  /** The transaction has more partitions than a record has room for. */
  | 'UNKNOWN_SERVER_ERROR';

export type Decision =
  /** Answer with an error, or that all is as it was asked for. */
  | { readonly do: 'answer'; readonly error: TransactionError | 'NONE' }
  | { readonly do: 'write'; readonly next: TransactionMetadata }
  /** Write this abort, and let the client ask again. */
  | { readonly do: 'fence'; readonly next: TransactionMetadata }
  /** Ask again with a producer id that nobody has. */
  | { readonly do: 'take-producer-id' };

export interface DecisionContext {
  readonly nowMs: number;
  /** That nobody has; null: none was taken. */
  readonly newProducerId: number | null;
}

export interface InitRequest {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What the producer believes itself to be (KIP-360); null: it is a new one. */
  readonly expected: { readonly producerId: number; readonly producerEpoch: number } | null;
}

export interface ProducerRequest {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface AddRequest extends ProducerRequest {
  readonly partitions: PartitionSet;
  readonly clientVersion: number;
}

export interface EndRequest extends ProducerRequest {
  readonly commit: boolean;
  readonly clientVersion: number;
}

/** InitProducerId with a transactional id. */
export function decideInit(
  metadata: TransactionMetadata | null,
  request: InitRequest,
  context: DecisionContext,
): Decision {
  const { expected, timeoutMs } = request;
  if (metadata === null) return create(request, context);
  if (expected !== null && !isOwnProducerId(metadata, expected)) return refuse('PRODUCER_FENCED');
  if (isPrepared(metadata)) return refuse('CONCURRENT_TRANSACTIONS');
  if (metadata.state === 'Ongoing') {
    // The epoch of the abort is nobody's: the client asks again and gets the one after it.
    return { do: 'fence', next: fenced(metadata, context.nowMs) };
  }
  const { producerEpoch, lastProducerEpoch } = metadata;
  const renewed = {
    ...metadata,
    state: 'Empty' as const,
    timeoutMs,
    partitions: NO_PARTITIONS,
    startMs: -1,
    lastUpdateMs: context.nowMs,
    previousProducerId: metadata.producerId,
  };
  const asksAtTheEnd = expected === null || expected.producerEpoch === producerEpoch;
  if (isEpochExhausted(producerEpoch) && asksAtTheEnd) {
    if (context.newProducerId === null) return { do: 'take-producer-id' };
    const next = {
      ...renewed,
      producerId: context.newProducerId,
      producerEpoch: 0,
      lastProducerEpoch: expected === null ? NO_EPOCH : producerEpoch,
    };
    return { do: 'write', next };
  }
  if (expected === null) {
    const next = { ...renewed, producerEpoch: producerEpoch + 1, lastProducerEpoch: NO_EPOCH };
    return { do: 'write', next };
  }
  if (expected.producerEpoch === producerEpoch) {
    const next = { ...renewed, producerEpoch: producerEpoch + 1, lastProducerEpoch: producerEpoch };
    return { do: 'write', next };
  }
  // A repeated request whose answer was lost: the epoch that it was given.
  if (expected.producerEpoch === lastProducerEpoch) return { do: 'write', next: renewed };
  return refuse('PRODUCER_FENCED');
}

/** AddPartitionsToTxn, AddOffsetsToTxn, and Produce and TxnOffsetCommit of clients of version 2. */
export function decideAdd(
  metadata: TransactionMetadata | null,
  request: AddRequest,
  context: DecisionContext,
): Decision {
  const problem = producerProblem(metadata, request);
  if (metadata === null || problem !== null) {
    return refuse(problem ?? 'INVALID_PRODUCER_ID_MAPPING');
  }
  if (isPrepared(metadata)) return refuse('CONCURRENT_TRANSACTIONS');
  const isOngoing = metadata.state === 'Ongoing';
  if (isOngoing && containsAll(metadata.partitions, request.partitions)) return NONE;
  const next: TransactionMetadata = {
    ...metadata,
    state: 'Ongoing',
    partitions: union(metadata.partitions, request.partitions),
    startMs: isOngoing ? metadata.startMs : context.nowMs,
    lastUpdateMs: context.nowMs,
    previousProducerId: metadata.producerId,
    clientVersion: request.clientVersion,
  };
  return { do: 'write', next };
}

/** Whether one partition is in the transaction of a producer, for what clients before version 2 send. */
export function verifyPartition(
  metadata: TransactionMetadata | null,
  request: ProducerRequest,
  topic: string,
  partition: number,
): TransactionError | 'NONE' {
  const problem = producerProblem(metadata, request);
  if (metadata === null || problem !== null) return problem ?? 'INVALID_PRODUCER_ID_MAPPING';
  if (isPrepared(metadata)) return 'CONCURRENT_TRANSACTIONS';
  return hasPartition(metadata.partitions, topic, partition) ? 'NONE' : 'TRANSACTION_ABORTABLE';
}

/** EndTxn. */
export function decideEnd(
  metadata: TransactionMetadata | null,
  request: EndRequest,
  context: DecisionContext,
): Decision {
  if (metadata === null) return refuse('INVALID_PRODUCER_ID_MAPPING');
  return bumpsEpoch(request.clientVersion)
    ? decideEndBumping(metadata, request, context)
    : decideEndKeeping(metadata, request, context);
}

/** A client of version 2: after the end the epoch is another one, which shows a repeated request. */
function decideEndBumping(
  metadata: TransactionMetadata,
  request: EndRequest,
  context: DecisionContext,
): Decision {
  const { state, producerEpoch } = metadata;
  const { commit } = request;
  const isOverflowRepeat =
    metadata.previousProducerId === request.producerId &&
    request.producerEpoch === LAST_CLIENT_EPOCH &&
    producerEpoch === 0;
  const isBumpRepeat = producerEpoch === request.producerEpoch + 1;
  if (metadata.producerId !== request.producerId && !isOverflowRepeat) {
    return refuse('INVALID_PRODUCER_ID_MAPPING');
  }
  const isCurrent = request.producerEpoch === producerEpoch;
  const isRepeat = isBumpRepeat || isOverflowRepeat;
  const isValid =
    state === 'Ongoing' || state === 'Empty'
      ? isCurrent
      : isPrepared(metadata)
        ? isBumpRepeat
        : isRepeat || isCurrent;
  if (!isValid) return refuse('PRODUCER_FENCED');
  switch (state) {
    case 'Ongoing':
      return end(metadata, request, context);
    case 'Empty':
      // The client cannot know whether its first batch came through, and aborts to be sure.
      return commit ? refuse('INVALID_TXN_STATE') : end(metadata, request, context);
    case 'PrepareCommit':
      return refuse(commit ? 'CONCURRENT_TRANSACTIONS' : 'INVALID_TXN_STATE');
    case 'PrepareAbort':
      return refuse(commit ? 'INVALID_TXN_STATE' : 'CONCURRENT_TRANSACTIONS');
    default:
      if (isRepeat)
        return (state === 'CompleteCommit') === commit ? NONE : refuse('INVALID_TXN_STATE');
      return commit ? refuse('INVALID_TXN_STATE') : end(metadata, request, context);
  }
}

/** An older client: the epoch stays, so that a repeated request and a late one look the same. */
function decideEndKeeping(
  metadata: TransactionMetadata,
  request: EndRequest,
  context: DecisionContext,
): Decision {
  const problem = producerProblem(metadata, request);
  if (problem !== null) return refuse(problem);
  const { state } = metadata;
  const { commit } = request;
  if (state === 'Ongoing') return end(metadata, request, context);
  if (state === (commit ? 'CompleteCommit' : 'CompleteAbort')) return NONE;
  if (state === (commit ? 'PrepareCommit' : 'PrepareAbort'))
    return refuse('CONCURRENT_TRANSACTIONS');
  return refuse('INVALID_TXN_STATE');
}

/** The abort of an ongoing transaction that its producer did not ask for: it is fenced by its epoch. */
export function fenced(metadata: TransactionMetadata, nowMs: number): TransactionMetadata {
  assert(metadata.state === 'Ongoing', 'only an ongoing transaction is fenced');
  return {
    ...metadata,
    state: 'PrepareAbort',
    producerEpoch: metadata.producerEpoch + 1,
    lastProducerEpoch: metadata.producerEpoch,
    nextProducerId: NO_PRODUCER_ID,
    previousProducerId: metadata.producerId,
    lastUpdateMs: nowMs,
    clientVersion: EPOCH_BUMP_VERSION,
  };
}

/** A prepared transaction once all its markers are written. */
export function completed(metadata: TransactionMetadata, nowMs: number): TransactionMetadata {
  assert(isPrepared(metadata), 'only a prepared transaction is completed');
  const rotates = metadata.nextProducerId !== NO_PRODUCER_ID;
  return {
    ...metadata,
    state: metadata.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    producerId: rotates ? metadata.nextProducerId : metadata.producerId,
    previousProducerId: metadata.producerId,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: rotates ? 0 : metadata.producerEpoch,
    partitions: NO_PARTITIONS,
    lastUpdateMs: nowMs,
  };
}

const LAST_CLIENT_EPOCH = 0x7ffe;
const NONE: Decision = { do: 'answer', error: 'NONE' };

function refuse(error: TransactionError): Decision {
  return { do: 'answer', error };
}

function create(request: InitRequest, { nowMs, newProducerId }: DecisionContext): Decision {
  if (newProducerId === null) return { do: 'take-producer-id' };
  const next: TransactionMetadata = {
    transactionalId: request.transactionalId,
    producerId: newProducerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: 0,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs: request.timeoutMs,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startMs: -1,
    lastUpdateMs: nowMs,
    clientVersion: 0,
  };
  return { do: 'write', next };
}

/** The id is the producer's, or was when it used up the epochs and did not hear the answer. */
function isOwnProducerId(
  { producerId, previousProducerId }: TransactionMetadata,
  expected: { readonly producerId: number; readonly producerEpoch: number },
): boolean {
  if (expected.producerId === producerId) return true;
  return expected.producerId === previousProducerId && isEpochExhausted(expected.producerEpoch);
}

function producerProblem(
  metadata: TransactionMetadata | null,
  { producerId, producerEpoch }: ProducerRequest,
): 'INVALID_PRODUCER_ID_MAPPING' | 'PRODUCER_FENCED' | null {
  if (metadata === null || metadata.producerId !== producerId) return 'INVALID_PRODUCER_ID_MAPPING';
  return metadata.producerEpoch === producerEpoch ? null : 'PRODUCER_FENCED';
}

/** The end that the producer asked for; of version 2 with the next epoch, or the next producer id. */
function end(
  metadata: TransactionMetadata,
  { commit, clientVersion }: EndRequest,
  { nowMs, newProducerId }: DecisionContext,
): Decision {
  const bumps = bumpsEpoch(clientVersion);
  const rotates = bumps && isEpochExhausted(metadata.producerEpoch);
  if (rotates && newProducerId === null) return { do: 'take-producer-id' };
  const next: TransactionMetadata = {
    ...metadata,
    state: commit ? 'PrepareCommit' : 'PrepareAbort',
    producerEpoch: metadata.producerEpoch + (bumps ? 1 : 0),
    lastProducerEpoch: bumps ? metadata.producerEpoch : metadata.lastProducerEpoch,
    nextProducerId: rotates ? (newProducerId as number) : NO_PRODUCER_ID,
    previousProducerId: metadata.producerId,
    // Without a partition there was no start; a complete one has had a time.
    startMs: metadata.state === 'Ongoing' ? metadata.startMs : nowMs,
    lastUpdateMs: nowMs,
    clientVersion,
  };
  return { do: 'write', next };
}

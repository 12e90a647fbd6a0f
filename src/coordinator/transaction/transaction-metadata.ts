/**
 * What a coordinator knows of a transactional id, and the states that it goes through:
 *
 *                add                 end               markers written
 *     Empty ----------> Ongoing ----------> Prepare... ---------------> Complete...
 *       ^   (v2: abort without a partition) --^ ^                          |  |
 *       |                 fence, timeout: abort -'            add: Ongoing <'  |
 *       '------------------------------ a new producer ------------------------'
 *
 * A value: a request makes the next one, which counts once its record is in `__transaction_state`.
 */

import type { PartitionSet } from './partition-set.js';

/** In the order of their ids in stored records. */
export const transactionStates = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;

export type TransactionStateName = (typeof transactionStates)[number];

export const NO_PRODUCER_ID = -1;
export const NO_EPOCH = -1;

/** No client is given it, so that a producer can always be fenced by one more. */
const EPOCH_MAX = 0x7fff;

export interface TransactionMetadata {
  readonly transactionalId: string;
  readonly producerId: number;
  /** Before the last change of state; another one after the epochs of an id were used up. */
  readonly previousProducerId: number;
  /** Of the producer once the transaction is complete; -1: the same as now. */
  readonly nextProducerId: number;
  readonly producerEpoch: number;
  /** With which the producer asked for the current one, so that a repeated request shows; or -1. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionStateName;
  readonly partitions: PartitionSet;
  /** -1 before the first transaction. */
  readonly startMs: number;
  readonly lastUpdateMs: number;
  /** transaction.version of the client as its last request showed: 2, or 0 for all that is older. */
  readonly clientVersion: number;
}

/** From this version on each end of a transaction raises the epoch (KIP-890). */
export const EPOCH_BUMP_VERSION = 2;

export function bumpsEpoch(clientVersion: number): boolean {
  return clientVersion >= EPOCH_BUMP_VERSION;
}

export function isEpochExhausted(epoch: number): boolean {
  return epoch >= EPOCH_MAX - 1;
}

export function isPrepared({ state }: TransactionMetadata): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}

/** Whether a transactional id that nobody uses may be forgotten in this state. */
export function canExpire({ state }: TransactionMetadata): boolean {
  return state === 'Empty' || state === 'CompleteCommit' || state === 'CompleteAbort';
}

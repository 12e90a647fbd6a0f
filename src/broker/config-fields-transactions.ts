/** The broker configs of producers and transactions that this broker obeys; part of config-fields.ts. */

import { int } from '../base/config-table.js';

const MIB = 2 ** 20;

export const transactionFields = {
  'add.partitions.to.txn.retry.backoff.max.ms': int({
    default: 100,
    min: 0,
    doc: 'How long the first request of a transaction waits for the end of the one before it, before it is answered with CONCURRENT_TRANSACTIONS.',
  }),
  'producer.id.expiration.ms': int({
    default: 86_400_000,
    min: 1,
    doc: 'A partition forgets a producer that has written nothing for this long and has no open transaction; looked at with every check of retention.',
  }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': int({
    default: 10_000,
    min: 1,
    doc: 'How often it is checked whether transactions are open for longer than their timeout; those are aborted.',
  }),
  'transaction.max.timeout.ms': int({
    default: 900_000,
    min: 1,
    importance: 'high',
    doc: 'Longest timeout that a transactional producer may ask for.',
  }),
  'transaction.remove.expired.transaction.cleanup.interval.ms': int({
    default: 3_600_000,
    min: 1,
    doc: 'How often it is checked whether transactional ids are unused for transactional.id.expiration.ms.',
  }),
  'transaction.state.log.load.buffer.size': int({
    default: 5 * MIB,
    min: 1,
    doc: 'Bytes of one read of the transaction state at the start; a larger batch is read whole.',
  }),
  'transaction.state.log.num.partitions': int({
    default: 1,
    min: 1,
    importance: 'high',
    doc: 'Partitions of __transaction_state, when it is made. (50 in Kafka: for many brokers.)',
  }),
  'transaction.state.log.segment.bytes': int({
    default: 100 * MIB,
    min: 1,
    importance: 'high',
    doc: 'Segment size of __transaction_state, when it is made.',
  }),
  'transactional.id.expiration.ms': int({
    default: 604_800_000,
    min: 1,
    importance: 'high',
    doc: 'A transactional id that was not used for this long, and has no open transaction, is forgotten.',
  }),
};

/**
 * The transaction coordinator of this broker, put together: its state topic, its producer ids, and the
 * way from a marker to the partition that it ends a transaction on.
 */

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { atTickEnd } from '../base/tick.js';
import type { Controller } from '../cluster/controller.js';
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js';
import { StateTopic } from '../coordinator/state-topic.js';
import type { MarkerOutcome, PartitionMarker } from '../coordinator/transaction/marker-writer.js';
import {
  TransactionCoordinator,
  type TransactionError,
} from '../coordinator/transaction/transaction-coordinator.js';
import type { LogManager } from '../log/log-manager.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { AppendResult } from '../log/results.js';
import { errorCodes } from '../protocol/error-codes.js';
import type { BrokerConfig } from './config.js';
import { leaderEpochOf } from './partitions.js';

export const TRANSACTION_STATE_TOPIC = '__transaction_state';

export interface TransactionServices {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: LogManager;
  readonly controller: Controller;
  readonly groups: GroupCoordinator;
}

/** Not open yet. */
export function makeTransactionCoordinator(services: TransactionServices): TransactionCoordinator {
  const { config, clock, logger, logs, controller } = services;
  const { values } = config;
  return new TransactionCoordinator({
    clock,
    logger,
    settings: {
      timeoutMsMax: values['transaction.max.timeout.ms'],
      abortCheckIntervalMs: values['transaction.abort.timed.out.transaction.cleanup.interval.ms'],
      idExpirationMs: values['transactional.id.expiration.ms'],
      idExpirationCheckIntervalMs:
        values['transaction.remove.expired.transaction.cleanup.interval.ms'],
      startWaitMsMax: values['add.partitions.to.txn.retry.backoff.max.ms'],
    },
    stateTopic: (replay) =>
      new StateTopic({
        name: TRANSACTION_STATE_TOPIC,
        partitionCount: values['transaction.state.log.num.partitions'],
        configs: {
          'cleanup.policy': 'compact',
          'compression.type': 'uncompressed',
          'segment.bytes': String(values['transaction.state.log.segment.bytes']),
          'unclean.leader.election.enable': 'false',
        },
        loadBufferBytes: values['transaction.state.log.load.buffer.size'],
        clock,
        logger,
        existingPartitionCount: (topic) => controller.image.topic(topic)?.partitionCount ?? 0,
        getLog: (topic, partition) => logs.getLog(topic, partition),
        createTopic: async (topic) => {
          const created = await controller.createTopic(topic);
          return created.ok ? null : created.message;
        },
        replay,
      }),
    takeProducerId: () => controller.producerIds.next(),
    writeMarker: (marker) => writeMarker(services, marker),
    coordinatorEpoch: (partition) => {
      const log = logs.getLog(TRANSACTION_STATE_TOPIC, partition);
      return log === undefined ? 0 : leaderEpochOf(log);
    },
  });
}

async function writeMarker(
  services: TransactionServices,
  marker: PartitionMarker,
): Promise<MarkerOutcome> {
  const { controller, logs, logger } = services;
  const { topic, partition } = marker;
  // A topic that was deleted takes its part of the transaction with it.
  const partitionCount = controller.image.topic(topic)?.partitionCount ?? 0;
  if (partition >= partitionCount) return 'done';
  const log = logs.getLog(topic, partition);
  if (log === undefined) return 'again';
  const result = await appendMarker(services, log, marker);
  if (result.ok) return 'done';
  const { error } = result;
  if (error !== 'INVALID_PRODUCER_EPOCH' && error !== 'TRANSACTION_COORDINATOR_FENCED') {
    return 'again';
  }
  // Somebody has ended it by a marker of a later epoch: a tool, or a coordinator before.
  logger.warn('a marker comes after a later one', { topic, partition, cause: result.message });
  return 'done';
}

/** Ends a transaction in a log, and in what the group coordinator keeps of it. */
export async function appendMarker(
  { groups }: Pick<TransactionServices, 'groups'>,
  log: PartitionLog,
  marker: Omit<PartitionMarker, 'topic' | 'partition'>,
): Promise<AppendResult> {
  const { producerId, commit } = marker;
  const type = commit ? 'commit' : 'abort';
  const leaderEpoch = leaderEpochOf(log);
  const result = await log.appendEndTxnMarker({ ...marker, type, leaderEpoch });
  if (result.ok && log.topic === groups.topicName) {
    // Offsets that were written with it, in the same tick, are the coordinator's by then.
    await new Promise<void>((resolve) => atTickEnd('send', resolve));
    groups.completeTransaction(log.partition, producerId, commit);
  }
  return result;
}

/** The code for clients that know PRODUCER_FENCED from `knownFrom` on; older ones know another. */
export function transactionErrorCode(
  error: TransactionError | 'NONE',
  version: number,
  knownFrom: number,
): number {
  if (error === 'PRODUCER_FENCED' && version < knownFrom) return errorCodes.INVALID_PRODUCER_EPOCH;
  return errorCodes[error];
}

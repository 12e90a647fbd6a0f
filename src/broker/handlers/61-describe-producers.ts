/** DescribeProducers 0: the producers that a partition remembers, for tools that look for open transactions. */

import type { ProducerEntry } from '../../log/producer-state.js';
import { topicNameProblem } from '../../log/topic-name.js';
import { errorCodes } from '../../protocol/error-codes.js';
import { describeProducers } from '../../protocol/messages/61-describe-producers.js';
import { type BrokerServices, handler } from '../handler.js';
import { logOf } from '../partitions.js';

export const describeProducersHandler = handler({
  message: describeProducers,
  versions: { min: 0, max: 0 },
  notes: '',
  handle({ broker }, request) {
    const topics = request.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => describe(broker, name, partitionIndex)),
    }));
    return { topics };
  },
});

function describe(broker: BrokerServices, name: string, partitionIndex: number) {
  const problem = topicNameProblem(name);
  if (problem !== null) {
    return failure(partitionIndex, errorCodes.INVALID_TOPIC_EXCEPTION, problem);
  }
  const topic = broker.controller.image.topic(name);
  if (topic === undefined) return failure(partitionIndex, errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  const log = logOf(broker, topic, partitionIndex);
  if (typeof log === 'number') return failure(partitionIndex, log);
  return {
    partitionIndex,
    errorCode: errorCodes.NONE,
    activeProducers: log.activeProducers().map(describeProducer),
  };
}

function describeProducer(entry: ProducerEntry) {
  return {
    producerId: entry.producerId,
    producerEpoch: entry.epoch,
    lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: entry.lastTimestampMs,
    coordinatorEpoch: entry.coordinatorEpoch,
    currentTxnStartOffset: entry.transactionFirstOffset,
  };
}

function failure(partitionIndex: number, errorCode: number, errorMessage: string | null = null) {
  return { partitionIndex, errorCode, errorMessage, activeProducers: [] };
}

/** From a topic and partition number in a request to its log, or to the error that answers it. */

import { LEADER_EPOCH, type Topic } from '../cluster/metadata-image.js';
import type { PartitionLog } from '../log/partition-log.js';
import { errorCodes } from '../protocol/error-codes.js';
import type { BrokerServices } from './handler.js';

/**
 * The leader epoch of a partition. One node needs no other than 0; but a log that a real cluster
 * wrote may have higher ones, and epochs never go down.
 */
export function leaderEpochOf(log: PartitionLog): number {
  return Math.max(LEADER_EPOCH, log.latestLeaderEpoch);
}

/** Error code for the epoch that a client believes in; -1: it says none. */
export function leaderEpochError(log: PartitionLog, clientEpoch: number): number {
  if (clientEpoch === -1) return errorCodes.NONE;
  const epoch = leaderEpochOf(log);
  if (clientEpoch < epoch) return errorCodes.FENCED_LEADER_EPOCH;
  return clientEpoch > epoch ? errorCodes.UNKNOWN_LEADER_EPOCH : errorCodes.NONE;
}

/** `key` is a topic id or a name, as `byId` says. */
export function topicOf(broker: BrokerServices, key: string, byId: boolean): Topic | undefined {
  const { image } = broker.controller;
  return byId ? image.topicById(key) : image.topic(key);
}

/** What answers for a topic that `topicOf` does not find. */
export function unknownTopicError(byId: boolean): number {
  return byId ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
}

/** The log, or the error code that answers: no such partition, or one that could not be opened. */
export function logOf(
  broker: BrokerServices,
  topic: Topic,
  partition: number,
): PartitionLog | number {
  if (partition < 0 || partition >= topic.partitionCount) {
    return errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
  }
  return broker.logs.getLog(topic.name, partition) ?? errorCodes.KAFKA_STORAGE_ERROR;
}

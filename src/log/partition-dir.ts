/**
 * Names of the directories in a data directory:
 *
 *     orders-0                                          partition 0 of topic orders
 *     orders-0.5a3e...(32 hex digits)-delete            deleted, to be unlinked
 *     orders-0.5a3e...-stray, orders-0.5a3e...-future   Kafka's own, left alone
 *     __cluster_metadata-0                              KRaft's own, left alone
 */

import type { Random } from '../base/random.js';
import { topicNameProblem } from './topic-name.js';

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

const METADATA_TOPIC = '__cluster_metadata';
const COMPONENT_BYTES_MAX = 255;
const PARTITION_MAX = 2 ** 31 - 1;

export function formatPartitionDir(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** Null for everything that is no live partition of a topic. */
export function parsePartitionDir(name: string): PartitionName | null {
  const match = /^(.+)-(0|[1-9]\d{0,9})$/.exec(name);
  if (match === null) return null;
  const topic = match[1] as string;
  const partition = Number(match[2]);
  if (topicNameProblem(topic) !== null || topic === METADATA_TOPIC) return null;
  return partition > PARTITION_MAX ? null : { topic, partition };
}

/** The topic is cut where the whole would pass the longest file name. */
export function formatDeletedDir(topic: string, partition: number, random: Random): string {
  const unique = Buffer.from(random.fill(new Uint8Array(16))).toString('hex');
  const suffix = `-${partition}.${unique}-delete`;
  return topic.slice(0, COMPONENT_BYTES_MAX - suffix.length) + suffix;
}

export function isDeletedDir(name: string): boolean {
  return /^.+-\d+\.[0-9a-f]{32}-delete$/.test(name);
}

/**
 * The small text files of a data directory and of a partition, byte for byte as Kafka writes them:
 *
 *     recovery-point-offset-checkpoint     0            version
 *     log-start-offset-checkpoint          2            entries
 *     replication-offset-checkpoint        orders 0 42  topic partition offset
 *     cleaner-offset-checkpoint            orders 1 7
 *
 *     leader-epoch-checkpoint              0            version
 *                                          1            entries
 *                                          3 120        epoch, first offset
 *
 *     partition.metadata                   version: 0
 *                                          topic_id: tZ4NdPrERqqWzgiThXTbLA
 *
 * Formats only: the readers take text, the writers answer text. A text that is wrong in any way reads
 * as null, and its caller does without the file (R4: a corrupt checkpoint is never fatal).
 */

import type { Offset } from '../base/offset.js';
import { isUuid } from '../base/uuid.js';
import type { EpochEntry } from './leader-epoch-cache.js';

export const RECOVERY_POINT_FILE = 'recovery-point-offset-checkpoint';
export const LOG_START_FILE = 'log-start-offset-checkpoint';
export const HIGH_WATERMARK_FILE = 'replication-offset-checkpoint';
export const CLEANER_FILE = 'cleaner-offset-checkpoint';
export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';
export const PARTITION_METADATA_FILE = 'partition.metadata';
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';

const VERSION = '0';

/** Offsets by `TOPIC-PARTITION`. */
export type OffsetCheckpoint = ReadonlyMap<string, Offset>;

export function formatOffsetCheckpoint(offsets: OffsetCheckpoint): string {
  const lines = [VERSION, String(offsets.size)];
  for (const [partition, offset] of offsets) {
    const dash = partition.lastIndexOf('-');
    lines.push(`${partition.slice(0, dash)} ${partition.slice(dash + 1)} ${offset}`);
  }
  return `${lines.join('\n')}\n`;
}

export function parseOffsetCheckpoint(text: string): OffsetCheckpoint | null {
  const entries = entryLines(text);
  if (entries === null) return null;
  const offsets = new Map<string, Offset>();
  for (const line of entries) {
    const match = /^(\S+) (\d+) (\d+)$/.exec(line);
    const offset = match === null ? Number.NaN : Number(match[3]);
    if (match === null || !Number.isSafeInteger(offset)) return null;
    offsets.set(`${match[1]}-${match[2]}`, offset as Offset);
  }
  return offsets;
}

export function formatLeaderEpochs(entries: readonly EpochEntry[]): string {
  const lines = [VERSION, String(entries.length)];
  for (const { epoch, startOffset } of entries) lines.push(`${epoch} ${startOffset}`);
  return `${lines.join('\n')}\n`;
}

export function parseLeaderEpochs(text: string): readonly EpochEntry[] | null {
  const lines = entryLines(text);
  if (lines === null) return null;
  const entries: EpochEntry[] = [];
  for (const line of lines) {
    const match = /^(\d+) (\d+)$/.exec(line);
    if (match === null) return null;
    const epoch = Number(match[1]);
    const startOffset = Number(match[2]);
    if (epoch > 0x7fffffff || !Number.isSafeInteger(startOffset)) return null;
    entries.push({ epoch, startOffset: startOffset as Offset });
  }
  return entries;
}

export function formatPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`;
}

/** The topic id. */
export function parsePartitionMetadata(text: string): string | null {
  const match = /^version: 0\r?\ntopic_id: (\S+)\s*$/.exec(text);
  const topicId = match?.[1];
  return topicId !== undefined && isUuid(topicId) ? topicId : null;
}

/** Content of the clean-shutdown marker. Kafka's own may also be empty: only its presence counts. */
export function formatCleanShutdown(brokerEpoch: number): string {
  return JSON.stringify({ version: 0, brokerEpoch });
}

/** The broker epoch in a clean-shutdown marker; -1: none, or not to be read. */
export function parseCleanShutdown(text: string): number {
  const found = /^\s*\{.*"brokerEpoch"\s*:\s*(\d+)\b.*\}\s*$/s.exec(text)?.[1];
  const epoch = found === undefined ? -1 : Number(found);
  return Number.isSafeInteger(epoch) ? epoch : -1;
}

/** The lines after version and count, or null if either is wrong. */
function entryLines(text: string): string[] | null {
  const lines = text.split('\n');
  // A file that was written whole ends in a newline.
  if (lines.pop() !== '') return null;
  const [version, count, ...entries] = lines;
  if (version?.trim() !== VERSION || count === undefined || !/^\d+$/.test(count.trim()))
    return null;
  return Number(count) === entries.length ? entries : null;
}

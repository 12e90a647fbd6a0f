/**
 * LogManager: all partition logs of one process, in one or more data directories.
 */

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import type { Env } from '../file/env.js';
import type { PartitionLog } from './partition-log.js';
import type { LogConfig } from './topic-config.js';

export interface LogManagerOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Data directories (log.dirs); made if missing. A new partition goes to the one with the fewest. */
  readonly dirs: readonly string[];
  /** Of topics without an entry in `topicConfig`. */
  readonly config: LogConfig;
  /** Asked once per topic while logs are opened, after `beforeLogs`. */
  readonly topicConfig?: (topic: string) => LogConfig | undefined;
  /** node.id, compared with and written to meta.properties. */
  readonly nodeId: number;
  /** 22 characters; null: take the one in meta.properties, or draw one for a new directory. */
  readonly clusterId: string | null;
  /**
   * Runs when every directory is locked and its meta.properties read, before a partition is opened:
   * the place to load cluster metadata that lives in a data directory.
   */
  readonly beforeLogs?: (manager: {
    readonly clusterId: string;
    readonly dirs: readonly string[];
  }) => Promise<void>;
  /** log.retention.check.interval.ms, default 300000. */
  readonly retentionCheckIntervalMs?: number;
  /** log.flush.offset.checkpoint.interval.ms, default 60000: all three checkpoint files. */
  readonly checkpointIntervalMs?: number;
  /** num.recovery.threads.per.data.dir: how many logs are opened at a time, default 2. */
  readonly recoveryConcurrency?: number;
}

export interface CreateLogOptions {
  readonly topic: string;
  readonly partition: number;
  /** Base64url uuid, 22 characters. */
  readonly topicId: string;
  readonly config: LogConfig;
}

export interface PartitionDirectory {
  readonly topic: string;
  readonly partition: number;
  /** From partition.metadata; null if the file is missing. */
  readonly topicId: string | null;
}

export interface LogManager {
  readonly clusterId: string;
  readonly nodeId: number;
  /** Of the first data directory, as in meta.properties. */
  readonly directoryId: string;

  getLog(topic: string, partition: number): PartitionLog | undefined;
  /** Every open partition, by topic then partition. */
  partitions(): readonly PartitionDirectory[];
  /** Topic names with an open partition. */
  topics(): readonly string[];

  /**
   * Makes the directory and its first segment, durable before the promise resolves. Rejects with
   * MillraceError ALREADY_EXISTS, INVALID_TOPIC, IO_ERROR, NO_SPACE.
   */
  createLog(options: CreateLogOptions): Promise<PartitionLog>;
  /**
   * Renames the directory to `TOPIC-PARTITION.UUID-delete` (durable when the promise resolves), and
   * unlinks it after file.delete.delay.ms, once no slice of it is retained. False: no such log.
   */
  deleteLog(topic: string, partition: number): Promise<boolean>;
  /** For every open partition of the topic. */
  updateConfig(topic: string, config: LogConfig): void;

  /** One retention pass now; the timer does the same. Answers the count of segments deleted. */
  runRetention(): Promise<number>;
  /** Writes the checkpoint files now; the timer does the same. */
  checkpoint(): Promise<void>;

  /** Flushes and closes every log, writes checkpoints and the clean-shutdown marker, unlocks. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

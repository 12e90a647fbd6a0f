/** `millrace/storage`: the log without a broker, and the record batches that it holds. */

export { systemClock } from '../base/clock.js';
export { MillraceError } from '../base/errors.js';
export type { LogFields, Logger } from '../base/logger.js';
export type { Offset } from '../base/offset.js';
export { systemEnv } from '../file/env.js';
export { systemRandom } from '../file/system-random.js';
export type { Durability } from '../log/durability.js';
export {
  type CreateLogOptions,
  LogManager,
  type LogManagerOptions,
  type PartitionDirectory,
} from '../log/log-manager.js';
export type { PartitionName } from '../log/partition-dir.js';
export type { AppendOptions, PartitionLog } from '../log/partition-log.js';
export type { AppendResult, ReadResult, TimestampOffset } from '../log/results.js';
export {
  defaultBrokerLogSettings,
  defaultLogConfig,
  deriveLogConfig,
  type LogConfig,
} from '../log/topic-config.js';
export { BatchBuilder, type NewRecord } from '../record/batch-builder.js';
export type { RecordHeader, RecordView } from '../record/record.js';
export type { Appended } from '../storage/appended.js';
export type { RecordInput } from '../storage/batch-queue.js';
export type { BatchReader, ReadOptions } from '../storage/batch-reader.js';
export type { Log, LogEvents, LogStats } from '../storage/log.js';
export { type Logs, openLog, openLogs } from '../storage/logs.js';
export type { RawMessage } from '../storage/raw-messages.js';
export type { StorageOptions } from '../storage/storage-options.js';
export type { StoredBatch } from '../storage/stored-batch.js';

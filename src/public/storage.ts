/** `millrace/storage`: the log without a broker, and the record batches that it holds. */

export { systemClock } from '../base/clock.js';
export { MillraceError } from '../base/errors.js';
export type { LogFields, Logger } from '../base/logger.js';
export { systemRandom } from '../base/random.js';
export { systemEnv } from '../file/env.js';
export {
  type CreateLogOptions,
  LogManager,
  type LogManagerOptions,
  type PartitionDirectory,
} from '../log/log-manager.js';
export type { AppendOptions, PartitionLog } from '../log/partition-log.js';
export type { AppendResult, ReadOptions, ReadResult, TimestampOffset } from '../log/results.js';
export {
  defaultBrokerLogSettings,
  defaultLogConfig,
  deriveLogConfig,
  type LogConfig,
} from '../log/topic-config.js';
export { BatchBuilder, type NewRecord } from '../record/batch-builder.js';

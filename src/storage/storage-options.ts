/**
 * Options of openLog and openLogs, and what they come to. Where a broker has a default for servers
 * (retention of a week, timestamps near now), a library keeps what it is given.
 */

import { type Clock, systemClock } from '../base/clock.js';
import { LONG_MAX } from '../base/config-table.js';
import { type Logger, silentLogger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import { type Env, systemEnv } from '../file/env.js';
import { systemRandom } from '../file/system-random.js';
import { type Durability, flushSettings } from '../log/durability.js';
import { defaultLogConfig, type LogConfig } from '../log/topic-config.js';
import type { CompressionName } from '../record/compression/codec.js';
import { answerError } from './answer-error.js';

export interface StorageOptions {
  /** When an append is answered: docs/STORAGE.md. 'os' where not given. */
  readonly durability?: Durability;
  /** Most bytes of a batch before compression; 64 KiB where not given. */
  readonly batchBytesMax?: number;
  /**
   * With durability `group` or `each`: so many bytes may be appended and not answered, 32 MiB where
   * not given (what `buffer.memory` is to a Kafka producer). With the others nothing waits.
   */
  readonly pendingBytesMax?: number;
  /** Of the batches made here; none where not given. */
  readonly compression?: CompressionName;
  /** A segment is rolled at this size; 1 GiB where not given. */
  readonly segmentBytes?: number;
  /** Segments whose records are all older are deleted; kept for ever where not given. */
  readonly retentionMs?: number;
  /** The oldest segments beyond this size are deleted; no limit where not given. */
  readonly retentionBytes?: number;
  /** Any other setting of a topic, by its name in LogConfig. */
  readonly config?: Partial<Omit<LogConfig, 'flushMessages' | 'flushMs'>>;
  /** Read sealed segments through maps; true where not given. */
  readonly mmap?: boolean;
  readonly env?: Env;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** What one log needs. */
export interface LogSettings {
  readonly clock: Clock;
  readonly durability: Durability;
  readonly batchBytesMax: number;
  /** Infinity: nothing waits. */
  readonly pendingBytesMax: number;
  readonly compression: CompressionName;
  readonly mmap: boolean;
}

export interface StorageSettings extends LogSettings {
  readonly env: Env;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: LogConfig;
}

const BATCH_BYTES_MAX = 64 * 1024;
const BATCH_BYTES_MIN = 256;
const PENDING_BYTES_MAX = 32 * 1024 * 1024;

/** Throws INVALID_OPTION. */
export function settingsOf(options: StorageOptions): StorageSettings {
  const { durability = 'os', batchBytesMax = BATCH_BYTES_MAX } = options;
  const config: LogConfig = {
    ...defaultLogConfig,
    timestampBeforeMaxMs: LONG_MAX,
    timestampAfterMaxMs: LONG_MAX,
    retentionMs: options.retentionMs ?? Number.POSITIVE_INFINITY,
    retentionBytes: options.retentionBytes ?? Number.POSITIVE_INFINITY,
    ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    ...options.config,
    ...flushSettings(durability),
  };
  if (!(batchBytesMax >= BATCH_BYTES_MIN && batchBytesMax <= config.messageBytesMax)) {
    const range = `[${BATCH_BYTES_MIN}, ${config.messageBytesMax}]`;
    throw answerError('INVALID_OPTION', `batchBytesMax ${batchBytesMax} is outside ${range}`);
  }
  const { pendingBytesMax = PENDING_BYTES_MAX } = options;
  if (!(pendingBytesMax > 0)) {
    throw answerError('INVALID_OPTION', `pendingBytesMax ${pendingBytesMax} is not above 0`);
  }
  const waits = durability === 'group' || durability === 'each';
  return {
    env: options.env ?? systemEnv,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    config,
    durability,
    batchBytesMax,
    pendingBytesMax: waits ? pendingBytesMax : Number.POSITIVE_INFINITY,
    compression: options.compression ?? 'none',
    mmap: options.mmap ?? true,
  };
}

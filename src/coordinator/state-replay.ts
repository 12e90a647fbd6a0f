/**
 * Reads one partition of a state topic from its start to its end and hands on what it holds, in the
 * order of the log: records, and the markers that end transactions.
 *
 * A record that its reader does not understand is its reader's to skip; a batch that cannot be read
 * ends the replay with a problem.
 */

import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { yieldToLoop } from '../base/tick.js';
import type { PartitionLog } from '../log/partition-log.js';
import {
  baseOffsetOf,
  isControlBatch,
  isTransactional,
  lastOffsetDeltaOf,
  producerEpochOf,
  producerIdOf,
  sizeOf,
} from '../record/batch-view.js';
import {
  WALK_CRC,
  WALK_END,
  WALK_FIRST,
  WALK_INCOMPLETE,
  WALK_OUT_FULL,
  WALK_POSITION,
  WALK_SPARSE_OFFSETS,
  WALK_STOP_POSITION,
  WALK_STOP_REASON,
  WALK_STRIDE,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';
import { parseControlRecord } from '../record/control-record.js';
import { decodeBatch } from '../record/decode-batch.js';

/** Bytes are borrowed until the call returns. */
export interface ReplayedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array;
  /** Null: the key is gone. */
  readonly value: Uint8Array | null;
  /** Of a transactional batch, undecided until `endTransaction`; else -1. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface StateReplay {
  /** A throw is logged, and the record skipped. */
  record(partition: number, record: ReplayedRecord): void;
  /** The marker of a transaction: what its producer wrote since the last one is decided. */
  endTransaction(partition: number, producerId: number, committed: boolean): void;
}

export interface ReplayOptions {
  readonly log: PartitionLog;
  readonly partition: number;
  readonly replay: StateReplay;
  readonly logger: Logger;
  /** Most bytes of one read; a larger batch is read whole. */
  readonly bufferBytes: number;
}

const BATCHES_A_WALK = 64;

/** Null when everything was read, else why not. Never rejects. */
export async function replayLog(options: ReplayOptions): Promise<string | null> {
  const { log, bufferBytes } = options;
  let offset: number = log.logStartOffset;
  try {
    while (offset < log.highWatermark) {
      const read = log.read(offset, {
        maxBytes: bufferBytes,
        minOneMessage: true,
        isolation: 'read_uncommitted',
      });
      if (!read.ok) return read.message;
      // Compaction may leave nothing below the end.
      if (read.slice === null) return null;
      const bytes = Buffer.allocUnsafe(read.slice.length);
      let size: number;
      try {
        size = read.slice.copyTo(bytes, 0, 0, bytes.length);
      } finally {
        read.slice.release();
      }
      const next = replayBatches(options, bytes.subarray(0, size), offset);
      if (next <= offset) return `nothing could be read at offset ${offset}`;
      offset = next;
      // A turn for everyone else between two reads.
      await yieldToLoop();
    }
    return null;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return error.message;
  }
}

/** Answers the offset after the last whole batch. */
function replayBatches(options: ReplayOptions, bytes: Uint8Array, from: number): number {
  const out = walkOut(BATCHES_A_WALK);
  let next = from;
  let position = 0;
  for (;;) {
    const count = walkBatches(bytes, position, bytes.length, out, WALK_CRC | WALK_SPARSE_OFFSETS);
    for (let batch = 0; batch < count; batch++) {
      const at = out[WALK_FIRST + batch * WALK_STRIDE + WALK_POSITION] as number;
      replayBatch(options, bytes, at, from);
      next = baseOffsetOf(bytes, at) + lastOffsetDeltaOf(bytes, at) + 1;
    }
    position = out[WALK_STOP_POSITION] as number;
    const reason = out[WALK_STOP_REASON] as number;
    if (reason === WALK_OUT_FULL) continue;
    if (reason === WALK_END || reason === WALK_INCOMPLETE) return next;
    throw new MillraceError(`a batch behind offset ${next} is damaged`, { code: 'LOG_DAMAGED' });
  }
}

function replayBatch(options: ReplayOptions, bytes: Uint8Array, at: number, from: number): void {
  const { partition, replay, logger, log } = options;
  const whole = bytes.subarray(at, at + sizeOf(bytes, at));
  const producerId = isTransactional(bytes, at) ? producerIdOf(bytes, at) : -1;
  const producerEpoch = producerId < 0 ? -1 : producerEpochOf(bytes, at);
  const isControl = isControlBatch(bytes, at);
  for (const { offset, timestamp, key, value } of decodeBatch(whole, 0)) {
    if (offset < from) continue;
    if (isControl) {
      const control = parseControlRecord(key, value);
      if (control?.type === 'commit' || control?.type === 'abort') {
        replay.endTransaction(partition, producerIdOf(bytes, at), control.type === 'commit');
      }
      continue;
    }
    if (key === null) continue;
    try {
      replay.record(partition, {
        offset,
        timestampMs: timestamp,
        key,
        value,
        producerId,
        producerEpoch,
      });
    } catch (error) {
      const where = { topic: log.topic, partition, offset };
      logger.error('a state record cannot be read and is skipped', {
        ...where,
        cause: String(error),
      });
    }
  }
}

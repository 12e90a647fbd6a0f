/** From a batch to the record that a time look-up asks for. Reads and decompresses that batch only. */

import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { EnvFile } from '../file/env.js';
import { leaderEpochOf } from '../record/batch-view.js';
import { WALK_CRC, WALK_SPARSE_OFFSETS, walkBatches, walkOut } from '../record/batch-walk.js';
import { decodeBatch } from '../record/decode-batch.js';

export interface TimestampOffset {
  readonly timestampMs: number;
  readonly offset: Offset;
  readonly leaderEpoch: number;
}

/**
 * The first record of the batch at `position` with a timestamp >= `timestampMs` and an offset >=
 * `startOffset`; null if it has none or is damaged: then no record of it could be read anyway.
 */
export function firstRecordAt(
  file: EnvFile,
  batch: { readonly position: number; readonly size: number },
  timestampMs: number,
  startOffset: number,
): TimestampOffset | null {
  const bytes = new Uint8Array(batch.size);
  if (file.pread(bytes, 0, batch.size, batch.position) < batch.size) return null;
  const flags = WALK_CRC | WALK_SPARSE_OFFSETS;
  if (walkBatches(bytes, 0, batch.size, walkOut(1), flags) !== 1) return null;
  const leaderEpoch = leaderEpochOf(bytes, 0);
  try {
    for (const record of decodeBatch(bytes, 0)) {
      if (record.timestamp >= timestampMs && record.offset >= startOffset) {
        return { timestampMs: record.timestamp, offset: record.offset, leaderEpoch };
      }
    }
  } catch (error) {
    // Compressed nonsense that an older broker accepted; what is no typed error is a bug of ours.
    if (!(error instanceof MillraceError)) throw error;
  }
  return null;
}

/**
 * From a timestamp to a record of a segment: time index, then headers, then the records of one batch.
 * A time index entry is used only if its batch has the timestamp that it tells of.
 */

import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { EnvFile } from '../file/env.js';
import { leaderEpochOf } from '../record/batch-view.js';
import { WALK_CRC, WALK_SPARSE_OFFSETS, walkBatches, walkOut } from '../record/batch-walk.js';
import { decodeBatch } from '../record/decode-batch.js';
import type { BatchLocator } from './batch-locator.js';
import type { HeaderCursor } from './scan.js';
import type { SegmentIndexes } from './segment-indexes.js';

export interface TimestampOffset {
  readonly timestampMs: number;
  readonly offset: Offset;
  readonly leaderEpoch: number;
}

export interface TimeSearchSource {
  readonly baseOffset: number;
  readonly indexes: SegmentIndexes;
  readonly locator: BatchLocator;
  file(): EnvFile;
  /** A cursor at the first batch with a last offset >= `offset`, or null. */
  locate(offset: number): HeaderCursor | null;
  /** Checks the log and makes the indexes anew. */
  examine(): void;
}

/** Of a segment whose indexes are loaded. */
export class TimeSearch {
  #source: TimeSearchSource;

  constructor(source: TimeSearchSource) {
    this.#source = source;
  }

  /** The first record with a timestamp >= `timestampMs` and an offset >= `startOffset`. */
  first(timestampMs: number, startOffset: number): TimestampOffset | null {
    const { baseOffset, locator } = this.#source;
    const from = Math.max(startOffset, baseOffset, this.#hint(timestampMs));
    const cursor = this.#source.locate(from);
    if (cursor === null) return null;
    do {
      if (cursor.maxTimestamp < timestampMs) continue;
      const found = firstRecordAt(this.#source.file(), cursor, timestampMs, startOffset);
      if (found !== null) return found;
    } while (locator.advance(cursor));
    return null;
  }

  /** An offset before which every timestamp is smaller. */
  #hint(timestampMs: number): number {
    const { indexes, locator } = this.#source;
    // Of an entry with the very time: it may tell of a later batch that has it too.
    const slot = indexes.time.floor(timestampMs - 1);
    if (slot < 0) return 0;
    const entry = locator.atTimeEntry(slot);
    if (entry !== null) return entry.baseOffset;
    this.#source.examine();
    return 0;
  }

  /** The first record of those with the largest timestamp, which is >= 0. */
  largest(): TimestampOffset | null {
    const { baseOffset, indexes } = this.#source;
    const timestampMs = indexes.fold.maxTimestamp;
    const cursor =
      this.#firstReaching(timestampMs) ??
      this.#source.locate(baseOffset + indexes.fold.maxTimestampOffset);
    if (cursor === null) return null;
    const found = firstRecordAt(this.#source.file(), cursor, timestampMs, 0);
    if (found !== null) return found;
    // The header tells of a record that compaction removed.
    const offset = cursor.lastOffset as Offset;
    return { timestampMs, offset, leaderEpoch: cursor.leaderEpoch };
  }

  /**
   * The first batch with a timestamp of at least `timestampMs`, by headers from the time index entry below
   * on: where several batches have the largest one, an entry may tell of a later one and look right.
   */
  #firstReaching(timestampMs: number): HeaderCursor | null {
    const { baseOffset, indexes, locator } = this.#source;
    const slot = indexes.time.floor(timestampMs - 1);
    const cursor = slot < 0 ? this.#source.locate(baseOffset) : locator.atTimeEntry(slot);
    if (cursor === null) return null;
    do {
      if (cursor.maxTimestamp >= timestampMs) return cursor;
    } while (locator.advance(cursor));
    return null;
  }
}

/**
 * The first record of the batch at `position` with a timestamp >= `timestampMs` and an offset >=
 * `startOffset`; null if it has none or is damaged: then no record of it could be read anyway.
 */
function firstRecordAt(
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

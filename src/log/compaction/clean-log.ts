/**
 * One pass of compaction over one log: keeps, of the records of a key, the last.
 *
 *     1  dirty segments, oldest first:   offset map   key -> last offset
 *     2  all segments below the map's end, in groups that fit one segment:
 *            batches read and checked -> filtered by the map -> CleanedSegment -> swapped in
 *
 *     offset   0    1    2    3    4    5         map: a 3, b 5          stays
 *     key      a    b    a    a    c    b (null)                    3 a   4 c   5 b (null)
 *
 * A map that is full ends the pass early: what lies above its end stays as it is, and is the dirty part
 * of the next pass. Everything is read with its CRC: what is damaged is not rewritten, the pass fails
 * with LOG_DAMAGED and the log stays as it was. Bounded work in a turn of the event loop; between turns
 * `check` may throw, and the pass ends there.
 */

import { MillraceError } from '../../base/errors.js';
import { offset as asOffset, type Offset } from '../../base/offset.js';
import { yieldToLoop } from '../../base/tick.js';
import type { Env } from '../../file/env.js';
import { emptyBatch, filterBatch } from '../../record/batch-filter.js';
import {
  baseTimestampOf,
  hasDeleteHorizon,
  isControlBatch,
  isTransactional,
  lastOffsetOf,
  producerEpochOf,
  producerIdOf,
  recordsCountOf,
  sizeOf,
} from '../../record/batch-view.js';
import type { ControlType } from '../../record/control-record.js';
import { parseControlRecord } from '../../record/control-record.js';
import { decodeBatch } from '../../record/decode-batch.js';
import type { RecordView } from '../../record/record.js';
import { CleanedSegment } from '../../segment/cleaned-segment.js';
import { RELATIVE_OFFSET_MAX } from '../../segment/roll-policy.js';
import type { Segment, SegmentConfig } from '../../segment/segment.js';
import type { SegmentList } from '../../segment/segment-list.js';
import type { ProducerState } from '../producer-state.js';
import { SegmentBatches } from '../segment-batches.js';
import type { LogConfig } from '../topic-config.js';
import type { TransactionLog } from '../transaction-log.js';
import { type Cleanable, groupSegments } from './cleanable.js';
import { CleanedTransactions } from './cleaned-transactions.js';
import { OffsetMap } from './offset-map.js';

/** Bytes of a log that are worked on before others have a turn. */
const STEP_BYTES = 64 * 1024;

export interface CleanLogOptions {
  readonly env: Env;
  readonly dir: string;
  readonly config: LogConfig;
  readonly segmentConfig: SegmentConfig;
  readonly segments: SegmentList<Segment>;
  readonly producers: ProducerState;
  readonly transactions: TransactionLog;
  readonly cleanable: Cleanable;
  readonly nowMs: number;
  /** log.cleaner.dedupe.buffer.size: memory of the offset map. */
  readonly dedupeBytesMax: number;
  /** log.cleaner.io.buffer.load.factor */
  readonly loadFactor: number;
  /** Throws if the pass is to end. */
  readonly check: () => void;
  /** Puts a finished segment in the place of the old ones, or throws and leaves it alone. */
  readonly swap: (old: readonly Segment[], cleaned: CleanedSegment) => Promise<void>;
}

export interface CleanResult {
  /** Every record below it was compared: first dirty offset of the next pass. */
  readonly endOffset: Offset;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly bytesRead: number;
  readonly bytesKept: number;
}

export function cleanLog(options: CleanLogOptions): Promise<CleanResult> {
  return new LogCleaning(options).run();
}

class LogCleaning {
  readonly #options: CleanLogOptions;
  readonly #map: OffsetMap;
  readonly #transactions = new CleanedTransactions();
  #recordsRead = 0;
  #recordsKept = 0;
  #bytesRead = 0;
  #bytesKept = 0;
  /** The batch that is being filtered: whether its tombstones may stay. */
  #tombstonesStay = true;

  constructor(options: CleanLogOptions) {
    this.#options = options;
    const { cleanable, dedupeBytesMax, loadFactor } = options;
    const keysMax = cleanable.firstUncleanableOffset - cleanable.firstDirtyOffset;
    this.#map = new OffsetMap(Math.max(1, keysMax), dedupeBytesMax, loadFactor);
  }

  async run(): Promise<CleanResult> {
    const { cleanable, segments, segmentConfig } = this.#options;
    await this.#buildMap();
    const endOffset = asOffset(this.#map.latestOffset + 1);
    if (endOffset <= cleanable.firstDirtyOffset) {
      throw new MillraceError('the dedupe buffer does not hold the keys of one batch', {
        code: 'DEDUPE_BUFFER_TOO_SMALL',
      });
    }
    this.#options.check();
    const cleaned = [...segments].filter(({ baseOffset }) => baseOffset < endOffset);
    const sized = cleaned.map((segment) => ({
      segment,
      baseOffset: segment.baseOffset,
      sizeInBytes: segment.size,
      offsetIndexBytes: segment.indexSizes.offset,
      timeIndexBytes: segment.indexSizes.time,
    }));
    const groups = groupSegments(sized, {
      segmentBytes: segmentConfig.segmentBytes,
      indexBytesMax: segmentConfig.indexBytesMax,
      relativeOffsetMax: RELATIVE_OFFSET_MAX,
      endOffset: cleanable.firstUncleanableOffset,
    });
    for (const group of groups) await this.#cleanGroup(group.map(({ segment }) => segment));
    return {
      endOffset,
      recordsRead: this.#recordsRead,
      recordsKept: this.#recordsKept,
      bytesRead: this.#bytesRead,
      bytesKept: this.#bytesKept,
    };
  }

  async #buildMap(): Promise<void> {
    const { cleanable, segments, transactions } = this.#options;
    const { firstDirtyOffset, firstUncleanableOffset } = cleanable;
    const cleaned = new CleanedTransactions();
    cleaned.add(transactions.abortedEntries(firstDirtyOffset, firstUncleanableOffset));
    let index = Math.max(0, segments.floorIndex(firstDirtyOffset));
    for (let segment = segments.at(index); segment !== null; segment = segments.at(++index)) {
      if (segment.baseOffset >= firstUncleanableOffset) break;
      const endOffset = segments.at(index + 1)?.baseOffset ?? firstUncleanableOffset;
      const batches = this.#read(segment, firstDirtyOffset);
      while (this.#step(segment, batches)) {
        for (let batch = 0; batch < batches.count; batch++) {
          if (!this.#mapBatch(batches.bytes, batches.positionOf(batch), cleaned)) return;
        }
        await yieldToLoop();
      }
      // In a gap at its end there is nothing to put.
      this.#map.raiseLatestOffset(endOffset - 1);
    }
  }

  /** False: the map is full. */
  #mapBatch(bytes: Uint8Array, at: number, cleaned: CleanedTransactions): boolean {
    const { firstDirtyOffset } = this.#options.cleanable;
    const lastOffset = lastOffsetOf(bytes, at);
    if (isControlBatch(bytes, at)) {
      cleaned.onMarker(producerIdOf(bytes, at), lastOffset, controlTypeOf(bytes, at));
    } else if (!cleaned.onBatch(producerIdOf(bytes, at), lastOffset, isTransactional(bytes, at))) {
      for (const record of decodeBatch(bytes, at)) {
        const { key } = record;
        if (key === null || record.offset < firstDirtyOffset) continue;
        if (!this.#map.put(key, record.offset)) return false;
      }
    }
    if (lastOffset >= firstDirtyOffset) this.#map.raiseLatestOffset(lastOffset);
    return true;
  }

  async #cleanGroup(group: readonly Segment[]): Promise<void> {
    const { env, dir, segmentConfig, segments, transactions, swap } = this.#options;
    this.#options.check();
    const baseOffset = (group[0] as Segment).baseOffset;
    const cleaned = CleanedSegment.create({ env, dir, baseOffset, config: segmentConfig });
    const keptBefore = this.#transactions.kept.length;
    let changed = group.length > 1;
    let swapping = false;
    try {
      for (const segment of group) {
        const endOffset = segments.higher(segment.baseOffset)?.baseOffset;
        if (endOffset === undefined) throw abortedError();
        this.#transactions.add(transactions.abortedEntries(segment.baseOffset, endOffset));
        const segmentChanged = await this.#cleanInto(cleaned, segment);
        changed ||= segmentChanged;
      }
      if (!changed) {
        cleaned.discard();
        return;
      }
      const aborted = this.#transactions.kept.slice(keptBefore);
      await cleaned.finish(aborted, transactions.hasTransactions);
      swapping = true;
      await swap(group, cleaned);
    } catch (error) {
      if (!swapping) cleaned.discard();
      throw error;
    }
  }

  /** True: something is not as it was. */
  async #cleanInto(cleaned: CleanedSegment, segment: Segment): Promise<boolean> {
    const lastBatches = this.#options.producers.lastBatches();
    const batches = this.#read(segment, segment.baseOffset);
    let changed = false;
    while (this.#step(segment, batches)) {
      const chunks: Uint8Array[] = [];
      for (let batch = 0; batch < batches.count; batch++) {
        const at = batches.positionOf(batch);
        const kept = this.#filter(batches.bytes, at, lastBatches);
        const size = sizeOf(batches.bytes, at);
        this.#bytesRead += size;
        this.#bytesKept += kept?.length ?? 0;
        // A batch that stays as it is is a view of the same bytes.
        changed ||= kept === null || kept.buffer !== batches.bytes.buffer;
        if (kept !== null) chunks.push(kept);
      }
      if (chunks.length > 0) cleaned.append(chunks);
      await yieldToLoop();
    }
    return changed;
  }

  #filter(
    bytes: Uint8Array,
    at: number,
    lastBatches: ReturnType<ProducerState['lastBatches']>,
  ): Uint8Array | null {
    const { cleanable, config, nowMs } = this.#options;
    const producerId = producerIdOf(bytes, at);
    const lastOffset = lastOffsetOf(bytes, at);
    const isControl = isControlBatch(bytes, at);
    const undone = isControl
      ? this.#transactions.onMarker(producerId, lastOffset, controlTypeOf(bytes, at))
      : this.#transactions.onBatch(producerId, lastOffset, isTransactional(bytes, at));
    const isPastHorizon = hasDeleteHorizon(bytes, at) && baseTimestampOf(bytes, at) <= nowMs;
    this.#tombstonesStay = !isPastHorizon;
    this.#recordsRead += recordsCountOf(bytes, at);
    const last = producerId < 0 ? undefined : lastBatches.get(producerId);
    const isLastOfProducer =
      last !== undefined &&
      (last.dataOffset === null
        ? isControl && producerEpochOf(bytes, at) === last.epoch
        : lastOffset === last.dataOffset);
    // The last batch of a round tells where the log goes on, whatever is left of it.
    const keepEmpty = isLastOfProducer || lastOffset + 1 === cleanable.firstUncleanableOffset;
    if (undone && (!isControl || isPastHorizon)) {
      const batch = bytes.subarray(at, at + sizeOf(bytes, at));
      return keepEmpty ? emptyBatch(batch) : null;
    }
    const filtered = filterBatch(bytes, at, {
      keeps: isControl ? null : this.#keeps,
      keepEmpty,
      horizonMs: nowMs + config.deleteRetentionMs,
      forceHorizon: undone && isControl,
    });
    this.#recordsKept += filtered.recordsCount;
    return filtered.bytes;
  }

  readonly #keeps = (record: RecordView): boolean => {
    if (record.offset > this.#map.latestOffset) return true;
    const { key } = record;
    // From before the topic was compacted: without a key it cannot be kept.
    if (key === null) return false;
    return record.offset >= this.#map.get(key) && (record.valueSize >= 0 || this.#tombstonesStay);
  };

  #read(segment: Segment, from: number): SegmentBatches {
    return new SegmentBatches(segment, { from, check: true, stepBytes: STEP_BYTES });
  }

  #step(segment: Segment, batches: SegmentBatches): boolean {
    this.#options.check();
    // Retention may have taken it.
    if (this.#options.segments.floor(segment.baseOffset) !== segment) throw abortedError();
    if (batches.step()) return true;
    if (batches.damaged === null) return false;
    throw new MillraceError(`the log is damaged at offset ${batches.damaged.offset}`, {
      code: 'LOG_DAMAGED',
    });
  }
}

/** What ended a pass before its end, and is no fault of the log. */
export function abortedError(): MillraceError {
  return new MillraceError('the log changed or was closed', { code: 'COMPACTION_ABORTED' });
}

/** Null: an empty control batch. */
function controlTypeOf(bytes: Uint8Array, at: number): ControlType | 'unknown' | null {
  const record = decodeBatch(bytes, at).next();
  return record === null ? null : (parseControlRecord(record.key, record.value)?.type ?? 'unknown');
}

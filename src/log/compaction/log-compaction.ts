/** Compaction of one partition's log, as its owner sees it: what is due, one pass, and its end. */

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import { Mutex } from '../../base/mutex.js';
import type { Offset } from '../../base/offset.js';
import type { Env } from '../../file/env.js';
import type { CleanedSegment } from '../../segment/cleaned-segment.js';
import type { Segment, SegmentConfig } from '../../segment/segment.js';
import type { SegmentList } from '../../segment/segment-list.js';
import type { LogFlusher } from '../flusher.js';
import type { LogFiles } from '../log-files.js';
import type { LogOffsets } from '../offsets.js';
import type { ProducerState } from '../producer-state.js';
import type { LogConfig } from '../topic-config.js';
import type { TransactionLog } from '../transaction-log.js';
import { abortedError, type CleanResult, cleanLog } from './clean-log.js';
import { type Cleanable, type CleanableSegment, findCleanable } from './cleanable.js';
import { swapSegments } from './swap-segments.js';

/** What of a log to compact, and with how much memory. */
export interface CompactOptions {
  readonly cleanable: Cleanable;
  /** log.cleaner.dedupe.buffer.size */
  readonly dedupeBytesMax: number;
  /** log.cleaner.io.buffer.load.factor, below 1 */
  readonly loadFactor: number;
}

export interface LogCompactionOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
  readonly segmentConfig: SegmentConfig;
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly producers: ProducerState;
  readonly transactions: TransactionLog;
  readonly offsets: LogOffsets;
  readonly flusher: LogFlusher;
  readonly config: () => LogConfig;
  /** Changes when what was planned is void; -1: nothing may be done any more. */
  readonly generation: () => number;
  /** Runs alone among what changes the list of segments. */
  readonly exclusively: (task: () => Promise<void>) => Promise<void>;
  /** A segment was replaced and renamed: it is unlinked later. */
  readonly onReplaced: (segment: Segment) => void;
  /** What is on the disk is in doubt. */
  readonly onError: (error: unknown) => void;
}

export class LogCompaction {
  readonly #options: LogCompactionOptions;
  readonly #running = new Mutex();

  constructor(options: LogCompactionOptions) {
    this.#options = options;
  }

  /** Null if the topic is not compacted. May throw an IoError. */
  cleanable(checkpoint: Offset | null): Cleanable | null {
    const { segments, offsets, flusher, clock } = this.#options;
    const config = this.#options.config();
    if (!config.cleanupCompact) return null;
    return findCleanable({
      segments: [...segments].map(cleanableFacts),
      logStartOffset: offsets.logStartOffset,
      lastStableOffset: offsets.lastStableOffset,
      recoveryPoint: flusher.recoveryPoint,
      checkpoint,
      nowMs: clock.nowMs(),
      lagMinMs: config.compactionLagMinMs,
      lagMaxMs: config.compactionLagMaxMs,
      dirtyRatioMin: config.minCleanableDirtyRatio,
    });
  }

  /** See PartitionLog.compact. */
  run(options: CompactOptions): Promise<CleanResult> {
    return this.#running.run(() => {
      const { clock, config, generation } = this.#options;
      const begun = generation();
      const check = (): void => {
        if (begun === -1 || generation() !== begun) throw abortedError();
      };
      check();
      return cleanLog({
        ...this.#options,
        ...options,
        check,
        config: config(),
        nowMs: clock.nowMs(),
        swap: (old, cleaned) => this.#options.exclusively(() => this.#swap(old, cleaned, check)),
      });
    });
  }

  /** Settles when no pass is under way. */
  idle(): Promise<void> {
    return this.#running.run(() => {});
  }

  async #swap(old: readonly Segment[], cleaned: CleanedSegment, check: () => void): Promise<void> {
    const { segments, segmentConfig: config, files, onReplaced, onError } = this.#options;
    let committed = false;
    try {
      check();
      const index = segments.floorIndex(cleaned.baseOffset);
      // Retention may have taken some.
      const unchanged = old.every((segment, at) => segments.at(index + at) === segment);
      if (!unchanged) throw abortedError();
      const onCommitted = (): void => {
        committed = true;
      };
      await swapSegments({ ...this.#options, config, onCommitted }, old, cleaned);
    } catch (error) {
      if (committed) onError(error);
      else cleaned.discard();
      throw error;
    }
    old.forEach((segment, at) => {
      onReplaced(segment);
      if (at > 0) files.removeSnapshot(segment.baseOffset);
    });
  }
}

/** Getters: what may have to be read is read only where it is asked for. */
function cleanableFacts(segment: Segment): CleanableSegment {
  return {
    baseOffset: segment.baseOffset,
    sizeInBytes: segment.size,
    get maxTimestampMs() {
      return segment.maxTimestampMs;
    },
    get firstTimestampMs() {
      return segment.firstTimestampMs;
    },
  };
}

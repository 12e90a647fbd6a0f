/** What goes into a segment and what comes out; the class is segment.ts. */

import type { FileSlice } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import type { DamagedRange, EpochStart } from './check.js';

/** What a segment needs of a topic's configuration. Read at each use, so its owner may change it. */
export interface SegmentConfig {
  /** index.interval.bytes */
  readonly indexIntervalBytes: number;
  /** segment.index.bytes: size of a full index file. */
  readonly indexBytesMax: number;
  /** segment.bytes: blocks are reserved ahead of the end up to here, where it is large. */
  readonly segmentBytes: number;
  /** Whether zeros may be written ahead of small synced appends (file/log-file.ts); default: no. */
  readonly zerosAhead?: boolean;
}

export interface SegmentOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
  readonly baseOffset: Offset;
  readonly config: SegmentConfig;
}

export interface SegmentOpenOptions extends SegmentOptions {
  /**
   * True after a clean shutdown, and for segments that end below the recovery point: sizes are
   * trusted, nothing is scanned. False: every batch is checked, the indexes are compared and rebuilt.
   */
  readonly clean: boolean;
  /** Offsets below it are durable: damage below it is rot, never a torn tail. */
  readonly recoveryPoint: Offset;
  /** Base offset of the next segment; null: this is the last one, and it is opened for appends. */
  readonly nextBaseOffset: Offset | null;
  /** See CheckOptions. */
  readonly epochs?: readonly EpochStart[] | null;
  /** See CheckOptions. */
  readonly gapless?: boolean | undefined;
  /**
   * Called with runs of good batches in order while a segment is checked: `batches` as walkBatches
   * fills it (positions in the file), `count` of them. Borrowed until it returns.
   */
  readonly onBatches?: (batches: Float64Array, count: number) => void;
}

/** What opening found and did. */
export interface SegmentRecovery {
  /** Whether every batch was checked: asked for, or needed because something did not add up. */
  readonly checked: boolean;
  /** Bytes of a torn tail that were cut off, and the cut synced. */
  readonly truncatedBytes: number;
  /** Of them, the zeros that ended the file. */
  readonly reservedBytes: number;
  readonly indexesRebuilt: boolean;
}

export const NO_RECOVERY: SegmentRecovery = {
  checked: false,
  truncatedBytes: 0,
  reservedBytes: 0,
  indexesRebuilt: false,
};

export interface BatchPosition {
  readonly position: number;
  /** Whole batch in bytes. */
  readonly size: number;
  readonly baseOffset: Offset;
  /** Inclusive. */
  readonly lastOffset: Offset;
}

export interface SegmentReadOptions {
  /** The first batch is answered whole, however large. */
  readonly minOneMessage: boolean;
  /** Exclusive bound in bytes, where a batch ends (the high watermark); default: the size. */
  readonly endPosition?: number;
  /** What has to be looked at first is answered with 'looking', not looked at inside the call. */
  readonly mayWait?: boolean;
}

export type SegmentRead =
  /**
   * The slice begins with the batch that contains `offset`, or the first one after it; it has one
   * holder, the caller. Its last batch may be cut. Null if the first one does not fit maxBytes.
   */
  | {
      readonly status: 'ok';
      readonly slice: FileSlice | null;
      readonly firstBatch: BatchPosition;
    }
  /** No batch at or after `offset` before the end position: go on with the next segment. */
  | { readonly status: 'end' }
  /** Bytes of an earlier run are being looked at: read again when `looked` settles. It never rejects. */
  | { readonly status: 'looking'; readonly looked: Promise<void> }
  /** `offset` is inside a damaged range: answer CORRUPT_MESSAGE. */
  | { readonly status: 'damaged'; readonly range: DamagedRange };

/**
 * Steps through the batches of a segment, some of them at a time, for whoever reads a log from end to
 * end in turns: recovery of producers, transaction indexes, compaction. Between two steps the segment
 * may be appended to, and renamed; if it is closed, the next step throws CLOSED.
 *
 * Gaps between offsets and batches without records are taken as compaction leaves them.
 */

import { assert } from '../base/assert.js';
import {
  WALK_BASE_OFFSET,
  WALK_CRC,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_POSITION,
  WALK_SPARSE_OFFSETS,
  WALK_STRIDE,
  walkBatches,
  walkOut,
} from '../record/batch-walk.js';
import type { DamagedRange, Segment } from '../segment/segment.js';

/** Bytes of one step, unless a batch is larger: so many small batches fit `out`. */
const STEP_BYTES = 256 * 1024;
const BATCHES_MAX = 4096;

export interface SegmentBatchesOptions {
  /** Offset at which to begin: the batch that holds it is the first. */
  readonly from: number;
  /** Whether the CRCs are checked. */
  readonly check: boolean;
  /** Bytes of one step, unless one batch is larger. */
  readonly stepBytes?: number;
}

export class SegmentBatches {
  /** As walkBatches fills it; positions are those in `bytes`. Valid until the next step. */
  readonly out = walkOut(BATCHES_MAX);
  /** Batches of the last step. */
  count = 0;
  /** Bytes that cannot be read as batches: the step answered no batch because of them. */
  damaged: Pick<DamagedRange, 'offset' | 'endOffset'> | null = null;
  /** The offset after the last batch of the last step. */
  nextOffset: number;
  #segment: Segment;
  #flags: number;
  #stepBytes: number;
  #bytes: Uint8Array;

  constructor(segment: Segment, { from, check, stepBytes = STEP_BYTES }: SegmentBatchesOptions) {
    assert(stepBytes > 0 && stepBytes <= STEP_BYTES, 'a bounded step');
    this.#stepBytes = stepBytes;
    this.#bytes = Buffer.allocUnsafe(stepBytes);
    this.#segment = segment;
    this.#flags = WALK_SPARSE_OFFSETS | (check ? WALK_CRC : 0);
    this.nextOffset = Math.max(from, segment.baseOffset);
  }

  /** Of the last step's batches. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** False at the end, and at a damaged range. */
  step(): boolean {
    this.count = 0;
    this.damaged = null;
    const read = this.#segment.read(this.nextOffset, this.#stepBytes, { minOneMessage: true });
    if (read.status === 'damaged') this.damaged = read.range;
    if (read.status !== 'ok') return false;
    const { slice, firstBatch } = read;
    assert(slice !== null, 'a read for at least one batch has bytes');
    try {
      if (slice.length > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(slice.length);
      const size = slice.copyTo(this.#bytes, 0, 0, slice.length);
      this.count = walkBatches(this.#bytes, 0, size, this.out, this.#flags);
    } finally {
      slice.release();
    }
    if (this.count === 0) {
      this.damaged = { offset: firstBatch.baseOffset, endOffset: firstBatch.lastOffset + 1 };
      return false;
    }
    const last = this.slotOf(this.count - 1);
    const lastOffset =
      (this.out[last + WALK_BASE_OFFSET] as number) +
      (this.out[last + WALK_LAST_OFFSET_DELTA] as number);
    assert(lastOffset >= this.nextOffset, 'a step goes forward');
    this.nextOffset = lastOffset + 1;
    return true;
  }

  /** Goes on behind a damaged range. */
  skipTo(offset: number): void {
    assert(offset > this.nextOffset, 'a skip goes forward');
    this.nextOffset = offset;
  }

  /** Where the fields of a batch begin in `out`. */
  slotOf(batch: number): number {
    return WALK_FIRST + batch * WALK_STRIDE;
  }

  /** Where a batch begins in `bytes`. */
  positionOf(batch: number): number {
    return this.out[this.slotOf(batch) + WALK_POSITION] as number;
  }
}

/** Small segments for tests: batches, configurations, what is in a segment. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { offset } from '#src/base/offset.js';
import { type Env, systemEnv } from '#src/file/env.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { baseOffsetOf, lastOffsetOf, sizeOf } from '#src/record/batch-view.js';
import { WALK_CRC, WALK_SPARSE_OFFSETS, walkBatches, walkOut } from '#src/record/batch-walk.js';
import { formatFileName } from '#src/segment/names.js';
import { Segment, type SegmentConfig, type SegmentOpenOptions } from '#src/segment/segment.js';
import type { SegmentOptions } from '#src/segment/segment-types.js';

export const config: SegmentConfig = {
  indexIntervalBytes: 4096,
  indexBytesMax: 10_485_760,
  segmentBytes: 1024 * 1024,
};

/** A batch of `count` records, the i-th with timestamp `timestamps[i]` (or the last of them). */
export function batch(
  baseOffset: number,
  count = 1,
  timestamps: readonly number[] = [1_700_000_000_000 + baseOffset],
  valueSize = 10,
): Buffer {
  const builder = new BatchBuilder();
  for (let index = 0; index < count; index++) {
    const timestamp = timestamps[Math.min(index, timestamps.length - 1)] as number;
    const value = Buffer.alloc(valueSize, `${baseOffset + index}.`);
    builder.append({ timestamp, key: Buffer.from(`k${baseOffset + index}`), value });
  }
  return Buffer.from(builder.build({ baseOffset, leaderEpoch: 0 }));
}

/** `count` batches of 1, 2 or 3 records from `baseOffset` on. */
export function chain(baseOffset: number, count: number, valueSize = 10): Buffer[] {
  const batches: Buffer[] = [];
  let next = baseOffset;
  for (let index = 0; index < count; index++) {
    const records = 1 + (index % 3);
    batches.push(batch(next, records, undefined, valueSize));
    next += records;
  }
  return batches;
}

export function segmentOptions(
  dir: string,
  baseOffset = 0,
  more: Partial<SegmentOptions> & { readonly env?: Env } = {},
): SegmentOptions {
  return {
    env: systemEnv,
    clock: new ManualClock(),
    logger: silentLogger,
    dir,
    baseOffset: offset(baseOffset),
    config,
    ...more,
  };
}

export function open(
  dir: string,
  baseOffset = 0,
  more: Partial<SegmentOpenOptions> = {},
): Promise<Segment> {
  return Segment.open({
    ...segmentOptions(dir, baseOffset),
    clean: false,
    recoveryPoint: offset(0),
    nextBaseOffset: null,
    ...more,
  });
}

export function logPath(dir: string, baseOffset = 0): string {
  return join(dir, formatFileName(offset(baseOffset), 'log'));
}

export function indexPath(dir: string, baseOffset = 0): string {
  return join(dir, formatFileName(offset(baseOffset), 'index'));
}

export function timeIndexPath(dir: string, baseOffset = 0): string {
  return join(dir, formatFileName(offset(baseOffset), 'timeindex'));
}

/** Base offsets of the good batches of a log file; throws if anything else is in it. */
export function offsetsInFile(path: string): number[] {
  const bytes = readFileSync(path);
  const out = walkOut(10_000);
  const count = walkBatches(bytes, 0, bytes.length, out, WALK_CRC | WALK_SPARSE_OFFSETS);
  if (out[0] !== bytes.length) throw new Error(`not a batch at ${out[0]} of ${path}`);
  return Array.from({ length: count }, (_, index) => out[2 + index * 16 + 2] as number);
}

/** What a consumer sees from `from` on: base offsets of batches, and damage as 'first-next'. */
export function readAll(segment: Segment, from: number, maxBytes = 300): (number | string)[] {
  const seen: (number | string)[] = [];
  for (let next = from; ; ) {
    const read = segment.read(next, maxBytes, { minOneMessage: true });
    if (read.status === 'end') return seen;
    if (read.status === 'damaged') {
      seen.push(`${read.range.offset}-${read.range.endOffset}`);
      next = read.range.endOffset;
      continue;
    }
    if (read.status === 'looking') throw new Error('a read that does not wait');
    const { slice, firstBatch } = read;
    if (slice === null) throw new Error('not one message');
    const bytes = Buffer.alloc(slice.length);
    const count = slice.copyTo(bytes, 0, 0, slice.length);
    slice.release();
    if (count !== bytes.length) throw new Error('a slice fell short');
    if (firstBatch.position !== slice.position) throw new Error('not the first batch');
    for (let at = 0; at + 61 <= bytes.length && at + sizeOf(bytes, at) <= bytes.length; ) {
      const out = walkOut(1);
      if (walkBatches(bytes, at, at + sizeOf(bytes, at), out, WALK_CRC | WALK_SPARSE_OFFSETS) !== 1)
        throw new Error(`a batch was served that is not good: ${out[1]}`);
      seen.push(baseOffsetOf(bytes, at));
      next = lastOffsetOf(bytes, at) + 1;
      at += sizeOf(bytes, at);
    }
  }
}

/**
 * When the active segment is rolled. Pure. As Kafka does: before the append that would break a bound,
 * so that a segment passes segment.bytes only if one append alone does.
 */

import { assert } from '../base/assert.js';

export interface RollInput {
  /** Bytes in the segment; an empty one is never rolled for its age. */
  readonly size: number;
  /** Bytes about to be appended. */
  readonly appendSize: number;
  /** Last offset about to be appended, relative to the segment's base offset. */
  readonly relativeOffset: number;
  /** Max timestamp of the segment's first batch; < 0 if it has none. */
  readonly firstTimestampMs: number;
  /** Largest timestamp about to be appended. */
  readonly appendTimestampMs: number;
  readonly createdMs: number;
  readonly nowMs: number;
  readonly indexFull: boolean;
  /** segment.bytes */
  readonly segmentBytes: number;
  /** segment.ms */
  readonly segmentMs: number;
  /** Drawn once per segment from [0, segment.jitter.ms). */
  readonly jitterMs: number;
}

export type RollReason = 'size' | 'time' | 'index full' | 'relative offset';

export const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;

/** Why to roll before the append, or null. */
export function rollReason(input: RollInput): RollReason | null {
  assert(input.appendSize > 0 && input.relativeOffset >= 0, 'an append to decide on');
  if (input.relativeOffset > RELATIVE_OFFSET_MAX) return 'relative offset';
  // An empty segment would be replaced by one with the same base offset.
  if (input.size === 0) return null;
  if (input.size > input.segmentBytes - input.appendSize) return 'size';
  if (waitedMs(input) > input.segmentMs - input.jitterMs) return 'time';
  return input.indexFull ? 'index full' : null;
}

/** Age in record time where the records have timestamps, else by the clock. */
function waitedMs(input: RollInput): number {
  return input.firstTimestampMs >= 0
    ? input.appendTimestampMs - input.firstTimestampMs
    : input.nowMs - input.createdMs;
}

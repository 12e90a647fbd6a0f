/**
 * Which segments retention deletes. Pure: values in, a count out; the oldest ones go.
 *
 * By time: a segment whose largest batch timestamp is older than retention.ms. A timestamp that is
 * not to be believed (none, zero, or ahead of the clock) deletes nothing by itself: then the file's
 * modification time, the second witness, decides. By size: as many of the oldest as may go without
 * the rest falling below retention.bytes. By log start: those that lie wholly below it.
 *
 * The active segment goes only if every segment goes: then it is rolled first, so that the log keeps
 * its end offset. Nothing at or above the high watermark goes.
 */

import type { Offset } from '../base/offset.js';

export interface SegmentFacts {
  readonly baseOffset: Offset;
  /** Exclusive. */
  readonly endOffset: Offset;
  /** Of the .log file. */
  readonly sizeInBytes: number;
  /** Largest of its batches; -1 if none. */
  readonly maxTimestampMs: number;
  readonly modifiedMs: number;
}

export interface RetentionInput {
  /** By base offset; the last one is active. */
  readonly segments: readonly SegmentFacts[];
  readonly logStartOffset: Offset;
  readonly highWatermark: Offset;
  readonly nowMs: number;
  /** False: only segments below the log start offset go (cleanup.policy=compact). */
  readonly deleteEnabled: boolean;
  /** Infinity: no limit. */
  readonly retentionMs: number;
  /** Infinity: no limit. */
  readonly retentionBytes: number;
}

export type RetentionReason = 'log start' | 'time' | 'size';

export interface RetentionDecision {
  /** How many of the oldest segments go. */
  readonly count: number;
  /** True: the active segment is among them, so roll before deleting. */
  readonly rollActive: boolean;
  /** The reason that reaches furthest; null if nothing goes. */
  readonly reason: RetentionReason | null;
}

export function decideRetention(input: RetentionInput): RetentionDecision {
  const eligible = countEligible(input);
  let count = countBelowLogStart(input, eligible);
  let reason: RetentionReason | null = count > 0 ? 'log start' : null;
  if (input.deleteEnabled) {
    const byTime = countExpired(input, eligible);
    if (byTime > count) [count, reason] = [byTime, 'time'];
    const bySize = countOversize(input, eligible);
    if (bySize > count) [count, reason] = [bySize, 'size'];
  }
  return { count, rollActive: count > 0 && count === input.segments.length, reason };
}

/** Whether a segment is older than `retentionMs` at `nowMs`. */
export function isExpired(
  segment: Pick<SegmentFacts, 'maxTimestampMs' | 'modifiedMs'>,
  nowMs: number,
  retentionMs: number,
): boolean {
  const { maxTimestampMs } = segment;
  const believable = maxTimestampMs > 0 && maxTimestampMs <= nowMs;
  return nowMs - (believable ? maxTimestampMs : segment.modifiedMs) > retentionMs;
}

/** Segments wholly below the high watermark; an empty active segment never goes. */
function countEligible({ segments, highWatermark }: RetentionInput): number {
  let count = 0;
  for (const segment of segments) {
    const isActive = count === segments.length - 1;
    if (segment.endOffset > highWatermark || (isActive && segment.sizeInBytes === 0)) break;
    count++;
  }
  return count;
}

function countBelowLogStart(
  { segments, logStartOffset }: RetentionInput,
  eligible: number,
): number {
  // The active segment stays: it is where the log ends.
  const bound = Math.min(eligible, segments.length - 1);
  let count = 0;
  while (count < bound && (segments[count + 1] as SegmentFacts).baseOffset <= logStartOffset)
    count++;
  return count;
}

function countExpired({ segments, nowMs, retentionMs }: RetentionInput, eligible: number): number {
  if (retentionMs === Number.POSITIVE_INFINITY) return 0;
  let count = 0;
  while (count < eligible && isExpired(segments[count] as SegmentFacts, nowMs, retentionMs))
    count++;
  return count;
}

function countOversize({ segments, retentionBytes }: RetentionInput, eligible: number): number {
  if (retentionBytes === Number.POSITIVE_INFINITY) return 0;
  let excess = -retentionBytes;
  for (const segment of segments) excess += segment.sizeInBytes;
  let count = 0;
  for (const segment of segments) {
    if (count === eligible || excess < segment.sizeInBytes) break;
    excess -= segment.sizeInBytes;
    count++;
  }
  return count;
}

/**
 * What of a log compaction may work on, and whether it is due. Pure. Offsets are those of segments:
 *
 *     | clean ........ | dirty, cleanable .......... | not cleanable ....... active |
 *                      ^ first dirty                 ^ first uncleanable
 *
 * Not cleanable: the active segment; what is not durable; what lies at or above the last stable offset;
 * segments with a record younger than min.compaction.lag.ms, and what follows them.
 */

import type { Offset } from '../../base/offset.js';

export interface CleanableSegment {
  readonly baseOffset: Offset;
  /** Of the .log file. */
  readonly sizeInBytes: number;
  /** Largest of its batches; may have to read. */
  readonly maxTimestampMs: number;
  /** Max timestamp of its first batch, -1 if none; may have to read. */
  readonly firstTimestampMs: number;
}

export interface CleanableInput {
  /** By base offset; the last one is active. */
  readonly segments: readonly CleanableSegment[];
  readonly logStartOffset: Offset;
  readonly lastStableOffset: Offset;
  readonly recoveryPoint: Offset;
  /** From the checkpoint, null if it has none. */
  readonly checkpoint: Offset | null;
  readonly nowMs: number;
  readonly lagMinMs: number;
  readonly lagMaxMs: number;
  readonly dirtyRatioMin: number;
}

export interface Cleanable {
  readonly firstDirtyOffset: Offset;
  /** Exclusive: base offset of a segment. */
  readonly firstUncleanableOffset: Offset;
  readonly cleanableBytes: number;
  /** Cleanable bytes to all bytes below the first uncleanable offset. */
  readonly dirtyRatio: number;
  /** By the ratio, or because the oldest dirty record is older than max.compaction.lag.ms. */
  readonly due: boolean;
}

export function findCleanable(input: CleanableInput): Cleanable {
  const { segments, nowMs, lagMaxMs, dirtyRatioMin } = input;
  const firstDirtyOffset = firstDirty(input);
  const dirtyIndex = floorIndex(segments, firstDirtyOffset);
  const endIndex = Math.max(dirtyIndex, firstUncleanableIndex(input, dirtyIndex));
  let cleanBytes = 0;
  let cleanableBytes = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  for (let index = 0; index < endIndex; index++) {
    const segment = segments[index] as CleanableSegment;
    if (index < dirtyIndex) {
      cleanBytes += segment.sizeInBytes;
      continue;
    }
    cleanableBytes += segment.sizeInBytes;
    // To read it costs a look into the file: only where there is a largest lag.
    if (nowMs > lagMaxMs && segment.firstTimestampMs > 0)
      oldestMs = Math.min(oldestMs, segment.firstTimestampMs);
  }
  const dirtyRatio = cleanableBytes === 0 ? 0 : cleanableBytes / (cleanBytes + cleanableBytes);
  const overdue = oldestMs < nowMs - lagMaxMs;
  return {
    firstDirtyOffset,
    firstUncleanableOffset: (segments[endIndex]?.baseOffset ?? firstDirtyOffset) as Offset,
    cleanableBytes,
    dirtyRatio,
    due: cleanableBytes > 0 && (overdue || dirtyRatio > dirtyRatioMin),
  };
}

/** A checkpoint outside the log says nothing: then everything is dirty. */
function firstDirty({ checkpoint, logStartOffset, segments }: CleanableInput): Offset {
  const active = segments[segments.length - 1];
  const isUsable =
    checkpoint !== null &&
    checkpoint >= logStartOffset &&
    (active === undefined || checkpoint <= active.baseOffset);
  return isUsable ? checkpoint : logStartOffset;
}

function firstUncleanableIndex(input: CleanableInput, dirtyIndex: number): number {
  const { segments, lastStableOffset, recoveryPoint, nowMs, lagMinMs } = input;
  const active = segments[segments.length - 1] as CleanableSegment;
  const bound = Math.min(lastStableOffset, recoveryPoint, active.baseOffset);
  // The segment that holds the bound is not whole below it.
  const end = floorIndex(segments, bound);
  if (lagMinMs <= 0) return end;
  for (let index = dirtyIndex; index < end; index++) {
    if ((segments[index] as CleanableSegment).maxTimestampMs > nowMs - lagMinMs) return index;
  }
  return end;
}

/** Of the last segment that begins at or below `offset`; 0 if none does. */
function floorIndex(segments: readonly CleanableSegment[], offset: number): number {
  let index = segments.length - 1;
  while (index > 0 && (segments[index] as CleanableSegment).baseOffset > offset) index--;
  return Math.max(0, index);
}

export interface GroupedSegment {
  readonly baseOffset: number;
  readonly sizeInBytes: number;
  readonly offsetIndexBytes: number;
  readonly timeIndexBytes: number;
}

export interface GroupBounds {
  readonly segmentBytes: number;
  readonly indexBytesMax: number;
  readonly relativeOffsetMax: number;
  /** Exclusive bound of the last segment's offsets. */
  readonly endOffset: number;
}

/** Runs of neighbours that fit one segment, so that segments do not shrink to nothing. */
export function groupSegments<S extends GroupedSegment>(
  segments: readonly S[],
  { segmentBytes, indexBytesMax, relativeOffsetMax, endOffset }: GroupBounds,
): S[][] {
  const groups: S[][] = [];
  let group: S[] = [];
  let bytes = 0;
  let offsetBytes = 0;
  let timeBytes = 0;
  segments.forEach((segment, at) => {
    const lastOffset = (segments[at + 1]?.baseOffset ?? endOffset) - 1;
    const base = group[0]?.baseOffset ?? segment.baseOffset;
    const fits =
      group.length > 0 &&
      bytes + segment.sizeInBytes <= segmentBytes &&
      offsetBytes + segment.offsetIndexBytes <= indexBytesMax &&
      timeBytes + segment.timeIndexBytes <= indexBytesMax &&
      (segment.sizeInBytes === 0 || lastOffset - base <= relativeOffsetMax);
    if (!fits) {
      group = [];
      groups.push(group);
      bytes = 0;
      offsetBytes = 0;
      timeBytes = 0;
    }
    group.push(segment);
    bytes += segment.sizeInBytes;
    offsetBytes += segment.offsetIndexBytes;
    timeBytes += segment.timeIndexBytes;
  });
  return groups;
}

/** Where a queue of appends leaves the active segment for the next one. */

import { MillraceError } from '../base/errors.js';
import { rollReason } from '../segment/roll-policy.js';
import type { Segment } from '../segment/segment.js';
import type { PendingAppend } from './pending-append.js';
import { type LogConfig, segmentMsMax } from './topic-config.js';

export interface RollPointOptions {
  readonly config: LogConfig;
  readonly nowMs: number;
  /** What time-based rolls of this segment are brought forward by. */
  readonly jitterMs: number;
}

/** How many appends of the queue go into the active segment before it is rolled. */
export function countUntilRoll(
  queue: readonly PendingAppend[],
  active: Segment,
  { config, nowMs, jitterMs }: RollPointOptions,
): number {
  if (!active.appendable) return 0;
  const { segmentBytes } = config;
  const segmentMs = segmentMsMax(config);
  let { size } = active;
  let firstTimestampMs = firstTimestampOf(active);
  let count = 0;
  for (const pending of queue) {
    if (pending.bytes !== null) {
      const reason = rollReason({
        size,
        appendSize: pending.size,
        relativeOffset: pending.lastOffset - active.baseOffset,
        firstTimestampMs,
        appendTimestampMs: pending.maxTimestampMs,
        createdMs: active.createdMs,
        nowMs,
        indexFull: active.indexFull,
        segmentBytes,
        segmentMs,
        jitterMs,
      });
      // An empty segment takes what comes: a new one would not be emptier.
      if (reason !== null && size > 0) break;
      if (size === 0) firstTimestampMs = pending.maxTimestampMs;
      size += pending.size;
    }
    count++;
  }
  return count;
}

/** -1: none, or it cannot be read: then the age of the file decides. */
function firstTimestampOf(active: Segment): number {
  try {
    return active.firstTimestampMs;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return -1;
  }
}

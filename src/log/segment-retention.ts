/**
 * One retention pass over a partition: asks the policy (retention.ts) what goes, confirms by the batch
 * headers what time condemns, and has the segments deleted.
 */

import { join } from 'node:path';
import type { Env } from '../file/env.js';
import { formatFileName } from '../segment/names.js';
import type { Segment } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { LogOffsets } from './offsets.js';
import {
  decideRetention,
  isExpired,
  type RetentionDecision,
  type SegmentFacts,
} from './retention.js';
import type { LogConfig } from './topic-config.js';

export interface RetentionPass {
  readonly env: Env;
  readonly dir: string;
  readonly segments: SegmentList<Segment>;
  readonly offsets: LogOffsets;
  readonly config: LogConfig;
  readonly nowMs: number;
}

/** What goes now; nothing is changed. The count is still good if only appends came meanwhile. */
export async function planRetention(pass: RetentionPass): Promise<RetentionDecision> {
  const { segments, offsets, config, nowMs } = pass;
  const facts = [...segments].map((segment) => factsOf(pass, segment));
  const decision = decideRetention({
    segments: facts,
    logStartOffset: offsets.logStartOffset,
    highWatermark: offsets.highWatermark,
    nowMs,
    deleteEnabled: config.cleanupDelete,
    retentionMs: config.retentionMs,
    retentionBytes: config.retentionBytes,
  });
  if (decision.reason !== 'time') return decision;
  // The time index is a hint (R8): the largest timestamp is read from the batches themselves.
  let confirmed = 0;
  while (confirmed < decision.count) {
    const segment = segments.at(confirmed);
    if (segment === null) break;
    const maxTimestampMs = await segment.confirmMaxTimestampMs();
    if (
      !isExpired(
        { maxTimestampMs, modifiedMs: modifiedMsOf(pass, segment) },
        nowMs,
        config.retentionMs,
      )
    )
      break;
    confirmed++;
  }
  if (confirmed === decision.count) return decision;
  return { count: confirmed, rollActive: false, reason: confirmed > 0 ? 'time' : null };
}

/** Getters: sealed segments are asked in order, and only as far as the answer is needed. */
function factsOf(pass: RetentionPass, segment: Segment): SegmentFacts {
  const next = pass.segments.higher(segment.baseOffset);
  return {
    baseOffset: segment.baseOffset,
    endOffset: next?.baseOffset ?? pass.offsets.logEndOffset,
    sizeInBytes: segment.size,
    get maxTimestampMs() {
      return segment.maxTimestampMs;
    },
    get modifiedMs() {
      return modifiedMsOf(pass, segment);
    },
  };
}

function modifiedMsOf({ env, dir }: RetentionPass, segment: Segment): number {
  const path = join(dir, formatFileName(segment.baseOffset, 'log'));
  // A file that is gone witnesses nothing.
  return env.stat(path)?.modifiedMs ?? Number.POSITIVE_INFINITY;
}

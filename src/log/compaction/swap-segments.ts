/**
 * Puts a cleaned segment in the place of those it was made from:
 *
 *     cleaned          .cleaned -> .swap, directory synced: committed
 *     old, newest first        -> .deleted, directory synced
 *     cleaned             .swap -> its name; the list of segments changes; directory synced
 *
 * A crash before the commit leaves the old segments, after it the new one (swap-recovery.ts). Reads see
 * the old segments until the list changes, under whatever name their files have by then, and a slice
 * keeps its bytes beyond that.
 *
 * The caller holds off everything else that changes the list, but for rolls.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Env } from '../../file/env.js';
import type { CleanedSegment } from '../../segment/cleaned-segment.js';
import { Segment, type SegmentConfig } from '../../segment/segment.js';
import type { SegmentList } from '../../segment/segment-list.js';
import type { LogFlusher } from '../flusher.js';
import type { TransactionLog } from '../transaction-log.js';

export interface SwapSegmentsOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dir: string;
  readonly config: SegmentConfig;
  readonly segments: SegmentList<Segment>;
  readonly flusher: LogFlusher;
  readonly transactions: TransactionLog;
  /** After an error from here on the log is in doubt: the next start completes or undoes the swap. */
  readonly onCommitted: () => void;
}

export async function swapSegments(
  options: SwapSegmentsOptions,
  old: readonly Segment[],
  cleaned: CleanedSegment,
): Promise<void> {
  const { env, dir, segments, flusher, transactions } = options;
  const last = old[old.length - 1];
  assert(last !== undefined && last !== segments.last, 'the active segment is not compacted');
  // What is not in memory is read while it has its name.
  for (const { baseOffset } of old) transactions.preload(baseOffset);
  await transactions.sync();
  options.onCommitted();
  cleaned.toSwap();
  await env.syncDir(dir);
  for (const segment of old.toReversed()) segment.renameDeleted();
  await env.syncDir(dir);
  cleaned.toLive();
  const next = segments.higher(last.baseOffset);
  assert(next !== null, 'a segment follows those that are compacted');
  const segment = await Segment.open({
    ...options,
    baseOffset: cleaned.baseOffset,
    clean: true,
    recoveryPoint: flusher.recoveryPoint,
    nextBaseOffset: next.baseOffset,
  });
  segments.replace(old, segment);
  for (const replaced of old) {
    flusher.forget(replaced);
    transactions.drop(replaced.baseOffset);
  }
  transactions.replaced(cleaned.baseOffset);
  await env.syncDir(dir);
}

/**
 * Cuts the tail of a partition's log. In this order, so that a crash anywhere leaves the log as it was,
 * or cut somewhere between its old end and the new one, and never a hole:
 *
 *     recovery point lowered, durably     else the next start would miss what is cut
 *     later segments renamed, newest first
 *     the checksums of the segment with the offset removed, durably; it is cut, synced
 *     snapshots above the end removed, epochs, transactions and producers brought back to the end
 *
 * The caller holds off appends and maintenance. After an error the log goes offline; if its files were
 * touched by then it is in doubt, and is not read either.
 */

import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import { WALK_ATTRIBUTES, WALK_BASE_OFFSET, WALK_LAST_OFFSET_DELTA } from '../record/batch-walk.js';
import { CONTROL_BIT } from '../record/layout.js';
import type { Segment } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { LogFlusher } from './flusher.js';
import type { LeaderEpochCache } from './leader-epoch-cache.js';
import type { LogFiles } from './log-files.js';
import { foldProducer, hasProducer } from './producer-fold.js';
import type { ProducerState } from './producer-state.js';
import { SegmentBatches } from './segment-batches.js';
import { endTxnRecordOf } from './transaction-fold.js';
import type { TransactionLog } from './transaction-log.js';

export interface TruncateLogOptions {
  readonly env: Env;
  readonly dir: string;
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochCache;
  readonly transactions: TransactionLog;
  readonly flusher: LogFlusher;
  /** Makes the recovery point durable, and that nothing at or above the offset is compacted. */
  readonly checkpoint: (truncatedTo: Offset) => Promise<void>;
  /** The files are no longer what they were: after an error the log is in doubt. */
  readonly touches: () => void;
  /** A segment was renamed: it is unlinked later. */
  readonly onDeleted: (segment: Segment) => void;
}

/** Removes every batch that reaches `offset`; answers the new log end. Rejects with an I/O error. */
export async function truncateLog(options: TruncateLogOptions, offset: Offset): Promise<Offset> {
  const { env, dir, files, segments, epochs, transactions, flusher } = options;
  const target = segments.floor(offset);
  assert(target !== null, 'an offset of the log');
  await flusher.idle();
  flusher.truncateTo(target.baseOffset);
  await options.checkpoint(target.baseOffset);
  options.touches();
  for (let last = segments.last; last !== null && last !== target; last = segments.last) {
    last.renameDeleted();
    // One by one: of renames in no order, a crash could leave a hole.
    await env.syncDir(dir);
    segments.remove(last);
    flusher.forget(last);
    transactions.drop(last.baseOffset);
    options.onDeleted(last);
  }
  // Found again after a crash, they would condemn what is appended at the cut.
  target.removeChecksums();
  await env.syncDir(dir);
  target.activate();
  target.truncateTo(offset);
  const end = target.nextOffset;
  for (const at of files.list('snapshot')) if (at > end) files.removeSnapshot(at);
  transactions.truncateTo(end);
  if (epochs.truncateTo(end)) files.writeEpochs(epochs.entries);
  await target.flush();
  await env.syncDir(dir);
  await files.epochsWritten();
  await rebuildProducers(options, end);
  return end;
}

/** Producer state and open transactions as of `end`, which is the log end. */
async function rebuildProducers(options: TruncateLogOptions, end: Offset): Promise<void> {
  const { files, segments, producers, transactions } = options;
  producers.clear();
  let from = 0;
  for (const at of files.list('snapshot').reverse()) {
    const entries = files.readSnapshot(at);
    if (entries === null) continue;
    for (const entry of entries) producers.load(entry);
    from = at;
    break;
  }
  for (let index = Math.max(0, segments.floorIndex(from)); from < end; index++) {
    const segment = segments.at(index);
    if (segment === null) break;
    const batches = new SegmentBatches(segment, { from, check: false });
    while (batches.step()) {
      for (let batch = 0; batch < batches.count; batch++)
        takeBatch(producers, batches, batch, from);
      await yieldToLoop();
    }
  }
  transactions.reopen(producers.entries());
}

function takeBatch(
  producers: ProducerState,
  batches: SegmentBatches,
  batch: number,
  from: number,
): void {
  const slot = batches.slotOf(batch);
  const { out } = batches;
  const baseOffset = out[slot + WALK_BASE_OFFSET] as number;
  const isKnown = baseOffset + (out[slot + WALK_LAST_OFFSET_DELTA] as number) < from;
  if (isKnown || !hasProducer(out, slot)) return;
  const isControl = ((out[slot + WALK_ATTRIBUTES] as number) & CONTROL_BIT) !== 0;
  const marker = isControl ? endTxnRecordOf(batches.bytes, batches.positionOf(batch)) : null;
  foldProducer(producers, out, slot, marker);
}

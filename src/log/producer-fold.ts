/**
 * Brings producer state forward over batches that are in the log: in recovery, and after the log was
 * truncated. What a batch does to its producer is the same as when it was appended.
 */

import type { Offset } from '../base/offset.js';
import {
  WALK_ATTRIBUTES,
  WALK_BASE_OFFSET,
  WALK_BASE_SEQUENCE,
  WALK_LAST_OFFSET_DELTA,
  WALK_MAX_TIMESTAMP,
  WALK_PRODUCER_EPOCH,
  WALK_PRODUCER_ID,
} from '../record/batch-walk.js';
import { CONTROL_BIT, TRANSACTIONAL_BIT } from '../record/layout.js';
import type { ProducerState } from './producer-state.js';
import type { EndTxnRecord } from './transaction-fold.js';

/** Whether the batch whose fields begin at `slot` belongs to a producer with an id of ours. */
export function hasProducer(batches: Float64Array, slot: number): boolean {
  const producerId = batches[slot + WALK_PRODUCER_ID] as number;
  return producerId >= 0 && Number.isSafeInteger(producerId);
}

/** `marker`: of a control batch, null if it ends no transaction or was emptied by compaction. */
export function foldProducer(
  producers: ProducerState,
  batches: Float64Array,
  slot: number,
  marker: EndTxnRecord | null,
): void {
  const attributes = batches[slot + WALK_ATTRIBUTES] as number;
  const producerId = batches[slot + WALK_PRODUCER_ID] as number;
  const producerEpoch = batches[slot + WALK_PRODUCER_EPOCH] as number;
  const timestampMs = batches[slot + WALK_MAX_TIMESTAMP] as number;
  if ((attributes & CONTROL_BIT) !== 0) {
    if (marker === null) return;
    const { coordinatorEpoch } = marker;
    producers.endTransaction({ producerId, producerEpoch, coordinatorEpoch }, timestampMs);
    return;
  }
  const baseSequence = batches[slot + WALK_BASE_SEQUENCE] as number;
  const isTransactional = (attributes & TRANSACTIONAL_BIT) !== 0;
  if (baseSequence < 0 && !isTransactional) return;
  const lastOffsetDelta = batches[slot + WALK_LAST_OFFSET_DELTA] as number;
  const lastOffset = ((batches[slot + WALK_BASE_OFFSET] as number) + lastOffsetDelta) as Offset;
  const batch = { producerId, producerEpoch, baseSequence, lastOffsetDelta, isTransactional };
  producers.append(batch, lastOffset, timestampMs);
}

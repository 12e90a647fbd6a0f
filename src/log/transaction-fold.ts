/**
 * From the batches of a log, in order, to its aborted transactions: the one rule by which transaction
 * indexes are made, in append, recovery and rebuild.
 */

import { MillraceError } from '../base/errors.js';
import type { AbortedEntry } from '../index/transaction-index.js';
import { recordsCountOf } from '../record/batch-view.js';
import { type ControlRecord, parseControlRecord } from '../record/control-record.js';
import { decodeBatch } from '../record/decode-batch.js';
import { CONTROL_BIT, TRANSACTIONAL_BIT } from '../record/layout.js';
import type { TransactionState } from './transaction-state.js';

export type EndTxnRecord = Extract<ControlRecord, { readonly type: 'abort' | 'commit' }>;

/** What a fold needs to know of a batch. */
export interface FoldedBatch {
  readonly attributes: number;
  readonly producerId: number;
  readonly baseOffset: number;
}

/**
 * Takes the next batch; answers what it aborts, or null. `marker` is that of a control batch, null for
 * every other batch, and for a control batch that ends no transaction.
 */
export function foldTransaction(
  state: TransactionState,
  { attributes, producerId, baseOffset }: FoldedBatch,
  marker: EndTxnRecord | null,
): AbortedEntry | null {
  if (producerId < 0) return null;
  if ((attributes & CONTROL_BIT) === 0) {
    if ((attributes & TRANSACTIONAL_BIT) !== 0 && !state.isOpen(producerId)) {
      state.begin(producerId, baseOffset);
    }
    return null;
  }
  if (marker === null) return null;
  const ended = state.end(producerId, baseOffset);
  if (ended === null || marker.type !== 'abort') return null;
  return { producerId, ...ended, lastOffset: baseOffset };
}

/**
 * The end-of-transaction marker in the control batch at `position`; null if it is another control
 * record, if compaction emptied the batch, or if it cannot be read.
 */
export function endTxnRecordOf(bytes: Uint8Array, position: number): EndTxnRecord | null {
  if (recordsCountOf(bytes, position) !== 1) return null;
  try {
    const record = decodeBatch(bytes, position).next();
    const control = record === null ? null : parseControlRecord(record.key, record.value);
    return control !== null && (control.type === 'abort' || control.type === 'commit')
      ? control
      : null;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return null;
  }
}

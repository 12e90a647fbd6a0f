/** What written batches mean for the leader epochs and the transactions of their log. */

import { assert } from '../base/assert.js';
import type { Segment } from '../segment/segment.js';
import type { LeaderEpochCache } from './leader-epoch-cache.js';
import type { LogFiles } from './log-files.js';
import type { PendingAppend } from './pending-append.js';
import type { TransactionLog } from './transaction-log.js';

export class BatchNotes {
  readonly #epochs: LeaderEpochCache;
  readonly #files: LogFiles;
  readonly #transactions: TransactionLog;

  constructor(epochs: LeaderEpochCache, files: LogFiles, transactions: TransactionLog) {
    this.#epochs = epochs;
    this.#files = files;
    this.#transactions = transactions;
  }

  /** Of batches that were written into `active`. Throws where an index of an earlier run is unreadable. */
  add(run: readonly PendingAppend[], active: Segment): void {
    for (const pending of run) {
      if (pending.bytes !== null) this.#noteEpoch(pending);
      if (pending.transaction !== 'none') this.#noteTransaction(pending, active);
    }
  }

  #noteEpoch({ leaderEpoch, baseOffset }: PendingAppend): void {
    if (leaderEpoch === this.#epochs.latestEpoch) return;
    if (this.#epochs.assign(leaderEpoch, baseOffset)) this.#files.writeEpochs(this.#epochs.entries);
  }

  #noteTransaction({ transaction, producerId, baseOffset }: PendingAppend, active: Segment): void {
    assert(transaction !== 'none', 'a batch that begins or ends a transaction');
    if (transaction === 'begin') this.#transactions.begin(producerId, baseOffset);
    else this.#transactions.end(producerId, baseOffset, transaction, active);
  }
}

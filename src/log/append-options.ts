/** What goes with an append to a partition's log. */

export interface AppendOptions {
  /** Written into the batch: the epoch of this broker as leader of the partition. */
  readonly leaderEpoch: number;
  /**
   * false: `records` is borrowed until `append` returns (the log copies it). true: the log may keep
   * and patch it in place until the promise settles; the caller does not touch it meanwhile.
   */
  readonly owned: boolean;
  /**
   * Transactional batches are taken: whoever calls has made sure that the transaction is under way.
   * False where not given: they are refused with INVALID_TXN_STATE.
   */
  readonly transactional?: boolean;
  /**
   * A producer that the log does not know begins with sequence 0, as it does where each transaction
   * has an epoch of its own; else any sequence is taken, since the log may have forgotten the producer.
   */
  readonly beginsAtZero?: boolean;
  /** The batch is a coordinator's: it may have a producer and no sequence. */
  readonly coordinator?: boolean;
}

/** The end of a transaction on this partition. */
export interface EndTxnMarkerAppend {
  readonly type: 'commit' | 'abort';
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  /** As in AppendOptions. */
  readonly leaderEpoch: number;
  /** Every transaction has an epoch of its own (transaction.version 2), so an old marker shows. */
  readonly epochRises?: boolean;
}

/**
 * The offsets of one group: those committed, and those of open transactions, which count once the
 * marker of their transaction is written.
 *
 * Changed only after the record is in the log, in the order of the log. Where a transaction's offset
 * and a plain one are for the same partition, the record that is later in the log wins.
 */

export interface CommittedOffset {
  readonly offset: number;
  /** -1: not told. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** Given by old clients with the commit; -1: the broker's retention counts. */
  readonly expireTimestampMs: number;
  /** UUID_ZERO: not known. */
  readonly topicId: string;
  /** Of the record in the state topic. */
  readonly recordOffset: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

type ByPartition = Map<string, Map<number, CommittedOffset>>;

export class GroupOffsets {
  readonly #committed: ByPartition = new Map();
  readonly #pending = new Map<number, ByPartition>();

  /** Partitions with an offset. */
  get count(): number {
    let count = 0;
    for (const partitions of this.#committed.values()) count += partitions.size;
    return count;
  }

  get isEmpty(): boolean {
    return this.#committed.size === 0 && this.#pending.size === 0;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#committed.get(topic)?.get(partition);
  }

  *entries(): Generator<TopicPartition & { readonly committed: CommittedOffset }> {
    for (const [topic, partitions] of this.#committed) {
      for (const [partition, committed] of partitions) yield { topic, partition, committed };
    }
  }

  put(topic: string, partition: number, committed: CommittedOffset): void {
    put(this.#committed, topic, partition, committed);
  }

  /** An offset of an open transaction. */
  putPending(
    producerId: number,
    topic: string,
    partition: number,
    committed: CommittedOffset,
  ): void {
    let pending = this.#pending.get(producerId);
    if (pending === undefined) {
      pending = new Map();
      this.#pending.set(producerId, pending);
    }
    put(pending, topic, partition, committed);
  }

  /** Whether an open transaction would change the offset of the partition. */
  isPending(topic: string, partition: number): boolean {
    for (const pending of this.#pending.values()) {
      if (pending.get(topic)?.has(partition)) return true;
    }
    return false;
  }

  /** Partitions that only open transactions have offsets for, and the others. */
  pendingPartitions(): TopicPartition[] {
    const found: TopicPartition[] = [];
    for (const pending of this.#pending.values()) {
      for (const [topic, partitions] of pending) {
        for (const partition of partitions.keys()) found.push({ topic, partition });
      }
    }
    return found;
  }

  endTransaction(producerId: number, committed: boolean): void {
    const pending = this.#pending.get(producerId);
    this.#pending.delete(producerId);
    if (pending === undefined || !committed) return;
    for (const [topic, partitions] of pending) {
      for (const [partition, offset] of partitions) {
        const known = this.get(topic, partition);
        if (known === undefined || known.recordOffset < offset.recordOffset) {
          this.put(topic, partition, offset);
        }
      }
    }
  }

  /** A committed offset is gone; what is pending stays. */
  remove(topic: string, partition: number): void {
    const partitions = this.#committed.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) this.#committed.delete(topic);
  }
}

function put(
  offsets: ByPartition,
  topic: string,
  partition: number,
  committed: CommittedOffset,
): void {
  const partitions = offsets.get(topic);
  if (partitions === undefined) offsets.set(topic, new Map([[partition, committed]]));
  else partitions.set(partition, committed);
}

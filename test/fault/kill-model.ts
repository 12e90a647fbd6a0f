/**
 * What a partition must hold, as its producers and consumers saw it: kept by whoever outlives the
 * broker. Each offset gets its value once, by whatever told it first (an acknowledgement, a fetch, the
 * files), and must have it ever after.
 */

export class Violation extends Error {
  override name = 'Violation';
}

/** Sent and not answered yet. */
export interface PendingBatch {
  readonly values: readonly string[];
  readonly baseSequence: number;
}

export class PartitionModel {
  readonly topic: string;
  readonly idempotent: boolean;
  /** By offset. */
  readonly values: string[] = [];
  readonly #offsets = new Map<string, number>();
  readonly #sent = new Set<string>();
  /** Oldest first. */
  pending: PendingBatch[] = [];
  acknowledged = 0;
  #made = 0;
  #nextSequence = 0;

  constructor(topic: string, idempotent: boolean) {
    this.topic = topic;
    this.idempotent = idempotent;
  }

  /** A batch of `count` numbered records, to be sent now. */
  nextBatch(count: number, padding: number): PendingBatch {
    const values = Array.from({ length: count }, () => {
      return `${this.topic} ${this.#made++} ${'x'.repeat(padding)}`;
    });
    for (const value of values) this.#sent.add(value);
    const batch = { values, baseSequence: this.#nextSequence };
    this.#nextSequence += count;
    this.pending.push(batch);
    return batch;
  }

  /** Whether every record of the batch is known to be in the log. */
  holds(batch: PendingBatch): boolean {
    return batch.values.every((value) => this.#offsets.has(value));
  }

  acknowledge(batch: PendingBatch, baseOffset: number): void {
    batch.values.forEach((value, i) => {
      this.note(baseOffset + i, value, 'acknowledged');
    });
    this.acknowledged += batch.values.length;
    this.pending = this.pending.filter((each) => each !== batch);
  }

  note(offset: number, value: string, how: string): void {
    const where = `${this.topic} offset ${offset}`;
    const before = this.values[offset];
    if (before !== undefined && before !== value) {
      throw new Violation(`${where} was ${brief(before)} and is ${brief(value)} (${how})`);
    }
    const other = this.#offsets.get(value);
    if (other !== undefined && other !== offset) {
      throw new Violation(`${where}: a duplicate of ${brief(value)} at ${other} (${how})`);
    }
    if (!this.#sent.has(value)) {
      throw new Violation(`${where}: ${brief(value)} was never sent (${how})`);
    }
    this.values[offset] = value;
    this.#offsets.set(value, offset);
  }

  /** `records` are all there is, from offset 0 on: nothing is missing, nothing is out of place. */
  check(records: readonly { offset: number; value: string }[], how: string): void {
    records.forEach(({ offset, value }, i) => {
      if (offset !== i)
        throw new Violation(`${this.topic}: ${i} is followed by ${offset} (${how})`);
      this.note(offset, value, how);
    });
    if (this.values.length > records.length) {
      const lost = this.values.length - records.length;
      throw new Violation(`${this.topic}: the last ${lost} records are lost (${how})`);
    }
  }
}

function brief(value: string): string {
  return `"${value.slice(0, 40).trimEnd()}"`;
}

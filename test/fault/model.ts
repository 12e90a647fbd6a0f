/**
 * The model that the engine is held against: a plain list of what was asked and answered, each with
 * the moments (events of the simulated disk) of question and answer. It knows batches by their bytes
 * and nothing of segments, indexes or recovery.
 */

import { crcOf, lengthOf, readInt64 } from '#src/record/batch-view.js';

/** The 16 bytes before it (base offset, length, epoch) are the log's framing. */
const MESSAGE_AT = 16;

/** What the model knows of the records of a batch of a compacted topic. */
export interface Keyed {
  /** Of the batch, in a header of each record. */
  readonly number: number;
  readonly keys: readonly string[];
  /** Records without a value, by index. */
  readonly tombstones: readonly boolean[];
  readonly askedMs: number;
}

/** One transaction on one partition. */
export interface Transaction {
  readonly producerId: number;
  /** How it ends: a coordinator decides once; null: not decided. */
  type: 'commit' | 'abort' | null;
  /** Infinity: not decided. */
  decided: number;
  /** Each marker that was asked for: one more when it is not known what became of the one before. */
  readonly markers: Marker[];
}

export interface Marker {
  readonly asked: number;
  answered: number;
  /** -1 before the answer, or if that was an error. */
  baseOffset: number;
}

export interface Attempt {
  readonly partition: string;
  /** Which of the partitions of that name, from 0. */
  readonly generation: number;
  /** As submitted. */
  readonly bytes: Uint8Array;
  readonly recordsCount: number;
  readonly leaderEpoch: number;
  readonly timestampMs: number;
  readonly asked: number;
  /** Of a compacted topic. */
  readonly keyed: Keyed | null;
  /** That it is a part of; null: of none. */
  readonly transaction: Transaction | null;
  /** Infinity: not answered. */
  answered: number;
  /** Of the answer; -1 before it, or if it was an error. */
  baseOffset: number;
  /**
   * - `refused`: an error, and the log stayed online: it must never be readable
   * - `unknown`: an error, and the log went offline: it may be readable after the next start
   */
  outcome: 'open' | 'acked' | 'refused' | 'unknown';
}

interface Mark {
  readonly moment: number;
  readonly value: number;
}

/** One partition from its creation to its deletion. */
export class PartitionModel {
  readonly name: string;
  readonly generation: number;
  readonly topicId: string;
  readonly createAsked: number;
  /** How long compaction keeps tombstones. */
  readonly deleteRetentionMs: number;
  createAnswered = Number.POSITIVE_INFINITY;
  deleteAsked = Number.POSITIVE_INFINITY;
  deleteAnswered = Number.POSITIVE_INFINITY;
  readonly attempts: Attempt[] = [];
  readonly transactions: Transaction[] = [];
  /** Passes of compaction: what was past its time at one of them may be gone. */
  readonly compactions: { readonly moment: number; readonly nowMs: number }[] = [];
  /** Offsets below were called durable, by an answer or by the recovery point. */
  readonly #durable: Mark[] = [];
  /** Offsets below may be gone, from the moment on. */
  readonly #starts: Mark[] = [];
  /** Offsets below are gone, from the moment on. */
  readonly #trims: Mark[] = [];
  /** Offsets at or above may be gone, from the moment on; and are, from `answered` on. */
  readonly #ends: (Mark & { answered: number })[] = [];

  constructor(
    of: Pick<
      PartitionModel,
      'name' | 'generation' | 'topicId' | 'createAsked' | 'deleteRetentionMs'
    >,
  ) {
    this.name = of.name;
    this.generation = of.generation;
    this.topicId = of.topicId;
    this.createAsked = of.createAsked;
    this.deleteRetentionMs = of.deleteRetentionMs;
  }

  durableBelow(moment: number, offset: number): void {
    const last = this.#durable[this.#durable.length - 1];
    if (last?.value !== offset) this.#durable.push({ moment, value: offset });
  }

  /** What is below was deleted, and that was answered. */
  trimmedTo(moment: number, offset: number): void {
    this.#trims.push({ moment, value: offset });
  }

  /** Offsets below are gone at `moment`. */
  trimmedStart(moment: number): number {
    return risesAndFalls(this.#trims, this.#ends, moment);
  }

  startMayRise(moment: number, offset: number): void {
    this.#starts.push({ moment, value: offset });
  }

  /** Every offset below was called durable before `moment`. */
  durableEnd(moment: number): number {
    return risesAndFalls(this.#durable, this.#ends, moment);
  }

  /** Offsets from here on have to be there at `moment`. */
  requiredStart(moment: number): number {
    return largest(this.#starts, moment, (mark) => mark.value);
  }

  /** A truncation is asked for; the answer is whom to tell when it is over. */
  endMayFall(moment: number, offset: number): (answered: number) => void {
    const mark = { moment, value: offset, answered: Number.POSITIVE_INFINITY };
    this.#ends.push(mark);
    return (answered) => {
      mark.answered = answered;
    };
  }

  /** It was cut off, and that was answered. */
  isTruncated(attempt: Attempt, moment: number): boolean {
    const end = attempt.baseOffset + attempt.recordsCount;
    return this.#ends.some(
      (mark) => mark.answered <= moment && mark.moment >= attempt.answered && mark.value < end,
    );
  }

  /** What was acknowledged at `moment`, but for what was trimmed or truncated since. */
  acked(moment: number): Attempt[] {
    const start = this.requiredStart(moment);
    return this.attempts.filter(
      (attempt) =>
        attempt.outcome === 'acked' &&
        attempt.answered <= moment &&
        attempt.baseOffset + attempt.recordsCount > start &&
        !this.#wasTruncated(attempt, moment),
    );
  }

  #wasTruncated({ baseOffset, recordsCount, answered }: Attempt, moment: number): boolean {
    return this.mayBeTruncated(baseOffset + recordsCount, answered, moment);
  }

  /** What ends at `end` and was answered at `answered` may have been cut off since. */
  mayBeTruncated(end: number, answered: number, moment: number): boolean {
    return this.#ends.some(
      (mark) => mark.moment <= moment && mark.moment >= answered && mark.value < end,
    );
  }

  existsFor(moment: number): 'yes' | 'no' | 'maybe' {
    if (this.deleteAnswered <= moment || this.createAsked > moment) return 'no';
    return this.createAnswered <= moment && this.deleteAsked > moment ? 'yes' : 'maybe';
  }
}

/** A bound that some marks raise, and a truncation lowers, in the order in which they came. */
function risesAndFalls(rises: readonly Mark[], falls: readonly Mark[], moment: number): number {
  const marks = [
    ...rises.map((mark) => ({ ...mark, cuts: false })),
    ...falls.map((mark) => ({ ...mark, cuts: true })),
  ].sort((a, b) => a.moment - b.moment);
  let bound = 0;
  for (const { moment: at, value, cuts } of marks) {
    if (at <= moment) bound = cuts ? Math.min(bound, value) : Math.max(bound, value);
  }
  return bound;
}

function largest(marks: readonly Mark[], moment: number, of: (mark: Mark) => number): number {
  let found = 0;
  for (const mark of marks) if (mark.moment <= moment) found = Math.max(found, of(mark));
  return found;
}

export class Model {
  /** Every partition that ever was, in order of creation. */
  readonly partitions: PartitionModel[] = [];
  readonly #byMessage = new Map<string, Attempt>();
  readonly #byNumber = new Map<number, Attempt>();

  /** The one of that name that was created last. */
  current(name: string): PartitionModel | undefined {
    return this.partitions.findLast((partition) => partition.name === name);
  }

  create(
    of: Pick<PartitionModel, 'name' | 'topicId' | 'createAsked' | 'deleteRetentionMs'>,
  ): PartitionModel {
    const generation = this.partitions.filter(({ name }) => name === of.name).length;
    const partition = new PartitionModel({ ...of, generation });
    this.partitions.push(partition);
    return partition;
  }

  ask(
    partition: PartitionModel,
    attempt: Pick<
      Attempt,
      'bytes' | 'recordsCount' | 'leaderEpoch' | 'timestampMs' | 'asked' | 'keyed' | 'transaction'
    >,
  ): Attempt {
    const made: Attempt = {
      ...attempt,
      partition: partition.name,
      generation: partition.generation,
      answered: Number.POSITIVE_INFINITY,
      baseOffset: -1,
      outcome: 'open',
    };
    partition.attempts.push(made);
    this.#byMessage.set(messageKey(attempt.bytes, 0), made);
    if (attempt.keyed !== null) this.#byNumber.set(attempt.keyed.number, made);
    return made;
  }

  /** Whose batch this is; undefined: nobody's, so it was altered or made up. */
  attemptOf(bytes: Uint8Array, position: number): Attempt | undefined {
    return this.#byMessage.get(messageKey(bytes, position));
  }

  /** The batch of a compacted topic whose records bear `number`. */
  attemptOfNumber(number: number): Attempt | undefined {
    return this.#byNumber.get(number);
  }
}

/** Whether the batch at `position` is the attempt's at `baseOffset`, to the byte. */
export function isStored(
  attempt: Attempt,
  bytes: Uint8Array,
  position: number,
  baseOffset: number,
): boolean {
  const { length } = attempt.bytes;
  if (position + length > bytes.length || readInt64(bytes, position) !== baseOffset) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset + position);
  if (view.getInt32(8) !== length - 12 || view.getInt32(12) !== attempt.leaderEpoch) return false;
  return (
    Buffer.compare(
      attempt.bytes.subarray(MESSAGE_AT),
      bytes.subarray(position + MESSAGE_AT, position + length),
    ) === 0
  );
}

/** Batches of the model differ in what their CRC covers. */
function messageKey(bytes: Uint8Array, position: number): string {
  return `${crcOf(bytes, position)} ${lengthOf(bytes, position)}`;
}

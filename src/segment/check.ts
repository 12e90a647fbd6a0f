/**
 * Checks a whole log file and finds out all that can be known of a segment from its log alone: where
 * its good batches are, what is damaged, both indexes, the next offset. The source of truth whenever an
 * index, a size or a header is in doubt. Reads only; the caller cuts.
 *
 * The CRC does not cover the base offset, so a batch must also be at home: inside the segment's range
 * and after the batch before it. A batch is held back by one: a jump ahead that the next batch
 * contradicts was a flipped bit in the held one, not a gap.
 *
 *     good 0-9 | base offset 4106 (10 with a flipped bit) | good 20-29
 *                ^ held; 20 follows 9 but not 4115: the held one is damaged
 *
 * It does not cover the leader epoch either. Where the epochs of the log are known for sure, a batch must
 * have the one of its offset, or begin one that is newer than all and that the next batch keeps. And where
 * such a log was never compacted, its last segment has no gaps: one that is there alone, before the last
 * batch, is a flipped bit in that batch.
 */

import type { Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env, EnvFile } from '../file/env.js';
import { OffsetIndex } from '../index/offset-index.js';
import { TimeIndex } from '../index/time-index.js';
import { readInt32 } from '../record/batch-view.js';
import {
  WALK_BAD_COUNT,
  WALK_BAD_OFFSETS,
  WALK_BASE_OFFSET,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_LEADER_EPOCH,
  WALK_MAX_TIMESTAMP,
  WALK_POSITION,
  WALK_SIZE,
  WALK_STRIDE,
  walkOut,
} from '../record/batch-walk.js';
import { MAX_TIMESTAMP } from '../record/layout.js';
import type { ByteRange } from './checksums.js';
import { IndexFold } from './index-fold.js';
import { type DamageVerdict, judgeDamage } from './recovery.js';
import { findFollower } from './resync.js';
import { RELATIVE_OFFSET_MAX } from './roll-policy.js';
import { BatchScan, endOfData, HeaderCursor } from './scan.js';

/** Good batches handed to `onBatches` at a time. */
const ACCEPTED_COUNT_MAX = 256;
/** More ranges than this become one with the last: what is good between them is not served. */
const DAMAGED_COUNT_MAX = 1000;
/** `endOffset` of a range until the next batch is accepted. */
const UNKNOWN = -1;

/** A range that is damaged; kept, never served. */
export interface DamagedRange {
  readonly position: number;
  /** Exclusive, in bytes. */
  readonly endPosition: number;
  /** First offset that may be inside. */
  readonly offset: Offset;
  /** Exclusive: the first offset that is served again. */
  readonly endOffset: number;
}

export interface CheckOptions {
  readonly env: Env;
  readonly file: EnvFile;
  /** Bytes to check, from 0. */
  readonly size: number;
  readonly baseOffset: Offset;
  /** Null: the last segment. */
  readonly nextBaseOffset: Offset | null;
  /** Offsets below it are durable. */
  readonly recoveryPoint: Offset;
  readonly indexIntervalBytes: number;
  readonly indexBytesMax: number;
  readonly onBatches?: ((batches: Float64Array, count: number) => void) | undefined;
  /** Leader epochs of the log, in order, that are known to be what this engine wrote. */
  readonly epochs?: readonly EpochStart[] | null | undefined;
  /** The log was never compacted. */
  readonly gapless?: boolean | undefined;
  /** No batch that touches them is believed; in order. */
  readonly doubtful?: readonly ByteRange[];
}

/** See log/leader-epoch-cache.ts. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface CheckResult {
  /** In bytes, without a torn tail: cut here. */
  readonly size: number;
  /** Of what is cut, the zeros that end the file: written ahead of appends, by us or by Kafka. */
  readonly reservedBytes: number;
  readonly damaged: readonly DamagedRange[];
  /** The damage reaches the end and is not cut: nothing may be appended. */
  readonly tailDamaged: boolean;
  /** Never below an offset that may have been acknowledged. */
  readonly nextOffset: Offset;
  /** Of the first good batch; -1 if there is none. */
  readonly firstTimestampMs: number;
  /** Heap only, made from the good batches. */
  readonly fold: IndexFold;
}

/** Runs a check in one go. */
export function checkSegment(options: CheckOptions): CheckResult {
  const check = new SegmentCheck(options);
  while (check.step());
  return check.finish();
}

/** Runs a check that lets others have a turn, or what `turn` does, after every run of batches. */
export async function checkSegmentInTurns(
  options: CheckOptions,
  turn: () => unknown = () => yieldToLoop(),
): Promise<CheckResult> {
  const check = new SegmentCheck(options);
  while (check.step()) await turn();
  return check.finish();
}

interface HeldBatch {
  position: number;
  size: number;
  baseOffset: number;
  lastOffset: number;
  leaderEpoch: number;
  timestamp: number;
  timestampHigh: number;
  timestampLow: number;
  /** As walkBatches has it. */
  readonly fields: Float64Array;
}

class SegmentCheck {
  #options: CheckOptions;
  #scan: BatchScan;
  #fold: IndexFold;
  #damaged: DamagedRange[] = [];
  /** Whether one of them has no end offset yet. */
  #unknown = false;
  #size: number;
  #reservedBytes = 0;
  /** The offset after the last accepted batch. */
  #next: number;
  /** What damage at the tail may have held: offsets below it are not given out again. */
  #reserved: number;
  #firstTimestampMs = -1;
  #held = newHeld();
  #incoming = newHeld();
  #holding = false;
  #endOffset: number;
  #accepted: Float64Array | null;
  #acceptedCount = 0;
  /** Between accepted batches, or before the first one. */
  #gapCount = 0;

  constructor(options: CheckOptions) {
    const { env, baseOffset, nextBaseOffset } = options;
    this.#options = options;
    this.#scan = new BatchScan(options.file, 0, options.size);
    const index = { env, path: '', bytesMax: options.indexBytesMax };
    this.#fold = new IndexFold(new OffsetIndex(index), new TimeIndex(index));
    this.#size = options.size;
    this.#next = baseOffset;
    this.#reserved = baseOffset;
    const endOffset = baseOffset + RELATIVE_OFFSET_MAX + 1;
    this.#endOffset = Math.min(endOffset, nextBaseOffset ?? endOffset);
    this.#accepted = options.onBatches === undefined ? null : walkOut(ACCEPTED_COUNT_MAX);
  }

  /** One run of batches, or one damage; false at the end. */
  step(): boolean {
    const scan = this.#scan;
    if (scan.step()) {
      for (let batch = 0; batch < scan.count; batch++) {
        this.#read(WALK_FIRST + batch * WALK_STRIDE);
        this.#take();
      }
      return true;
    }
    this.#release();
    return scan.position < this.#size && this.#damage(scan.position);
  }

  finish(): CheckResult {
    this.#release();
    this.#handOn();
    const { nextBaseOffset } = this.#options;
    const nextOffset = Math.max(this.#next, this.#reserved);
    const endOffset = nextBaseOffset ?? nextOffset;
    const damaged = this.#damaged
      .map((range) => (range.endOffset === UNKNOWN ? { ...range, endOffset } : range))
      .sort((a, b) => a.position - b.position);
    return {
      size: this.#size,
      reservedBytes: this.#reservedBytes,
      damaged,
      tailDamaged: this.#unknown,
      nextOffset: Math.min(nextOffset, nextBaseOffset ?? nextOffset) as Offset,
      firstTimestampMs: this.#firstTimestampMs,
      fold: this.#fold,
    };
  }

  /** The batch in a slot of the scan, into `#incoming`. */
  #read(slot: number): void {
    const { out, bytes, bytesPosition } = this.#scan;
    const into = this.#incoming;
    into.position = out[slot + WALK_POSITION] as number;
    into.size = out[slot + WALK_SIZE] as number;
    into.baseOffset = out[slot + WALK_BASE_OFFSET] as number;
    into.lastOffset = into.baseOffset + (out[slot + WALK_LAST_OFFSET_DELTA] as number);
    into.leaderEpoch = out[slot + WALK_LEADER_EPOCH] as number;
    into.timestamp = out[slot + WALK_MAX_TIMESTAMP] as number;
    const at = into.position - bytesPosition + MAX_TIMESTAMP;
    into.timestampHigh = readInt32(bytes, at);
    into.timestampLow = readInt32(bytes, at + 4);
    if (this.#accepted === null) return;
    for (let field = 0; field < WALK_STRIDE; field++) {
      into.fields[field] = out[slot + field] as number;
    }
  }

  /** Decides on `#held` by `#incoming`, and holds that. */
  #take(): void {
    const held = this.#held;
    const incoming = this.#incoming;
    const inRange =
      incoming.baseOffset >= this.#next &&
      incoming.lastOffset < this.#endOffset &&
      incoming.lastOffset >= incoming.baseOffset;
    if (!inRange || this.#isDoubtful(incoming) || this.#epochOf(incoming) === 'wrong') {
      this.#misplaced(incoming);
      return;
    }
    if (this.#holding) {
      const isOld = incoming.leaderEpoch < held.leaderEpoch && this.#epochOf(held) === 'new';
      if (incoming.baseOffset > held.lastOffset && !isOld) {
        this.#accept(held);
      } else if (isOld) {
        this.#misplaced(held);
      } else if (held.baseOffset > this.#next) {
        this.#misplaced(held);
      } else {
        // The held one is exactly where it belongs: this one is not.
        this.#misplaced(incoming);
        return;
      }
    }
    this.#held = incoming;
    this.#incoming = held;
    this.#holding = true;
  }

  /** Accepts the held batch: nothing that follows contradicts it any more. */
  #release(): void {
    if (!this.#holding) return;
    this.#holding = false;
    if (this.#isAloneBehindGap(this.#held)) this.#misplaced(this.#held);
    else this.#accept(this.#held);
  }

  #isAloneBehindGap({ baseOffset }: HeldBatch): boolean {
    const { epochs, gapless = false } = this.#options;
    const isOurs = gapless && epochs !== undefined && epochs !== null && epochs.length > 0;
    const isAlone = this.#gapCount === 0 && this.#damaged.length === 0;
    return this.#isLast && isOurs && isAlone && baseOffset > this.#next;
  }

  #isDoubtful({ position, size }: HeldBatch): boolean {
    const { doubtful = [] } = this.#options;
    return doubtful.some(
      (block) => block.position < position + size && position < block.endPosition,
    );
  }

  #epochOf({ baseOffset, lastOffset, leaderEpoch }: HeldBatch): 'known' | 'new' | 'wrong' {
    const entries = this.#options.epochs ?? [];
    const first = entries[0];
    const last = entries[entries.length - 1];
    // Batches of old had none.
    if (first === undefined || last === undefined || leaderEpoch === -1) return 'known';
    // The log start was moved into it, or beyond it.
    if (lastOffset < first.startOffset) {
      return leaderEpoch >= 0 && leaderEpoch <= first.epoch ? 'known' : 'wrong';
    }
    if (leaderEpoch > last.epoch && baseOffset > last.startOffset) return 'new';
    let slot = entries.length - 1;
    while (slot > 0 && (entries[slot] as EpochStart).startOffset > baseOffset) slot--;
    return (entries[slot] as EpochStart).epoch === leaderEpoch ? 'known' : 'wrong';
  }

  #accept(batch: HeldBatch): void {
    const { baseOffset, indexIntervalBytes } = this.#options;
    const relative = batch.lastOffset - baseOffset;
    if (this.#firstTimestampMs === -1) this.#firstTimestampMs = batch.timestamp;
    this.#fold.raise(batch.timestamp, batch.timestampHigh, batch.timestampLow, relative);
    this.#fold.add(batch.position, relative, indexIntervalBytes);
    if (batch.baseOffset > this.#next) this.#gapCount++;
    this.#next = batch.lastOffset + 1;
    this.#closeRanges(batch);
    if (this.#accepted === null) return;
    this.#accepted.set(batch.fields, WALK_FIRST + this.#acceptedCount * WALK_STRIDE);
    if (++this.#acceptedCount === ACCEPTED_COUNT_MAX) this.#handOn();
  }

  #handOn(): void {
    if (this.#acceptedCount === 0 || this.#accepted === null) return;
    this.#options.onBatches?.(this.#accepted, this.#acceptedCount);
    this.#acceptedCount = 0;
  }

  /** A good batch that does not belong where it is: never cut (recovery.ts), and not served. */
  #misplaced(batch: HeldBatch): void {
    const { position, size } = batch;
    // What is held may be accepted yet, so the range begins after it.
    const after = this.#holding && batch !== this.#held ? this.#held.lastOffset + 1 : this.#next;
    this.#reserved = Math.max(this.#reserved, after) + batch.lastOffset - batch.baseOffset + 1;
    this.#mark(position, position + size, after);
  }

  get #isLast(): boolean {
    return this.#options.nextBaseOffset === null;
  }

  /** Damage at `position`: cut (false), or marked, with the scan behind it (true) or at its end. */
  #damage(position: number): boolean {
    const { file, recoveryPoint } = this.#options;
    // The CRC is checked before these: such a batch is as it was written.
    const { reason } = this.#scan;
    const bounds = { end: this.#size, offset: this.#next, endOffset: this.#endOffset };
    const follower = findFollower(file, position, bounds);
    const verdict: DamageVerdict = judgeDamage({
      follower: follower.kind,
      broken: reason !== WALK_BAD_COUNT && reason !== WALK_BAD_OFFSETS,
      lastSegment: this.#isLast,
      beyondRecoveryPoint: this.#next >= recoveryPoint,
    });
    if (verdict === 'cut') {
      this.#reservedBytes = this.#size - endOfData(file, position, this.#size);
      this.#size = position;
      return false;
    }
    if (follower.kind === 'valid') {
      this.#mark(position, follower.position, this.#next);
      this.#scan.resume(follower.position);
      return true;
    }
    this.#reserveTail(position);
    this.#mark(position, this.#size, this.#next);
    return false;
  }

  #mark(position: number, endPosition: number, offset: number): void {
    this.#unknown = true;
    const last = this.#damaged[this.#damaged.length - 1];
    if (this.#damaged.length === DAMAGED_COUNT_MAX && last !== undefined) {
      this.#damaged[this.#damaged.length - 1] = { ...last, endPosition, endOffset: UNKNOWN };
      return;
    }
    this.#damaged.push({ position, endPosition, offset: offset as Offset, endOffset: UNKNOWN });
  }

  /** The ranges before `batch`, which was accepted, end with the offset where it begins. */
  #closeRanges(batch: HeldBatch): void {
    if (!this.#unknown) return;
    this.#unknown = false;
    this.#damaged = this.#damaged.map((range) => {
      if (range.endOffset !== UNKNOWN) return range;
      if (range.position < batch.position) return { ...range, endOffset: batch.baseOffset };
      // Marked while this batch was held back: it lies behind it.
      this.#unknown = true;
      return range;
    });
  }

  /**
   * What a damaged tail may have held: what its headers say as long as they go on from each other, then
   * one record for each byte, which is more than were ever there.
   */
  #reserveTail(position: number): void {
    const { file, recoveryPoint } = this.#options;
    const cursor = new HeaderCursor(file, 4096);
    cursor.seek(position, this.#size);
    let next = this.#next;
    while (cursor.next() && cursor.baseOffset === next) next = cursor.lastOffset + 1;
    const rest = this.#size - (cursor.malformed ? cursor.nextPosition : cursor.position);
    const clean = !cursor.malformed && cursor.nextPosition >= this.#size;
    this.#reserved = Math.max(this.#reserved, recoveryPoint, clean ? next : next + rest);
  }
}

function newHeld(): HeldBatch {
  return {
    position: 0,
    size: 0,
    baseOffset: 0,
    lastOffset: 0,
    leaderEpoch: 0,
    timestamp: 0,
    timestampHigh: 0,
    timestampLow: 0,
    fields: new Float64Array(WALK_STRIDE),
  };
}

/**
 * The part of the oracle that knows transactions and compaction: what a read_committed consumer must
 * see, told from the batches and markers that are there, and from what was asked and answered.
 */

import type { PartitionLog } from '#src/log/partition-log.js';
import type { AbortedTransaction } from '#src/log/results.js';
import {
  baseOffsetOf,
  isControlBatch,
  isTransactional,
  lastOffsetOf,
  producerIdOf,
  recordsCountOf,
  sizeOf,
} from '#src/record/batch-view.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import type { Attempt, PartitionModel, Transaction } from './model.js';
import type { Expectation, Reading, Served } from './verify.js';

const HEADER_SIZE = 61;
/** Small, so that the aborted ranges of many different stretches are asked for. */
const READ = { maxBytes: 700, minOneMessage: true, isolation: 'read_committed' } as const;

/** What the batches and markers of a log say of its transactions. */
interface Told {
  /** Batches, or records, by base offset, that are committed or in no transaction. */
  readonly visible: readonly Served[];
  readonly aborted: ReadonlySet<Served>;
  readonly undecided: ReadonlySet<Served>;
  readonly lastStableOffset: number;
}

function tell({ served, end }: Reading): Told {
  const open = new Map<number, Served[]>();
  const hidden = new Set<Served>();
  const aborted = new Set<Served>();
  for (const one of served) {
    const { attempt, marker } = one;
    if (marker !== undefined) {
      for (const decided of open.get(marker.producerId) ?? []) {
        if (marker.type === 'abort') aborted.add(decided);
      }
      open.delete(marker.producerId);
      hidden.add(one);
    } else if (attempt !== undefined && attempt.transaction !== null) {
      const { producerId } = attempt.transaction;
      const batches = open.get(producerId);
      if (batches === undefined) open.set(producerId, [one]);
      else batches.push(one);
    }
  }
  let lastStableOffset = end;
  const undecided = new Set<Served>();
  for (const batches of open.values()) {
    lastStableOffset = Math.min(lastStableOffset, batches[0]?.baseOffset ?? end);
    for (const one of batches) undecided.add(one);
  }
  const visible = served.filter(
    (one) => one.lastOffset < lastStableOffset && !aborted.has(one) && !hidden.has(one),
  );
  return { visible, aborted, undecided, lastStableOffset };
}

/** The last stable offset and the aborted ranges are those of what is there. */
export function isolationProblems(reading: Reading, log: PartitionLog): string[] {
  // Of a log with holes nobody can tell from its batches alone.
  if (reading.corrupt > 0 || reading.skipped.length > 0 || reading.problems.length > 0) return [];
  const told = tell(reading);
  // A transaction that began below the log start holds the last stable offset there, and what is left of
  // it may be nothing.
  const stable = log.lastStableOffset;
  const isHeldAtStart = stable === log.logStartOffset && stable > 0;
  if (stable !== told.lastStableOffset && !isHeldAtStart) {
    return [`last stable offset ${stable}, the batches say ${told.lastStableOffset}`];
  }
  const expected = told.visible
    .filter(({ lastOffset }) => lastOffset < stable)
    .map(({ baseOffset }) => baseOffset);
  const { seen, problem } = visibleOffsets(log);
  if (problem !== null) return [problem];
  const [a, b] = [expected.join(), seen.join()];
  return a === b ? [] : [`read_committed is ${b}, the batches say ${a}`];
}

/** What is wrong with the transactions of a partition; empty: nothing. */
export function transactionProblems(
  expected: Expectation,
  partition: PartitionModel,
  reading: Reading,
  log: PartitionLog,
): string[] {
  const { moment, allWrites, durable } = expected;
  const wrong = isolationProblems(reading, log);
  const told = tell(reading);
  const durableEnd = partition.durableEnd(moment);
  for (const one of reading.served) {
    const { marker, baseOffset } = one;
    if (marker === undefined) continue;
    const asked = partition.transactions.some(
      ({ producerId, type, decided }) =>
        producerId === marker.producerId && type === marker.type && decided <= moment,
    );
    if (!asked) wrong.push(`${baseOffset}: a marker that nobody asked for`);
  }
  if (reading.corrupt > 0) return wrong;
  const committed = new Set(told.visible);
  for (const one of reading.served) {
    const transaction = one.attempt?.transaction ?? null;
    if (transaction === null || one.lastOffset >= log.lastStableOffset) continue;
    if (committed.has(one) && !(transaction.type === 'commit' && transaction.decided <= moment)) {
      wrong.push(`${one.baseOffset}: is committed, and nobody asked for that`);
    }
  }
  const isKept = (end: number): boolean => allWrites || durable || end <= durableEnd;
  for (const one of reading.served) {
    const transaction = one.attempt?.transaction ?? null;
    if (transaction === null || !isDecided(transaction, partition, moment, isKept)) continue;
    const found = told.undecided.has(one)
      ? 'undecided'
      : told.aborted.has(one)
        ? 'abort'
        : 'commit';
    if (found !== transaction.type) {
      wrong.push(`${one.baseOffset}: ${transaction.type} was answered, it is ${found}`);
    }
  }
  return wrong;
}

/** A marker was acknowledged and is to be there. */
function isDecided(
  transaction: Transaction,
  partition: PartitionModel,
  moment: number,
  isKept: (end: number) => boolean,
): boolean {
  return transaction.markers.some(
    ({ answered, baseOffset }) =>
      baseOffset >= partition.requiredStart(moment) &&
      answered <= moment &&
      isKept(baseOffset + 1) &&
      !partition.mayBeTruncated(baseOffset + 1, answered, moment),
  );
}

/**
 * Records of an acknowledged batch that are neither there nor replaced by a later one of their key,
 * and whose going nothing else explains: a transaction that was aborted, a tombstone past its time.
 */
export function missingKeys(
  attempt: Attempt,
  partition: PartitionModel,
  byOffset: ReadonlyMap<number, Served>,
  moment: number,
): string[] {
  const { keyed, transaction, baseOffset } = attempt;
  if (keyed === null) return [];
  if (transaction?.type === 'abort' && transaction.decided <= moment) return [];
  const missing: string[] = [];
  const others = [...byOffset.values()].filter((one) => !mayBeAborted(one.attempt));
  for (const [index, key] of keyed.keys.entries()) {
    const offset = baseOffset + index;
    if (byOffset.get(offset)?.attempt === attempt) continue;
    const sameKey = others.filter((one) => keyOf(one) === key);
    if (isExpired(attempt, index, partition, moment)) {
      const older = sameKey.find((one) => one.baseOffset < offset);
      if (older !== undefined) missing.push(`${older.baseOffset}: ${key} is back from the dead`);
      continue;
    }
    const isReplaced =
      sameKey.some((one) => one.baseOffset > offset) ||
      partition.attempts.some(
        (other) =>
          !mayBeAborted(other) &&
          (other.keyed?.keys ?? []).some(
            (otherKey, i) =>
              otherKey === key &&
              other.baseOffset + i > offset &&
              isExpired(other, i, partition, moment),
          ),
      );
    if (!isReplaced) missing.push(`${offset}: the last record of ${key}, and not there`);
  }
  return missing;
}

/** It is a tombstone that a pass of compaction may have dropped. */
function isExpired(
  { keyed, answered }: Attempt,
  index: number,
  partition: PartitionModel,
  moment: number,
): boolean {
  if (keyed?.tombstones[index] !== true || answered > moment) return false;
  return partition.compactions.some(
    (pass) => pass.moment <= moment && pass.nowMs >= keyed.askedMs + partition.deleteRetentionMs,
  );
}

function mayBeAborted(attempt: Attempt | undefined): boolean {
  return attempt?.transaction != null && attempt.transaction.type !== 'commit';
}

function keyOf({ index, attempt }: Served): string | undefined {
  return attempt?.keyed?.keys[index ?? -1];
}

/**
 * Base offsets of the batches, of a compacted topic of the records, that read_committed answers, up to
 * the first `problem`.
 */
export function visibleOffsets(log: PartitionLog): { seen: number[]; problem: string | null } {
  const { logStartOffset, lastStableOffset } = log;
  const seen: number[] = [];
  for (let at: number = logStartOffset; at < lastStableOffset; ) {
    const read = log.read(at, READ);
    if (!read.ok)
      return { seen, problem: `read_committed at ${at}: ${read.error} ${read.message}` };
    // Nothing is left between here and the last stable offset.
    if (read.slice === null) break;
    const bytes = Buffer.alloc(read.slice.length);
    const size = read.slice.copyTo(bytes, 0, 0, bytes.length);
    read.slice.release();
    const next = takeVisible(
      bytes.subarray(0, size),
      at,
      read.abortedTransactions ?? [],
      seen,
      log,
    );
    if (next === at) return { seen, problem: `read_committed stands still at ${at}` };
    at = next;
  }
  return { seen, problem: null };
}

/** As consumers do: what a producer wrote is aborted from the first offset up to its marker. */
function takeVisible(
  bytes: Uint8Array,
  from: number,
  transactions: readonly AbortedTransaction[],
  seen: number[],
  log: PartitionLog,
): number {
  const waiting = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<number>();
  let at = from;
  for (let position = 0; position + HEADER_SIZE <= bytes.length; ) {
    const size = sizeOf(bytes, position);
    if (position + size > bytes.length) break;
    const lastOffset = lastOffsetOf(bytes, position);
    const producerId = producerIdOf(bytes, position);
    while ((waiting[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= lastOffset) {
      aborting.add((waiting.shift() as AbortedTransaction).producerId);
    }
    if (isControlBatch(bytes, position)) aborting.delete(producerId);
    else if (recordsCountOf(bytes, position) === 0) at = lastOffset + 1;
    else if (!(isTransactional(bytes, position) && aborting.has(producerId))) {
      if (!log.config.cleanupCompact) seen.push(baseOffsetOf(bytes, position));
      else {
        for (const { offset } of decodeBatch(bytes, position))
          if (offset >= from) seen.push(offset);
      }
    }
    at = lastOffset + 1;
    position += size;
  }
  return at;
}

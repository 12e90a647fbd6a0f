/**
 * TransactionLog: which transactions of a partition are undecided (TransactionState) and which were
 * aborted (a TransactionIndex per segment that has some).
 *
 *     append    begin, commit, abort: taken when they are written
 *     read      aborted transactions that a range of offsets touches
 *     flush     what was aborted is durable before the recovery point passes it
 *
 * Index files of earlier runs are read when they are first wanted, and each entry is held against the
 * log: at its last offset there must be a marker of its producer; and the file against its CRC, where the
 * segment has checksums. An index that is wrong is made anew from the log. One that is missing shows only in that a log with transactions has, for each
 * segment, a file, be it an empty one; where it is not there (Kafka makes none without entries) the
 * segment is read once when the log is opened.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import { type AbortedEntry, TransactionIndex } from '../index/transaction-index.js';
import {
  baseOffsetOf,
  isControlBatch,
  isTransactional,
  producerIdOf,
  recordsCountOf,
} from '../record/batch-view.js';
import { WALK_ATTRIBUTES, WALK_BASE_OFFSET, WALK_PRODUCER_ID } from '../record/batch-walk.js';
import { CONTROL_BIT, HEADER_SIZE } from '../record/layout.js';
import { fileCrc, loadChecksums } from '../segment/checksums.js';
import { type FileKind, formatFileName, parseFileName } from '../segment/names.js';
import type { Segment } from '../segment/segment.js';
import type { SegmentList } from '../segment/segment-list.js';
import type { LogFiles } from './log-files.js';
import type { ProducerEntry } from './producer-state.js';
import type { AbortedTransaction } from './results.js';
import { SegmentBatches } from './segment-batches.js';
import { endTxnRecordOf, foldTransaction } from './transaction-fold.js';
import { TransactionState } from './transaction-state.js';

export interface TransactionLogOptions {
  readonly env: Env;
  readonly logger: Logger;
  /** The partition's directory. */
  readonly dir: string;
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly state: TransactionState;
}

const NONE: readonly AbortedTransaction[] = [];

export class TransactionLog {
  readonly #options: TransactionLogOptions;
  /** By base offset; of segments that have entries or a file. */
  #state: TransactionState;
  readonly #indexes = new Map<number, TransactionIndex>();
  /** Those of an earlier run that were not read yet. */
  readonly #unread = new Set<number>();
  readonly #unsynced = new Set<TransactionIndex>();
  /** Base offsets of those that have entries, or may have: ascending. */
  #bases: number[] = [];
  #hasTransactions = false;
  /** CRCs of indexes whose log was appended to since. */
  readonly #openedCrcs = new Map<number, number>();

  constructor(options: TransactionLogOptions) {
    this.#options = options;
    this.#state = options.state;
    for (const name of options.env.readdir(options.dir)) {
      const parsed = parseFileName(name);
      if (parsed === null || parsed.kind !== 'txnindex' || parsed.state !== 'live') continue;
      this.#add(parsed.baseOffset);
      this.#unread.add(parsed.baseOffset);
    }
    this.#hasTransactions = this.#bases.length > 0 || options.state.openCount > 0;
    // Its side file says nothing of it any more once the log is appended to.
    const active = options.segments.last?.baseOffset ?? -1;
    const activeCrc = this.#unread.has(active) ? this.#crcOf(active) : null;
    if (activeCrc !== null) this.#openedCrcs.set(active, activeCrc);
  }

  get state(): TransactionState {
    return this.#state;
  }

  /** Below it everything is decided. Bounds as of TransactionState. */
  lastStableOffset(logStartOffset: number, highWatermark: number): Offset {
    if (!this.#hasTransactions) return Math.max(logStartOffset, highWatermark) as Offset;
    return this.#state.lastStableOffset(logStartOffset, highWatermark) as Offset;
  }

  /** After the log was cut: the transactions that are open at its end. */
  reopen(producers: readonly ProducerEntry[]): void {
    this.#state = TransactionState.from(producers);
  }

  /** A transaction was seen in this log. */
  get hasTransactions(): boolean {
    return this.#hasTransactions;
  }

  /** Transactions are known to be in this log, by whatever told it. */
  noteTransactions(): void {
    this.#hasTransactions = true;
  }

  /** The first batch of a transaction was written. */
  begin(producerId: number, firstOffset: number): void {
    this.#hasTransactions = true;
    this.state.begin(producerId, firstOffset);
  }

  /**
   * A marker was written at `offset` into `segment`. What cannot be written is retried. Throws an I/O
   * error where the index of an earlier run cannot be read: the caller takes the log offline.
   */
  end(producerId: number, offset: number, type: 'commit' | 'abort', segment: Segment): void {
    this.#hasTransactions = true;
    const ended = this.state.end(producerId, offset);
    if (ended === null || type === 'commit') return;
    const index = this.#indexOf(segment.baseOffset);
    this.#list(segment.baseOffset);
    // Made anew from the log just now: the marker was there already.
    if (index.entries[index.entries.length - 1]?.lastOffset === offset) return;
    this.#unsynced.add(index);
    try {
      index.append({ producerId, ...ended, lastOffset: offset });
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      // It is in the heap; the next sync writes it or fails, and then the log goes offline.
      const { logger } = this.#options;
      logger.warn('transaction index not written', { path: index.path, reason: String(error) });
    }
  }

  /** Aborted transactions that touch [from, upperBound), which lies below the last stable offset. */
  aborted(from: number, upperBound: number): readonly AbortedTransaction[] {
    if (this.#bases.length === 0) return NONE;
    const found: AbortedTransaction[] = [];
    for (const entry of this.abortedEntries(from, upperBound)) {
      found.push({
        producerId: entry.producerId,
        firstOffset: entry.firstOffset as AbortedTransaction['firstOffset'],
      });
    }
    return found;
  }

  /** The same as index entries, in the order of their markers. */
  abortedEntries(from: number, upperBound: number): AbortedEntry[] {
    const found: AbortedEntry[] = [];
    let slot = Math.max(0, this.#floor(from));
    while (slot < this.#bases.length) {
      const base = this.#bases[slot] as number;
      for (const entry of this.#read(base).entries) {
        if (entry.lastOffset >= from && entry.firstOffset < upperBound) found.push(entry);
        // Everything below it was decided by then, so no later marker is about this range.
        if (entry.lastStableOffset >= upperBound) return found;
      }
      // One that turned out to be empty is no longer in the list.
      if (this.#bases[slot] === base) slot++;
    }
    return found;
  }

  /** Before a segment or the log is closed: leaves the sign that its transactions are known. */
  sealed(baseOffset: number): void {
    if (!this.#hasTransactions) return;
    const { env, dir, logger } = this.#options;
    const index = this.#indexOf(baseOffset);
    try {
      index.write();
      if (index.entries.length === 0 && !env.exists(index.path)) {
        env
          .open(join(dir, formatFileName(index.baseOffset as Offset, 'txnindex')), 'create')
          .close();
      }
      if (!index.dirty) index.close();
    } catch (error) {
      // Without it the next start reads the segment.
      logger.warn('transaction index not sealed', { path: index.path, reason: String(error) });
    }
  }

  /** Every abort taken before the call is durable when it resolves. Rejects with an I/O error. */
  async sync(): Promise<void> {
    for (const index of [...this.#unsynced]) {
      await index.sync();
      if (index.dirty) continue;
      this.#unsynced.delete(index);
      if (index.baseOffset !== this.#options.segments.last?.baseOffset) index.close();
    }
  }

  /** Forgets the index of a segment that is gone. */
  drop(baseOffset: number): void {
    const index = this.#indexes.get(baseOffset);
    if (index === undefined) return;
    index.close();
    this.#unsynced.delete(index);
    this.#indexes.delete(baseOffset);
    this.#unread.delete(baseOffset);
    this.#openedCrcs.delete(baseOffset);
    this.#unlist(baseOffset);
  }

  /** Before the files of a segment get other names. */
  preload(baseOffset: number): void {
    if (this.#indexes.has(baseOffset)) this.#read(baseOffset);
  }

  /** The file of a segment was replaced: it is read anew. */
  replaced(baseOffset: number): void {
    const { env } = this.#options;
    this.drop(baseOffset);
    if (!env.exists(this.#pathOf(baseOffset))) return;
    this.#add(baseOffset);
    this.#unread.add(baseOffset);
  }

  /** Drops what ends at or after `offset`. Throws an I/O error. */
  truncateTo(offset: number): void {
    for (const base of this.#bases.toReversed()) {
      const index = this.#read(base);
      index.truncateTo(offset);
      if (index.dirty) this.#unsynced.add(index);
    }
  }

  close(): void {
    for (const index of this.#indexes.values()) index.close();
  }

  /**
   * What a scan of the log from `coveredFrom` on has found takes the place of what the files say;
   * below it the files stay. The next `sync` makes it durable.
   */
  adopt(coveredFrom: number, found: readonly AbortedEntry[]): void {
    const { segments } = this.#options;
    this.#hasTransactions ||= found.length > 0;
    for (const segment of segments) {
      const { baseOffset } = segment;
      const endOffset = segments.higher(baseOffset)?.baseOffset ?? Number.POSITIVE_INFINITY;
      if (endOffset <= coveredFrom) continue;
      const scanned = found.filter(
        ({ lastOffset }) => lastOffset >= baseOffset && lastOffset < endOffset,
      );
      const isCovered = coveredFrom <= baseOffset;
      if (scanned.length > 0 || (isCovered && this.#indexes.has(baseOffset))) {
        const index = isCovered ? this.#loaded(baseOffset) : this.#indexOf(baseOffset);
        const kept = index.entries.filter(({ lastOffset }) => lastOffset < coveredFrom);
        this.#replace(index, [...kept, ...scanned]);
        // The process that wrote them may have been killed before it synced them.
        index.doubt();
        this.#unsynced.add(index);
      }
      if (Number.isFinite(endOffset)) this.sealed(baseOffset);
    }
  }

  /**
   * Reads the segments below `endOffset` that have no index although the log has transactions, in
   * turns, and makes their indexes.
   */
  async completeMissing(endOffset: number): Promise<void> {
    if (!this.#hasTransactions) return;
    for (const segment of this.#options.segments) {
      const { baseOffset } = segment;
      if (baseOffset >= endOffset || this.#indexes.has(baseOffset)) continue;
      const rebuild = this.#rebuild(segment);
      while (rebuild.next().done !== true) await yieldToLoop();
      this.sealed(baseOffset);
    }
  }

  #pathOf(baseOffset: number): string {
    return join(this.#options.dir, formatFileName(baseOffset as Offset, 'txnindex'));
  }

  #add(baseOffset: number): TransactionIndex {
    const path = this.#pathOf(baseOffset);
    const index = new TransactionIndex({ env: this.#options.env, path, baseOffset });
    this.#indexes.set(baseOffset, index);
    this.#list(baseOffset);
    return index;
  }

  #list(baseOffset: number): void {
    if (this.#bases.includes(baseOffset)) return;
    this.#bases.push(baseOffset);
    this.#bases.sort((a, b) => a - b);
  }

  #unlist(baseOffset: number): void {
    this.#bases = this.#bases.filter((base) => base !== baseOffset);
  }

  /** Ready for appends. */
  #indexOf(baseOffset: number): TransactionIndex {
    return this.#indexes.has(baseOffset) ? this.#read(baseOffset) : this.#add(baseOffset);
  }

  /** As the file says it, whatever it says. */
  #loaded(baseOffset: number): TransactionIndex {
    const index = this.#indexes.get(baseOffset) ?? this.#add(baseOffset);
    if (this.#unread.delete(baseOffset)) index.load();
    return index;
  }

  /** The index of a segment, which is there; of an earlier run: checked, and made anew if wrong. */
  #read(baseOffset: number): TransactionIndex {
    const index = this.#indexes.get(baseOffset);
    assert(index !== undefined, 'an index that is known');
    if (!this.#unread.has(baseOffset)) return index;
    const { segments, logger } = this.#options;
    const fault = index.load() ?? (this.#isOther(index) ? 'checksum' : null);
    const segment = segments.floor(baseOffset);
    if (segment?.baseOffset === baseOffset) {
      if (fault !== null || !index.entries.every((entry) => isInLog(segments, entry))) {
        logger.warn('a transaction index is wrong and is made anew', { path: index.path, fault });
        const rebuild = this.#rebuild(segment);
        while (rebuild.next().done !== true);
      }
      if (index.entries.length === 0) this.#unlist(baseOffset);
    }
    // Not before: where the log could not be read, an empty index would be taken for the truth.
    this.#unread.delete(baseOffset);
    return index;
  }

  /** The file is not what it was when the checksums of its segment were made. */
  #isOther({ baseOffset, path }: TransactionIndex): boolean {
    const { env } = this.#options;
    const expected = this.#openedCrcs.get(baseOffset) ?? this.#crcOf(baseOffset);
    try {
      return expected !== null && fileCrc(env, path) !== expected;
    } catch {
      return true;
    }
  }

  /** What the checksums of a segment say of its index; null: nothing. */
  #crcOf(baseOffset: number): number | null {
    const { env, dir } = this.#options;
    const pathOf = (kind: FileKind): string =>
      join(dir, formatFileName(baseOffset as Offset, kind));
    try {
      const log = env.stat(pathOf('log'));
      if (log === null) return null;
      const identity = { baseOffset, length: log.size, modifiedMs: log.modifiedMs };
      const { checksums } = loadChecksums(env, pathOf('checksum'), identity);
      return checksums?.transactionIndexCrc ?? null;
    } catch {
      return null;
    }
  }

  /** Makes the index of a segment from the log; a turn's worth of batches a step. */
  *#rebuild(segment: Segment): Generator<void, void, undefined> {
    const { segments } = this.#options;
    const { from, state } = this.#stateBefore(segment.baseOffset);
    const found: AbortedEntry[] = [];
    for (let index = Math.max(0, segments.floorIndex(from)); ; index++) {
      const source = segments.at(index);
      if (source === null || source.baseOffset > segment.baseOffset) break;
      const batches = new SegmentBatches(source, { from, check: false });
      for (;;) {
        while (batches.step()) {
          for (let batch = 0; batch < batches.count; batch++) {
            const entry = foldBatch(state, batches, batch);
            if (entry !== null && source === segment) found.push(entry);
          }
          yield;
        }
        // What is in a damaged range is not served; what is behind it is.
        if (batches.damaged === null) break;
        batches.skipTo(Math.max(batches.damaged.endOffset, batches.nextOffset + 1));
      }
    }
    this.#replace(this.#loaded(segment.baseOffset), found);
  }

  /** Open transactions at an offset at or below `baseOffset`, as near as a snapshot is. */
  #stateBefore(baseOffset: number): { from: number; state: TransactionState } {
    const { files } = this.#options;
    for (const offset of files.list('snapshot').reverse()) {
      const entries = offset <= baseOffset ? files.readSnapshot(offset) : null;
      if (entries !== null) return { from: offset, state: TransactionState.from(entries) };
    }
    return { from: 0, state: new TransactionState() };
  }

  #replace(index: TransactionIndex, entries: readonly AbortedEntry[]): void {
    if (sameEntries(index.entries, entries)) return;
    const { logger } = this.#options;
    this.#unsynced.add(index);
    try {
      index.replaceBy(entries);
    } catch (error) {
      logger.warn('transaction index not written', { path: index.path, reason: String(error) });
    }
  }

  /** Slot of the last base offset <= `offset`, -1 if there is none. */
  #floor(offset: number): number {
    let slot = this.#bases.length - 1;
    while (slot >= 0 && (this.#bases[slot] as number) > offset) slot--;
    return slot;
  }
}

/** Enough for a marker; of another batch the header is enough. */
const MARKER_BYTES = 256;

/**
 * Whether the log says what an entry does, or cannot say otherwise: at its end an abort marker of the producer; at its first
 * offset, and at the last stable one, where a batch begins at all (compaction leaves gaps), one that is
 * transactional.
 */
function isInLog(segments: SegmentList<Segment>, entry: AbortedEntry): boolean {
  const { producerId, firstOffset, lastOffset, lastStableOffset } = entry;
  const marker = batchAt(segments, lastOffset);
  // The log is damaged there, or a part is lost: the entry is all that is left of the transaction's end.
  if (marker === null) return lastOffset < (segments.last?.nextOffset ?? 0);
  if (baseOffsetOf(marker, 0) !== lastOffset) return recordsCountOf(marker, 0) === 0;
  if (!isControlBatch(marker, 0) || producerIdOf(marker, 0) !== producerId) return false;
  if (endTxnRecordOf(marker, 0)?.type !== 'abort') return false;
  const first = batchAt(segments, firstOffset);
  if (first !== null && !beginsAt(first, firstOffset)) return false;
  if (first !== null && isAt(first, firstOffset) && producerIdOf(first, 0) !== producerId)
    return false;
  if (lastStableOffset === lastOffset + 1) return true;
  const stable = batchAt(segments, lastStableOffset);
  return stable === null || beginsAt(stable, lastStableOffset);
}

/** A batch of a transaction begins at the offset, or a gap is there. */
function beginsAt(bytes: Uint8Array, offset: number): boolean {
  if (!isAt(bytes, offset)) return baseOffsetOf(bytes, 0) > offset;
  return isTransactional(bytes, 0) && !isControlBatch(bytes, 0);
}

function isAt(bytes: Uint8Array, offset: number): boolean {
  return baseOffsetOf(bytes, 0) === offset;
}

/** The beginning of the first batch of a segment that reaches `offset`; null if it has none. */
function batchAt(segments: SegmentList<Segment>, offset: number): Uint8Array | null {
  const segment = segments.floor(offset);
  if (segment === null) return null;
  const read = segment.read(offset, MARKER_BYTES, { minOneMessage: true });
  if (read.status !== 'ok' || read.slice === null) return null;
  const { slice } = read;
  try {
    const bytes = Buffer.alloc(Math.min(slice.length, MARKER_BYTES));
    return slice.copyTo(bytes, 0, 0, bytes.length) < HEADER_SIZE ? null : bytes;
  } finally {
    slice.release();
  }
}

function foldBatch(
  state: TransactionState,
  batches: SegmentBatches,
  batch: number,
): AbortedEntry | null {
  const slot = batches.slotOf(batch);
  const attributes = batches.out[slot + WALK_ATTRIBUTES] as number;
  const isControl = (attributes & CONTROL_BIT) !== 0;
  return foldTransaction(
    state,
    {
      attributes,
      producerId: batches.out[slot + WALK_PRODUCER_ID] as number,
      baseOffset: batches.out[slot + WALK_BASE_OFFSET] as number,
    },
    isControl ? endTxnRecordOf(batches.bytes, batches.positionOf(batch)) : null,
  );
}

function sameEntries(a: readonly AbortedEntry[], b: readonly AbortedEntry[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry, at) => {
      const other = b[at] as AbortedEntry;
      return (
        entry.producerId === other.producerId &&
        entry.firstOffset === other.firstOffset &&
        entry.lastOffset === other.lastOffset &&
        entry.lastStableOffset === other.lastStableOffset
      );
    })
  );
}

/**
 * Opens what is in a partition directory:
 *
 *     files       an interrupted compaction is completed or undone (compaction/swap-recovery), .deleted
 *                 leftovers are removed, a log without segments gets one
 *     segments    in order; a segment is trusted after a clean shutdown or wholly below the recovery
 *                 point, else every batch is checked and a torn tail is cut (segment/recovery)
 *     producers   snapshot + the batches after it
 *     epochs      leader-epoch-checkpoint below what was scanned + the batches that were scanned
 *
 * After a clean shutdown nothing is scanned, unless a snapshot or the epochs are missing. Offsets below the
 * recovery point were durable: if the log ends before it (a file is gone) the log goes on above it,
 * so that no acknowledged offset is given out twice, and a batch without records fills the hole.
 */

import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { offset as asOffset, type Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { Env } from '../file/env.js';
import type { AbortedEntry } from '../index/transaction-index.js';
import { placeholderBatch } from '../record/batch-filter.js';
import {
  WALK_ATTRIBUTES,
  WALK_BASE_OFFSET,
  WALK_FIRST,
  WALK_LAST_OFFSET_DELTA,
  WALK_LEADER_EPOCH,
  WALK_POSITION,
  WALK_PRODUCER_ID,
  WALK_SIZE,
  WALK_STRIDE,
} from '../record/batch-walk.js';
import { CONTROL_BIT } from '../record/layout.js';
import { checkSegment } from '../segment/check.js';
import { parseFileName } from '../segment/names.js';
import { RELATIVE_OFFSET_MAX } from '../segment/roll-policy.js';
import { isBatchAt } from '../segment/scan.js';
import { Segment, type SegmentConfig, type SegmentOpenOptions } from '../segment/segment.js';
import { SegmentList } from '../segment/segment-list.js';
import { formatLeaderEpochs } from './checkpoints.js';
import { recoverSwaps } from './compaction/swap-recovery.js';
import { type EpochEntry, LeaderEpochCache } from './leader-epoch-cache.js';
import { LogFiles } from './log-files.js';
import { foldProducer, hasProducer } from './producer-fold.js';
import { type ProducerEntry, ProducerState } from './producer-state.js';
import { SegmentBatches } from './segment-batches.js';
import { type EndTxnRecord, endTxnRecordOf, foldTransaction } from './transaction-fold.js';
import { TransactionLog } from './transaction-log.js';
import { TransactionState } from './transaction-state.js';

export interface LoadLogOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dir: string;
  readonly config: SegmentConfig;
  /** The directory was closed cleanly. */
  readonly clean: boolean;
  /** Offsets below it are durable. */
  readonly recoveryPoint: Offset;
  /** From the checkpoint; 0 if none. */
  readonly logStartOffset: Offset;
  /** For sure: there are no gaps in it but where a batch is lost. */
  readonly neverCompacted?: boolean | undefined;
}

export interface LoadedLog {
  readonly files: LogFiles;
  readonly segments: SegmentList<Segment>;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochCache;
  readonly transactions: TransactionLog;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** Everything below is durable: the log end after a clean start or a recovery. */
  readonly recoveryPoint: Offset;
  /** Where producer state was read from a snapshot; -1: there was none. */
  readonly snapshotOffset: number;
}

export async function loadLog(options: LoadLogOptions): Promise<LoadedLog> {
  const loader = new LogLoader(options);
  try {
    return await loader.load();
  } catch (error) {
    loader.close();
    throw error;
  }
}

class LogLoader {
  readonly #options: LoadLogOptions;
  readonly #files: LogFiles;
  readonly #segments = new SegmentList<Segment>();
  readonly #producers = new ProducerState();
  /** Of the batches scanned, from `#scannedFrom` on. */
  readonly #scannedEpochs = new LeaderEpochCache();
  #scannedFrom = Number.POSITIVE_INFINITY;
  /** Producer state holds every batch below it. */
  #producersEnd = 0;
  #snapshotOffset = -1;
  /** As of `#producersEnd`. */
  #transactions = new TransactionState();
  /** Transactions whose markers were scanned, all those from `#foldedFrom` on. */
  #aborted: AbortedEntry[] = [];
  #foldedFrom = 0;
  /** Every batch below it was asked for its epoch. */
  #epochsEnd = 0;
  /** From the file; null: every batch has to be asked. */
  readonly #fileEpochs: readonly EpochEntry[] | null;

  constructor(options: LoadLogOptions) {
    this.#options = options;
    this.#files = new LogFiles(options);
    this.#fileEpochs = this.#files.readEpochs();
  }

  close(): void {
    for (const segment of this.#segments) segment.close();
  }

  async load(): Promise<LoadedLog> {
    this.#removeLeftovers();
    const bases = this.#files.list('log');
    if (this.#options.clean) await this.#openClean(bases);
    else await this.#openUnclean(bases);
    const logEnd = await this.#ensureEnd();
    const first = this.#segments.first;
    assert(first !== null, 'a log has a segment');
    const start = Math.min(Math.max(first.baseOffset, this.#options.logStartOffset), logEnd);
    const epochs = this.#settleEpochs(asOffset(start), logEnd);
    // The next start holds batches against the file: it must not say less than the log has by then.
    await this.#files.epochsWritten();
    const transactions = await this.#settleTransactions();
    return {
      files: this.#files,
      segments: this.#segments,
      producers: this.#producers,
      epochs,
      transactions,
      logStartOffset: asOffset(start),
      logEndOffset: logEnd,
      recoveryPoint: this.#options.clean ? logEnd : this.#options.recoveryPoint,
      snapshotOffset: this.#snapshotOffset,
    };
  }

  async #openClean(bases: readonly Offset[]): Promise<void> {
    for (let index = 0; index < bases.length; index++) await this.#open(bases, index, true);
    const last = this.#segments.last;
    if (last === null) return;
    this.#loadSnapshot(bases, last.nextOffset);
    for (let index = 0; index < bases.length; index++) {
      await this.#scan(this.#segments.at(index) as Segment, bases[index + 1]);
    }
  }

  async #openUnclean(found: readonly Offset[]): Promise<void> {
    const { recoveryPoint, logger, dir } = this.#options;
    const bases = await this.#dropEmptyTail(found);
    const isDurable = (index: number): boolean => {
      const next = bases[index + 1];
      return next !== undefined && next <= recoveryPoint;
    };
    let firstUnclean = 0;
    while (isDurable(firstUnclean)) firstUnclean++;
    // A snapshot beyond may hold batches that the recovery is about to cut.
    const snapshotMax = bases[firstUnclean] ?? asOffset(0);
    this.#loadSnapshot(bases, snapshotMax);
    for (const offset of this.#files.list('snapshot')) {
      if (offset > snapshotMax) this.#files.removeSnapshot(offset);
    }
    for (let index = 0; index < bases.length; index++) {
      const segment = await this.#open(bases, index, isDurable(index));
      const nextBaseOffset = bases[index + 1];
      await this.#scan(segment, nextBaseOffset);
      if (nextBaseOffset === undefined || isDurable(index)) continue;
      if (segment.nextOffset < nextBaseOffset) {
        const hole = { offset: segment.nextOffset, endOffset: nextBaseOffset };
        logger.warn('there is no batch between two segments', { dir, ...hole });
      }
    }
  }

  /**
   * Removes segments without a batch at the end of the log, above the recovery point, durably. What the
   * segment before them lost of its tail would else be a hole that no record follows: a consumer in it
   * would wait for ever. Answers the base offsets that are left, at least one if there was one.
   */
  async #dropEmptyTail(found: readonly Offset[]): Promise<readonly Offset[]> {
    const { env, dir, logger, recoveryPoint } = this.#options;
    const bases = [...found];
    while (bases.length > 1) {
      const baseOffset = bases[bases.length - 1] as Offset;
      if (baseOffset <= recoveryPoint || this.#holdsBatch(baseOffset)) break;
      for (const kind of ['index', 'timeindex', 'txnindex', 'log'] as const) {
        const path = this.#files.pathOf(baseOffset, kind);
        if (env.exists(path)) env.unlink(path);
      }
      logger.warn('removed a segment without a batch', { dir, baseOffset });
      bases.pop();
    }
    // If it came back after a crash, it would hide what was appended meanwhile.
    if (bases.length < found.length) await env.syncDir(dir);
    return bases;
  }

  #holdsBatch(baseOffset: Offset): boolean {
    const { env, config, recoveryPoint } = this.#options;
    const file = env.open(this.#files.pathOf(baseOffset, 'log'), 'read');
    try {
      const size = file.size();
      if (size === 0 || isBatchAt(file, 0, size)) return size > 0;
      const { indexIntervalBytes, indexBytesMax } = config;
      const limits = { indexIntervalBytes, indexBytesMax, nextBaseOffset: null };
      return checkSegment({ env, file, size, baseOffset, recoveryPoint, ...limits }).size > 0;
    } finally {
      file.close();
    }
  }

  async #open(bases: readonly Offset[], index: number, clean: boolean): Promise<Segment> {
    const { env, clock, logger, dir, config, recoveryPoint } = this.#options;
    const baseOffset = bases[index] as Offset;
    const nextBaseOffset = bases[index + 1] ?? null;
    const open: SegmentOpenOptions = {
      env,
      clock,
      logger,
      dir,
      config,
      baseOffset,
      clean,
      recoveryPoint,
      nextBaseOffset,
      epochs: this.#files.epochsVerified ? this.#fileEpochs : null,
      gapless: this.#options.neverCompacted,
      onBatches: (batches, count) =>
        this.#takeBatches(batches, count, (position, size) =>
          this.#readMarker(baseOffset, position, size),
        ),
    };
    const segment = await Segment.open(open);
    this.#segments.add(segment);
    const { truncatedBytes, reservedBytes, indexesRebuilt } = segment.recovery;
    const tornBytes = truncatedBytes - reservedBytes;
    const damagedRanges = segment.damaged.length;
    if (tornBytes > 0 || damagedRanges > 0) {
      const found = { tornBytes, damagedRanges, indexesRebuilt };
      logger.warn('segment recovered', { dir, baseOffset, ...found });
    }
    return segment;
  }

  /** The newest snapshot at or below `max` that can be read. */
  #loadSnapshot(bases: readonly Offset[], max: Offset): void {
    this.#producersEnd = bases[0] ?? 0;
    this.#foldedFrom = this.#producersEnd;
    // The active segment may have been checked already: it is scanned again, from the right state.
    this.#producers.clear();
    this.#transactions = new TransactionState();
    this.#aborted = [];
    for (const offset of this.#files.list('snapshot').reverse()) {
      if (offset > max) continue;
      const entries = this.#files.readSnapshot(offset);
      if (entries === null) {
        this.#files.removeSnapshot(offset);
        continue;
      }
      for (const entry of entries) this.#producers.load(entry);
      this.#transactions = TransactionState.from(entries);
      this.#producersEnd = Math.max(offset, this.#producersEnd);
      this.#foldedFrom = this.#producersEnd;
      this.#snapshotOffset = offset;
      return;
    }
  }

  /** Brings producer state up to the end of a segment that was opened without a check. */
  async #scan(segment: Segment, nextBaseOffset: Offset | undefined): Promise<void> {
    const known = this.#fileEpochs === null ? this.#epochsEnd : Number.POSITIVE_INFINITY;
    const from = Math.min(this.#producersEnd, known);
    // Asking a sealed segment for its end would read its indexes: start-up does not.
    if ((nextBaseOffset ?? segment.nextOffset) <= from) return;
    const batches = new SegmentBatches(segment, { from, check: false });
    for (;;) {
      while (batches.step()) {
        this.#takeBatches(batches.out, batches.count, (position) =>
          endTxnRecordOf(batches.bytes, position),
        );
        await yieldToLoop();
      }
      if (batches.damaged === null) break;
      batches.skipTo(Math.max(batches.damaged.endOffset, batches.nextOffset + 1));
    }
    this.#producersEnd = Math.max(this.#producersEnd, segment.nextOffset);
  }

  /** The marker in a control batch of a log file that is being checked. */
  #readMarker(baseOffset: Offset, position: number, size: number): EndTxnRecord | null {
    const file = this.#options.env.open(this.#files.pathOf(baseOffset, 'log'), 'read');
    try {
      const bytes = Buffer.alloc(size);
      return file.pread(bytes, 0, size, position) < size ? null : endTxnRecordOf(bytes, 0);
    } finally {
      file.close();
    }
  }

  /** `readMarker` is asked for the marker in the control batch at a position. */
  #takeBatches(
    batches: Float64Array,
    count: number,
    readMarker: (position: number, size: number) => EndTxnRecord | null,
  ): void {
    for (let batch = 0; batch < count; batch++) {
      const slot = WALK_FIRST + batch * WALK_STRIDE;
      const baseOffset = batches[slot + WALK_BASE_OFFSET] as Offset;
      const lastOffsetDelta = batches[slot + WALK_LAST_OFFSET_DELTA] as number;
      const lastOffset = (baseOffset + lastOffsetDelta) as Offset;
      const epoch = batches[slot + WALK_LEADER_EPOCH] as number;
      this.#scannedFrom = Math.min(this.#scannedFrom, baseOffset);
      if (epoch > this.#scannedEpochs.latestEpoch) this.#scannedEpochs.assign(epoch, baseOffset);
      this.#epochsEnd = lastOffset + 1;
      if (lastOffset < this.#producersEnd) continue;
      this.#producersEnd = lastOffset + 1;
      if (!hasProducer(batches, slot)) continue;
      const producerId = batches[slot + WALK_PRODUCER_ID] as number;
      const attributes = batches[slot + WALK_ATTRIBUTES] as number;
      const isControl = (attributes & CONTROL_BIT) !== 0;
      const marker = isControl
        ? readMarker(batches[slot + WALK_POSITION] as number, batches[slot + WALK_SIZE] as number)
        : null;
      const folded = { attributes, producerId, baseOffset };
      const aborted = foldTransaction(this.#transactions, folded, marker);
      if (aborted !== null) this.#aborted.push(aborted);
      foldProducer(this.#producers, batches, slot, marker);
    }
  }

  async #settleTransactions(): Promise<TransactionLog> {
    const transactions = new TransactionLog({
      ...this.#options,
      files: this.#files,
      segments: this.#segments,
      state: this.#transactions,
    });
    const ended = ({ coordinatorEpoch }: ProducerEntry): boolean => coordinatorEpoch >= 0;
    if (this.#producers.entries().some(ended)) transactions.noteTransactions();
    transactions.adopt(this.#foldedFrom, this.#aborted);
    await transactions.completeMissing(this.#foldedFrom);
    return transactions;
  }

  /** The file is right about what lies below the batches that were scanned. */
  #settleEpochs(start: Offset, logEnd: Offset): LeaderEpochCache {
    const fromFile = this.#fileEpochs ?? [];
    const epochs = new LeaderEpochCache(
      fromFile.filter(({ startOffset }) => startOffset < this.#scannedFrom),
    );
    for (const { epoch, startOffset } of this.#scannedEpochs.entries) {
      if (epoch > epochs.latestEpoch) epochs.assign(epoch, startOffset);
    }
    epochs.truncateTo(logEnd);
    epochs.trimTo(start);
    const differs = formatLeaderEpochs(epochs.entries) !== formatLeaderEpochs(fromFile);
    if (this.#fileEpochs === null ? logEnd > 0 : differs) this.#files.writeEpochs(epochs.entries);
    return epochs;
  }

  /**
   * Makes sure that there is a segment to append to, at or above the recovery point, and at or above the
   * log start: what was deleted and not yet synced may be lost, its offsets are not given out again. In
   * the place of offsets that were durable and are gone comes a batch without records, as compaction
   * leaves one: a consumer there goes on behind it, and does not wait for what never comes.
   */
  async #ensureEnd(): Promise<Offset> {
    const { env, clock, logger, dir, config, recoveryPoint, logStartOffset } = this.#options;
    const last = this.#segments.last;
    const bound = asOffset(Math.max(recoveryPoint, logStartOffset));
    const end = last?.nextOffset ?? bound;
    if (last !== null && end >= bound) return end;
    const lostFrom = Math.max(end, logStartOffset) as Offset;
    // More than a segment has room for were never lost: then it is the checkpoint that is wrong.
    const fills = last !== null && lostFrom < bound && bound - lostFrom <= RELATIVE_OFFSET_MAX;
    const baseOffset = fills ? lostFrom : bound;
    // Of an earlier try.
    let active =
      last?.size === 0 && last.baseOffset === baseOffset && last.appendable ? last : null;
    if (last !== null) {
      const fields = { dir, logEndOffset: end, recoveryPoint, logStartOffset };
      logger.error('the log ends before its recovery point or start and goes on above it', fields);
      if (active === null) last.seal();
    }
    if (active === null) {
      active = Segment.create({ env, clock, logger, dir, config, baseOffset });
      this.#segments.add(active);
    }
    if (fills) {
      const leaderEpoch = this.#latestEpoch;
      const made = { leaderEpoch, timestampMs: clock.nowMs() };
      active.append([placeholderBatch(lostFrom, bound - 1, made)]);
      await active.flush();
    }
    // Appends to it may be acknowledged as durable before the next roll.
    await env.syncDir(dir);
    return bound;
  }

  get #latestEpoch(): number {
    const fromFile = this.#fileEpochs?.at(-1)?.epoch ?? 0;
    return Math.max(0, fromFile, this.#scannedEpochs.latestEpoch);
  }

  #removeLeftovers(): void {
    const { env, dir } = this.#options;
    recoverSwaps(this.#options);
    const bases = new Set<number>(this.#files.list('log'));
    const newest = Math.max(-1, ...bases);
    for (const name of env.readdir(dir)) {
      if (name.endsWith('.tmp')) this.#files.remove(name);
      const parsed = parseFileName(name);
      if (parsed === null) continue;
      // A snapshot above every segment is that of the last clean shutdown.
      const isStray =
        parsed.kind !== 'log' &&
        !bases.has(parsed.baseOffset) &&
        (parsed.kind !== 'snapshot' || parsed.baseOffset < newest);
      if (parsed.state !== 'live' || isStray) this.#files.remove(name);
    }
  }
}

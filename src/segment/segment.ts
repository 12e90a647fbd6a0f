/**
 * Segment: one .log with its .index and .timeindex, from a base offset on. It sits between the
 * partition's log, its one owner, and the files. Synchronous but for open, flush and what waits for a
 * disk.
 *
 * ORDER of effects in an append: bytes written, then memory (size, next offset, entries), then, some
 * appends later, index entries written. A crash in between leaves a log file that says everything and
 * indexes that say less; an error of the write leaves nothing (the file is cut back).
 *
 * INVARIANTS: the log is the truth. An index entry is a hint that is used only if the batch header at
 * its position says the same (R8); if not, the whole log is checked once and the indexes are made
 * anew. A damaged range is never part of a slice. A slice keeps its bytes through close and deletion;
 * only truncateTo takes bytes from it (its reader sees them missing: R14).
 *
 *     opened          indexes, end offsets       file
 *     active          at open                    read and write
 *     sealed, clean   at the first look-up       read, opened at the first read
 *     not clean       from the log, at open      as above, but open
 *
 * It does not know of high watermarks, retention, or producers.
 */

import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import type { EnvFile } from '../file/env.js';
import { LogFile } from '../file/log-file.js';
import { measureChain, noteAppended } from './append-chain.js';
import { BatchLocator, batchPositionOf } from './batch-locator.js';
import { type CheckOptions, type CheckResult, checkSegment, type DamagedRange } from './check.js';
import { checkWithBlocks } from './check-blocks.js';
import { type ByteRange, loadEarlierChecksums } from './checksums.js';
import { EarlierBytes } from './first-read.js';
import { RELATIVE_OFFSET_MAX } from './roll-policy.js';
import type { HeaderCursor } from './scan.js';
import { closedError, SegmentFiles } from './segment-files.js';
import { SegmentIndexes } from './segment-indexes.js';
import type {
  BatchPosition,
  SegmentOpenOptions,
  SegmentOptions,
  SegmentRead,
  SegmentReadOptions,
  SegmentRecovery,
} from './segment-types.js';
import { NO_RECOVERY } from './segment-types.js';
import { TailCache } from './tail-cache.js';
import { walkTail } from './tail-walk.js';
import { TimeSearch, type TimestampOffset } from './time-search.js';
import { damageOfBlocks, logDamage } from './wrong-blocks.js';

export type { DamagedRange } from './check.js';
export type { SegmentConfig, SegmentOpenOptions } from './segment-types.js';

export class Segment implements AsyncDisposable {
  readonly baseOffset: Offset;
  #options: SegmentOptions;
  #files: SegmentFiles;
  /** Null: sealed and not opened yet. */
  #log: LogFile | null;
  #size = 0;
  #active: boolean;
  #indexes: SegmentIndexes;
  #locator: BatchLocator;
  /** Whether indexes, next offset and largest timestamp are known. */
  #loaded = false;
  #nextOffset: Offset;
  #nextBaseOffset: Offset | null;
  /** Null: not read yet. */
  #firstTimestampMs: number | null = null;
  /** By which it was read while it was sealed; there may be slices of it. */
  #former: LogFile | null = null;
  #createdMs: number;
  #times: TimeSearch;
  #tail = new TailCache();
  #tailDamaged = false;
  #recovery: SegmentRecovery = NO_RECOVERY;
  #open = true;
  /** Read since the last unloadIfIdle. */
  #used = false;
  /** Looked at before they leave for the first time (R6). */
  readonly earlier: EarlierBytes;

  private constructor(
    options: SegmentOptions,
    files: SegmentFiles,
    log: LogFile | null,
    nextBaseOffset: Offset | null,
  ) {
    this.baseOffset = options.baseOffset;
    this.#options = options;
    this.#files = files;
    this.#log = log;
    this.#active = nextBaseOffset === null;
    this.#nextBaseOffset = nextBaseOffset;
    this.#nextOffset = options.baseOffset;
    this.#createdMs = options.clock.nowMs();
    const { baseOffset, config } = options;
    this.#indexes = new SegmentIndexes({ ...options, bytesMax: config.indexBytesMax });
    const file = (): EnvFile => this.#openLog().file;
    const size = (): number => this.size;
    const { offset: offsetIndex, time: timeIndex } = this.#indexes;
    this.#locator = new BatchLocator({ baseOffset, offsetIndex, timeIndex, file, size });
    this.earlier = new EarlierBytes({ ...options, files, file, size, condemn: this.#condemn });
    this.#times = new TimeSearch({
      baseOffset,
      indexes: this.#indexes,
      locator: this.#locator,
      file,
      locate: (offset) => this.#locate(offset),
      examine: () => this.#examine(),
    });
  }

  /**
   * Creates the files of an empty active segment; ALREADY_EXISTS if its log is there. Nothing is left
   * after an error. In durable mode the caller syncs the directory before it acknowledges (R4).
   */
  static create(options: SegmentOptions): Segment {
    const files = new SegmentFiles(options);
    const log = LogFile.open(options.env, files.path('log'), 'create-new');
    const segment = new Segment(options, files, log, null);
    try {
      segment.#indexes.create();
    } catch (error) {
      segment.#closeFiles();
      options.env.unlink(log.path);
      throw error;
    }
    segment.#loaded = true;
    segment.#firstTimestampMs = -1;
    log.reserveUpTo(options.config.segmentBytes);
    return segment;
  }

  /**
   * Opens a segment. A torn tail is cut and the cut synced before this settles (R2); a crash inside
   * leaves it to be cut again. Damage that is no torn tail is kept and marked (R1).
   */
  static async open(options: SegmentOpenOptions): Promise<Segment> {
    const { env, clean, nextBaseOffset } = options;
    const active = nextBaseOffset === null;
    const files = new SegmentFiles(options);
    const path = files.path('log');
    if (clean && !active) {
      const stat = env.stat(path);
      if (stat === null) throw new MillraceError(`${path} is missing`, { code: 'NOT_FOUND' });
      const segment = new Segment(options, files, null, nextBaseOffset);
      segment.#size = stat.size;
      segment.earlier.set(stat.size);
      segment.#createdMs = stat.modifiedMs;
      return segment;
    }
    const log = LogFile.open(env, path, active ? 'update' : 'read');
    const segment = new Segment(options, files, log, nextBaseOffset);
    try {
      segment.#createdMs = env.stat(path)?.modifiedMs ?? segment.#createdMs;
      if (active && clean) segment.earlier.open(log.size);
      else segment.earlier.set(log.size);
      if (!clean || !segment.#loadIndexes()) await segment.#recover(options);
    } catch (error) {
      segment.#closeFiles();
      throw error;
    }
    if (active) log.reserveUpTo(options.config.segmentBytes);
    return segment;
  }

  /** What opening found and did. */
  get recovery(): SegmentRecovery {
    return this.#recovery;
  }

  /** In bytes: position of the next append. */
  get size(): number {
    return this.#log?.size ?? this.#size;
  }

  /** The offset after the last batch; the base offset if empty. A sealed one may have to read. */
  get nextOffset(): Offset {
    this.#load();
    return this.#nextOffset;
  }

  /** Largest batch timestamp, -1 if none. A sealed one may have to read; see confirmMaxTimestampMs. */
  get maxTimestampMs(): number {
    this.#load();
    return this.#indexes.fold.maxTimestamp;
  }

  /** Max timestamp of the first batch, by which time-based rolling goes; -1 if none. */
  get firstTimestampMs(): number {
    if (this.#firstTimestampMs !== null) return this.#firstTimestampMs;
    const cursor = this.#locator.walk();
    this.#firstTimestampMs = this.#locator.advance(cursor) ? cursor.maxTimestamp : -1;
    return this.#firstTimestampMs;
  }

  /** Wall clock when it was created; the modification time of the file if it was opened. */
  get createdMs(): number {
    return this.#createdMs;
  }

  /** False once sealed or poisoned, or if its tail is damaged: roll, at `nextOffset`. */
  get appendable(): boolean {
    return this.#open && this.#active && !this.#tailDamaged && !this.poisoned;
  }

  /** After a write that failed and could not be undone, or a failed sync: no further ack (R3). */
  get poisoned(): boolean {
    return this.#log !== null && this.#log.poison !== null;
  }

  /** Sizes of the indexes in bytes; of a sealed segment they may have to be read. */
  get indexSizes(): { readonly offset: number; readonly time: number } {
    this.#load();
    return { offset: this.#indexes.offset.size, time: this.#indexes.time.size };
  }

  /** Of the log: nothing is appended to it any more, and it has not been deleted. */
  get sealed(): boolean {
    return this.#open && !this.#active && !this.#files.deleted;
  }

  /** An index has no room for another entry: roll. */
  get indexFull(): boolean {
    return this.#indexes.isFull;
  }

  /** Ranges that are kept and not served. Of a sealed segment that was clean: found when met. */
  get damaged(): readonly DamagedRange[] {
    return this.#locator.damaged;
  }

  /** Whether `offset` fits the 31 bits of a relative offset: if not, roll. */
  canHold(offset: number): boolean {
    return offset >= this.baseOffset && offset - this.baseOffset <= RELATIVE_OFFSET_MAX;
  }

  /**
   * Appends `chunks`, each one or more whole checked batches that have their final offsets, by one
   * write. Borrowed until it returns. On an error the file is cut back to its last good end and
   * nothing was appended; if that fails, or the error was not a full disk, the segment is poisoned.
   */
  append(chunks: readonly Uint8Array[]): void {
    const log = this.#log;
    assert(log !== null && this.#open && this.#active && !this.#tailDamaged, 'append to an active');
    const position = log.size;
    const { size, lastOffset } = measureChain(chunks, this.#nextOffset);
    assert(this.canHold(lastOffset), 'the segment can hold these offsets');
    log.append(chunks, size);
    const { indexIntervalBytes } = this.#options.config;
    const { fold } = this.#indexes;
    const notes = { baseOffset: this.baseOffset, fold, tail: this.#tail, indexIntervalBytes };
    const noted = noteAppended(chunks, position, notes);
    assert(noted.endPosition === log.size, 'as many bytes as were written');
    this.#nextOffset = noted.nextOffset;
    if (position === 0) this.#firstTimestampMs = noted.firstTimestampMs;
    this.#indexes.maybeWrite();
  }

  /**
   * Bytes from the batch that contains `offset` on, at most `maxBytes`; of a range that is fixed now,
   * whatever is appended later. `offset` >= base offset.
   */
  read(offset: number, maxBytes: number, options: SegmentReadOptions): SegmentRead {
    assert(offset >= this.baseOffset && maxBytes >= 0, 'a read inside the segment');
    const batch = this.positionFor(offset);
    const range = this.#locator.damageAt(offset);
    if (range !== null) return { status: 'damaged', range };
    const endPosition = Math.min(options.endPosition ?? this.size, this.size);
    if (batch === null || batch.position + batch.size > endPosition) return { status: 'end' };
    const room = this.#locator.damageAfter(batch.position, endPosition) - batch.position;
    let length = Math.min(maxBytes, room);
    if (length < batch.size) length = options.minOneMessage ? batch.size : 0;
    const allowed = this.earlier.allow(batch, length);
    if (allowed === 0 && length > 0) {
      if (options.mayWait) return this.earlier.lookLater(batch, length);
      this.earlier.look(batch, length);
      return this.read(offset, maxBytes, options);
    }
    const slice = allowed === 0 ? null : this.#openLog().slice(batch.position, allowed);
    return { status: 'ok', slice, firstBatch: batch };
  }

  /** The first batch whose last offset is >= `offset`; null if there is none. */
  positionFor(offset: number): BatchPosition | null {
    this.#used = true;
    this.#load();
    const handle = this.#tail.find(offset);
    if (handle !== -1) return this.#tail.batchOf(handle);
    if (offset >= this.#nextOffset) return null;
    const cursor = this.#locate(offset);
    return cursor === null ? null : batchPositionOf(cursor);
  }

  /** An offset beyond every record before `position`, by the offset index; null: it has none. */
  offsetBeyond(position: number): number | null {
    this.#load();
    const slot = this.#indexes.offset.slotBeyond(position);
    const cursor = slot === null ? null : this.#locator.atOffsetEntry(slot);
    return cursor === null ? null : cursor.lastOffset;
  }

  /** The first record with a timestamp >= `timestampMs` and an offset >= `startOffset`; null: none. */
  offsetForTimestamp(timestampMs: number, startOffset: number): TimestampOffset | null {
    if (this.maxTimestampMs < timestampMs) return null;
    return this.#times.first(timestampMs, startOffset);
  }

  /** The first record that has the largest timestamp; null if no batch has one. */
  maxTimestampOffset(): TimestampOffset | null {
    if (this.maxTimestampMs < 0) return null;
    return this.#times.largest();
  }

  /** Reads every batch header for the largest timestamp, before retention deletes on it (R8). */
  async confirmMaxTimestampMs(): Promise<number> {
    this.#used = true;
    const largest = await this.#locator.largestTimestamp(() => {
      if (!this.#open) throw closedError(this.#files.path('log'));
    });
    if (largest !== null) return largest;
    // Rot that was not known: what is good is found by a check.
    this.#examine();
    return this.#indexes.fold.maxTimestamp;
  }

  /**
   * Cuts all batches whose last offset is >= `offset`; answers the bytes cut. Not synced. Slices of
   * what is cut fall short. Only of the segment that appends go to (see `activate`).
   */
  truncateTo(offset: number): number {
    assert(this.#open && this.#active, 'truncate of an active segment');
    const batch = this.positionFor(Math.max(offset, this.baseOffset));
    if (batch === null) return 0;
    const log = this.#openLog();
    const cut = log.size - batch.position;
    log.truncate(batch.position);
    this.#former?.noteCut(batch.position);
    this.earlier.cut(batch.position);
    this.#nextOffset = batch.baseOffset;
    this.#tail.clear();
    this.#locator.damaged = this.#locator.damaged.filter(
      (range) => range.endPosition <= batch.position,
    );
    this.#tailDamaged = false;
    if (batch.position === 0) {
      this.#firstTimestampMs = -1;
      this.#createdMs = this.#options.clock.nowMs();
    }
    this.#indexes.truncateTo(batch.position, batch.baseOffset - this.baseOffset);
    if (!this.#walkTail()) this.#examine();
    return cut;
  }

  /** Before the log is cut, durably: what is written then is not what they are of. */
  removeChecksums(): void {
    this.earlier.checksums = null;
    this.#files.removeChecksums();
  }

  /** Opens a sealed segment for appends again, after the ones behind it were removed. */
  activate(): void {
    assert(this.#open, 'activate a closed segment');
    if (this.#active) return;
    this.#load();
    this.#former = this.#log;
    this.#log?.close();
    this.removeChecksums();
    this.#log = LogFile.open(this.#options.env, this.#files.path('log'), 'update');
    this.#active = true;
    this.#nextBaseOffset = null;
    this.#log.reserveUpTo(this.#options.config.segmentBytes);
  }

  /**
   * Makes what was appended before the call durable; callers during a sync share the next one. Index
   * entries are written but not synced: they are rebuilt after a crash. An error poisons (R3).
   */
  async flush(): Promise<void> {
    if (!this.#open) throw closedError(this.#files.path('log'));
    await this.#logToSync().datasync();
  }

  flushSync(): void {
    this.#logToSync().datasyncSync();
  }

  /** Gives back what the log has beyond its end. True: its file is shorter now, which is not synced. */
  trim(): boolean {
    return this.#log?.trim() ?? false;
  }

  /** On roll: last time index entry, reserved blocks given back; no append after it. Not synced. */
  seal(): void {
    assert(this.#open && this.#active, 'seal an active segment');
    this.#finish();
    this.#tail.clear();
    this.#active = false;
  }

  /** As seal, then closes the files; slices stay valid. Not synced. Idempotent. */
  close(): void {
    if (!this.#open) return;
    if (this.#active && !this.poisoned) this.#finish();
    this.#closeFiles();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /**
   * Gives back the memory and the descriptor of a sealed segment that was not read since the last
   * call; it opens itself again when it is. For a timer of the owner's.
   */
  unloadIfIdle(): void {
    const used = this.#used;
    this.#used = false;
    if (used || this.#active || !this.#open || this.#locator.damaged.length > 0) return;
    if (this.#log !== null && (this.#log.syncing || this.#log.hasSlices || this.poisoned)) return;
    this.#size = this.size;
    if (this.#loaded) this.#indexes.unload();
    this.#locator.release();
    this.#loaded = false;
    this.#log?.close();
    this.#log = null;
  }

  /** A sealed log was read from end to end: nothing is wrong with it, or something in `wrong`. */
  noteScrub(good: boolean, wrong: readonly ByteRange[]): void {
    if (this.sealed && good) this.earlier.set(0);
    else if (this.sealed) this.#condemn(wrong);
  }

  /** Renames the files to `.deleted`. Slices stay valid. */
  renameDeleted(): void {
    assert(!this.#files.deleted, 'deleted once');
    // Opened under its old name: it can be read until it is unlinked.
    this.#openLog();
    this.#indexes.write();
    this.#files.renameDeleted();
    // Not yet read, or to be made anew: another segment may have the old names by then.
    this.#indexes.moveTo(this.#files.path('index'), this.#files.path('timeindex'));
    this.#active = false;
  }

  /** After renameDeleted: closes, waits until no slice is held, unlinks. */
  async unlinkDeleted(): Promise<void> {
    assert(this.#files.deleted, 'renamed before it is unlinked');
    const log = this.#log;
    this.#closeFiles();
    await log?.idle();
    this.#files.unlinkDeleted();
  }

  #openLog(): LogFile {
    assert(this.#open, 'read of a closed segment');
    this.#log ??= LogFile.open(this.#options.env, this.#files.path('log'), 'read');
    return this.#log;
  }

  /** Marks what is damaged, by a check of all batches and by blocks that are not what they were. */
  readonly #condemn = (wrong: readonly ByteRange[]): void => {
    this.#examine();
    this.#locator.damaged = damageOfBlocks(this.#locator, wrong, this);
  };

  #logToSync(): LogFile {
    this.#indexes.write();
    const { zerosAhead = false, segmentBytes } = this.#options.config;
    if (this.#active) this.#log?.writeZerosUpTo(zerosAhead ? segmentBytes : 0);
    return this.#openLog();
  }

  /** Loads what a sealed, clean segment left unread. */
  #load(): void {
    if (!this.#loaded && !this.#loadIndexes()) this.#examine();
  }

  /** Reads the indexes; at first walks from the last time entry to the end. False if anything is off. */
  #loadIndexes(): boolean {
    const usable = this.#indexes.load();
    if (this.size > 0 && !usable) return false;
    this.#loaded = this.#indexes.unchanged || this.#walkTail();
    return this.#loaded;
  }

  /** Finds next offset and largest timestamp; false if anything is off. */
  #walkTail(): boolean {
    const nextOffset = walkTail({
      baseOffset: this.baseOffset,
      endOffset: this.#nextBaseOffset ?? this.baseOffset + RELATIVE_OFFSET_MAX + 1,
      size: this.size,
      locator: this.#locator,
      indexes: this.#indexes,
      tail: this.#active ? this.#tail : null,
      indexIntervalBytes: this.#options.config.indexIntervalBytes,
    });
    if (nextOffset === null) return false;
    this.#nextOffset = nextOffset as Offset;
    return true;
  }

  /** The first batch with a last offset >= `offset`; null: there is none. */
  #locate(offset: number): HeaderCursor | null {
    this.#load();
    if (offset >= this.#nextOffset) return null;
    const relative = Math.max(0, offset - this.baseOffset);
    const found = this.#locator.find(relative);
    // A damaged tail has offsets and no batches.
    if (found !== null || this.#locator.damageAt(offset) !== null) return found;
    // A batch must be there: the index, or a header on the way, is wrong.
    this.#examine();
    return this.#locator.find(relative);
  }

  /** Checks the whole log of a segment that is not clean, cuts a torn tail, compares the indexes. */
  async #recover(options: SegmentOpenOptions): Promise<void> {
    const log = this.#openLog();
    const { onBatches, epochs, gapless } = options;
    const check = { ...this.#checkOptions(options.recoveryPoint), onBatches, epochs, gapless };
    const checksums = this.#active
      ? loadEarlierChecksums(options.env, this.#files.path('checksum'), check)
      : this.earlier.load();
    const result = await checkWithBlocks(check, checksums);
    const { reservedBytes } = result;
    const truncatedBytes = log.size - result.size;
    if (truncatedBytes > 0) {
      log.truncate(result.size);
      await log.datasync();
    }
    const bytes = truncatedBytes - reservedBytes;
    if (bytes > 0) options.logger.warn('cut a torn tail', { path: log.path, bytes });
    const indexesRebuilt = this.#adopt(result);
    if (!this.#active || (checksums !== null && checksums.length <= result.size)) {
      this.earlier.checksums = checksums;
      // Else of more than there is: what is appended now is not what they are of.
    } else if (this.#files.removeChecksums()) await options.env.syncDir(options.dir);
    this.#recovery = { checked: true, truncatedBytes, reservedBytes, indexesRebuilt };
  }

  /**
   * Checks the whole log because an index or a header did not add up. Cuts nothing: what happens to a
   * file in use is rot.
   */
  #examine(): void {
    const path = this.#files.path('log');
    this.#options.logger.warn('checking a segment: its index or its log is damaged', { path });
    const known = this.#loaded ? this.#nextOffset : null;
    const result = checkSegment(this.#checkOptions(known ?? this.baseOffset));
    this.#adopt(result);
    if (known === null) return;
    // Offsets that were given out stay given out; those without a batch are in the damaged tail.
    this.#nextOffset = known;
    this.#locator.damaged = result.damaged.map((range) =>
      range.endOffset === result.nextOffset ? { ...range, endOffset: known } : range,
    );
  }

  #checkOptions(recoveryPoint: Offset): CheckOptions {
    const { env, config } = this.#options;
    const { indexIntervalBytes, indexBytesMax } = config;
    const bounds = { baseOffset: this.baseOffset, nextBaseOffset: this.#nextBaseOffset };
    const limits = { indexIntervalBytes, indexBytesMax, recoveryPoint };
    return { env, file: this.#openLog().file, size: this.size, ...bounds, ...limits };
  }

  /** Takes over what a check found; true if an index on disk was not what the log says. */
  #adopt(result: CheckResult): boolean {
    if (!this.#active) result.fold.finish();
    this.earlier.set(0);
    this.#locator.damaged = result.damaged;
    this.#tailDamaged = result.tailDamaged;
    this.#nextOffset = result.nextOffset;
    this.#firstTimestampMs = result.firstTimestampMs;
    this.#tail.clear();
    const rebuilt = this.#indexes.adopt(result.fold);
    if (!this.#active) this.#indexes.close();
    this.#loaded = true;
    logDamage(this.#options.logger, this.#files.path('log'), result.damaged);
    return rebuilt;
  }

  /** Ends the indexes of a segment that gets no more appends, and trims the log's blocks. */
  #finish(): void {
    this.#indexes.finish();
    this.trim();
  }

  #closeFiles(): void {
    this.#open = false;
    this.earlier.set(0);
    this.#size = this.size;
    this.#log?.close();
    this.#indexes.close();
  }
}

/**
 * CleanedSegment: what compaction writes, until it takes the place of the segments it was made from.
 *
 *     NNN.log.cleaned   being written; removed if found at a start
 *     NNN.log.swap      whole and synced: from here on a start completes the replacement
 *     NNN.log           in place
 *
 * The log file gets `.swap` last and its own name first, so that `.log.swap` means that everything else
 * is there too, and what is still `.swap` without it only needs its name.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { LogFile } from '../file/log-file.js';
import { replaceFile } from '../file/replace-file.js';
import { OffsetIndex } from '../index/offset-index.js';
import { TimeIndex } from '../index/time-index.js';
import { type AbortedEntry, formatTransactionIndex } from '../index/transaction-index.js';
import { lastOffsetOf, maxTimestampOf, readInt32, sizeOf } from '../record/batch-view.js';
import { MAX_TIMESTAMP } from '../record/layout.js';
import { measureChain } from './append-chain.js';
import { bytesCrc, encodeChecksums } from './checksums.js';
import { blockSumsLater } from './first-read.js';
import { IndexFold } from './index-fold.js';
import { type FileKind, type FileState, formatFileName } from './names.js';
import { RELATIVE_OFFSET_MAX } from './roll-policy.js';
import type { SegmentConfig } from './segment-types.js';

/** The log is the last to get `.swap`, and the first to get its name. */
const KINDS = ['index', 'timeindex', 'txnindex', 'checksum', 'log'] as const;

export interface CleanedSegmentOptions {
  readonly env: Env;
  /** The partition's directory. */
  readonly dir: string;
  readonly baseOffset: Offset;
  readonly config: SegmentConfig;
}

export class CleanedSegment {
  readonly baseOffset: Offset;
  readonly #options: CleanedSegmentOptions;
  readonly #log: LogFile;
  readonly #fold: IndexFold;
  readonly #kinds: FileKind[] = ['index', 'timeindex', 'log'];
  #nextOffset: Offset;
  #crcs: Uint32Array = new Uint32Array(0);
  #transactionIndexCrc: number | null = null;
  #state: FileState = 'cleaned';

  /** Makes the `.cleaned` files; what an earlier attempt left under their names is overwritten. */
  static create(options: CleanedSegmentOptions): CleanedSegment {
    const { env, dir, baseOffset } = options;
    for (const kind of KINDS) {
      const path = join(dir, formatFileName(baseOffset, kind, 'cleaned'));
      if (env.exists(path)) env.unlink(path);
    }
    const path = join(dir, formatFileName(baseOffset, 'log', 'cleaned'));
    return new CleanedSegment(options, LogFile.open(env, path, 'create-new'));
  }

  private constructor(options: CleanedSegmentOptions, log: LogFile) {
    const { env, baseOffset, config } = options;
    this.baseOffset = baseOffset;
    this.#options = options;
    this.#log = log;
    this.#nextOffset = baseOffset;
    const bytesMax = config.indexBytesMax;
    this.#fold = new IndexFold(
      new OffsetIndex({ env, path: this.#path('index'), bytesMax }),
      new TimeIndex({ env, path: this.#path('timeindex'), bytesMax }),
    );
  }

  /** Of the log in bytes. */
  get size(): number {
    return this.#log.size;
  }

  /** The offset after the last batch; the base offset if there is none. */
  get nextOffset(): Offset {
    return this.#nextOffset;
  }

  /** Appends whole batches, by one write. Throws an I/O error. */
  append(chunks: readonly Uint8Array[]): void {
    assert(this.#state === 'cleaned', 'append to a segment that is being made');
    const { size, lastOffset } = measureChain(chunks, this.#nextOffset);
    assert(lastOffset - this.baseOffset <= RELATIVE_OFFSET_MAX, 'relative offsets of 31 bits');
    let position = this.#log.size;
    this.#log.append(chunks, size);
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += sizeOf(chunk, at)) {
        this.#index(chunk, at, position);
        position += sizeOf(chunk, at);
      }
    }
    this.#nextOffset = (lastOffset + 1) as Offset;
  }

  /** Writes the indexes; everything is durable under `.cleaned` when it resolves. */
  async finish(aborted: readonly AbortedEntry[], withTransactionIndex: boolean): Promise<void> {
    const { env } = this.#options;
    const { offsetIndex, timeIndex } = this.#fold;
    this.#fold.finish();
    offsetIndex.createFileWithEntries();
    timeIndex.createFileWithEntries();
    offsetIndex.close();
    timeIndex.close();
    await this.#log.datasync();
    const { size } = this.#log;
    if (size > 0) this.#crcs = (await blockSumsLater(this.#log.file, 0, size)) ?? this.#crcs;
    if (aborted.length === 0 && !withTransactionIndex) return;
    this.#kinds.splice(2, 0, 'txnindex');
    const entries = formatTransactionIndex(aborted);
    this.#transactionIndexCrc = bytesCrc(entries);
    const file = env.open(this.#path('txnindex'), 'create-new');
    try {
      if (aborted.length > 0) file.pwritev([entries], 0);
      await file.datasync();
    } finally {
      file.close();
    }
  }

  /** Renames to `.swap`; the caller then syncs the directory. */
  toSwap(): void {
    assert(this.#state === 'cleaned', 'from .cleaned to .swap');
    this.#log.close();
    this.#writeChecksums();
    for (const kind of this.#kinds) this.#rename(kind, 'swap');
    this.#state = 'swap';
  }

  /** Gives the files their names; the segments that had them are renamed before, durably. */
  toLive(): void {
    assert(this.#state === 'swap', 'from .swap to its name');
    for (const kind of this.#kinds.toReversed()) this.#rename(kind, 'live');
    this.#state = 'live';
  }

  /** Removes what was made and is not to be swapped in. */
  discard(): void {
    assert(this.#state === 'cleaned', 'what is committed is not taken back');
    const { env } = this.#options;
    this.#log.close();
    this.#fold.offsetIndex.close();
    this.#fold.timeIndex.close();
    for (const kind of KINDS) {
      const path = this.#path(kind);
      if (env.exists(path)) env.unlink(path);
    }
  }

  /** Before the log is visible, so that no read of it goes without. The log is not written any more. */
  #writeChecksums(): void {
    const { env } = this.#options;
    const modifiedMs = env.stat(this.#path('log'))?.modifiedMs;
    if (this.#crcs.length === 0 || modifiedMs === undefined) return;
    const { baseOffset, size: length } = this;
    const transactionIndexCrc = this.#transactionIndexCrc;
    const checksums = { baseOffset, length, modifiedMs, crcs: this.#crcs, transactionIndexCrc };
    replaceFile(env, this.#path('checksum'), encodeChecksums(checksums));
    this.#kinds.splice(-1, 0, 'checksum');
  }

  #index(chunk: Uint8Array, at: number, position: number): void {
    const relative = lastOffsetOf(chunk, at) - this.baseOffset;
    const high = readInt32(chunk, at + MAX_TIMESTAMP);
    const low = readInt32(chunk, at + MAX_TIMESTAMP + 4);
    this.#fold.raise(maxTimestampOf(chunk, at), high, low, relative);
    this.#fold.add(position, relative, this.#options.config.indexIntervalBytes);
  }

  #path(kind: FileKind, state: FileState = this.#state): string {
    return join(this.#options.dir, formatFileName(this.baseOffset, kind, state));
  }

  #rename(kind: FileKind, to: FileState): void {
    this.#options.env.rename(this.#path(kind), this.#path(kind, to));
  }
}

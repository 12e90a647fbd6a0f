/**
 * BatchReader: one pass over a log, for `for await`.
 *
 *     window used up --> the next one --> ... --> caught up --> done, or (live) waits for an append
 *                   \
 *                    another turn of the event loop: a long pass starves nobody
 *
 * Owns its window. It holds no descriptor between steps; its end, an error or an early break drops
 * the map. Bytes are checked before they are handed out (read-window.ts).
 */

import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { IsolationLevel, ReadFailure } from '../log/results.js';
import { CONTROL_BIT, TRANSACTIONAL_BIT } from '../record/layout.js';
import { AbortedFilter } from './aborted-filter.js';
import { ReadWindow } from './read-window.js';
import { StoredBatch } from './stored-batch.js';

export interface ReadOptions {
  /** First offset; 'start' (the default) is the log start offset, 'end' the next one appended. */
  readonly from?: number | 'start' | 'end';
  /** Exclusive. Not given: what is visible at the first step; with `live`, no end. */
  readonly to?: number;
  /** At the end, wait for more instead of being done. False where not given. */
  readonly live?: boolean;
  /** Rejects the step under way, or the next one, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** read_committed leaves out what was aborted or is not decided. read_uncommitted if not given. */
  readonly isolation?: IsolationLevel;
  /** Hand out the batches of transaction markers too. */
  readonly control?: boolean;
}

export interface BatchReaderOptions extends ReadOptions {
  readonly partition: PartitionLog;
  /** Whether maps may be made now. */
  readonly mmap: () => boolean;
  /** The reader is done with. */
  readonly onClose: (reader: BatchReader) => void;
}

const MAP_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

type Step = IteratorResult<StoredBatch, undefined>;
const DONE: Step = { done: true, value: undefined };

export class BatchReader implements AsyncIterableIterator<StoredBatch, undefined> {
  readonly #options: BatchReaderOptions;
  readonly #partition: PartitionLog;
  readonly #window = new ReadWindow();
  readonly #aborted = new AbortedFilter();
  readonly #live: boolean;
  readonly #from: number;
  readonly #to: number;
  #nextOffset: number;
  #batch: StoredBatch | null = null;
  #windowCount = 0;
  #closed = false;
  /** Wakes a step that waits for an append. */
  #wake: (() => void) | null = null;

  constructor(options: BatchReaderOptions) {
    const { partition, from = 'start', live = false } = options;
    this.#options = options;
    this.#partition = partition;
    this.#live = live;
    const { logStartOffset, highWatermark } = partition;
    this.#from = from === 'start' ? logStartOffset : from === 'end' ? highWatermark : from;
    this.#to = options.to ?? (live ? Number.POSITIVE_INFINITY : this.#visibleEnd());
    this.#nextOffset = this.#from;
  }

  /** The offset that the next step reads from. */
  get nextOffset(): Offset {
    return this.#nextOffset as Offset;
  }

  next(): Promise<Step> {
    try {
      this.#options.signal?.throwIfAborted();
      const batch = this.#nextInWindow();
      if (batch !== null) return Promise.resolve({ done: false, value: batch });
      return this.#goOn();
    } catch (error) {
      this.close();
      return Promise.reject(error as Error);
    }
  }

  /** Ends the pass: what a `break` calls. */
  return(): Promise<Step> {
    this.close();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /** Without waiting, and without turns for others. */
  *sync(): Generator<StoredBatch, undefined> {
    try {
      for (;;) {
        this.#options.signal?.throwIfAborted();
        const batch = this.#nextInWindow();
        if (batch !== null) yield batch;
        else if (this.#closed || this.#loadWindow(false) !== true) return;
      }
    } finally {
      this.close();
    }
  }

  /** Drops the window; steps that wait are done. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.dropWindow();
    this.#wake?.();
    this.#options.onClose(this);
  }

  /** Before the log is cut: no map of it may live. The pass goes on with a new window. */
  dropWindow(): void {
    this.#batch?.invalidate();
    this.#batch = null;
    this.#window.drop();
  }

  /** The next batch of the window that is wanted; null: it has no more. */
  #nextInWindow(): StoredBatch | null {
    this.#batch?.invalidate();
    this.#batch = null;
    const window = this.#window;
    while (!this.#closed && window.next()) {
      if (window.baseOffset >= this.#to) {
        this.close();
        return null;
      }
      this.#nextOffset = window.lastOffset + 1;
      if (window.lastOffset < this.#from || !this.#isWanted()) continue;
      const { bytes, position, size } = window;
      this.#batch = new StoredBatch(bytes, position, size, this.#from, this.#to);
      return this.#batch;
    }
    return null;
  }

  #isWanted(): boolean {
    const { attributes, producerId, baseOffset } = this.#window;
    const isControl = (attributes & CONTROL_BIT) !== 0;
    if ((attributes & TRANSACTIONAL_BIT) !== 0 && this.#committed) {
      if (isControl) this.#aborted.marker(producerId, baseOffset);
      else if (this.#aborted.has(producerId, baseOffset)) return false;
    }
    return !isControl || this.#options.control === true;
  }

  get #committed(): boolean {
    return this.#options.isolation === 'read_committed';
  }

  async #goOn(): Promise<Step> {
    try {
      while (!this.#closed) {
        if (this.#windowCount > 0) await yieldToLoop();
        this.#options.signal?.throwIfAborted();
        if (this.#closed) break;
        const loaded = this.#loadWindow(true);
        if (typeof loaded !== 'boolean') {
          await loaded;
        } else if (loaded) {
          const batch = this.#nextInWindow();
          if (batch !== null) return { done: false, value: batch };
        } else if (!this.#live || this.#nextOffset >= this.#to) {
          break;
        } else {
          await this.#wait();
        }
      }
      this.close();
      return DONE;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * False: nothing to read now. A promise, with `mayWait`: try again when it settles. Throws what the log
   * answers.
   */
  #loadWindow(mayWait: boolean): boolean | Promise<void> {
    if (this.#nextOffset >= this.#to) return false;
    this.dropWindow();
    const partition = this.#partition;
    const sealed = this.#nextOffset < partition.activeSegmentOffset;
    const map = sealed && this.#options.mmap();
    const result = partition.read(this.#nextOffset, {
      maxBytes: map ? MAP_BYTES : READ_BYTES,
      minOneMessage: true,
      isolation: this.#options.isolation ?? 'read_uncommitted',
      mayWait,
    });
    if (!result.ok) throw readError(result);
    const { slice, looking } = result;
    if (looking !== null) return looking;
    if (slice === null) return false;
    if (result.abortedTransactions !== null) this.#aborted.reset(result.abortedTransactions);
    this.#windowCount++;
    let whole: boolean;
    try {
      whole = this.#window.load(slice, partition.path, map);
    } finally {
      slice.release();
    }
    if (!whole || this.#window.isEmpty) {
      const message = `${partition.path}: damaged at offset ${this.#nextOffset}`;
      throw new MillraceError(message, { code: 'CORRUPT_MESSAGE' });
    }
    return true;
  }

  #visibleEnd(): number {
    const { lastStableOffset, highWatermark } = this.#partition;
    return this.#committed ? lastStableOffset : highWatermark;
  }

  /** Until more is visible, the signal aborts, or the reader is closed. */
  #wait(): Promise<void> {
    const { signal } = this.#options;
    return new Promise((resolve) => {
      const subscription = this.#partition.subscribe(() => {
        if (this.#visibleEnd() > this.#nextOffset) done();
      });
      const done = (): void => {
        this.#wake = null;
        subscription.end();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      signal?.addEventListener('abort', done);
    });
  }
}

function readError({ error, message }: ReadFailure): MillraceError {
  return new MillraceError(message, { code: error });
}

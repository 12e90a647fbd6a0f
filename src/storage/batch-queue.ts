/**
 * BatchQueue: the append side of an embedded log. Records become batches here.
 *
 *     append, append, append ...   into the open batch               in the call, no promise
 *     sealed                       when it is full, at the end of the tick, at a flush
 *     partition log                validates, assigns offsets, writes 3 or more batches at once
 *
 * All appends of a tick share batches, a write and, with durability `group`, a sync. With `each` every
 * call is a batch of its own, and the next is not written before the last one is synced.
 *
 * What is handed on and not answered is bounded where answers wait for a sync: beyond `pendingBytesMax`
 * an append is refused with QUEUE_FULL, and `ready` says when there is room again.
 *
 * A failed append rejects for whoever looks at its answer; if nobody does, the next flush rejects.
 */

import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import { atTickEnd } from '../base/tick.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { AppendResult } from '../log/results.js';
import { BatchBuilder } from '../record/batch-builder.js';
import { patchOffsetAndEpoch } from '../record/batch-patch.js';
import { sizeOf } from '../record/batch-view.js';
import type { CompressionName } from '../record/compression/codec.js';
import { LOG_OVERHEAD, PREFIX_SIZE } from '../record/layout.js';
import type { RecordHeader } from '../record/record.js';
import { Appended, PendingBatch } from './appended.js';

/** A record to append. Its bytes are copied in the call. */
export interface RecordInput {
  readonly key?: Uint8Array | null;
  /** Null is a tombstone. */
  readonly value?: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds; when its batch was begun where not given: in this tick. */
  readonly timestamp?: number;
}

export interface BatchQueueOptions {
  readonly partition: PartitionLog;
  readonly clock: Clock;
  /** Most bytes of a batch before compression; a larger record is a batch of its own. */
  readonly batchBytesMax: number;
  readonly compression: CompressionName;
  readonly each: boolean;
  /** With so many bytes of batches not answered nothing more is taken; one append may pass it. */
  readonly pendingBytesMax: number;
  /** An append failed; called before its answer rejects. */
  readonly onFailure: (error: MillraceError) => void;
}

/** Queued batches are written when they have so many bytes together: one write of a good size. */
const WRITE_BYTES = 192 * 1024;

export class BatchQueue {
  readonly #options: BatchQueueOptions;
  readonly #partition: PartitionLog;
  readonly #builder: BatchBuilder;
  /** Of the records in the builder; null while it is empty. */
  #open: PendingBatch | null = null;
  #tickQueued = false;
  /** When the open batch was begun: the time of its records that have none of their own. */
  #nowMs = 0;
  /** Handed to the partition log since its last write. */
  #unwrittenBytes = 0;
  /** With `each`: the append before the next one. */
  #last: Promise<void> = Promise.resolve();
  #chainedCount = 0;
  #pendingCount = 0;
  #pendingBytes = 0;
  /** They wait for room. */
  #waiting: (() => void)[] = [];
  /** Of an append whose answer nobody has looked at. */
  #failed: PendingBatch[] = [];
  #closed = false;

  constructor(options: BatchQueueOptions) {
    const { partition, compression, batchBytesMax } = options;
    this.#options = options;
    this.#partition = partition;
    this.#builder = new BatchBuilder({
      compression,
      sizeMax: batchBytesMax,
      sizeExpected: batchBytesMax,
    });
  }

  /** Batches that are not answered yet. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Their bytes. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get isFull(): boolean {
    return this.#pendingBytes >= this.#options.pendingBytesMax;
  }

  /** Resolves when an append is taken; rejects with the reason of the signal. */
  async ready(signal?: AbortSignal): Promise<void> {
    while (this.isFull) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.push(wake);
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
    signal?.throwIfAborted();
  }

  append(record: RecordInput): Appended {
    this.#checkRoom();
    const first = this.#add(record);
    const appended = new Appended(first, this.#builder.count - 1, first);
    this.#queued();
    return appended;
  }

  appendAll(records: readonly RecordInput[]): Appended {
    assert(records.length > 0, 'an append has a record');
    this.#checkRoom();
    const first = this.#add(records[0] as RecordInput);
    const index = this.#builder.count - 1;
    let last = first;
    for (let i = 1; i < records.length; i++) last = this.#add(records[i] as RecordInput);
    this.#queued();
    return new Appended(first, index, last);
  }

  /** `batches`: whole v2 batches one behind the other, whose base offsets are given anew. Copied. */
  appendBatches(batches: Uint8Array): Appended {
    this.#checkOpen();
    this.#checkRoom();
    this.#seal();
    const pending: PendingBatch[] = [];
    for (let at = 0; at < batches.length || pending.length === 0; ) {
      const size = at + PREFIX_SIZE <= batches.length ? sizeOf(batches, at) : batches.length - at;
      const whole = size > LOG_OVERHEAD && at + size <= batches.length;
      const end = whole ? at + size : batches.length;
      const batch = Buffer.from(batches.subarray(at, end));
      // Outside the CRC. What is not a batch is refused by the partition log.
      if (batch.length >= PREFIX_SIZE) patchOffsetAndEpoch(batch, 0, 0 as Offset, -1);
      pending.push(this.#hand(batch, new PendingBatch(), true));
      at = end;
    }
    this.#armTick();
    return new Appended(pending[0] as PendingBatch, 0, pending.at(-1) as PendingBatch);
  }

  /** As append, written when it returns; with `each` synced too. Answers the offset of the first. */
  appendSync(records: readonly RecordInput[]): Offset {
    assert(records.length > 0, 'an append has a record');
    this.write();
    if (this.#chainedCount > 0) {
      throw new MillraceError('appends before this one are not answered yet', { code: 'BUSY' });
    }
    const base = this.#partition.logEndOffset;
    let last = this.#open;
    for (const record of records) last = this.#add(record, true);
    this.#seal(true);
    this.#partition.writeQueued();
    this.#unwrittenBytes = 0;
    if (this.#partition.logEndOffset < base + records.length) {
      // The answer is looked at: this is it.
      last?.settled().catch(() => {});
      throw new MillraceError('the append was refused', { code: this.#failureCode() });
    }
    if (this.#options.each) this.#partition.flushSync();
    return base;
  }

  /** Seals the open batch and writes all that is queued, unless a sync must come before. */
  write(): void {
    this.#seal();
    this.#partition.writeQueued();
    this.#unwrittenBytes = 0;
  }

  /** All that was appended is durable when it resolves. */
  async flush(): Promise<void> {
    this.write();
    await this.#last;
    await this.#partition.flush();
    const failed = this.#failed.find((batch) => !batch.observed);
    this.#failed = [];
    if (failed !== undefined) await failed.settled();
  }

  /** Takes nothing more; resolves when everything is answered. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.write();
    this.#closed = true;
    await this.#last;
  }

  #add(record: RecordInput, sync = false): PendingBatch {
    this.#checkOpen();
    const builder = this.#builder;
    if (this.#open === null) this.#nowMs = this.#options.clock.nowMs();
    const timestamp = record.timestamp ?? this.#nowMs;
    const key = record.key ?? null;
    const value = record.value ?? null;
    const headers = record.headers ?? NONE;
    if (!builder.appendParts(timestamp, key, value, headers)) {
      this.#seal(sync);
      builder.appendParts(timestamp, key, value, headers);
    }
    this.#open ??= this.#begin();
    return this.#open;
  }

  #begin(): PendingBatch {
    this.#armTick();
    return new PendingBatch();
  }

  #queued(): void {
    if (this.#options.each) this.#seal();
  }

  #seal(sync = false): void {
    const batch = this.#open;
    if (batch === null) return;
    this.#open = null;
    const bytes = this.#builder.build();
    this.#hand(bytes, batch, false, sync);
    this.#builder.reset();
  }

  #hand(bytes: Uint8Array, batch: PendingBatch, owned: boolean, sync = false): PendingBatch {
    this.#pendingCount++;
    // Whoever appends with `sync` has waited for the disk when the call returns.
    if (!sync) batch.sizeInBytes = bytes.length;
    this.#pendingBytes += batch.sizeInBytes;
    if (this.#options.each && !sync) {
      const kept = owned ? bytes : Buffer.from(bytes);
      this.#chainedCount++;
      this.#last = this.#last.then(() => this.#appendAndSync(kept, batch));
      return batch;
    }
    const leaderEpoch = this.#leaderEpoch;
    const answer = this.#partition.append(bytes, { leaderEpoch, owned });
    void answer.then((result) => this.#settle(batch, result));
    this.#unwrittenBytes += bytes.length;
    if (this.#unwrittenBytes >= WRITE_BYTES) {
      this.#partition.writeQueued();
      this.#unwrittenBytes = 0;
    }
    return batch;
  }

  async #appendAndSync(bytes: Uint8Array, batch: PendingBatch): Promise<void> {
    const leaderEpoch = this.#leaderEpoch;
    const answer = this.#partition.append(bytes, { leaderEpoch, owned: true });
    this.#partition.writeQueued();
    const result = await answer;
    this.#chainedCount--;
    try {
      if (result.ok) await this.#partition.flush();
      this.#settle(batch, result);
    } catch (error) {
      const message = 'the append was written and not synced';
      this.#fail(batch, new MillraceError(message, { code: 'KAFKA_STORAGE_ERROR', cause: error }));
    }
  }

  /** Never below that of a broker that had the directory. */
  get #leaderEpoch(): number {
    return Math.max(this.#partition.latestLeaderEpoch, 0);
  }

  #settle(batch: PendingBatch, result: AppendResult): void {
    if (result.ok) {
      this.#answered(batch);
      batch.resolve(result.baseOffset);
      return;
    }
    const { error: code, message } = result;
    const retriable = code === 'KAFKA_STORAGE_ERROR' && !this.#partition.offline;
    this.#fail(batch, new MillraceError(message, { code, retriable }));
  }

  #fail(batch: PendingBatch, error: MillraceError): void {
    this.#answered(batch);
    if (this.#failed.length === 0) this.#failed.push(batch);
    this.#options.onFailure(error);
    batch.reject(error);
  }

  #answered({ sizeInBytes }: PendingBatch): void {
    this.#pendingCount--;
    this.#pendingBytes -= sizeInBytes;
    if (this.#waiting.length === 0 || this.isFull) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #failureCode(): string {
    return this.#partition.offline ? 'KAFKA_STORAGE_ERROR' : 'APPEND_REFUSED';
  }

  #armTick(): void {
    if (this.#tickQueued) return;
    this.#tickQueued = true;
    atTickEnd('append', this.#onTick);
  }

  readonly #onTick = (): void => {
    this.#tickQueued = false;
    if (!this.#closed) this.write();
  };

  #checkRoom(): void {
    if (!this.isFull || this.#closed) return;
    const message = `${this.#pendingBytes} bytes wait for a sync: await an append, or ready()`;
    throw new MillraceError(message, { code: 'QUEUE_FULL', retriable: true });
  }

  #checkOpen(): void {
    if (this.#closed) throw new MillraceError('the log is closed', { code: 'CLOSED' });
  }
}

const NONE: readonly RecordHeader[] = [];

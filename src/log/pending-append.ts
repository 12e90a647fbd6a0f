/**
 * One accepted batch between `append` and its answer: offsets assigned, bytes patched, not yet
 * written or not yet durable. A repeated batch whose first copy is still pending waits in the same
 * queue without bytes of its own.
 */

import type { Offset } from '../base/offset.js';
import type { ArenaChunk } from './append-arena.js';
import type { ProducerEntry, ProducerState } from './producer-state.js';
import type { AppendResult } from './results.js';

/** What a batch does to the transaction of its producer. */
export type TransactionStep = 'none' | 'begin' | 'commit' | 'abort';

export class PendingAppend {
  /** [start, end) of `bytes`; null: nothing to write. */
  readonly bytes: Uint8Array | null;
  readonly start: number;
  readonly end: number;
  /** Released after the write; null if the bytes are owned. */
  readonly chunk: ArenaChunk | null;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly maxTimestampMs: number;
  readonly logAppendTimeMs: number;
  readonly leaderEpoch: number;
  /** -1: not idempotent. */
  readonly producerId: number;
  /** The producer's entry before this batch, put back if the write fails. */
  readonly producerBefore: ProducerEntry | undefined;
  readonly transaction: TransactionStep;
  readonly resolve: (result: AppendResult) => void;

  constructor(fields: PendingAppendFields, resolve: (result: AppendResult) => void) {
    this.bytes = fields.bytes;
    this.start = fields.start;
    this.end = fields.end;
    this.chunk = fields.chunk;
    this.baseOffset = fields.baseOffset;
    this.lastOffset = fields.lastOffset;
    this.maxTimestampMs = fields.maxTimestampMs;
    this.logAppendTimeMs = fields.logAppendTimeMs;
    this.leaderEpoch = fields.leaderEpoch;
    this.producerId = fields.producerId;
    this.producerBefore = fields.producerBefore;
    this.transaction = fields.transaction;
    this.resolve = resolve;
  }

  get size(): number {
    return this.end - this.start;
  }

  get recordsCount(): number {
    return this.lastOffset - this.baseOffset + 1;
  }
}

export type PendingAppendFields = Omit<PendingAppend, 'resolve' | 'size' | 'recordsCount'>;

/** The bytes of a run of appends, neighbours in memory as one buffer. */
export function gatherBuffers(run: readonly PendingAppend[]): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  let bytes: Uint8Array | null = null;
  let start = 0;
  let end = 0;
  for (const pending of run) {
    if (pending.bytes === null) continue;
    if (pending.bytes === bytes && pending.start === end) {
      end = pending.end;
      continue;
    }
    if (bytes !== null) buffers.push(bytes.subarray(start, end));
    ({ bytes, start, end } = pending);
  }
  if (bytes !== null) buffers.push(bytes.subarray(start, end));
  return buffers;
}

/** Producer entries as of the log end, without what the queue added. */
export function entriesWithout(
  queue: readonly PendingAppend[],
  producers: ProducerState,
): readonly ProducerEntry[] {
  const before = new Map<number, ProducerEntry | undefined>();
  for (const pending of queue.toReversed()) {
    if (pending.producerId > -1) before.set(pending.producerId, pending.producerBefore);
  }
  return producers.entriesBefore(before);
}

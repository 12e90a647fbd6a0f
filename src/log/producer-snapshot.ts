/**
 * The producer snapshot file (`NNNNNNNNNNNNNNNNNNNN.snapshot`: state of all batches below that offset),
 * in Kafka's format, version 1:
 *
 *     at  size
 *      0     2  version (1)                       \  from byte 1 on this is a 1+4+n message
 *      2     4  CRC-32C of everything from 6 on    | (record/message.ts) of magic 1
 *      6     4  count of entries, then for each:  /
 *      +0    8  producer id
 *      +8    2  producer epoch
 *     +10    4  last sequence
 *     +14    8  last offset
 *     +22    4  offset delta of the last batch
 *     +26    8  last timestamp
 *     +34    4  coordinator epoch
 *     +38    8  first offset of the open transaction, -1
 *
 * Only the last batch of each producer is kept in it. A file that is wrong in any way reads as null
 * and the state is rebuilt from the log.
 */

import type { Offset } from '../base/offset.js';
import { writeInt16, writeInt32, writeInt64 } from '../record/batch-patch.js';
import { readInt16, readInt32, readInt64 } from '../record/batch-view.js';
import { sealMessage, unframeMessage } from '../record/message.js';
import type { ProducerEntry } from './producer-state.js';

/** The low byte of the version; the high byte is zero. */
const MESSAGE = { magic: 1 };
const MESSAGE_AT = 1;
const COUNT_AT = 6;
const ENTRIES_AT = 10;
const ENTRY_SIZE = 46;

export function encodeProducerSnapshot(entries: readonly ProducerEntry[]): Uint8Array {
  const bytes = new Uint8Array(ENTRIES_AT + entries.length * ENTRY_SIZE);
  writeInt32(bytes, COUNT_AT, entries.length);
  let at = ENTRIES_AT;
  for (const entry of entries) {
    const last = entry.batches[entry.batches.length - 1];
    writeInt64(bytes, at, entry.producerId);
    writeInt16(bytes, at + 8, entry.epoch);
    writeInt32(bytes, at + 10, last?.lastSequence ?? -1);
    writeInt64(bytes, at + 14, last?.lastOffset ?? -1);
    writeInt32(bytes, at + 22, last?.offsetDelta ?? 0);
    writeInt64(bytes, at + 26, entry.lastTimestampMs);
    writeInt32(bytes, at + 34, entry.coordinatorEpoch);
    writeInt64(bytes, at + 38, entry.transactionFirstOffset);
    at += ENTRY_SIZE;
  }
  sealMessage(bytes, MESSAGE_AT, bytes.length, MESSAGE);
  return bytes;
}

export function decodeProducerSnapshot(bytes: Uint8Array): readonly ProducerEntry[] | null {
  if (bytes.length < ENTRIES_AT || bytes[0] !== 0) return null;
  if (!unframeMessage(bytes, MESSAGE, MESSAGE_AT).ok) return null;
  const count = readInt32(bytes, COUNT_AT);
  if (count !== (bytes.length - ENTRIES_AT) / ENTRY_SIZE) return null;
  const entries: ProducerEntry[] = [];
  for (let at = ENTRIES_AT; at < bytes.length; at += ENTRY_SIZE) {
    const producerId = readInt64(bytes, at);
    const lastOffset = readInt64(bytes, at + 14);
    const timestampMs = readInt64(bytes, at + 26);
    const transactionFirstOffset = readInt64(bytes, at + 38);
    for (const value of [producerId, lastOffset, transactionFirstOffset]) {
      if (!Number.isSafeInteger(value)) return null;
    }
    const lastBatch = {
      lastSequence: readInt32(bytes, at + 10),
      lastOffset: lastOffset as Offset,
      offsetDelta: readInt32(bytes, at + 22),
      timestampMs,
    };
    entries.push({
      producerId,
      epoch: readInt16(bytes, at + 8),
      coordinatorEpoch: readInt32(bytes, at + 34),
      lastTimestampMs: timestampMs,
      transactionFirstOffset,
      batches: lastOffset >= 0 ? [lastBatch] : [],
    });
  }
  return entries;
}

/**
 * Raw payloads over the same segments. A v2 batch is itself one 1+4+n message (magic, CRC-32C, the rest)
 * behind its log framing, so payloads share the checksum of their batch; each is the value of a record
 * without key and headers, which Kafka's tools and clients read as any other.
 *
 *     payload of n bytes   1+4+n per batch, and per payload 7 bytes or so: length, attributes,
 *                          time and offset deltas, null key, value length, no headers
 */

import type { Offset } from '../base/offset.js';
import type { BatchReader } from './batch-reader.js';

export interface RawMessage {
  readonly offset: Offset;
  /** A view that is valid until the next step. */
  readonly payload: Uint8Array;
}

/** Records that have no value, which `appendRaw` does not write, are empty payloads. */
export async function* rawMessages(batches: BatchReader): AsyncGenerator<RawMessage, undefined> {
  for await (const batch of batches) {
    for (const { offset, value } of batch) {
      yield { offset, payload: value ?? EMPTY };
      // Closed between two steps: what is left of the batch is gone.
      if (!batch.isValid) return;
    }
  }
}

const EMPTY = new Uint8Array(0);

/**
 * The form in which an accepted batch is stored: as it came, or with the topic's codec where
 * compression.type names one.
 */

import { recompressBatch } from '../record/recompress-batch.js';
import type { Rejection } from './append-validator.js';
import type { LogConfig } from './topic-config.js';

/** `records` itself, a new array, or why it cannot be stored. */
export function storedForm(records: Uint8Array, config: LogConfig): Uint8Array | Rejection {
  if (config.storedCodec === null) return records;
  const stored = recompressBatch(records, config.storedCodec);
  if (stored.length <= config.messageBytesMax) return stored;
  const message = `The batch has ${stored.length} bytes with the compression of the topic, max.message.bytes is ${config.messageBytesMax}`;
  return { error: 'MESSAGE_TOO_LARGE', message, recordErrors: [] };
}

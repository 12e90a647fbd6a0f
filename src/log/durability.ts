/**
 * The durability dial: when an append is answered, and what is on the disk by then. It is set for a
 * log in words and kept as flush.messages and flush.ms, which is how a topic of a broker says it; the
 * writer knows nothing else (log-writer.ts).
 *
 *     dial             flush.messages   flush.ms       an append is answered
 *     os               unlimited        unlimited      when it is written (page cache)
 *     { intervalMs }   unlimited        intervalMs     when it is written; synced within the interval
 *     group            1                unlimited      after a sync, shared with all that came meanwhile
 *     each             unlimited        unlimited      after a sync of its own, made by who appends
 *
 * What survives what is in docs/STORAGE.md.
 */

import { LONG_MAX } from '../base/config-table.js';
import { MillraceError } from '../base/errors.js';
import type { LogConfig } from './topic-config.js';

export type Durability = 'os' | { readonly intervalMs: number } | 'group' | 'each';

export type FlushSettings = Pick<LogConfig, 'flushMessages' | 'flushMs'>;

const NEVER: FlushSettings = { flushMessages: LONG_MAX, flushMs: LONG_MAX };

/** Throws INVALID_OPTION for what is not on the dial. */
export function flushSettings(durability: Durability): FlushSettings {
  if (durability === 'os' || durability === 'each') return NEVER;
  if (durability === 'group') return { ...NEVER, flushMessages: 1 };
  const intervalMs: unknown = durability.intervalMs;
  if (typeof intervalMs === 'number' && Number.isSafeInteger(intervalMs) && intervalMs > 0) {
    return { ...NEVER, flushMs: intervalMs };
  }
  const message = "durability is 'os', { intervalMs }, 'group' or 'each'";
  throw new MillraceError(message, { code: 'INVALID_OPTION' });
}

/**
 * What compaction left in a partition's directory when the process ended, before the log is opened:
 *
 *     .cleaned                  removed: it was not whole. A .swap at or above its offset likewise
 *     .log.swap                 whole: the segments it was made from are removed, durably, and it
 *                               takes its name
 *     .swap of an index alone   its log has its name already: it takes its own
 *
 *     found    0.log.deleted  60.log  120.log  0.log.swap (0..100)
 *     left     0.log (0..100)  120.log                    60 lies inside the new segment
 *
 * A segment whose records are all gone from the new one, and which lies above it, is not told from one
 * that comes after it. It stays, and is compacted again: nothing in it is newer than what it was.
 */

import { basename, join } from 'node:path';
import type { Logger } from '../../base/logger.js';
import type { Env } from '../../file/env.js';
import { formatFileName, parseFileName, type SegmentFileName } from '../../segment/names.js';
import { HeaderCursor } from '../../segment/scan.js';

const SEGMENT_KINDS: readonly string[] = ['log', 'index', 'timeindex', 'txnindex'];
const WINDOW_BYTES = 64 * 1024;

export interface SwapRecoveryOptions {
  readonly env: Env;
  readonly logger: Logger;
  readonly dir: string;
}

/** Throws an I/O error; then it is done again at the next start. */
export function recoverSwaps({ env, logger, dir }: SwapRecoveryOptions): void {
  const files = env
    .readdir(dir)
    .map(parseFileName)
    .filter((file) => file !== null);
  const cleaned = files.filter(({ state }) => state === 'cleaned');
  const found = files.filter(({ state }) => state === 'swap');
  if (cleaned.length === 0 && found.length === 0) return;
  const cleanedMin = Math.min(...cleaned.map(({ baseOffset }) => baseOffset));
  const isWhole = ({ baseOffset }: SegmentFileName): boolean =>
    baseOffset < cleanedMin && !isBroken(env, dir, files, baseOffset);
  const whole = found.filter(isWhole);
  for (const file of found) if (!whole.includes(file)) remove(env, dir, file);
  for (const file of cleaned) remove(env, dir, file);
  for (const { kind, baseOffset } of whole) {
    if (kind !== 'log') continue;
    const { endOffset } = extentOf(env, join(dir, formatFileName(baseOffset, 'log', 'swap')));
    logger.warn('completing an interrupted compaction', { dir, baseOffset, endOffset });
    for (const file of files) {
      const isInside = file.baseOffset >= baseOffset && file.baseOffset < endOffset;
      if (isInside && file.state === 'live' && SEGMENT_KINDS.includes(file.kind)) {
        remove(env, dir, file);
      }
    }
  }
  // Beside the new segment the old ones would be taken for damage of it.
  env.syncDirSync(dir);
  const logFirst = whole.toSorted((a, b) => Number(b.kind === 'log') - Number(a.kind === 'log'));
  for (const { baseOffset, kind } of logFirst) {
    const path = join(dir, formatFileName(baseOffset, kind));
    env.rename(`${path}.swap`, path);
  }
  if (whole.length > 0) env.syncDirSync(dir);
}

/** A log that cannot be read to its end, while everything that it was made from is there. */
function isBroken(
  env: Env,
  dir: string,
  files: readonly SegmentFileName[],
  baseOffset: number,
): boolean {
  const swap = files.find(
    (file) => file.state === 'swap' && file.kind === 'log' && file.baseOffset === baseOffset,
  );
  if (swap === undefined) return false;
  const path = join(dir, formatFileName(swap.baseOffset, 'log', 'swap'));
  if (!extentOf(env, path).malformed) return false;
  const isLog = (state: string) => (file: SegmentFileName) =>
    file.kind === 'log' && file.state === state;
  const originals = files.filter(isLog('live')).some((file) => file.baseOffset === baseOffset);
  return originals && !files.some(isLog('deleted'));
}

/** The offset after the last batch of a log file, at least one above its base offset. */
function extentOf(env: Env, path: string): { endOffset: number; malformed: boolean } {
  const file = env.open(path, 'read');
  try {
    const cursor = new HeaderCursor(file, WINDOW_BYTES);
    cursor.seek(0, file.size());
    const name = parseFileName(basename(path));
    let endOffset = (name?.baseOffset ?? 0) + 1;
    while (cursor.next()) endOffset = cursor.lastOffset + 1;
    return { endOffset, malformed: cursor.malformed };
  } finally {
    file.close();
  }
}

function remove(env: Env, dir: string, { baseOffset, kind, state }: SegmentFileName): void {
  const path = join(dir, formatFileName(baseOffset, kind, state));
  if (env.exists(path)) env.unlink(path);
}

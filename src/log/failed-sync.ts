/**
 * What a disk error leaves for the next process on the same machine (R3). After a failed sync the page cache
 * has bytes that the disk has not, marked as written: whoever reads them sees them, whoever syncs the file is
 * told that all is well, and a power loss takes them. So:
 *
 *     the directory goes offline    a mark is left in it: a file, not synced, for with the page cache goes
 *                                   what it warns of
 *     the next start finds it       logs that end above their recovery point are read and written again, the
 *                                   same bytes, and synced, before a byte of them is believed
 *     all went well                 the mark is taken away
 *
 * Where the mark cannot be written, on a file system that went read-only, nothing can be written at the next
 * start either. Names cannot be written again: a directory is synced once more, and no more can be done.
 */

import { join } from 'node:path';
import type { Offset } from '../base/offset.js';
import type { Env, EnvFile } from '../file/env.js';
import { formatFileName, parseFileName } from '../segment/names.js';

export const FAILED_SYNC_FILE = '.millrace-failed-sync';

/** Bytes written at a time, between which others have a turn. */
const STEP_SIZE = 1024 * 1024;

/** `env`: one that still writes. Never throws. */
export function markFailedSync(env: Env, dir: string, error: Error): void {
  try {
    const file = env.open(join(dir, FAILED_SYNC_FILE), 'create');
    try {
      file.pwritev([Buffer.from(`${error.message}\n`)], 0);
    } finally {
      file.close();
    }
  } catch {
    // The disk takes nothing more, not even this.
  }
}

/**
 * Writes again what a log has above its recovery point, and makes it durable. Rejects with an I/O error; the
 * files are as they were then.
 */
export async function rewriteUnsynced(env: Env, dir: string, recoveryPoint: Offset): Promise<void> {
  const bases = env
    .readdir(dir)
    .map(parseFileName)
    .filter((file) => file?.kind === 'log' && file.state === 'live')
    .map((file) => file?.baseOffset as Offset)
    .sort((a, b) => a - b);
  for (const [index, baseOffset] of bases.entries()) {
    const next = bases[index + 1];
    if (next !== undefined && next <= recoveryPoint) continue;
    for (const kind of ['log', 'txnindex'] as const) {
      const path = join(dir, formatFileName(baseOffset, kind));
      if (kind === 'log' || env.exists(path)) await rewrite(env, path);
    }
  }
  await env.syncDir(dir);
}

async function rewrite(env: Env, path: string): Promise<void> {
  const file = env.open(path, 'update');
  try {
    await rewriteBytes(file);
    await file.datasync();
  } finally {
    file.close();
  }
}

async function rewriteBytes(file: EnvFile): Promise<void> {
  const size = file.size();
  const bytes = new Uint8Array(Math.min(STEP_SIZE, size));
  for (let at = 0; at < size; ) {
    const length = file.pread(bytes, 0, Math.min(bytes.length, size - at), at);
    if (length === 0) return;
    file.pwritev([bytes.subarray(0, length)], at);
    at += length;
    await new Promise(setImmediate);
  }
}

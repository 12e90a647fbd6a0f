/**
 * Replaces a small file that can be lost: written beside it, renamed, nothing synced. After a crash the old
 * content is there, the new one, or a part of it: its reader has to tell, by a checksum.
 */

import type { Env } from './env.js';

/** Throws an I/O error; a `.tmp` may be left then. Not for two callers of one path at a time. */
export function replaceFile(
  env: Pick<Env, 'open' | 'rename'>,
  path: string,
  bytes: Uint8Array,
): void {
  const file = env.open(`${path}.tmp`, 'create');
  try {
    file.truncate(0);
    file.pwritev([bytes], 0);
  } finally {
    file.close();
  }
  env.rename(`${path}.tmp`, path);
}

/**
 * An Env in which a directory that could not be synced once cannot be synced again (R3, as LogFile has it
 * for files). The system reports such an error to one caller and drops what was to be written; the
 * next sync succeeds and says nothing of the names that are lost. That caller may be one that can do
 * without (a checkpoint), the next one may be about to acknowledge a record in a new segment.
 *
 *     epochs     rename .tmp, sync the directory: EIO, reported and forgotten
 *     flusher    sync the directory: would succeed; fails, and takes the log offline
 *
 * It lasts as long as the Env: whoever opens the directory anew verifies what is there. A directory that
 * could not be opened for want of descriptors was not synced either, but nothing of it was dropped.
 */

import { dirname } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { type Env, writeFileAtomic, writeFileAtomicSync } from './env.js';

export function withLastingSyncErrors(inner: Env): Env {
  /** By directory. */
  const errors = new Map<string, unknown>();
  const refuse = (path: string): void => {
    if (errors.has(path)) throw errors.get(path);
  };
  const keep = (path: string, error: unknown): void => {
    const untried = error instanceof MillraceError && error.code === 'TOO_MANY_FILES';
    if (!untried) errors.set(path, error);
  };
  const env: Env = {
    ...inner,
    async syncDir(path) {
      refuse(path);
      try {
        await inner.syncDir(path);
      } catch (error) {
        keep(path, error);
        throw error;
      }
      // One that failed meanwhile may have dropped what this one was to cover.
      refuse(path);
    },
    syncDirSync(path) {
      refuse(path);
      try {
        inner.syncDirSync(path);
      } catch (error) {
        keep(path, error);
        throw error;
      }
    },
    // Refused before the rename: else the new content would be there and not be durable.
    async writeFileAtomic(path, bytes) {
      refuse(dirname(path));
      await writeFileAtomic(env, path, bytes);
    },
    writeFileAtomicSync(path, bytes) {
      refuse(dirname(path));
      writeFileAtomicSync(env, path, bytes);
    },
  };
  return env;
}

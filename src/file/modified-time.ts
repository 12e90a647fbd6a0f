/** When a file was last written, for those who have no Env: the loaders of bundles. */

import { statSync } from 'node:fs';

/** Milliseconds since the epoch; 0: it is not there. */
export function modifiedMs(path: string | URL): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

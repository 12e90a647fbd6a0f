/** How large the file system of a directory is, and what is left of it. */

import { statfsSync } from 'node:fs';

export interface DiskSpace {
  readonly totalBytes: number;
  /** For a process without privileges. */
  readonly usableBytes: number;
}

/** Null if it cannot be told. */
export function diskSpaceOf(path: string): DiskSpace | null {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
  } catch {
    return null;
  }
}

/** Files made and brought into the page cache: machines drop idle pages within minutes. */

import { closeSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const BLOCK_SIZE = 4 << 20;

export function writeFilled(path: string, size: number): void {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(BLOCK_SIZE, 'not only zeros ');
  for (let at = 0; at < size; at += block.length) {
    writeSync(fd, block, 0, Math.min(block.length, size - at));
  }
  closeSync(fd);
}

/**
 * Touches as much memory as a run will fill with fresh pages, and gives it back: what the machine under
 * a virtual one has to find first costs ten times as much as what was in use a moment ago.
 */
export function warmMemory(dir: string, size: number): void {
  const path = join(dir, 'warm-memory');
  writeFilled(path, size);
  rmSync(path);
}

/** Reads the file, so that its pages are there. */
export function warmFile(path: string): void {
  const fd = openSync(path, 'r');
  const block = Buffer.allocUnsafeSlow(BLOCK_SIZE);
  while (readSync(fd, block, 0, block.length, null) > 0);
  closeSync(fd);
}

/** Reads every segment file below a data directory. */
export function warmLogs(dataDir: string): void {
  for (const path of logFiles(dataDir)) warmFile(path);
}

export function logFiles(dataDir: string): string[] {
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(dataDir, name));
}

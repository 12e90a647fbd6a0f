import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Test {
  teardown(callback: () => unknown): void;
}

/** A directory that goes with the test. */
export function tempDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-file-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

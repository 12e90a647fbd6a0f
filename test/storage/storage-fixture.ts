import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '#src/base/clock.js';
import { type Env, type EnvFile, type OpenMode, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import type { ReadOptions } from '#src/storage/batch-reader.js';
import type { Log } from '#src/storage/log.js';
import { openLog, openLogs } from '#src/storage/logs.js';
import type { StorageOptions } from '#src/storage/storage-options.js';

interface Test {
  teardown(callback: () => unknown): void;
}

export const NOW_MS = 1_700_000_000_000;

export function tempDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-storage-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A partition of the data directory, closed with the test. */
export async function open(t: Test, dir: string, options: StorageOptions = {}): Promise<Log> {
  const log = await openLog(join(dir, 'events-0'), { clock: new ManualClock(NOW_MS), ...options });
  t.teardown(() => log.close());
  return log;
}

export async function openAll(t: Test, dir: string, options: StorageOptions = {}) {
  const logs = await openLogs(dir, { clock: new ManualClock(NOW_MS), ...options });
  t.teardown(() => logs.close());
  return logs;
}

export function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

/** Offsets and values of a pass. */
export async function readAll(
  log: Log,
  options: ReadOptions = {},
): Promise<[number, string | null][]> {
  const found: [number, string | null][] = [];
  for await (const batch of log.read(options)) {
    for (const { offset, value } of batch) found.push([offset, text(value)]);
  }
  return found;
}

/** Enough records of 1 KiB for several segments of 16 KiB. */
export function fill(log: Log, count: number): void {
  for (let i = 0; i < count; i++) log.append({ value: Buffer.alloc(1024, `${i} `) });
}

/** Descriptors of files in `dir` that this process has open, and maps. */
export function held(dir: string): { fds: number } {
  let fds = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir)) fds++;
    } catch {
      // The one of readdir itself.
    }
  }
  return { fds };
}

/** Syncs of .log files wait until they are let go; everything else is the system's. */
export class GatedEnv {
  /** Paths of syncs that wait, in order. */
  readonly waiting: { readonly path: string; readonly go: (errno?: string) => void }[] = [];
  syncCount = 0;
  /** On this thread. */
  blockingSyncCount = 0;
  /** Let through at once, for the directory's own sake. */
  open = true;
  /** Of syncs on this thread. */
  syncErrno: string | null = null;
  /** Of writes. */
  errno: string | null = null;
  readonly env: Env;

  constructor() {
    this.env = { ...systemEnv, open: (path, mode) => this.#open(path, mode) };
  }

  #open(path: string, mode: OpenMode): EnvFile {
    const file = systemEnv.open(path, mode);
    if (!path.endsWith('.log')) return file;
    const datasync = file.datasync.bind(file);
    const datasyncSync = file.datasyncSync.bind(file);
    file.datasyncSync = () => {
      this.blockingSyncCount++;
      if (this.syncErrno !== null) throw new IoError('fdatasync', path, this.syncErrno);
      datasyncSync();
    };
    const pwritev = file.pwritev.bind(file);
    file.pwritev = (buffers, position) => {
      if (this.errno !== null) throw new IoError('pwritev', path, this.errno);
      pwritev(buffers, position);
    };
    file.datasync = () => {
      this.syncCount++;
      if (this.open) return datasync();
      return new Promise((resolve, reject) => {
        const go = (errno?: string): void => {
          if (errno === undefined) datasync().then(resolve, reject);
          else reject(new IoError('fdatasync', path, errno));
        };
        this.waiting.push({ path, go });
      });
    };
    return file;
  }
}

/** Waits until `condition` holds, a turn of the event loop at a time. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 100_000) throw new Error('it never came to be');
    await new Promise(setImmediate);
  }
}

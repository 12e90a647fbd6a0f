/**
 * FaultyEnv: counts every call of an Env and its files, and makes the n-th one fail.
 *
 *     EIO, ENOSPC, EINTR   it throws, and did nothing
 *     short                a write that writes half, then finds the disk full
 *     kill-before          the process dies at the call
 *     kill-after           it dies when the call has done its work
 *     kill-middle          it dies with half of a write done
 *
 * Once, or from then on for every call of the same name: a disk that fails to sync goes on failing to
 * sync and can still be read. A composition (writeFileAtomic) counts by its steps.
 */

import { type Env, type EnvFile, writeFileAtomic, writeFileAtomicSync } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';

export const faultKinds = [
  'EIO',
  'ENOSPC',
  'EINTR',
  'short',
  'kill-before',
  'kill-after',
  'kill-middle',
] as const;

export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  /** Index of the call, from 0. */
  readonly at: number;
  readonly kind: FaultKind;
  readonly forever: boolean;
}

const WRITES = ['pwritev'];
const GROWS = ['open', 'mkdir', 'rename', 'pwritev', 'fdatasync', 'fsync'];
/** Where a signal may interrupt and neither libuv nor the addon goes on by itself. */
const INTERRUPTIBLE = ['open', 'pwritev', 'fdatasync', 'fsync', 'ftruncate'];

/** Whether a call of that name can fail so. */
export function canFail(call: string, kind: FaultKind): boolean {
  if (kind === 'ENOSPC') return GROWS.includes(call);
  if (kind === 'EINTR') return INTERRUPTIBLE.includes(call);
  if (kind === 'short' || kind === 'kill-middle') return WRITES.includes(call);
  return true;
}

export interface FaultyEnvOptions {
  /** Null: only counts. */
  readonly fault: Fault | null;
  /** Ends the process whose Env it is. */
  readonly kill: () => void;
  /** A sync of the path failed: what it was to write is lost. */
  readonly onSyncFailed: (path: string) => void;
}

export class FaultyEnv {
  /** Names of the calls so far. */
  readonly calls: string[] = [];
  readonly #options: FaultyEnvOptions;
  #fault: Fault | null;
  #failing: string | null = null;
  /** Calls that were made to fail. */
  failedCount = 0;

  constructor(options: FaultyEnvOptions) {
    this.#options = options;
    this.#fault = options.fault;
  }

  /** Of one process; those of several, one after another, are counted through. */
  wrap(inner: Env): Env {
    const env: Env = {
      open: (path, mode) => this.#wrapFile(this.#run('open', path, () => inner.open(path, mode))),
      mkdir: (path) => this.#run('mkdir', path, () => inner.mkdir(path)),
      readdir: (path) => this.#run('readdir', path, () => inner.readdir(path)),
      rename: (from, to) => this.#run('rename', from, () => inner.rename(from, to)),
      unlink: (path) => this.#run('unlink', path, () => inner.unlink(path)),
      rmdir: (path) => this.#run('rmdir', path, () => inner.rmdir(path)),
      stat: (path) => this.#run('stat', path, () => inner.stat(path)),
      exists: (path) => this.#run('stat', path, () => inner.exists(path)),
      syncDir: (path) => this.#runAsync('fsync', path, () => inner.syncDir(path)),
      syncDirSync: (path) => this.#run('fsync', path, () => inner.syncDirSync(path)),
      readFile: (path) => this.#run('read', path, () => inner.readFile(path)),
      writeFileAtomic: (path, bytes) => writeFileAtomic(env, path, bytes),
      writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(env, path, bytes),
      lockDir: (path) => this.#run('lock', path, () => inner.lockDir(path)),
    };
    return env;
  }

  /** The trouble is over: the disk was replaced, space was made. */
  heal(): void {
    this.#fault = null;
    this.#failing = null;
  }

  get healed(): boolean {
    return this.#fault === null;
  }

  /** The kind of failure of this call, or null. Counts it. */
  #next(call: string): FaultKind | null {
    const index = this.calls.length;
    this.calls.push(call);
    const fault = this.#fault;
    if (fault === null || !canFail(call, fault.kind)) return null;
    const begins = index === fault.at;
    if (begins && fault.forever) this.#failing = call;
    if (!begins && this.#failing !== call) return null;
    this.failedCount++;
    return fault.kind;
  }

  #run<T>(call: string, path: string, run: () => T, half?: () => void): T {
    const kind = this.#next(call);
    if (kind === null) return run();
    if (kind === 'kill-after') run();
    if (kind === 'kill-middle' || kind === 'short') half?.();
    throw this.#failure(call, path, kind);
  }

  async #runAsync(call: string, path: string, run: () => Promise<void>): Promise<void> {
    const kind = this.#next(call);
    if (kind === null) return run();
    if (kind === 'kill-after') await run();
    else if (kind === 'EIO' || kind === 'ENOSPC') this.#options.onSyncFailed(path);
    throw this.#failure(call, path, kind);
  }

  #failure(call: string, path: string, kind: FaultKind): IoError {
    if (kind.startsWith('kill')) this.#options.kill();
    const errno = kind === 'short' ? 'ENOSPC' : kind.startsWith('kill') ? 'EIO' : kind;
    return new IoError(call, path, errno, new Error('injected'));
  }

  #wrapFile(file: EnvFile): EnvFile {
    const { path } = file;
    const writeHalf = (buffers: readonly Uint8Array[], position: number): void => {
      const bytes = Buffer.concat(buffers);
      file.pwritev([bytes.subarray(0, bytes.length >> 1)], position);
    };
    return {
      fd: file.fd,
      path,
      pread: (target, targetOffset, length, position) =>
        this.#run('pread', path, () => file.pread(target, targetOffset, length, position)),
      pwritev: (buffers, position) =>
        this.#run(
          'pwritev',
          path,
          () => file.pwritev(buffers, position),
          () => writeHalf(buffers, position),
        ),
      truncate: (size) => this.#run('ftruncate', path, () => file.truncate(size)),
      size: () => this.#run('fstat', path, () => file.size()),
      allocate: (position, length) => file.allocate(position, length),
      datasync: (overwritten) =>
        this.#runAsync('fdatasync', path, () => file.datasync(overwritten)),
      datasyncSync: () => this.#run('fdatasync', path, () => file.datasyncSync()),
      // Its errors are ignored by the system too.
      close: () => file.close(),
    };
  }
}

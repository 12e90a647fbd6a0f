/**
 * An Env whose writes, syncs and openings fail or take long where a rule of the plan says so.
 *
 * A disk that is full heals by itself once the rule is gone; an I/O error of a write or a sync takes the
 * data directory offline until the broker is started anew, as it does in earnest. Reads by sendfile do
 * not come by here.
 */

import type { Clock } from '../base/clock.js';
import { type Env, type EnvFile, writeFileAtomic, writeFileAtomicSync } from '../file/env.js';
import { IoError } from '../file/io-error.js';
import { passed } from './apply-fault.js';
import type { DiskCall, FaultAction } from './fault-rule.js';

export interface FaultyDiskOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly decide: (call: DiskCall, path: string) => FaultAction | null;
}

export function faultyDisk({ env: inner, clock, decide }: FaultyDiskOptions): Env {
  const run = <T>(call: DiskCall, name: string, path: string, todo: () => T): T => {
    const action = decide(call, path);
    if (action !== null) {
      throwIfFailing(action, name, path);
      if (typeof action === 'object' && 'diskMs' in action) block(action.diskMs);
    }
    return todo();
  };
  const runLater = async (name: string, path: string, todo: () => Promise<void>): Promise<void> => {
    const action = decide('sync', path);
    if (action !== null) {
      throwIfFailing(action, name, path);
      if (typeof action === 'object' && 'diskMs' in action) {
        await passed(clock, action.diskMs);
      }
    }
    return todo();
  };
  const wrap = (file: EnvFile): EnvFile => {
    const { path } = file;
    return {
      fd: file.fd,
      path,
      pread: (target, targetOffset, length, position) =>
        file.pread(target, targetOffset, length, position),
      ...(file.preadLater === undefined ? {} : { preadLater: file.preadLater.bind(file) }),
      ...(file.walkBatches === undefined ? {} : { walkBatches: file.walkBatches.bind(file) }),
      ...(file.checksumBlocks === undefined
        ? {}
        : { checksumBlocks: file.checksumBlocks.bind(file) }),
      pwritev: (buffers, position) =>
        run('write', 'pwritev', path, () => file.pwritev(buffers, position)),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      allocate: (position, length) => file.allocate(position, length),
      datasync: (overwritten) => runLater('fdatasync', path, () => file.datasync(overwritten)),
      datasyncSync: () => run('sync', 'fdatasync', path, () => file.datasyncSync()),
      close: () => file.close(),
    };
  };
  const env: Env = {
    open: (path, mode) => run('open', 'open', path, () => wrap(inner.open(path, mode))),
    mkdir: (path) => run('open', 'mkdir', path, () => inner.mkdir(path)),
    readdir: (path) => inner.readdir(path),
    rename: (from, to) => inner.rename(from, to),
    unlink: (path) => inner.unlink(path),
    rmdir: (path) => inner.rmdir(path),
    stat: (path) => inner.stat(path),
    exists: (path) => inner.exists(path),
    syncDir: (path) => runLater('fsync', path, () => inner.syncDir(path)),
    syncDirSync: (path) => run('sync', 'fsync', path, () => inner.syncDirSync(path)),
    readFile: (path) => inner.readFile(path),
    writeFileAtomic: (path, bytes) => writeFileAtomic(env, path, bytes),
    writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(env, path, bytes),
    lockDir: (path) => inner.lockDir(path),
  };
  return env;
}

function throwIfFailing(action: FaultAction, call: string, path: string): void {
  if (action === 'disk-full') throw new IoError(call, path, 'ENOSPC', new Error('planned'));
  if (action === 'disk-error') throw new IoError(call, path, 'EIO', new Error('planned'));
}

/** A synchronous call that takes long holds its thread up, as a slow disk does. In real time. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

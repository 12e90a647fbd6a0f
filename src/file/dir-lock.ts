/**
 * One process per directory (R12). The lock is a `.lock` file in it, as Kafka names it, that says
 * who holds it so that the loser can tell:
 *
 *     line 1  process id
 *     line 2  start of that process in clock ticks since boot, from /proc; '-' where there is none
 *     line 3  `kernel`: held by flock(2) as long as the process lives, whatever the file says
 *             `file`:   taken without the addon
 *
 * With the addon the kernel decides, and lets go when the process dies. Without it the holder is
 * taken to live if a process of that id runs and started at that time. That is weaker: it does not
 * see a holder in another pid namespace or on another machine, and cannot tell a reused id from
 * the holder where there is no /proc. A taker with the addon respects a living `file` holder.
 *
 * Kafka's own lock is fcntl(2)'s, which flock does not meet: it keeps out other Millraces only.
 */

import * as fs from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { native } from '../native/binding.js';
import { ioErrorFrom, ioErrorFromResult } from './io-error.js';

/** A directory taken for this process until `release` or its end. */
export interface DirLock {
  readonly path: string;
  /** True: held by the kernel. False: only a file with a pid, without the addon. */
  readonly kernel: boolean;
  /** Idempotent. */
  release(): void;
}

/** Another holder has the directory. */
export class DirLockedError extends MillraceError {
  override name = 'DirLockedError';
  readonly path: string;
  /** Null if the holder did not say. */
  readonly holderPid: number | null;

  constructor(path: string, holderPid: number | null) {
    const holder = holderPid === null ? 'another process' : `process ${holderPid}`;
    super(`${path} is in use by ${holder}`, { code: 'DIRECTORY_LOCKED' });
    this.path = path;
    this.holderPid = holderPid;
  }
}

/** Takes `path`, an existing directory, at once or throws DirLockedError. */
export function lockDir(path: string): DirLock {
  const file = join(path, '.lock');
  try {
    return native === null ? lockByFile(path, file) : lockByKernel(path, file);
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw ioErrorFrom('lock', file, error);
  }
}

/**
 * Takes away what a thread of this process left that ended without a release; the caller knows that it
 * did. Only the file needs it: the kernel's locks went with the thread's descriptors.
 */
export function forgetLock(path: string): void {
  const file = join(path, '.lock');
  const holder = readHolder(file);
  if (holder?.kind === 'file' && holder.pid === process.pid) fs.unlinkSync(file);
}

/**
 * The process that holds an fcntl(2) lock on `file`, as a running Kafka does on its `.lock`; null if
 * none does, or where the kernel does not tell.
 */
export function posixLockHolder(file: string): number | null {
  try {
    const { ino } = fs.statSync(file);
    for (const line of fs.readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, type, , , pid, place = ''] = line.trim().split(/\s+/);
      if (type === 'POSIX' && place.endsWith(`:${ino}`)) return Number(pid);
    }
  } catch {
    // No such file, or no /proc here.
  }
  return null;
}

interface Holder {
  readonly pid: number;
  readonly started: string;
  readonly kind: string;
}

function lockByKernel(path: string, file: string): DirLock {
  if (native === null) throw new Error('the addon is loaded');
  const { LOCK_EX, LOCK_NB, EWOULDBLOCK } = native.constants;
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  let taken = false;
  try {
    const result = native.flock(fd, LOCK_EX | LOCK_NB);
    if (result === -EWOULDBLOCK) throw new DirLockedError(path, readHolder(file)?.pid ?? null);
    if (result < 0) throw ioErrorFromResult('flock', file, result);
    const holder = readHolder(file);
    if (holder !== null && holder.kind === 'file' && isAlive(holder)) {
      throw new DirLockedError(path, holder.pid);
    }
    fs.ftruncateSync(fd);
    fs.writeSync(fd, describe('kernel'), 0);
    taken = true;
  } finally {
    if (!taken) fs.closeSync(fd);
  }
  let held = true;
  return {
    path,
    kernel: true,
    release() {
      if (!held) return;
      held = false;
      // Emptied, not unlinked: an unlinked file could be locked by one process and missed by another.
      fs.ftruncateSync(fd);
      fs.closeSync(fd);
    },
  };
}

function lockByFile(path: string, file: string): DirLock {
  const holder = readHolder(file);
  if (holder !== null && isAlive(holder)) throw new DirLockedError(path, holder.pid);
  if (fs.existsSync(file)) setAside(path, file, holder);
  try {
    fs.writeFileSync(file, describe('file'), { flag: 'wx' });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
    throw new DirLockedError(path, readHolder(file)?.pid ?? null);
  }
  let held = true;
  return {
    path,
    kernel: false,
    release() {
      if (!held) return;
      held = false;
      fs.unlinkSync(file);
    },
  };
}

/** Moves a dead holder's file away; gives it back if another taker was faster and it is alive. */
function setAside(path: string, file: string, dead: Holder | null): void {
  const aside = `${file}.${process.pid}`;
  fs.renameSync(file, aside);
  try {
    const moved = readHolder(aside);
    if (moved === null || (moved.pid === dead?.pid && moved.started === dead.started)) return;
    if (!fs.existsSync(file)) fs.linkSync(aside, file);
    throw new DirLockedError(path, moved.pid);
  } finally {
    fs.unlinkSync(aside);
  }
}

function describe(kind: 'kernel' | 'file'): string {
  return `${process.pid}\n${startOf(process.pid) ?? '-'}\n${kind}\n`;
}

/** Null if the file is missing, empty (released) or not ours (Kafka's is empty). */
function readHolder(file: string): Holder | null {
  let text: string;
  try {
    text = fs.readFileSync(file, 'latin1');
  } catch {
    // Gone between two looks: nobody holds it.
    return null;
  }
  const [pidText = '', started = '', kind = ''] = text.split('\n');
  const pid = Number(pidText);
  return Number.isSafeInteger(pid) && pid > 0 ? { pid, started, kind } : null;
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as { code?: unknown }).code !== 'EPERM') return false;
  }
  const started = startOf(holder.pid);
  return started === null || holder.started === '-' || started === holder.started;
}

/** Field 22 of /proc/PID/stat, counted after the name, which may contain anything. */
function startOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    // No /proc here, or no such process.
    return null;
  }
}

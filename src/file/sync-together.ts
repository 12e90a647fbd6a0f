/**
 * Syncs of several files at the price of one (docs/adr/0007). fdatasync of a file that overwrites blocks
 * it has writes its pages, and then makes the disk empty its cache, which takes most of the time and is
 * of the whole disk:
 *
 *     a   write, flush           a   write          \
 *     b   write, flush           b   write           }  flush
 *     c   write, flush           c   write          /
 *
 * What is asked for in a turn of the event loop, and while such a job is under way, is one job of the
 * pool. A file alone has its fdatasync.
 *
 * Only on ext4 with its data outside the journal, where an overwritten block stays where it is. A file
 * system that copies on write (btrfs, XFS with reflinks) records a new place of each, which nobody would
 * make durable.
 */

import * as fs from 'node:fs';
import { native } from '../native/binding.js';

/** Bytes of a file that replaced others, whose blocks and the file's size an earlier sync made durable. */
export interface Overwritten {
  readonly position: number;
  readonly length: number;
}

interface Waiting extends Overwritten {
  readonly fd: number;
  /** 0 or -errno. */
  readonly done: (result: number) => void;
}

/** A list of the addon has 1,024 at most. */
const FILES_MAX = 256;
const FIELDS = 3;

/** The jobs of one file system: one at a time. */
export class SyncGroup {
  #waiting: Waiting[] = [];
  #busy = false;

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    const files = this.#waiting.splice(0, FILES_MAX);
    const [first] = files;
    if (first === undefined || native === null) {
      this.#busy = false;
      return;
    }
    const answer = (result: number, results?: Int32Array): void => {
      this.#next();
      for (const [index, { done }] of files.entries()) done(results?.[index] ?? result);
    };
    const queued =
      files.length === 1
        ? native.fdatasync(first.fd, answer)
        : native.syncTogether(listOf(files), answer);
    if (queued < 0) answer(queued);
  }
}

function listOf(files: readonly Waiting[]): Float64Array {
  const list = new Float64Array(FIELDS * files.length);
  let at = 0;
  for (const { fd, position, length } of files) {
    list[at++] = fd;
    list[at++] = position;
    list[at++] = length;
  }
  return list;
}

/** By device; null: a file system where each file needs a sync of its own. */
const groups = new Map<number, SyncGroup | null>();

/** What an open file shares its syncs with, or null. */
export function syncGroupOf(fd: number): SyncGroup | null {
  if (native === null) return null;
  const { dev } = fs.fstatSync(fd);
  let group = groups.get(dev);
  if (group === undefined) {
    group = overwritesInPlace(dev) ? new SyncGroup() : null;
    groups.set(dev, group);
  }
  return group;
}

/** False also where it cannot be told. */
function overwritesInPlace(dev: number): boolean {
  try {
    return inPlaceIn(fs.readFileSync('/proc/self/mountinfo', 'latin1'), dev);
  } catch {
    return false;
  }
}

/**
 * Whether the device of that number has a file system that overwrites blocks where they are, by the text of
 * /proc/self/mountinfo (proc_pid_mountinfo(5)):
 *
 *     36 35 98:0 / /data rw,noatime shared:1 - ext4 /dev/sda1 rw,data=ordered
 *           device                             type           options of the file system
 */
export function inPlaceIn(mounts: string, dev: number): boolean {
  const device = `${majorOf(dev)}:${minorOf(dev)}`;
  const found = mounts
    .split('\n')
    .map((line) => line.split(' - '))
    .filter(([mount]) => mount?.split(' ')[2] === device)
    .map(([, system = '']) => system.split(' '));
  return (
    found.length > 0 &&
    found.every(
      ([type, , options]) => type === 'ext4' && !options?.split(',').includes('data=journal'),
    )
  );
}

// As makedev(3) packs them.
function majorOf(dev: number): number {
  const high = Math.floor(dev / 2 ** 32) & 0xffff_f000;
  return ((dev >>> 8) & 0xfff) | high;
}

function minorOf(dev: number): number {
  const high = Math.floor(dev / 2 ** 12) & 0xffff_ff00;
  return (dev & 0xff) | high;
}

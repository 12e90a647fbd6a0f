/**
 * SimulatedDisk: a file system in memory that remembers what was synced and when, so that every
 * state a crash may leave can be made from one run:
 *
 *     run    write(a) rename(b) sync(a)........done write(a) ...      events, numbered
 *                                  ^ moment         ^ moment
 *     at(moment).image(kind, random)  ->  DiskImage  ->  new SimulatedDisk(image)
 *
 * A process works on it through an Env of its own and dies with `kill`: every call after that fails
 * and changes nothing, and the next process finds the page cache as it was, unsynced changes still
 * unsynced. Syncs take a turn or more of the event loop, by the seed.
 *
 * Descriptors are numbers of no meaning: reads go through pread.
 */

import { basename, dirname } from 'node:path';
import type { Clock } from '#src/base/clock.js';
import type { Random } from '#src/base/random.js';
import { DirLockedError } from '#src/file/dir-lock.js';
import {
  type Env,
  type EnvFile,
  type FileStat,
  type OpenMode,
  writeFileAtomic,
  writeFileAtomicSync,
} from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import type { Overwritten } from '#src/file/sync-together.js';
import { CrashPoint, type LateChange } from './crash-states.js';
import { type DiskChange, type DiskImage, emptyImage, ImageBuilder, ROOT } from './disk-image.js';

export interface SimulatedDiskOptions {
  readonly clock: Clock;
  /** For how long a sync takes. */
  readonly random: Random;
  /** All of it durable. */
  readonly image?: DiskImage;
  /** Keeps what `at` needs. Off: the disk only works (a state that is merely opened). */
  readonly history?: boolean;
}

export interface SimulatedProcess {
  readonly env: Env;
  /** Idempotent. */
  kill(): void;
}

type Unnumbered<T> = T extends DiskChange ? Omit<T, 'moment' | 'timeMs'> : never;

class Change {
  /** Number of the event by which it became durable. */
  durableMoment = Number.POSITIVE_INFINITY;
  /** A failed sync dropped it: the page cache shows it, the disk will never have it. */
  doomed = false;
  readonly change: DiskChange;

  constructor(change: DiskChange) {
    this.change = change;
  }
}

class LiveFile {
  size: number;
  modifiedMs: number;
  /** The size that the disk has for certain, with its blocks. */
  settledSize = 0;
  cutsCount = 0;
  #bytes: Uint8Array;
  #owned = false;

  constructor(bytes: Uint8Array, modifiedMs: number) {
    this.#bytes = bytes;
    this.size = bytes.length;
    this.modifiedMs = modifiedMs;
  }

  /** A view of what is there. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  write(bytes: Uint8Array, position: number): void {
    this.#own(position + bytes.length);
    this.#bytes.set(bytes, position);
    this.size = Math.max(this.size, position + bytes.length);
  }

  truncate(size: number): void {
    this.#own(size);
    // What comes back when the file grows again is zeros.
    if (size < this.size) this.#bytes.fill(0, size, this.size);
    this.size = size;
    this.settledSize = Math.min(this.settledSize, size);
    this.cutsCount++;
  }

  #own(capacity: number): void {
    if (this.#owned && capacity <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(capacity, this.size, this.#bytes.length * 2, 256));
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#owned = true;
  }
}

const FIRST_FD = 1_000_000_000;

export class SimulatedDisk {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #base: DiskImage;
  readonly #history: Change[] | null;
  readonly #files = new Map<number, LiveFile>();
  readonly #dirs = new Map<number, Map<string, number>>();
  /** Changes that no sync has covered, by node. */
  readonly #pending = new Map<number, Change[]>();
  #moment = 0;
  #nextNode = ROOT + 1;
  #nextFd = FIRST_FD;
  #openCount = 0;
  #hasDoomed = false;

  constructor({ clock, random, image = emptyImage, history = true }: SimulatedDiskOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#base = image;
    this.#history = history ? [] : null;
    for (const [node, { bytes, modifiedMs }] of image.files) {
      this.#files.set(node, new LiveFile(bytes, modifiedMs));
      this.#nextNode = Math.max(this.#nextNode, node + 1);
    }
    for (const [node, entries] of image.dirs) {
      this.#dirs.set(node, new Map(entries));
      this.#nextNode = Math.max(this.#nextNode, node + 1);
    }
    // A file of which nothing but the name was kept.
    for (const entries of image.dirs.values()) {
      for (const node of entries.values()) {
        if (this.#files.has(node) || this.#dirs.has(node)) continue;
        this.#files.set(node, new LiveFile(new Uint8Array(0), clock.nowMs()));
        this.#nextNode = Math.max(this.#nextNode, node + 1);
      }
    }
  }

  /** Number of the next event. */
  get moment(): number {
    return this.#moment;
  }

  /** Files that are open, of all processes: what does not return to 0 is a leak. */
  get openCount(): number {
    return this.#openCount;
  }

  /** What happened before `moment`. */
  at(moment: number): CrashPoint {
    if (this.#history === null) throw new Error('this disk keeps no history');
    const durable = new ImageBuilder(this.#base);
    const late: LateChange[] = [];
    const lateNodes = new Set<number>();
    for (const { change, durableMoment } of this.#history) {
      if (change.moment >= moment) break;
      const isDurable = durableMoment < moment;
      if (isDurable && !lateNodes.has(change.node)) {
        durable.apply(change);
        continue;
      }
      lateNodes.add(change.node);
      late.push({ change, durable: isDurable });
    }
    return new CrashPoint(moment, durable.build(), late);
  }

  /** The page cache as it is now. */
  imageNow(): DiskImage {
    const files = new Map<number, { bytes: Uint8Array; modifiedMs: number }>();
    for (const [node, file] of this.#files) {
      files.set(node, { bytes: new Uint8Array(file.bytes), modifiedMs: file.modifiedMs });
    }
    const dirs = new Map<number, ReadonlyMap<string, number>>();
    for (const [node, entries] of this.#dirs) dirs.set(node, new Map(entries));
    return { files, dirs };
  }

  /** A sync has failed: the page cache shows what the disk does not have. */
  get hasDoomed(): boolean {
    return this.#hasDoomed;
  }

  /** As after a sync that failed: what it was to write is gone for good, and later syncs do not tell. */
  doom(path: string): void {
    const node = this.#find(path);
    if (node === null) return;
    for (const entry of this.#pending.get(node) ?? []) entry.doomed = true;
    this.#hasDoomed = true;
    this.#pending.delete(node);
  }

  /** A process that works on this disk. */
  process(): SimulatedProcess {
    const process = new DiskProcess(this);
    return { env: process.env, kill: () => process.kill() };
  }

  // What follows is for processes.

  open(path: string, mode: OpenMode): { readonly node: number; readonly fd: number } {
    let node = this.#find(path);
    if (node === null) {
      if (mode === 'read' || mode === 'update') throw new IoError('open', path, 'ENOENT');
      node = this.#nextNode++;
      this.#files.set(node, new LiveFile(new Uint8Array(0), this.#clock.nowMs()));
      this.#link(path, node, false);
    } else if (mode === 'create-new') {
      throw new IoError('open', path, 'EEXIST');
    } else if (!this.#files.has(node)) {
      throw new IoError('open', path, 'EISDIR');
    }
    this.#openCount++;
    return { node, fd: this.#nextFd++ };
  }

  closed(): void {
    this.#openCount--;
  }

  fileOf(node: number): LiveFile {
    return this.#files.get(node) as LiveFile;
  }

  writeFile(node: number, bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const file = this.fileOf(node);
    file.write(bytes, position);
    file.modifiedMs = this.#clock.nowMs();
    // A copy: the slice of a Buffer is none.
    const keep = this.#history === null ? bytes : new Uint8Array(bytes);
    this.#note({ kind: 'write', node, position, bytes: keep });
  }

  truncateFile(node: number, size: number): void {
    const file = this.fileOf(node);
    if (size === file.size) return;
    file.truncate(size);
    file.modifiedMs = this.#clock.nowMs();
    this.#note({ kind: 'truncate', node, size });
  }

  /**
   * Makes durable what was changed before the call; with `overwritten` the writes to that range alone, and
   * of them what is within the size that a whole sync made durable.
   */
  async sync(node: number, overwritten?: Overwritten): Promise<void> {
    const pending = this.#pending.get(node)?.slice() ?? [];
    const covered = overwritten === undefined ? pending : this.#inPlace(node, pending, overwritten);
    const file = this.#files.get(node);
    const { size = 0, cutsCount = 0 } = file ?? {};
    const turns = this.#random.below(3);
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    if (file !== undefined && overwritten === undefined && cutsCount === file.cutsCount) {
      file.settledSize = size;
    }
    this.#synced(node, covered);
  }

  syncNow(node: number): void {
    const file = this.#files.get(node);
    if (file !== undefined) file.settledSize = file.size;
    this.#synced(node, this.#pending.get(node)?.slice() ?? []);
  }

  #inPlace(node: number, pending: readonly Change[], { position, length }: Overwritten): Change[] {
    const end = Math.min(position + length, this.fileOf(node).settledSize);
    return pending.filter(
      ({ change }) =>
        change.kind === 'write' &&
        change.position >= position &&
        change.position + change.bytes.length <= end,
    );
  }

  mkdir(path: string): void {
    if (path === '/' || path === '') return;
    const found = this.#find(path);
    if (found !== null) {
      if (!this.#dirs.has(found)) throw new IoError('mkdir', path, 'EEXIST');
      return;
    }
    this.mkdir(dirname(path));
    const node = this.#nextNode++;
    this.#dirs.set(node, new Map());
    this.#link(path, node, true);
  }

  readdir(path: string): string[] {
    return [...this.#dirAt('readdir', path).keys()];
  }

  rename(from: string, to: string): void {
    const [dir, child] = [this.#find(dirname(from)), this.#find(from)];
    if (dir === null || child === null) throw new IoError('rename', from, 'ENOENT');
    if (dirname(from) !== dirname(to)) throw new Error('rename across directories');
    const entries = this.#dirs.get(dir) as Map<string, number>;
    const replaced = entries.get(basename(to));
    if (replaced !== undefined && this.#dirs.has(replaced)) {
      throw new IoError('rename', from, 'ENOTEMPTY');
    }
    entries.delete(basename(from));
    entries.set(basename(to), child);
    this.#note({ kind: 'rename', node: dir, name: basename(from), to: basename(to), child });
  }

  unlink(path: string): void {
    this.#remove('unlink', path, (node) => (this.#files.has(node) ? null : 'EISDIR'));
  }

  rmdir(path: string): void {
    this.#remove('rmdir', path, (node) => {
      const entries = this.#dirs.get(node);
      if (entries === undefined) return 'ENOTDIR';
      return entries.size === 0 ? null : 'ENOTEMPTY';
    });
  }

  stat(path: string): FileStat | null {
    const node = this.#find(path);
    if (node === null) return null;
    const file = this.#files.get(node);
    if (file === undefined) return { size: 0, modifiedMs: 0, inode: node, directory: true };
    const { size, modifiedMs } = file;
    return { size, modifiedMs, inode: node, directory: false };
  }

  readFile(path: string): Buffer {
    const node = this.#find(path);
    const file = node === null ? undefined : this.#files.get(node);
    if (file === undefined) throw new IoError('read', path, node === null ? 'ENOENT' : 'EISDIR');
    return Buffer.from(file.bytes);
  }

  nodeOfDir(syscall: string, path: string): number {
    this.#dirAt(syscall, path);
    return this.#find(path) as number;
  }

  #remove(syscall: string, path: string, problem: (node: number) => string | null): void {
    const [dir, child] = [this.#find(dirname(path)), this.#find(path)];
    if (dir === null || child === null) throw new IoError(syscall, path, 'ENOENT');
    const errno = problem(child);
    if (errno !== null) throw new IoError(syscall, path, errno);
    this.#dirs.get(dir)?.delete(basename(path));
    this.#note({ kind: 'unlink', node: dir, name: basename(path), child });
  }

  #link(path: string, child: number, directory: boolean): void {
    const entries = this.#dirAt('open', dirname(path));
    const node = this.#find(dirname(path)) as number;
    entries.set(basename(path), child);
    this.#note({ kind: 'link', node, name: basename(path), child, directory });
  }

  #dirAt(syscall: string, path: string): Map<string, number> {
    const node = this.#find(path);
    const entries = node === null ? undefined : this.#dirs.get(node);
    if (entries === undefined) throw new IoError(syscall, path, 'ENOENT');
    return entries;
  }

  #find(path: string): number | null {
    let node: number = ROOT;
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      const child = this.#dirs.get(node)?.get(name);
      if (child === undefined) return null;
      node = child;
    }
    return node;
  }

  #note(change: Unnumbered<DiskChange>): void {
    const moment = this.#moment++;
    if (this.#history === null) return;
    const entry = new Change({ ...change, moment, timeMs: this.#clock.nowMs() });
    this.#history.push(entry);
    const pending = this.#pending.get(change.node);
    if (pending === undefined) this.#pending.set(change.node, [entry]);
    else pending.push(entry);
  }

  #synced(node: number, covered: readonly Change[]): void {
    const moment = this.#moment++;
    if (this.#history === null) return;
    for (const entry of covered) {
      if (!entry.doomed && entry.durableMoment > moment) entry.durableMoment = moment;
    }
    const pending = this.#pending.get(node);
    if (pending === undefined) return;
    const rest = pending.filter((entry) => entry.durableMoment > moment && !entry.doomed);
    this.#pending.set(node, rest);
  }
}

/** The calls of one process, and their end. */
class DiskProcess {
  readonly env: Env;
  readonly #disk: SimulatedDisk;
  readonly #locks = new Set<string>();
  #alive = true;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    const call = <T>(syscall: string, path: string, run: () => T): T => {
      this.check(syscall, path);
      return run();
    };
    const env: Env = {
      open: (path, mode) => call('open', path, () => new DiskFile(this, disk, path, mode)),
      mkdir: (path) => call('mkdir', path, () => disk.mkdir(path)),
      readdir: (path) => call('readdir', path, () => disk.readdir(path)),
      rename: (from, to) => call('rename', from, () => disk.rename(from, to)),
      unlink: (path) => call('unlink', path, () => disk.unlink(path)),
      rmdir: (path) => call('rmdir', path, () => disk.rmdir(path)),
      stat: (path) => call('stat', path, () => disk.stat(path)),
      exists: (path) => call('stat', path, () => disk.stat(path) !== null),
      syncDir: async (path) => {
        this.check('fsync', path);
        await disk.sync(disk.nodeOfDir('fsync', path));
        this.check('fsync', path);
      },
      syncDirSync: (path) => call('fsync', path, () => disk.syncNow(disk.nodeOfDir('fsync', path))),
      readFile: (path) => call('read', path, () => disk.readFile(path)),
      writeFileAtomic: (path, bytes) => writeFileAtomic(env, path, bytes),
      writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(env, path, bytes),
      lockDir: (path) =>
        call('lock', path, () => {
          if (this.#locks.has(path)) throw new DirLockedError(path, null);
          this.#locks.add(path);
          return { path, kernel: true, release: () => void this.#locks.delete(path) };
        }),
    };
    this.env = env;
  }

  kill(): void {
    this.#alive = false;
  }

  check(syscall: string, path: string): void {
    if (!this.#alive) throw new IoError(syscall, path, 'EIO', new Error('the process is dead'));
  }

  /** What a dying process began to sync still comes through, but it does not learn of that. */
  async sync(node: number, path: string, overwritten?: Overwritten): Promise<void> {
    this.check('fdatasync', path);
    await this.#disk.sync(node, overwritten);
    this.check('fdatasync', path);
  }
}

class DiskFile implements EnvFile {
  readonly fd: number;
  readonly path: string;
  readonly #process: DiskProcess;
  readonly #disk: SimulatedDisk;
  readonly #node: number;
  readonly #writable: boolean;
  #open = true;

  constructor(process: DiskProcess, disk: SimulatedDisk, path: string, mode: OpenMode) {
    const { node, fd } = disk.open(path, mode);
    this.#process = process;
    this.#disk = disk;
    this.#node = node;
    this.#writable = mode !== 'read';
    this.fd = fd;
    this.path = path;
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    this.#check('pread');
    const { bytes } = this.#disk.fileOf(this.#node);
    const count = Math.max(0, Math.min(length, bytes.length - position));
    target.set(bytes.subarray(position, position + count), targetOffset);
    return count;
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    this.#check('pwritev', true);
    const bytes = buffers.length === 1 ? (buffers[0] as Uint8Array) : Buffer.concat(buffers);
    this.#disk.writeFile(this.#node, bytes, position);
  }

  truncate(size: number): void {
    this.#check('ftruncate', true);
    this.#disk.truncateFile(this.#node, size);
  }

  size(): number {
    this.#check('fstat');
    return this.#disk.fileOf(this.#node).size;
  }

  allocate(): boolean {
    this.#check('fallocate');
    return false;
  }

  async datasync(overwritten?: Overwritten): Promise<void> {
    this.#check('fdatasync');
    await this.#process.sync(this.#node, this.path, overwritten);
  }

  datasyncSync(): void {
    this.#check('fdatasync');
    this.#disk.syncNow(this.#node);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#disk.closed();
  }

  #check(syscall: string, writes = false): void {
    this.#process.check(syscall, this.path);
    if (!this.#open || (writes && !this.#writable)) throw new IoError(syscall, this.path, 'EBADF');
  }
}

/**
 * The file system of a test broker: the system's, but
 *
 *   - nothing is synced. Page cache outlives the process, so that even `kill` loses nothing; only a power
 *     cut would, and the directory is thrown away before that.
 *   - small files are overwritten where the engine replaces them. A worker that is ended in between
 *     leaves what the engine takes from the file's copy, or does without.
 *   - what it does in the thread pool is counted, so that a virtual clock can wait until nothing is.
 *   - `sever` ends it as a kill -9 ends a process: from then on nothing that was open is written.
 */

import {
  type Env,
  type EnvFile,
  type OpenMode,
  systemEnv,
  writeFileAtomic,
  writeFileAtomicSync,
} from '../file/env.js';
import { ioErrorFrom } from '../file/io-error.js';

export class TestEnv {
  readonly env: Env;
  #generation = 0;
  #severed = false;
  #pendingCount = 0;
  #onIdle: (() => void)[] = [];
  /** Files that are to replace others, by path. */
  readonly #drafts = new Map<string, Draft>();

  constructor() {
    const write = <T>(path: string, call: () => T): T => {
      if (this.#severed) throw severedError(path);
      return call();
    };
    const env: Env = {
      ...systemEnv,
      open: (path, mode) =>
        mode === 'read' ? this.#open(path, mode) : write(path, () => this.#open(path, mode)),
      mkdir: (path) => write(path, () => systemEnv.mkdir(path)),
      rename: (from, to) => write(from, () => this.#rename(from, to)),
      exists: (path) => this.#drafts.has(path) || systemEnv.exists(path),
      unlink: (path) =>
        write(path, () => {
          if (!this.#drafts.delete(path)) systemEnv.unlink(path);
        }),
      rmdir: (path) => write(path, () => systemEnv.rmdir(path)),
      syncDir: async (path) => write(path, () => {}),
      syncDirSync: (path) => write(path, () => {}),
      writeFileAtomic: (path, bytes) => writeFileAtomic(env, path, bytes),
      writeFileAtomicSync: (path, bytes) => writeFileAtomicSync(env, path, bytes),
    };
    this.env = env;
  }

  /** Nothing is under way in the thread pool. */
  get isIdle(): boolean {
    return this.#pendingCount === 0;
  }

  /** Settles when nothing is under way in the thread pool. */
  idle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Writes fail from now on, and those to files that are open now for ever. */
  sever(): void {
    this.#severed = true;
    this.#drafts.clear();
    this.#generation++;
  }

  /** For the next broker on the directory. */
  revive(): void {
    this.#severed = false;
  }

  #open(path: string, mode: OpenMode): EnvFile {
    if (mode === 'create' && path.endsWith('.tmp')) {
      const draft = new Draft(path);
      this.#drafts.set(path, draft);
      return draft;
    }
    const generation = this.#generation;
    return new TestFile(systemEnv.open(path, mode), {
      isSevered: () => this.#generation !== generation,
      count: (work) => this.#count(work),
    });
  }

  #rename(from: string, to: string): void {
    const draft = this.#drafts.get(from);
    if (draft === undefined) {
      systemEnv.rename(from, to);
      return;
    }
    this.#drafts.delete(from);
    draft.writeTo(to);
  }

  async #count<T>(work: Promise<T>): Promise<T> {
    this.#pendingCount++;
    try {
      return await work;
    } finally {
      this.#pendingCount--;
      if (this.#pendingCount === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }
}

/**
 * A file NAME.tmp that is about to replace NAME. It stays in memory until it does, and then is written
 * over the other one, if it says anything new: to make and to rename a file costs a file system
 * milliseconds where others sync, and checkpoints mostly say what they said before.
 */
class Draft implements EnvFile {
  readonly fd = -1;
  readonly path: string;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.path = path;
  }

  writeTo(path: string): void {
    const file = systemEnv.open(path, 'create');
    try {
      const size = file.size();
      const old = Buffer.allocUnsafe(size);
      file.pread(old, 0, size, 0);
      if (old.equals(this.#bytes)) return;
      if (this.#bytes.length > 0) file.pwritev([this.#bytes], 0);
      if (size > this.#bytes.length) file.truncate(this.#bytes.length);
    } finally {
      file.close();
    }
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const found = this.#bytes.subarray(position, position + length);
    target.set(found, targetOffset);
    return found.length;
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    const written = Buffer.concat(buffers);
    const end = position + written.length;
    if (end > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], end);
    }
    this.#bytes.set(written, position);
  }

  truncate(size: number): void {
    this.#bytes = Buffer.concat([this.#bytes], size);
  }

  size(): number {
    return this.#bytes.length;
  }

  allocate(): boolean {
    return false;
  }

  async datasync(): Promise<void> {}

  datasyncSync(): void {}

  close(): void {}
}

interface FileHost {
  readonly isSevered: () => boolean;
  readonly count: <T>(work: Promise<T>) => Promise<T>;
}

class TestFile implements EnvFile {
  readonly fd: number;
  readonly path: string;
  readonly preadLater?: NonNullable<EnvFile['preadLater']>;
  readonly walkBatches?: NonNullable<EnvFile['walkBatches']>;
  readonly checksumBlocks?: NonNullable<EnvFile['checksumBlocks']>;
  readonly #file: EnvFile;
  readonly #host: FileHost;

  constructor(file: EnvFile, host: FileHost) {
    this.fd = file.fd;
    this.path = file.path;
    this.#file = file;
    this.#host = host;
    if (file.preadLater !== undefined) this.preadLater = counted(file, file.preadLater, host);
    if (file.walkBatches !== undefined) this.walkBatches = counted(file, file.walkBatches, host);
    if (file.checksumBlocks !== undefined) {
      this.checksumBlocks = counted(file, file.checksumBlocks, host);
    }
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    return this.#file.pread(target, targetOffset, length, position);
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    this.#checkOpen();
    this.#file.pwritev(buffers, position);
  }

  truncate(size: number): void {
    this.#checkOpen();
    this.#file.truncate(size);
  }

  size(): number {
    return this.#file.size();
  }

  allocate(position: number, length: number): boolean {
    return !this.#host.isSevered() && this.#file.allocate(position, length);
  }

  async datasync(): Promise<void> {
    this.#checkOpen();
  }

  datasyncSync(): void {
    this.#checkOpen();
  }

  close(): void {
    this.#file.close();
  }

  #checkOpen(): void {
    if (this.#host.isSevered()) throw severedError(this.path);
  }
}

function counted<Given extends unknown[], T>(
  file: EnvFile,
  method: (...given: Given) => Promise<T>,
  { count }: FileHost,
): (...given: Given) => Promise<T> {
  return (...given) => count(method.apply(file, given));
}

function severedError(path: string): Error {
  const cause = Object.assign(new Error('the broker was killed'), { code: 'EIO' });
  return ioErrorFrom('write', path, cause);
}

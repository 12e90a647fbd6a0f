/**
 * An Env on the real file system that fails where a test says: the n-th call of an operation, once or
 * from then on, with an errno, and for writes after a part of the bytes.
 */

import {
  type Env,
  type EnvFile,
  type OpenMode,
  systemEnv,
  writeFileAtomic,
  writeFileAtomicSync,
} from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import type { Overwritten } from '#src/file/sync-together.js';

export interface Fault {
  /** E.g. 'pwritev', 'truncate', 'datasync', 'rename', 'open'. */
  readonly operation: string;
  /** From 1: which call since the fault was set. */
  readonly call: number;
  readonly errno: string;
  /** Every call from there on, not only that one. */
  readonly forever?: boolean;
  /** Bytes that a failing write leaves in the file. */
  readonly written?: number;
  /** Only files whose path ends so. */
  readonly suffix?: string;
}

export class FaultyEnv implements Env {
  /** Calls made, in order: 'operation path'. */
  readonly calls: string[] = [];
  #faults: { fault: Fault; count: number }[] = [];

  fail(fault: Fault): void {
    this.#faults.push({ fault, count: 0 });
  }

  heal(): void {
    this.#faults = [];
  }

  /** Notes the call; answers the fault that strikes it. */
  strike(operation: string, path: string): Fault | null {
    this.calls.push(`${operation} ${path}`);
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (fault.operation !== operation || !path.endsWith(fault.suffix ?? '')) continue;
      entry.count++;
      if (entry.count === fault.call || (fault.forever === true && entry.count > fault.call)) {
        return fault;
      }
    }
    return null;
  }

  check(operation: string, path: string): void {
    const fault = this.strike(operation, path);
    if (fault !== null) throw new IoError(operation, path, fault.errno);
  }

  open(path: string, mode: OpenMode): EnvFile {
    this.check('open', path);
    return new FaultyFile(this, systemEnv.open(path, mode));
  }

  mkdir(path: string): void {
    this.check('mkdir', path);
    systemEnv.mkdir(path);
  }

  readdir(path: string): string[] {
    this.check('readdir', path);
    return systemEnv.readdir(path);
  }

  rename(from: string, to: string): void {
    this.check('rename', from);
    systemEnv.rename(from, to);
  }

  unlink(path: string): void {
    this.check('unlink', path);
    systemEnv.unlink(path);
  }

  rmdir(path: string): void {
    this.check('rmdir', path);
    systemEnv.rmdir(path);
  }

  stat(path: string): ReturnType<Env['stat']> {
    this.check('stat', path);
    return systemEnv.stat(path);
  }

  exists(path: string): boolean {
    return systemEnv.exists(path);
  }

  async syncDir(path: string): Promise<void> {
    this.check('syncDir', path);
    await systemEnv.syncDir(path);
  }

  syncDirSync(path: string): void {
    this.check('syncDir', path);
    systemEnv.syncDirSync(path);
  }

  readFile(path: string): Buffer {
    this.check('readFile', path);
    return systemEnv.readFile(path);
  }

  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    return writeFileAtomic(this, path, bytes);
  }

  writeFileAtomicSync(path: string, bytes: Uint8Array): void {
    writeFileAtomicSync(this, path, bytes);
  }

  lockDir(path: string): ReturnType<Env['lockDir']> {
    return systemEnv.lockDir(path);
  }
}

class FaultyFile implements EnvFile {
  readonly fd: number;
  readonly path: string;
  #env: FaultyEnv;
  #file: EnvFile;

  constructor(env: FaultyEnv, file: EnvFile) {
    this.fd = file.fd;
    this.path = file.path;
    this.#env = env;
    this.#file = file;
  }

  pread(target: Uint8Array, targetOffset: number, length: number, position: number): number {
    this.#env.check('pread', this.path);
    return this.#file.pread(target, targetOffset, length, position);
  }

  pwritev(buffers: readonly Uint8Array[], position: number): void {
    const fault = this.#env.strike('pwritev', this.path);
    if (fault === null) {
      this.#file.pwritev(buffers, position);
      return;
    }
    const part = Buffer.concat(buffers).subarray(0, fault.written ?? 0);
    if (part.length > 0) this.#file.pwritev([part], position);
    throw new IoError('pwritev', this.path, fault.errno);
  }

  truncate(size: number): void {
    this.#env.check('truncate', this.path);
    this.#file.truncate(size);
  }

  size(): number {
    return this.#file.size();
  }

  allocate(position: number, length: number): boolean {
    if (this.#env.strike('allocate', this.path) !== null) return false;
    return this.#file.allocate(position, length);
  }

  async datasync(overwritten?: Overwritten): Promise<void> {
    this.#env.check('datasync', this.path);
    await this.#file.datasync(overwritten);
  }

  datasyncSync(): void {
    this.#env.check('datasync', this.path);
    this.#file.datasyncSync();
  }

  close(): void {
    this.#file.close();
  }
}

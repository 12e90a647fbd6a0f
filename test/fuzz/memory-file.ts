/** Files in memory, read only, for decoders that read through an Env. */

import type { Env, EnvFile } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';

export type FileEnv = Pick<Env, 'open' | 'exists' | 'readdir' | 'readFile'>;

/** `files` by the last part of their path. */
export function memoryEnv(files: ReadonlyMap<string, Uint8Array>): Env {
  const at = (path: string): Uint8Array | undefined =>
    files.get(path.slice(path.lastIndexOf('/') + 1));
  const env: FileEnv = {
    exists: (path) => at(path) !== undefined,
    readdir: () => [...files.keys()],
    readFile(path) {
      const bytes = at(path);
      if (bytes === undefined) throw new IoError('read', path, 'ENOENT');
      return Buffer.from(bytes);
    },
    open(path) {
      const bytes = at(path);
      if (bytes === undefined) throw new IoError('open', path, 'ENOENT');
      return memoryFile(path, bytes);
    },
  };
  return env as Env;
}

export function memoryFile(path: string, bytes: Uint8Array): EnvFile {
  const readOnly = (): never => {
    throw new Error('a file that is only read');
  };
  return {
    fd: -1,
    path,
    pread(target, targetOffset, length, position) {
      const part = bytes.subarray(position, position + length);
      target.set(part, targetOffset);
      return part.length;
    },
    size: () => bytes.length,
    pwritev: readOnly,
    truncate: readOnly,
    allocate: readOnly,
    datasync: readOnly,
    datasyncSync: readOnly,
    close() {},
  };
}

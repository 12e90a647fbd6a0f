/**
 * Errors of the operating system as MillraceErrors: a stable code, the path, the system call and the
 * cause. The only place where an errno becomes a code.
 *
 *     ENOSPC EDQUOT EFBIG   NO_SPACE          the disk, the quota or the file is full
 *     ENOENT                NOT_FOUND
 *     EEXIST                ALREADY_EXISTS
 *     ENOTEMPTY             NOT_EMPTY
 *     EACCES EPERM EROFS    ACCESS_DENIED
 *     EMFILE ENFILE         TOO_MANY_FILES
 *     anything else         IO_ERROR          EIO above all
 */

import { getSystemErrorName } from 'node:util';
import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';

export type IoErrorCode =
  | 'IO_ERROR'
  | 'NO_SPACE'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'NOT_EMPTY'
  | 'ACCESS_DENIED'
  | 'TOO_MANY_FILES';

const codes: Readonly<Record<string, IoErrorCode>> = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EFBIG: 'NO_SPACE',
  ENOENT: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  ENOTEMPTY: 'NOT_EMPTY',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  EROFS: 'ACCESS_DENIED',
  EMFILE: 'TOO_MANY_FILES',
  ENFILE: 'TOO_MANY_FILES',
};

/** A system call that failed on a file or directory. */
export class IoError extends MillraceError {
  override name = 'IoError';
  readonly path: string;
  readonly syscall: string;
  /** As the system names it, e.g. 'ENOSPC'; 'UNKNOWN' if it did not say. */
  readonly errno: string;

  constructor(syscall: string, path: string, errno: string, cause?: unknown) {
    const code = codes[errno] ?? 'IO_ERROR';
    super(`${syscall} ${path}: ${errno}`, { code, cause, retriable: code === 'TOO_MANY_FILES' });
    this.path = path;
    this.syscall = syscall;
    this.errno = errno;
  }
}

/** Wraps what node:fs threw. */
export function ioErrorFrom(syscall: string, path: string, cause: unknown): IoError {
  const errno = (cause as { code?: unknown } | null)?.code;
  return new IoError(syscall, path, typeof errno === 'string' ? errno : 'UNKNOWN', cause);
}

/** Wraps the -errno that a native call answered. */
export function ioErrorFromResult(syscall: string, path: string, result: number): IoError {
  assert(result < 0, 'a result >= 0 is no error');
  let errno = 'UNKNOWN';
  try {
    errno = getSystemErrorName(result);
  } catch {
    // An errno that libuv has no name for keeps its number.
    errno = `E${-result}`;
  }
  return new IoError(syscall, path, errno, new Error(`${syscall} answered ${result}`));
}

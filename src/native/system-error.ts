/**
 * From the addon's -errno to an error that says which call failed, on what, and why. The errno is
 * never dropped: it is in the message, in `errno` (negative, as Node has it) and in `errnoName`.
 */

import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';

const errnoNames = new Map(
  Object.entries(constants.errno)
    .reverse() // of two names for one number (EAGAIN, EWOULDBLOCK) the first stays
    .map(([name, errno]) => [errno, name]),
);

/** `code` is NO_SPACE where the disk or the quota is full, else IO_ERROR. */
export class SystemError extends MillraceError {
  override name = 'SystemError';
  /** Negative. */
  readonly errno: number;
  /** 'EIO', 'ENOSPC', ... */
  readonly errnoName: string;
  readonly syscall: string;
  readonly path: string | null;

  constructor(syscall: string, result: number, path: string | null, cause?: unknown) {
    const errnoName = errnoNames.get(-result) ?? `errno ${-result}`;
    // libuv has texts for most of them, but no EDQUOT, for one.
    const reason = getSystemErrorMap().get(result)?.[1];
    const what = `${syscall}${path === null ? '' : ` ${path}`}: ${errnoName}`;
    super(reason === undefined ? what : `${what}, ${reason}`, {
      code: errnoName === 'ENOSPC' || errnoName === 'EDQUOT' ? 'NO_SPACE' : 'IO_ERROR',
      cause,
    });
    this.errno = result;
    this.errnoName = errnoName;
    this.syscall = syscall;
    this.path = path;
  }
}

/** The error of a call that answered `result` < 0. */
export function systemError(syscall: string, result: number, path?: string): SystemError {
  assert(Number.isInteger(result) && result < 0, `${syscall} answered ${result}, no error`);
  return new SystemError(syscall, result, path ?? null);
}

/** Answers `result` if it is >= 0, else throws its error. */
export function checked(result: number, syscall: string, path?: string): number {
  if (result < 0) throw systemError(syscall, result, path);
  return result;
}

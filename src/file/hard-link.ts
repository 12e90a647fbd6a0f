/** Second names and copies of files: what a snapshot is made of. */

import * as fs from 'node:fs';
import { ioErrorFrom } from './io-error.js';

/** Gives the file a second name; false where the file system cannot (another one, or none of links). */
export function hardLink(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(String(code))) {
      return false;
    }
    throw ioErrorFrom('link', from, error);
  }
}

/** A copy; where the file system can, one that shares blocks until either is written. */
export function copyFile(from: string, to: string): void {
  try {
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
  } catch (error) {
    throw ioErrorFrom('copy', from, error);
  }
}

/** Keeps the time of the one on the other. */
export function copyTimes(from: string, to: string): void {
  try {
    const { atime, mtime } = fs.statSync(from);
    fs.utimesSync(to, atime, mtime);
  } catch (error) {
    throw ioErrorFrom('utimes', to, error);
  }
}

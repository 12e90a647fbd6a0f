/**
 * Temporary directories that go with the process: what was not removed by its owner is removed when the
 * process ends of itself. After a kill -9 they stay, named by the process that made them.
 */

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { ioErrorFrom } from './io-error.js';

const made = new Set<string>();
let armed = false;

/** A new, empty directory below the system's temporary one: PREFIX-PID-RANDOM. */
export function makeTempDir(prefix: string): string {
  const at = join(tmpdir(), `${prefix}-${process.pid}-`);
  let path: string;
  try {
    path = fs.mkdtempSync(at);
  } catch (error) {
    throw ioErrorFrom('mkdtemp', at, error);
  }
  made.add(path);
  if (!armed) {
    armed = true;
    process.on('exit', removeAll);
  }
  return path;
}

/** Makes `path` if it is not there. Throws ALREADY_EXISTS if it has to be empty and is not. */
export function makeDir(path: string, empty: boolean): string {
  const dir = resolve(path);
  let names: string[];
  try {
    fs.mkdirSync(dir, { recursive: true });
    names = fs.readdirSync(dir);
  } catch (error) {
    throw ioErrorFrom('mkdir', dir, error);
  }
  if (!empty || names.length === 0) return dir;
  throw new MillraceError(`${dir} is not empty`, { code: 'ALREADY_EXISTS' });
}

/** Whoever made it keeps it: it stays when the process ends. */
export function keepTempDir(path: string): void {
  made.delete(path);
}

/** With all that is in it; no error if it is gone. */
export function removeTree(path: string): void {
  try {
    fs.rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    throw ioErrorFrom('rm', path, error);
  }
  made.delete(path);
}

function removeAll(): void {
  for (const path of made) {
    try {
      removeTree(path);
    } catch {
      // Nobody is left to be told.
    }
  }
}

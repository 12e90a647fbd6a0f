/** A small file and its copy: which of the two is believed, and what is written anew. */

import { readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { COPY_SUFFIX, KeptFile } from '#src/log/kept-file.js';
import { tempDir } from '../file/temp-dir.js';

interface Kept {
  readonly path: string;
  readonly warnings: string[];
  readonly file: KeptFile;
  /** By a process that comes later. */
  readonly readAnew: () => string | undefined;
}

async function kept(t: Parameters<typeof tempDir>[0], text: string): Promise<Kept> {
  const path = join(tempDir(t), 'checkpoint');
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const logger = { info: () => {}, warn, error: warn };
  const newFile = (): KeptFile => new KeptFile({ env: systemEnv, logger, path });
  const file = newFile();
  await file.write(Buffer.from(text));
  const readAnew = (): string | undefined => {
    const later = newFile();
    const bytes = later.read();
    later.settle();
    return bytes?.toString();
  };
  return { path, warnings, file, readAnew };
}

/** Other bytes in the same file, at the same time. */
function rot(path: string, change: (bytes: Buffer) => void): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

t.test('every flip and cut of either file reads as what was written', async (t) => {
  const path = join(tempDir(t), 'checkpoint');
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  const text = '0\n1\norders 0 42\n';
  // A time that can be set again as it was.
  const time = new Date(1_700_000_000_000);
  const env = {
    ...systemEnv,
    rename(from: string, to: string): void {
      systemEnv.rename(from, to);
      utimesSync(to, time, time);
    },
    writeFileAtomic: async (to: string, bytes: Uint8Array) => {
      await systemEnv.writeFileAtomic(to, bytes);
      utimesSync(to, time, time);
    },
  };
  await new KeptFile({ env, logger, path }).write(Buffer.from(text));
  const files = [path, path + COPY_SUFFIX].map((name) => ({ name, bytes: readFileSync(name) }));
  let wrong = 0;
  let cases = 0;
  const check = (name: string, bytes: Buffer): void => {
    cases++;
    writeFileSync(name, bytes);
    utimesSync(name, time, time);
    if (new KeptFile({ env, logger, path }).read()?.toString() !== text) wrong++;
  };
  for (const { name, bytes } of files) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit % 8));
      check(name, flipped);
    }
    for (let size = 0; size < bytes.length; size++) check(name, bytes.subarray(0, size));
    writeFileSync(name, bytes);
    utimesSync(name, time, time);
  }
  t.equal(cases, 9 * (16 + 16 + 28));
  t.equal(wrong, 0);
});

t.test('a file that rotted is written anew from its copy, with one warning', async (t) => {
  const { path, warnings, readAnew } = await kept(t, 'start 120\n');
  utimesSync(path, 1, 1);
  t.equal(readAnew(), 'start 120\n', 'another time: the file is believed, and copied');
  t.same(warnings, []);
  rot(path, (bytes) => bytes.write('9', 6));
  t.equal(readAnew(), 'start 120\n');
  t.equal(warnings.length, 1);
  t.equal(readFileSync(path, 'utf8'), 'start 120\n');
  t.equal(readAnew(), 'start 120\n');
  t.equal(warnings.length, 1, 'healed');
});

t.test('a file that is gone or cut comes back', async (t) => {
  const { path, readAnew } = await kept(t, 'start 120\n');
  rmSync(path);
  t.equal(readAnew(), 'start 120\n');
  t.equal(readFileSync(path, 'utf8'), 'start 120\n');
  utimesSync(path, 1, 1);
  readAnew();
  truncateSync(path, 3);
  utimesSync(path, 1, 1);
  t.equal(readAnew(), 'start 120\n');
});

t.test('a file that somebody else wrote is the newer one', async (t) => {
  const { path, warnings, readAnew } = await kept(t, 'start 120\n');
  await systemEnv.writeFileAtomic(path, Buffer.from('start 999\n'));
  t.equal(readAnew(), 'start 999\n');
  t.same(warnings, []);
  rmSync(path);
  t.equal(readAnew(), 'start 999\n', 'and has a copy now');
});

t.test('after a crash between the two the file is believed', async (t) => {
  const { path, file, readAnew } = await kept(t, 'start 120\n');
  const oldFile = readFileSync(path);
  const oldCopy = readFileSync(path + COPY_SUFFIX);
  await file.write(Buffer.from('start 130\n'));
  writeFileSync(path + COPY_SUFFIX, oldCopy);
  t.equal(readAnew(), 'start 130\n', 'the copy is the older one');
  await file.write(Buffer.from('start 140\n'));
  await systemEnv.writeFileAtomic(path, oldFile);
  t.equal(readAnew(), 'start 120\n', 'the file is');
});

t.test('what cannot be written is reported, and read all the same', async (t) => {
  const { path, readAnew } = await kept(t, 'start 120\n');
  rmSync(path + COPY_SUFFIX);
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const env = {
    ...systemEnv,
    rename: () => {
      throw new Error('no');
    },
  };
  const file = new KeptFile({ env, logger: { info: () => {}, warn, error: warn }, path });
  t.equal(file.read()?.toString(), 'start 120\n');
  t.notOk(file.verified);
  file.settle();
  t.same(warnings, ['the copy of a file is not written']);
  t.equal(readAnew(), 'start 120\n');
});

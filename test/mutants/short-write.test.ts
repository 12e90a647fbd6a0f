/**
 * Short writes: the system takes a part of what it is given, without an error. Node's writes are made
 * short here, so that every path that uses them is held to go on where the system stopped.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { native } from '#src/native/binding.js';
import { tempDir } from '../log/log-fixture.js';

const { writeSync, writevSync } = fs;

/** At most `limit` bytes a call from now on; answers how often it was called. */
function makeShort(limit: number): () => number {
  let calls = 0;
  const short = (
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): number => {
    calls++;
    return writeSync(fd, bytes, offset, Math.min(length, limit), position);
  };
  fs.writeSync = short as typeof fs.writeSync;
  fs.writevSync = ((fd: number, buffers: readonly Uint8Array[], position: number) => {
    const joined = Buffer.concat(buffers);
    return short(fd, joined, 0, joined.length, position);
  }) as typeof fs.writevSync;
  syncBuiltinESMExports();
  return () => calls;
}

t.afterEach(() => {
  fs.writeSync = writeSync;
  fs.writevSync = writevSync;
  syncBuiltinESMExports();
});

t.test('a write that was cut short is continued', (t) => {
  const path = join(tempDir(t), 'file');
  const file = systemEnv.open(path, 'create-new');
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  const calls = makeShort(300);
  file.pwritev([bytes], 7);
  t.equal(calls(), 4);
  t.same(systemEnv.readFile(path).subarray(7), bytes);
  file.close();
  t.end();
});

t.test('so is one of several buffers, wherever it was cut', (t) => {
  const dir = tempDir(t);
  const buffers = [10, 0, 1, 300, 7, 64].map((size, i) => Buffer.alloc(size, i + 1));
  for (let limit = 1; limit < 400; limit += 13) {
    const path = join(dir, `file-${limit}`);
    const file = systemEnv.open(path, 'create-new');
    const calls = makeShort(limit);
    file.pwritev(buffers, 0);
    // With the addon it is the addon that writes.
    t.equal(calls(), native === null ? Math.ceil(382 / limit) : 0, `at most ${limit} bytes`);
    t.same(systemEnv.readFile(path), Buffer.concat(buffers));
    file.close();
  }
  t.end();
});

t.test('no progress is an error, not a loop', (t) => {
  const file = systemEnv.open(join(tempDir(t), 'file'), 'create-new');
  makeShort(0);
  t.throws(() => file.pwritev([Buffer.alloc(10)], 0), { code: 'IO_ERROR' });
  if (native === null) {
    t.throws(() => file.pwritev([Buffer.alloc(10), Buffer.alloc(1)], 0), { code: 'IO_ERROR' });
  }
  file.close();
  t.end();
});

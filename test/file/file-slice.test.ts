import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { SharedFile } from '#src/file/file-slice.js';
import { tempDir } from './temp-dir.js';

t.test('a slice outlives the closing and the deletion of its file', async (t) => {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, '0123456789');
  const shared = new SharedFile(systemEnv.open(path, 'read'));
  const slice = shared.slice(2, 5);
  t.same([slice.position, slice.length, slice.fd], [2, 5, shared.file.fd]);
  unlinkSync(path);
  shared.release();
  let idle = false;
  const becameIdle = shared.idle().then(() => {
    idle = true;
  });
  const target = Buffer.alloc(4, 'x');
  t.equal(slice.copyTo(target, 1, 1, 3), 3);
  t.equal(target.toString(), 'x345');
  slice.retain();
  slice.release();
  await Promise.resolve();
  t.equal(idle, false, 'one holder is left');
  slice.release();
  await becameIdle;
  t.equal(shared.holderCount, 0);
  await shared.idle();
  t.throws(() => slice.release(), /released twice/);
  t.throws(() => slice.copyTo(target, 0, 0, 1), /after release/);
  t.throws(() => shared.slice(0, 1), /closed file/);
});

t.test('copyTo answers fewer bytes if the file was cut short, and refuses other ranges', (t) => {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, '0123456789');
  const shared = new SharedFile(systemEnv.open(path, 'update'));
  const slice = shared.slice(4, 6);
  const target = Buffer.alloc(6);
  shared.file.truncate(7);
  t.equal(slice.copyTo(target, 0, 0, 6), 3);
  t.throws(() => slice.copyTo(target, 0, 3, 4), /outside/);
  t.throws(() => shared.slice(0, 0), /length/);
  slice.release();
  shared.release();
  t.end();
});

/** Syncs of several files at the price of one: who may share, and that each is answered. */

import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemEnv } from '#src/file/env.js';
import { inPlaceIn, syncGroupOf } from '#src/file/sync-together.js';
import { native } from '#src/native/binding.js';
import { tempDir } from './temp-dir.js';

const line = (device: string, system: string): string =>
  `36 35 ${device} / /data rw,relatime shared:1 - ${system}\n`;

t.test('only where a block stays where it is', (t) => {
  const dev = 0xfe01; // 254:1
  const allowed = (text: string): boolean => inPlaceIn(text, dev);
  t.equal(allowed(line('254:1', 'ext4 /dev/vda rw,discard')), true);
  t.equal(allowed(line('254:1', 'ext4 /dev/vda rw,data=ordered')), true);
  t.equal(allowed(line('254:1', 'ext4 /dev/vda rw,data=journal')), false);
  t.equal(allowed(line('254:1', 'xfs /dev/vda rw')), false);
  t.equal(allowed(line('254:1', 'btrfs /dev/vda rw')), false);
  t.equal(allowed(line('254:2', 'ext4 /dev/vda rw')), false, 'another device');
  t.equal(allowed(''), false);
  t.equal(allowed('nonsense\n - \n'), false);
  const two = line('254:1', 'ext4 /dev/vda rw') + line('254:1', 'ext4 /dev/vda rw,data=journal');
  t.equal(allowed(two), false, 'mounted twice: the worse of them');
  const large = 2 ** 20 * 0x123 + 2 ** 8 * 0x45 + 0x67; // makedev(0x45, 0x12367)
  t.equal(inPlaceIn(line('69:74599', 'ext4 /dev/x rw'), large), true);
  t.end();
});

t.test('every file is answered, also one that is closed meanwhile', async (t) => {
  const dir = tempDir(t);
  const files = Array.from({ length: 300 }, (_, i) => {
    const file = systemEnv.open(join(dir, `${i}`), 'create-new');
    file.pwritev([Buffer.alloc(4096, 1)], 0);
    return file;
  });
  await Promise.all(files.map((file) => file.datasync()));
  for (let round = 0; round < 3; round++) {
    for (const file of files) file.pwritev([Buffer.alloc(100, 2)], 100 * round);
    const range = { position: 100 * round, length: 100 };
    const syncs = files.map((file) => file.datasync(range));
    if (round === 2) for (const file of files) file.close();
    t.equal((await Promise.all(syncs)).length, files.length);
  }
});

t.test('an error is of the file that has it', async (t) => {
  const dir = tempDir(t);
  const paths = ['a', 'fifo', 'b'].map((name) => join(dir, name));
  for (const [i, path] of paths.entries()) {
    if (i === 1) t.equal(spawnSync('mkfifo', [path]).status, 0);
    else writeFileSync(path, 'abc');
  }
  const files = paths.map((path) => systemEnv.open(path, 'update'));
  const range = { position: 0, length: 3 };
  const results = await Promise.allSettled(files.map((file) => file.datasync(range)));
  const states = results.map(({ status }) => status);
  t.same(states, ['fulfilled', 'rejected', 'fulfilled']);
  for (const file of files) file.close();
});

t.test('files of one file system share', (t) => {
  const dir = tempDir(t);
  const files = ['a', 'b'].map((name) => systemEnv.open(join(dir, name), 'create-new'));
  const [a, b] = files.map((file) => syncGroupOf(file.fd));
  t.equal(a, b);
  if (native === null) t.equal(a, null);
  t.comment(`device ${statSync(dir).dev}: ${a === null ? 'each for itself' : 'together'}`);
  for (const file of files) file.close();
  t.end();
});

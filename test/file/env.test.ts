import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type OpenMode, systemEnv, unlinkedFilesGone } from '#src/file/env.js';
import { FaultyEnv } from './faulty-env.js';
import { tempDir } from './temp-dir.js';

t.test('pwritev writes all buffers in order, however many, and pread reads them', (t) => {
  const path = join(tempDir(t), 'file');
  const file = systemEnv.open(path, 'create');
  t.teardown(() => file.close());
  // More than one vectored call takes, with empty ones in between.
  const buffers = Array.from({ length: 3000 }, (_, index) =>
    Buffer.from(index % 7 === 0 ? '' : `${index},`),
  );
  const whole = Buffer.concat(buffers);
  file.pwritev(buffers, 5);
  t.equal(file.size(), 5 + whole.length);
  const target = Buffer.alloc(whole.length + 10, 0xee);
  t.equal(file.pread(target, 2, target.length - 2, 5), whole.length, 'short only at the end');
  t.ok(target.subarray(2, 2 + whole.length).equals(whole));
  t.equal(target[1], 0xee);
  t.equal(target[2 + whole.length], 0xee);
  t.equal(file.pread(target, 0, 4, 1_000_000), 0, 'nothing beyond the end');
  file.pwritev([Buffer.from('X')], 0);
  file.pwritev([Buffer.alloc(0)], 0);
  file.truncate(1);
  t.equal(readFileSync(path, 'latin1'), 'X');
  t.end();
});

t.test('the name of a file is gone at once, its descriptor soon', async (t) => {
  const path = join(tempDir(t), 'file');
  writeFileSync(path, 'x');
  systemEnv.unlink(path);
  t.notOk(existsSync(path));
  await unlinkedFilesGone();
  t.notOk(isHeld(path));
  t.throws(() => systemEnv.unlink(path), { code: 'NOT_FOUND', syscall: 'unlink' });
});

/** Whether a descriptor of this process is of the file that had this name. */
function isHeld(path: string): boolean {
  const dir = '/proc/self/fd';
  if (!existsSync(dir)) return false;
  const targets = readdirSync(dir).map((fd) => {
    try {
      return readlinkSync(join(dir, fd));
    } catch {
      // Closed since, as the one of the listing itself is.
      return '';
    }
  });
  return targets.includes(`${path} (deleted)`);
}

t.test('a failed call throws a code, the path, the call, the errno and the cause', (t) => {
  const dir = tempDir(t);
  const missing = join(dir, 'none', 'file');
  writeFileSync(join(dir, 'there'), 'x');
  const { open } = systemEnv;
  const asNotFound = { code: 'NOT_FOUND', path: missing, errno: 'ENOENT', syscall: 'open' };
  for (const mode of ['read', 'update', 'create', 'create-new'] satisfies OpenMode[]) {
    t.throws(() => open(missing, mode), asNotFound, mode);
  }
  t.throws(() => open(join(dir, 'there'), 'create-new'), { code: 'ALREADY_EXISTS' });
  t.throws(() => systemEnv.unlink(missing), { code: 'NOT_FOUND', syscall: 'unlink' });
  t.throws(() => systemEnv.rename(missing, dir), { code: 'NOT_FOUND' });
  t.throws(() => systemEnv.readdir(missing), { code: 'NOT_FOUND' });
  t.throws(() => systemEnv.readFile(missing), { code: 'NOT_FOUND' });
  t.throws(() => systemEnv.rmdir(dir), { code: 'NOT_EMPTY' });
  t.throws(() => systemEnv.syncDirSync(missing), { code: 'NOT_FOUND' });
  t.equal(systemEnv.stat(missing), null);
  t.equal(systemEnv.exists(join(dir, 'there')), true);
  t.equal(systemEnv.stat(join(dir, 'there'))?.size, 1);
  t.equal(systemEnv.stat(dir)?.directory, true);
  t.end();
});

t.test('a full device is NO_SPACE, and what a short count was followed by is seen', (t) => {
  if (!existsSync('/dev/full')) {
    t.comment('no /dev/full here');
    return t.end();
  }
  const file = systemEnv.open('/dev/full', 'update');
  t.teardown(() => file.close());
  t.throws(() => file.pwritev([Buffer.from('x')], 0), { code: 'NO_SPACE', errno: 'ENOSPC' });
  t.throws(() => file.pwritev([Buffer.from('x'), Buffer.from('y')], 0), { code: 'NO_SPACE' });
  return t.end();
});

t.test('a loop of links is an I/O error that keeps its errno', (t) => {
  const path = join(tempDir(t), 'loop');
  symlinkSync(path, path);
  t.throws(() => systemEnv.open(path, 'read'), { code: 'IO_ERROR', errno: 'ELOOP' });
  t.end();
});

t.test('datasync settles, also when the file is closed meanwhile', async (t) => {
  const dir = tempDir(t);
  const file = systemEnv.open(join(dir, 'file'), 'create');
  file.pwritev([Buffer.alloc(10_000)], 0);
  const syncs = [file.datasync(), file.datasync(), file.datasync()];
  file.close();
  file.close();
  await Promise.all(syncs);
  await systemEnv.syncDir(dir);
  systemEnv.syncDirSync(dir);
  await t.rejects(systemEnv.syncDir(join(dir, 'none')), { code: 'NOT_FOUND' });
});

t.test('allocate reserves blocks and leaves the size', (t) => {
  const path = join(tempDir(t), 'file');
  const file = systemEnv.open(path, 'create');
  t.teardown(() => file.close());
  file.pwritev([Buffer.from('abc')], 0);
  if (!file.allocate(3, 4 * 1024 * 1024)) {
    t.comment('cannot reserve here');
    return t.end();
  }
  t.equal(file.size(), 3);
  t.ok(statSync(path).blocks * 512 >= 4 * 1024 * 1024, 'blocks are reserved');
  file.truncate(3);
  t.ok(statSync(path).blocks * 512 <= 64 * 1024, 'truncating to the same size gives them back');
  return t.end();
});

t.test('an atomic write leaves the old or the new content, whatever fails', async (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'checkpoint');
  await systemEnv.writeFileAtomic(path, Buffer.from('old'));
  const failing = [
    ['open', 'EMFILE', 'old'],
    ['truncate', 'EIO', 'old'],
    ['pwritev', 'ENOSPC', 'old'],
    ['datasync', 'EIO', 'old'],
    ['rename', 'EIO', 'old'],
    ['syncDir', 'EIO', 'new'],
  ] as const;
  for (const [operation, errno, content] of failing) {
    await systemEnv.writeFileAtomic(path, Buffer.from('old'));
    const env = new FaultyEnv();
    env.fail({ operation, call: 1, errno, written: 1 });
    await t.rejects(env.writeFileAtomic(path, Buffer.from('new')), new RegExp(errno), operation);
    t.equal(readFileSync(path, 'latin1'), content, operation);
    const again = new FaultyEnv();
    again.fail({ operation, call: 1, errno, written: 1 });
    systemEnv.writeFileAtomicSync(path, Buffer.from('old'));
    t.throws(
      () => again.writeFileAtomicSync(path, Buffer.from('new')),
      new RegExp(errno),
      operation,
    );
    t.equal(readFileSync(path, 'latin1'), content, operation);
  }
  // The order that makes it atomic: bytes are synced before the name is.
  const env = new FaultyEnv();
  await env.writeFileAtomic(path, Buffer.from('newer'));
  t.same(
    env.calls.map((call) => call.replace(dir, '')),
    [
      'open /checkpoint.tmp',
      'truncate /checkpoint.tmp',
      'pwritev /checkpoint.tmp',
      'datasync /checkpoint.tmp',
      'rename /checkpoint.tmp',
      'syncDir ',
    ],
  );
  t.equal(readFileSync(path, 'latin1'), 'newer');
  t.same(readdirSync(dir), ['checkpoint']);
});

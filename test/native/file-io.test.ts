import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { native } from '#src/native/binding.js';
import { straceMissing, traceProgram } from '../support/strace.js';
import {
  addon,
  needsNative,
  openDescriptors,
  pattern,
  temporaryDirectory,
  temporaryFile,
  unpooled,
} from './support.js';

const constants = native?.constants;
const errno = (name: 'EBADF' | 'EINVAL' | 'ENOENT' | 'EWOULDBLOCK'): number =>
  -(constants?.[name] ?? Number.NaN);

t.test('pwritev and preadv move the concatenation of their buffers', needsNative, async (t) => {
  const { fd, path } = temporaryFile(t, new Uint8Array(0));
  const parts = [unpooled('ab'), new Uint8Array(0), unpooled('cde'), unpooled('f')];
  t.equal(addon().pwritev(fd, parts, 3), 6);
  t.equal(readFileSync(path, 'latin1'), '\0\0\0abcdef');
  const targets = [Buffer.alloc(4), Buffer.alloc(10)];
  t.equal(addon().preadv(fd, targets, 4), 5, 'short at the end of the file');
  t.equal(Buffer.concat(targets).toString('latin1', 0, 5), 'bcdef');
  t.equal(addon().preadv(fd, targets, 100), 0, 'nothing beyond it');
  t.equal(addon().pwritev(fd, [], 0), 0, 'nothing to do');
});

t.test('a short count is continued with the first offset', needsNative, async (t) => {
  const { fd, path } = temporaryFile(t, new Uint8Array(0));
  const parts = [unpooled('abc'), unpooled('de'), unpooled('fgh')];
  for (let from = 0; from <= 8; from++) {
    t.equal(addon().pwritev(fd, parts, from, from), 8 - from, `from ${from}`);
    t.equal(addon().writev(fd, parts, from), 8 - from);
    const targets = [Buffer.alloc(3), Buffer.alloc(5)];
    t.equal(addon().preadv(fd, targets, 0, from), 8 - from);
    t.equal(Buffer.concat(targets).toString('latin1', from), 'abcdefgh'.slice(0, 8 - from));
  }
  t.equal(readFileSync(path, 'latin1').slice(0, 8), 'abcdefgh');
  t.equal(addon().pwritev(fd, parts, 0, 9), errno('EINVAL'), 'past the end of the list');
});

t.test('more buffers than one call takes: a short count', needsNative, async (t) => {
  const { fd, path } = temporaryFile(t, new Uint8Array(0));
  const max = addon().constants.IOV_MAX;
  const parts = Array.from({ length: max + 10 }, (_, at) => unpooled(Uint8Array.of(at & 0xff)));
  t.equal(addon().pwritev(fd, parts, 0), max);
  t.equal(addon().pwritev(fd, parts, max, max), 10);
  t.same(readFileSync(path), Buffer.concat(parts));
  const tooMany = new Array<Buffer>(16 * max + 1).fill(unpooled('x'));
  t.equal(addon().pwritev(fd, tooMany, 0), errno('EINVAL'), 'lists have a bound');
});

t.test(
  'a list whose accessor detaches an earlier buffer reads no freed memory',
  needsNative,
  async (t) => {
    const { fd, path } = temporaryFile(t, new Uint8Array(0));
    const victim = new Uint8Array(100_000).fill(7);
    const list = [victim, new Uint8Array(1)];
    Object.defineProperty(list, 1, {
      get() {
        structuredClone(victim.buffer, { transfer: [victim.buffer] });
        return unpooled('z');
      },
    });
    t.equal(addon().pwritev(fd, list, 0), 1);
    t.equal(readFileSync(path, 'latin1'), 'z');
    Object.defineProperty(list, 1, {
      get() {
        throw new RangeError('mine');
      },
    });
    t.throws(() => addon().pwritev(fd, list, 0), /mine/, 'what it throws comes out');
  },
);

t.test('positions beyond 4 GiB', needsNative, async (t) => {
  const { fd } = temporaryFile(t, new Uint8Array(0));
  const position = 5 * 2 ** 30 + 3;
  t.equal(addon().pwritev(fd, [unpooled('far')], position), 3);
  t.equal(fstatSync(fd).size, position + 3);
  const target = Buffer.alloc(3);
  t.equal(addon().preadv(fd, [target], position), 3);
  t.equal(target.toString(), 'far');
});

t.test('a bad descriptor answers -EBADF everywhere', needsNative, async (t) => {
  const calls: [string, number][] = [
    ['pwritev', addon().pwritev(-1, [unpooled('x')], 0)],
    ['preadv', addon().preadv(-1, [Buffer.alloc(1)], 0)],
    ['writev', addon().writev(-1, [unpooled('x')])],
    ['fallocate', addon().fallocate(-1, 0, 0, 1)],
    ['flock', addon().flock(-1, addon().constants.LOCK_UN)],
    ['dup', addon().dup(-1)],
    ['close', addon().close(-1)],
    ['shutdown', addon().shutdown(-1, 2)],
    ['fdatasync', addon().fdatasync(-1, () => t.fail('called back'))],
    [
      'syncTogether',
      addon().syncTogether(new Float64Array([9999, 0, 1]), () => t.fail('called back')),
    ],
    ['prefetch', addon().prefetch(-1, 0, 1, 0, () => t.fail('called back'))],
    ['dropPages', addon().dropPages(-1, 0, 1, () => t.fail('called back'))],
    ['residentBytes', addon().residentBytes(-1, 0, 1)],
  ];
  for (const [name, result] of calls) t.equal(result, errno('EBADF'), name);
  const { path } = temporaryFile(t, unpooled('x'));
  const readOnly = openSync(path, 'r');
  t.equal(addon().pwritev(readOnly, [unpooled('y')], 0), errno('EBADF'), 'opened for reading');
  closeSync(readOnly);
});

t.test('fallocate with KEEP_SIZE takes room and leaves the size', needsNative, async (t) => {
  const { fd } = temporaryFile(t, unpooled('x'));
  const { FALLOC_FL_KEEP_SIZE } = addon().constants;
  t.equal(addon().fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
  const { size, blocks } = fstatSync(fd);
  t.equal(size, 1);
  t.ok(blocks * 512 >= 1 << 20);
  t.equal(addon().fallocate(fd, 0, 0, 4096), 0);
  t.equal(fstatSync(fd).size, 4096);
  t.equal(addon().fallocate(fd, 0, 0, 0), errno('EINVAL'));
});

t.test('fsyncDir syncs directories and nothing else', needsNative, async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'ünter'));
  const before = openDescriptors();
  t.equal(addon().fsyncDir(directory), 0);
  t.equal(addon().fsyncDir(join(directory, 'ünter')), 0, 'any characters');
  t.equal(addon().fsyncDir(join(directory, 'absent')), errno('ENOENT'));
  t.ok(addon().fsyncDir(temporaryFile(t, unpooled('x')).path) < 0, 'a file');
  t.equal(addon().fsyncDir(`${directory}\0absent`), errno('EINVAL'), 'no NUL');
  t.equal(openDescriptors(), before + 1, 'leaves nothing open but the file of this test');
});

t.test('flock holds other descriptions off until it is given back', needsNative, async (t) => {
  const { LOCK_EX, LOCK_NB, LOCK_UN, LOCK_SH } = addon().constants;
  const { fd, path } = temporaryFile(t, unpooled('x'));
  const other = openSync(path, 'r');
  t.equal(addon().flock(fd, LOCK_EX | LOCK_NB), 0);
  t.equal(addon().flock(other, LOCK_EX | LOCK_NB), errno('EWOULDBLOCK'));
  t.equal(addon().flock(other, LOCK_SH | LOCK_NB), errno('EWOULDBLOCK'));
  t.equal(addon().flock(fd, LOCK_UN), 0);
  t.equal(addon().flock(other, LOCK_EX | LOCK_NB), 0);
  closeSync(other);
  t.equal(addon().flock(fd, LOCK_EX | LOCK_NB), 0, 'closing gives it back');
});

t.test('dup makes a descriptor of its own for the same file', needsNative, async (t) => {
  const { path } = temporaryFile(t, unpooled('abc'));
  const fd = openSync(path, 'r');
  const copy = addon().dup(fd);
  t.ok(copy > 2 && copy !== fd);
  closeSync(fd);
  const target = Buffer.alloc(3);
  t.equal(addon().preadv(copy, [target], 0), 3);
  t.equal(fstatSync(copy).ino, statSync(path).ino);
  t.equal(addon().close(copy), 0);
  t.equal(addon().close(copy), errno('EBADF'));
});

t.test('fdatasync owns its descriptor: the caller may close at once', needsNative, async (t) => {
  const { path } = temporaryFile(t, unpooled('abc'));
  const before = openDescriptors();
  const results = await Promise.all(
    Array.from({ length: 20 }, () => {
      const fd = openSync(path, 'r+');
      addon().pwritev(fd, [pattern(5000)], 0);
      return new Promise<number>((resolve) => {
        t.equal(addon().fdatasync(fd, resolve), 0);
        closeSync(fd);
        closeSync(openSync(path, 'r')); // takes the number again
      });
    }),
  );
  t.same(new Set(results), new Set([0]));
  t.equal(openDescriptors(), before);
});

t.test('syncTogether answers for each file, and owns its descriptors', needsNative, async (t) => {
  const paths = [1, 2, 3].map(() => temporaryFile(t, unpooled('abc')).path);
  const before = openDescriptors();
  const device = openSync('/dev/null', 'r');
  const fds = paths.map((path) => openSync(path, 'r+'));
  const files = [fds[0], device, fds[1], fds[2]].flatMap((fd) => [fd as number, 0, 3]);
  const results = await new Promise<Int32Array>((resolve, reject) => {
    const queued = addon().syncTogether(new Float64Array(files), (result, each) => {
      if (result === 0) resolve(each);
      else reject(new Error(`result ${result}`));
    });
    t.equal(queued, 0);
    for (const fd of [...fds, device]) closeSync(fd);
  });
  const [first, ofDevice, ...others] = results;
  t.same([first, ...others], [0, 0, 0]);
  t.ok((ofDevice as number) < 0, `not a file: ${ofDevice}`);
  t.equal(openDescriptors(), before);
});

const untraced = native === null ? 'no addon' : straceMissing();
const skipTrace = native === null || process.env['CI'] !== 'true' ? (untraced ?? false) : false;
if (skipTrace !== false) console.log(`# SKIPPED: what syncTogether calls, ${skipTrace}`);

t.test(
  'syncTogether writes and waits for each, then flushes once',
  { skip: skipTrace },
  async (t) => {
    const paths = [1, 2, 3].map(() => temporaryFile(t, unpooled('abc')).path);
    const script = `const { native } = await import(${JSON.stringify(import.meta.resolve('#src/native/binding.js'))});
    const { openSync } = await import('node:fs');
    const fds = ${JSON.stringify(paths)}.map((path) => openSync(path, 'r+'));
    native.syncTogether(new Float64Array(fds.flatMap((fd) => [fd, 0, 3])), () => {});`;
    const traced = traceProgram(process.execPath, ['--input-type=module', '--eval', script], {
      syscalls: ['sync_file_range', 'fdatasync', 'fsync'],
    });
    const calls = await traced.calls();
    const [a, b, c] = paths;
    t.same(
      calls.map(({ name, files }) => `${name} ${files.join()}`),
      [
        ...[a, b, c, a, b, c].map((path) => `sync_file_range ${path}`),
        `fdatasync ${c}`, // after all of them
      ],
    );
  },
);

t.test('a disk that cannot be flushed is an error of every file', needsNative, async (t) => {
  const { path } = temporaryFile(t, unpooled('abc'));
  const fd = openSync(path, 'r+');
  const device = openSync('/dev/null', 'r');
  // The last one is what the fdatasync is made of; a device takes none.
  const files = new Float64Array([fd, 0, 3, device, 0, 3]);
  const results = await new Promise<Int32Array>((resolve) =>
    addon().syncTogether(files, (_, each) => resolve(each)),
  );
  t.equal(results[0], errno('EINVAL'));
  t.ok((results[1] as number) < 0);
  closeSync(fd);
  closeSync(device);
});

t.test('fdatasync of what cannot be synced answers so in the callback', needsNative, async (t) => {
  const fd = openSync('/dev/null', 'r');
  const result = await new Promise((resolve) => addon().fdatasync(fd, resolve));
  t.equal(result, errno('EINVAL'));
  closeSync(fd);
});

t.test('what a pool callback throws is an uncaught exception', needsNative, async (t) => {
  const script = `const { native } = await import(${JSON.stringify(import.meta.resolve('#src/native/binding.js'))});
    process.once('uncaughtException', (error) => {
      console.log(error.message);
      process.exit(7);
    });
    native.fdatasync(1, () => { throw new Error('from the pool'); });`;
  const args = ['--input-type=module', '--eval', script];
  const { status, stdout } = spawnSync(process.execPath, args, { timeout: 20_000 });
  t.equal(status, 7);
  t.equal(stdout.toString(), 'from the pool\n');
});

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import * as walk from '#src/record/batch-walk.js';
import { addon, needsNative, temporaryDirectory } from './support.js';

const bindingUrl = import.meta.resolve('#src/native/binding.js');

/** What a new process sees of the binding under these variables. */
function loadWith(variables: Record<string, string>): { native: boolean; message: string | null } {
  const script = `import { native, nativeError } from ${JSON.stringify(bindingUrl)};
    console.log(JSON.stringify({ native: native !== null, message: nativeError?.message ?? null }));`;
  const env = { ...process.env, MILLRACE_NATIVE: '', ...variables };
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { env });
  return JSON.parse(said.toString()) as { native: boolean; message: string | null };
}

t.test('MILLRACE_NATIVE=0 forces the fallback and says so', async (t) => {
  const { native, message } = loadWith({ MILLRACE_NATIVE: '0' });
  t.equal(native, false);
  t.match(message, /MILLRACE_NATIVE=0/);
});

t.test('an addon that is not there, or is none, is a value and no exception', async (t) => {
  const directory = temporaryDirectory(t);
  const absent = loadWith({ MILLRACE_NATIVE_PATH: join(directory, 'absent.node') });
  t.same(absent, { native: false, message: 'the addon is not built' });
  const broken = join(directory, 'broken.node');
  writeFileSync(broken, 'no shared object');
  const refused = loadWith({ MILLRACE_NATIVE_PATH: broken });
  t.equal(refused.native, false);
  t.match(refused.message, /broken\.node/);
});

t.test('an addon of another interface is refused', async (t) => {
  const other = join(temporaryDirectory(t), 'other.cjs');
  writeFileSync(other, 'module.exports = { interfaceVersion: -1 };');
  const { native, message } = loadWith({ MILLRACE_NATIVE_PATH: other });
  t.equal(native, false);
  t.match(message, /another version/);
});

t.test('the addon loads where it is built', needsNative, async (t) => {
  t.same(loadWith({}), { native: true, message: null });
});

t.test('constants are those of the system', needsNative, async (t) => {
  const ours = addon().constants as unknown as Record<string, number>;
  for (const [name, value] of Object.entries(constants.errno)) {
    if (ours[name] !== undefined) t.equal(ours[name], value, name);
  }
  t.ok(Object.isFrozen(ours));
});

t.test('the numbers of a batch walk are those of its TypeScript twin', needsNative, async (t) => {
  const ours = addon().constants as unknown as Record<string, number>;
  const twin = walk as unknown as Record<string, number>;
  const names = Object.keys(ours).filter((name) => name.startsWith('WALK_'));
  t.ok(names.length >= 14);
  const elsewhere: Record<string, string> = {
    WALK_HEAD: 'WALK_FIRST',
    WALK_CHECK_CRC: 'WALK_CRC',
  };
  for (const name of names) t.equal(ours[name], twin[elsewhere[name] ?? name], name);
});

t.test(
  'wrong types throw a TypeError, numbers out of range answer -EINVAL',
  needsNative,
  async (t) => {
    const native = addon();
    const { EINVAL } = native.constants;
    const call = native as unknown as Record<string, (...args: unknown[]) => unknown>;
    const bytes = Buffer.alloc(10);
    const callback = (): void => {};
    const calls: [string, unknown[]][] = [
      ['crc32c', [bytes, 0, 10, 0]],
      ['walkBatches', [bytes, 0, 10, new Float64Array(2), 0]],
      ['sendfile', [-1, -1, 0, 1]],
      ['send', [-1, [bytes], 0, 0]],
      ['writev', [-1, [bytes]]],
      ['pwritev', [-1, [bytes], 0]],
      ['preadv', [-1, [bytes], 0]],
      ['fdatasync', [-1, callback]],
      ['syncTogether', [new Float64Array([2 ** 31 - 1, 0, 1]), callback]],
      ['prefetch', [-1, 0, 1, 0, callback]],
      ['dropPages', [-1, 0, 1, callback]],
      ['residentBytes', [-1, 0, 1]],
      ['fallocate', [-1, 0, 0, 1]],
      ['fsyncDir', ['/']],
      ['flock', [-1, 8]],
      ['setCongestion', [-1, 'cubic']],
      ['getCongestion', [-1]],
      ['setNoDelay', [-1]],
      ['dup', [-1]],
      ['close', [-1]],
      ['shutdown', [-1, 2]],
      ['mapFile', [-1, 0, 1]],
      ['unmapFile', [new ArrayBuffer(8)]],
    ];
    for (const [name, args] of calls) {
      const run = (changed: unknown[]): unknown => call[name]?.(...changed);
      t.doesNotThrow(() => run(args), `${name} as it should be`);
      args.forEach((arg, index) => {
        const withArg = (value: unknown): unknown[] => args.with(index, value);
        for (const wrong of [undefined, null, 'x', {}, Symbol('x'), 1n]) {
          if (typeof arg === 'string' && wrong === 'x') continue;
          t.throws(() => run(withArg(wrong)), TypeError, `${name}, argument ${index}`);
        }
        if (typeof arg !== 'number') return;
        for (const wrong of [0.5, Number.NaN, Number.POSITIVE_INFINITY, -(2 ** 53), 2 ** 63]) {
          t.equal(run(withArg(wrong)), -EINVAL, `${name}, argument ${index} is ${wrong}`);
        }
      });
    }
    t.throws(() => call['pwritev']?.(-1, [bytes, 'x'], 0), TypeError, 'inside a list');
    t.throws(() => call['pwritev']?.(-1, [new Float64Array(1)], 0), TypeError, 'other elements');
    const { NaN: nan } = Number;
    for (const list of [
      [],
      [0, 0],
      [0, 0, -1],
      [nan, 0, 1],
      [0, 0.5, 1],
      [0, 0, 2 ** 53],
      [2 ** 31, 0, 1],
    ]) {
      const result = native.syncTogether(new Float64Array(list), callback);
      t.equal(result, -EINVAL, `files to sync: ${list.join(', ')}`);
    }
    const many = new Float64Array(3 * 1025);
    t.equal(native.syncTogether(many, callback), -EINVAL, 'more files than one call takes');
    t.equal(call['flock']?.(0, addon().constants.LOCK_EX), -EINVAL, 'a lock that would wait');
  },
);

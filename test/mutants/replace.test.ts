/** The order of the steps of an atomic replacement (R4): each one covers a crash after the last. */

import t from 'tap';
import { type Env, type EnvFile, writeFileAtomic, writeFileAtomicSync } from '#src/file/env.js';

type Steps = Pick<Env, 'open' | 'rename' | 'syncDir' | 'syncDirSync'>;

/** Writes down what is called. */
function recorder(trace: string[]): Steps {
  const note = (what: string): void => {
    trace.push(what);
  };
  const file: EnvFile = {
    fd: -1,
    path: '/d/a.tmp',
    pread: () => 0,
    pwritev: () => note('write'),
    truncate: () => note('truncate'),
    size: () => 0,
    allocate: () => false,
    datasync: () => Promise.resolve(note('sync')),
    datasyncSync: () => note('sync'),
    close: () => note('close'),
  };
  return {
    open(path) {
      note(`open ${path}`);
      return file;
    },
    rename: (from, to) => note(`rename ${from} ${to}`),
    syncDir: (path) => Promise.resolve(note(`sync ${path}`)),
    syncDirSync: (path) => note(`sync ${path}`),
  };
}

const EXPECTED = [
  'open /d/a.tmp',
  'truncate',
  'write',
  'sync',
  'close',
  'rename /d/a.tmp /d/a',
  'sync /d',
];

t.test('the file is synced before it is renamed, and the directory after', async (t) => {
  const trace: string[] = [];
  await writeFileAtomic(recorder(trace), '/d/a', Buffer.from('x'));
  t.strictSame(trace, EXPECTED);
});

t.test('the same at once', (t) => {
  const trace: string[] = [];
  writeFileAtomicSync(recorder(trace), '/d/a', Buffer.from('x'));
  t.strictSame(trace, EXPECTED);
  t.end();
});

t.test('a file that cannot be synced is not renamed', async (t) => {
  const trace: string[] = [];
  const steps = recorder(trace);
  const failing: Steps = {
    ...steps,
    open: (path, mode) => ({
      ...steps.open(path, mode),
      datasync: () => Promise.reject(new Error('EIO')),
    }),
  };
  await t.rejects(writeFileAtomic(failing, '/d/a', Buffer.from('x')), /EIO/);
  t.notOk(trace.some((step) => step.startsWith('rename')));
  t.equal(trace.at(-1), 'close', 'nothing is left open');
});

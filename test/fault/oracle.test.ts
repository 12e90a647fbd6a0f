/** The oracle of the crash states sees what it is there for: on a disk that lies, on one bit of rot. */

import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import type { Env, EnvFile } from '#src/file/env.js';
import { crashRun } from './crash-run.js';
import { chapters, faultRun } from './fault-script.js';
import { scenarios } from './scenarios.js';
import { expectationOf, verifyState } from './verify.js';
import { World } from './world.js';

const SEED = 1;

/** Violations of `name` on an Env that leaves something out, while it runs or after the crash. */
async function violationsWith(
  name: string,
  wrap: (env: Env) => Env,
  when: 'wrap' | 'recover' = 'wrap',
): Promise<number> {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  let found = 0;
  for (let seed = 1; seed <= 6 && found === 0; seed++) {
    found += (await crashRun(scenario, seed, 140, { [when]: wrap })).violations.length;
  }
  return found;
}

/** An Env of which the files whose path fits are changed. */
function withFiles(fits: RegExp, change: (file: EnvFile) => Partial<EnvFile>) {
  return (env: Env): Env => ({
    ...env,
    open: (path, mode) => {
      const file = env.open(path, mode);
      return fits.test(path) ? { ...plainFile(file), ...change(file) } : file;
    },
  });
}

const unsynced = (): Partial<EnvFile> => ({
  datasync: () => Promise.resolve(),
  datasyncSync: () => {},
});

t.test('a data file that is not synced before the answer is seen', async (t) => {
  const wrap = withFiles(/\.log$/, unsynced);
  t.ok((await violationsWith('append, durable', wrap)) > 0);
  t.ok((await violationsWith('roll', wrap)) > 0, 'also where only a flush promises it');
});

t.test(
  'a sync that says "overwritten" of a file that grew, or of too few bytes, is seen',
  async (t) => {
    const all = { position: 0, length: Number.MAX_SAFE_INTEGER };
    const grew = withFiles(/\.log$/, (file) => ({ datasync: () => file.datasync(all) }));
    t.ok((await violationsWith('append, durable', grew)) > 0);
    const tooFew = withFiles(/\.log$/, (file) => ({
      datasync: (range) => file.datasync(range && { ...range, length: range.length - 1 }),
    }));
    t.ok((await violationsWith('append, durable', tooFew)) > 0);
  },
);

t.test('a directory that is not synced is seen', async (t) => {
  const wrap = (env: Env): Env => ({ ...env, syncDir: () => Promise.resolve() });
  t.ok((await violationsWith('roll, durable', wrap)) > 0);
  t.ok((await violationsWith('create and delete, durable', wrap)) > 0);
});

t.test('a swap of compaction of which the directory is not synced is seen', async (t) => {
  const isSwapping = (names: readonly string[]): boolean =>
    names.some((name) => /\.(swap|cleaned)$/.test(name));
  const wrap = (env: Env): Env => ({
    ...env,
    syncDir: (path) => (isSwapping(env.readdir(path)) ? Promise.resolve() : env.syncDir(path)),
  });
  t.ok((await violationsWith('compaction of transactions, durable', wrap)) > 0);
});

t.test('a transaction index that is not synced is seen', async (t) => {
  const wrap = withFiles(/\.txnindex$/, unsynced);
  t.ok((await violationsWith('transactions', wrap)) > 0);
});

t.test('a recovery that does not cut the torn tail, and appends behind it, is seen', async (t) => {
  const wrap = withFiles(/\.log$/, (file) => ({
    truncate: () => {},
    pwritev: (buffers) => file.pwritev(buffers, file.size()),
  }));
  t.ok((await violationsWith('append, durable', wrap, 'recover')) > 0);
});

t.test('a recovery that does not sync its directory is seen', async (t) => {
  const wrap = (env: Env): Env => ({ ...env, syncDir: () => Promise.resolve() });
  t.ok((await violationsWith('truncate, durable', wrap, 'recover')) > 0);
});

t.test('errors of writes and syncs that nobody is told of are seen', async (t) => {
  const [chapter] = chapters;
  if (chapter === undefined) throw new Error('there is a chapter');
  const config = { flushMessages: 1 };
  const ignore = async (running: Promise<void>): Promise<void> => running.catch(() => {});
  const wrap = withFiles(/\.log$/, (file) => ({ datasync: () => ignore(file.datasync()) }));
  const { calls } = await faultRun(chapter, config, null);
  let found = 0;
  for (const [at, call] of calls.entries()) {
    if (call !== 'fdatasync' || found > 0) continue;
    const fault = { at, kind: 'EIO', forever: false } as const;
    found += (await faultRun(chapter, config, fault, wrap)).violations.length;
  }
  t.ok(found > 0);
});

t.test('one bit that is another is seen', async (t) => {
  const world = new World({ seed: SEED, config: { flushMessages: 1 } });
  await world.open();
  await world.create('orders');
  await world.burst('orders', 4, { count: 2 });
  const moment = world.disk.moment;
  world.kill();
  const image = world.disk.at(moment).image('killed', seededRandom(SEED));
  t.same(await verifyState(expectationOf(world, moment, 'killed'), image, SEED), []);
  const [node, file] = [...image.files].find(([, { bytes }]) => bytes[16] === 2) ?? [];
  t.ok(node !== undefined && file !== undefined);
  if (node === undefined || file === undefined) return;
  const bytes = new Uint8Array(file.bytes);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  const files = new Map(image.files).set(node, { ...file, bytes });
  const rotten = { files, dirs: image.dirs };
  const wrong = await verifyState(expectationOf(world, moment, 'killed'), rotten, SEED);
  t.match(wrong.join('\n'), /acknowledged, and not there/);
});

function plainFile(file: EnvFile): EnvFile {
  return {
    fd: file.fd,
    path: file.path,
    pread: (target, targetOffset, length, position) =>
      file.pread(target, targetOffset, length, position),
    pwritev: (buffers, position) => file.pwritev(buffers, position),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    allocate: (position, length) => file.allocate(position, length),
    datasync: (overwritten) => file.datasync(overwritten),
    datasyncSync: () => file.datasyncSync(),
    close: () => file.close(),
  };
}

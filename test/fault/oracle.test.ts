/** The oracle of the crash states sees what it is there for: on a disk that lies, on one bit of rot. */

import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import type { Env, EnvFile } from '#src/file/env.js';
import { crashRun } from './crash-run.js';
import { scenarios } from './scenarios.js';
import { expectationOf, verifyState } from './verify.js';
import { World } from './world.js';

const SEED = 1;

/** Violations of `name` on an Env that leaves something out. */
async function violationsWith(name: string, wrap: (env: Env) => Env): Promise<number> {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  let found = 0;
  for (let seed = 1; seed <= 4 && found === 0; seed++) {
    found += (await crashRun(scenario, seed, 140, { wrap })).violations.length;
  }
  return found;
}

t.test('a data file that is not synced before the answer is seen', async (t) => {
  const wrap = (env: Env): Env => ({
    ...env,
    open: (path, mode) => {
      const file = env.open(path, mode);
      return path.endsWith('.log') ? withoutSync(file) : file;
    },
  });
  t.ok((await violationsWith('append, durable', wrap)) > 0);
  t.ok((await violationsWith('roll', wrap)) > 0, 'also where only a flush promises it');
});

t.test('a directory that is not synced is seen', async (t) => {
  const wrap = (env: Env): Env => ({ ...env, syncDir: () => Promise.resolve() });
  t.ok((await violationsWith('roll, durable', wrap)) > 0);
  t.ok((await violationsWith('create and delete, durable', wrap)) > 0);
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

function withoutSync(file: EnvFile): EnvFile {
  return {
    fd: file.fd,
    path: file.path,
    pread: (target, targetOffset, length, position) =>
      file.pread(target, targetOffset, length, position),
    pwritev: (buffers, position) => file.pwritev(buffers, position),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    allocate: (position, length) => file.allocate(position, length),
    datasync: () => Promise.resolve(),
    datasyncSync: () => {},
    close: () => file.close(),
  };
}

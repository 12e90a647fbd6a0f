import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import type { CrashKind } from './crash-states.js';
import { filesOf } from './disk-image.js';
import { SimulatedDisk } from './simulated-disk.js';

function newDisk(): SimulatedDisk {
  return new SimulatedDisk({ clock: new ManualClock(), random: seededRandom(1) });
}

/** The file's states after crashes of that kind now, as text; '-' where it is not there. */
function statesOf(disk: SimulatedDisk, path: string, kind: CrashKind, count = 200): Set<string> {
  const point = disk.at(disk.moment);
  const random = seededRandom(3);
  const states = new Set<string>();
  for (let i = 0; i < count; i++) {
    const bytes = filesOf(point.image(kind, random)).get(path);
    states.add(bytes === undefined ? '-' : Buffer.from(bytes).toString('latin1'));
  }
  return states;
}

t.test('what was not synced may be lost, and its name too', async (t) => {
  const disk = newDisk();
  const { env } = disk.process();
  const file = env.open('/a', 'create');
  file.pwritev([Buffer.from('one')], 0);
  t.same(statesOf(disk, '/a', 'killed'), new Set(['one']));
  t.same(statesOf(disk, '/a', 'durable'), new Set(['-']));
  t.same(statesOf(disk, '/a', 'subset'), new Set(['-', '', 'one']));
  await file.datasync();
  t.same(statesOf(disk, '/a', 'durable'), new Set(['-']), 'its directory was not synced');
  await env.syncDir('/');
  t.same(statesOf(disk, '/a', 'durable'), new Set(['one']));
  t.same(statesOf(disk, '/a', 'subset'), new Set(['one']));
});

t.test('blocks are torn, and a size may come before its data', async (t) => {
  const disk = newDisk();
  const { env } = disk.process();
  const file = env.open('/a', 'create');
  file.pwritev([Buffer.alloc(1024, 'a')], 0);
  await file.datasync();
  await env.syncDir('/');
  file.pwritev([Buffer.alloc(1024, 'b')], 512);
  const states = statesOf(disk, '/a', 'blocks-512');
  const blocks = (text: string): string => [...text].map((char) => char.repeat(512)).join('');
  t.ok(states.has(blocks('aab')), 'the second block is lost, the third is there');
  t.ok(states.has(blocks('ab')), 'the size is lost');
  t.ok(states.has(blocks('aa\0')), 'only the size is there');
  t.notOk(
    [...states].some((state) => state.startsWith('b')),
    'what was synced stays',
  );
});

t.test('a rename is there or not, and its file has what was synced', async (t) => {
  const disk = newDisk();
  const { env } = disk.process();
  await env.writeFileAtomic('/a', Buffer.from('old'));
  const file = env.open('/a.tmp', 'create');
  file.pwritev([Buffer.from('new')], 0);
  await file.datasync();
  env.rename('/a.tmp', '/a');
  t.same(statesOf(disk, '/a', 'subset'), new Set(['old', 'new']));
  await env.syncDir('/');
  t.same(statesOf(disk, '/a', 'durable'), new Set(['new']));
});

t.test('a killed process changes nothing more; the next one finds the page cache', (t) => {
  const disk = newDisk();
  const first = disk.process();
  const file = first.env.open('/a', 'create');
  file.pwritev([Buffer.from('one')], 0);
  first.kill();
  t.throws(() => file.pwritev([Buffer.from('two')], 0), { code: 'IO_ERROR' });
  t.throws(() => first.env.readdir('/'), { code: 'IO_ERROR' });
  t.equal(disk.process().env.readFile('/a').toString(), 'one');
  t.same(statesOf(disk, '/a', 'durable'), new Set(['-']), 'and it is as unsynced as before');
  t.end();
});

t.test('what a failed sync dropped, a later one does not bring back', async (t) => {
  const disk = newDisk();
  const { env } = disk.process();
  const file = env.open('/a', 'create');
  file.pwritev([Buffer.from('one')], 0);
  await env.syncDir('/');
  disk.doom('/a');
  file.pwritev([Buffer.from('two')], 3);
  await file.datasync();
  t.equal(env.readFile('/a').toString(), 'onetwo', 'the page cache shows it');
  t.same(statesOf(disk, '/a', 'durable'), new Set(['\0\0\0two']));
});

t.test('a moment of the past is as it was', async (t) => {
  const disk = newDisk();
  const { env } = disk.process();
  const file = env.open('/a', 'create');
  file.pwritev([Buffer.from('one')], 0);
  const { moment } = disk;
  file.truncate(0);
  await file.datasync();
  await env.syncDir('/');
  const [state] = [...filesOf(disk.at(moment).image('killed', seededRandom(1))).values()];
  t.equal(Buffer.from(state ?? []).toString(), 'one');
  file.close();
  t.equal(disk.openCount, 0);
});

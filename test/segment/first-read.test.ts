import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { offset } from '#src/base/offset.js';
import { type Env, type EnvFile, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import type { Segment } from '#src/segment/segment.js';
import { tempDir } from '../file/temp-dir.js';
import { chain, logPath, open, readAll } from './support.js';

const COUNT = 40;
const batches = chain(0, COUNT, 1000);
const NEXT = offset(1000);

/** An Env whose log files are read through `wrap`. */
function envOf(wrap: (file: EnvFile) => Partial<EnvFile>): Env {
  return {
    ...systemEnv,
    open(path, mode) {
      const file = systemEnv.open(path, mode);
      return path.endsWith('.log') ? plain(file, wrap(file)) : file;
    },
  };
}

/** Only what every EnvFile has, and `more`. */
function plain(file: EnvFile, more: Partial<EnvFile>): EnvFile {
  return {
    fd: file.fd,
    path: file.path,
    pread: (target, at, length, position) => file.pread(target, at, length, position),
    pwritev: (buffers, position) => file.pwritev(buffers, position),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    allocate: () => false,
    datasync: () => file.datasync(),
    datasyncSync: () => file.datasyncSync(),
    close: () => file.close(),
    ...more,
  };
}

const envs: Record<string, Env> = {
  'as the system does it': systemEnv,
  'reads in the pool': envOf((file) =>
    file.preadLater === undefined ? {} : { preadLater: file.preadLater.bind(file) },
  ),
  'reads in turns': envOf(() => ({})),
};

/** A sealed segment of an earlier run; its indexes are there. */
async function earlier(t: Test, bytes: Buffer, env: Env, clock = new ManualClock()) {
  const dir = tempDir(t);
  writeFileSync(logPath(dir), Buffer.concat(batches));
  (await open(dir, 0, { nextBaseOffset: NEXT })).close();
  writeFileSync(logPath(dir), bytes);
  const segment = await open(dir, 0, { clean: true, nextBaseOffset: NEXT, env, clock });
  t.teardown(() => segment.close());
  return segment;
}

/** Reads as a fetch does; how often it had to wait. */
async function readWaiting(segment: Segment, from: number, maxBytes = 1 << 20) {
  for (let waits = 0; ; waits++) {
    const read = segment.read(from, maxBytes, { minOneMessage: true, mayWait: true });
    if (read.status !== 'looking') return { read, waits };
    await read.looked;
  }
}

for (const [name, env] of Object.entries(envs)) {
  t.test(`a read that may wait waits once, ${name}`, async (t) => {
    const bytes = Buffer.concat(batches);
    const segment = await earlier(t, bytes, env);
    const { read, waits } = await readWaiting(segment, 0);
    t.equal(waits, 1);
    t.ok(read.status === 'ok' && read.slice?.length === bytes.length);
    if (read.status === 'ok') read.slice?.release();
    t.equal((await readWaiting(segment, 5)).waits, 0, 'what was looked at is not looked at again');
    t.equal(readAll(segment, 0).length, COUNT);
  });

  t.test(`damage is found before it leaves, ${name}`, async (t) => {
    const bytes = Buffer.concat(batches);
    const at = (batches[0]?.length ?? 0) + 200;
    bytes[at] = (bytes[at] as number) ^ 4;
    const segment = await earlier(t, bytes, env);
    const first = await readWaiting(segment, 0);
    t.ok(first.read.status === 'ok' && first.read.slice?.length === batches[0]?.length);
    t.equal((await readWaiting(segment, 1)).read.status, 'damaged');
    t.equal((await readWaiting(segment, 3)).read.status, 'ok');
    t.equal(readAll(segment, 0).length, COUNT);
  });
}

t.test('two that wait for the same bytes share one look; a close meanwhile ends it', async (t) => {
  let walks = 0;
  const env = envOf(() => ({
    walkBatches: async (_, end) => {
      walks++;
      await new Promise(setImmediate);
      return end;
    },
  }));
  const segment = await earlier(t, Buffer.concat(batches), env);
  const reads = [readWaiting(segment, 0), readWaiting(segment, 0)];
  for (const { read } of await Promise.all(reads)) t.equal(read.status, 'ok');
  t.equal(walks, 1);
  const other = await earlier(t, Buffer.concat(batches), env);
  const read = other.read(0, 1 << 20, { minOneMessage: true, mayWait: true });
  other.close();
  t.equal(read.status, 'looking');
  if (read.status === 'looking') await read.looked;
});

t.test('a read error is told to all who ask, and after a while tried again', async (t) => {
  const clock = new ManualClock();
  for (const later of [true, false]) {
    let broken = true;
    let tries = 0;
    const fail = (): void => {
      tries++;
      if (broken) throw new IoError('pread', 'a file', 'EIO');
    };
    const env = envOf((file) => ({
      pread(target, at, length, position) {
        if (length > 4096) fail();
        return file.pread(target, at, length, position);
      },
      ...(later && {
        walkBatches: async (_, end) => {
          fail();
          return end;
        },
      }),
    }));
    const segment = await earlier(t, Buffer.concat(batches), env, clock);
    for (let i = 0; i < 3; i++) await t.rejects(readWaiting(segment, 0), { code: 'IO_ERROR' });
    t.equal(tries, 1);
    broken = false;
    clock.advance(1000);
    t.equal((await readWaiting(segment, 0)).read.status, 'ok');
    t.equal(readAll(segment, 0).length, COUNT);
  }
});

t.test('a read that must not wait looks inside the call', async (t) => {
  const bytes = Buffer.concat(batches);
  const segment = await earlier(t, bytes, systemEnv);
  const read = segment.read(0, 1 << 20, { minOneMessage: true });
  t.ok(read.status === 'ok' && read.slice?.length === bytes.length);
});

import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { native } from '#src/native/binding.js';
import { openLog } from '#src/storage/logs.js';
import { open, readAll, tempDir } from './storage-fixture.js';

/** A worker that opens the log, appends, reads it back and says what it read. */
const program = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { openLog } = await import(workerData.module);
  const log = await openLog(workerData.dir, { durability: 'group', segmentBytes: 8192 });
  const waiting = [];
  for (let i = 0; i < 50; i++) waiting.push(log.append({ value: Buffer.alloc(1000, String(i)) }));
  await Promise.all(waiting);
  let count = 0;
  for await (const batch of log.read()) for (const record of batch) count += record.value.length;
  if (workerData.leave) {
    parentPort.postMessage(count);
    // In the middle of things: maps of sealed segments, appends that are not answered.
    const pass = log.read();
    await pass.next();
    for (;;) {
      log.append({ value: Buffer.alloc(1000, 'not answered') });
      await new Promise(setImmediate);
      await log.ready();
    }
  } else {
    await log.close();
    parentPort.postMessage(count);
  }
`;

function start(dir: string, leave: boolean): Worker {
  const module = new URL('../../../dist/public/storage.js', import.meta.url).href;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  return new Worker(url, { workerData: { module, dir, leave } });
}

t.test('a worker thread owns a log, and hands the directory back', async (t) => {
  const dir = tempDir(t);
  const worker = start(join(dir, 'events-0'), false);
  // Asked for before the message: a worker that ends at once emits both in one turn.
  const exited = once(worker, 'exit');
  const [count] = await once(worker, 'message');
  t.equal(count, 50_000);
  await exited;
  const log = await open(t, dir);
  t.equal((await readAll(log)).length, 50);
});

t.test('several workers, a log each, beside one of the main thread', async (t) => {
  const dir = tempDir(t);
  const workers = [0, 1, 2].map((number) => start(join(dir, `data-${number}`, 'events-0'), false));
  const counts = Promise.all(workers.map((worker) => once(worker, 'message')));
  const log = await open(t, join(dir, 'data-main'));
  for (let i = 0; i < 20; i++) await log.append({ value: Buffer.from(`${i}`) });
  t.same(await counts, [[50_000], [50_000], [50_000]]);
  t.equal((await readAll(log)).length, 20);
});

t.test('the directory of a worker is refused to others of the process', async (t) => {
  const dir = tempDir(t);
  const worker = start(join(dir, 'events-0'), true);
  await once(worker, 'message');
  await t.rejects(openLog(join(dir, 'events-0')), { code: 'DIRECTORY_LOCKED' });
  await worker.terminate();
});

t.test('a worker that is terminated loses nothing that it was answered', async (t) => {
  const dir = tempDir(t);
  const worker = start(join(dir, 'events-0'), true);
  await once(worker, 'message');
  await worker.terminate();
  if (native === null) {
    // The file that stands for the lock says that this process lives, and so it does.
    await t.rejects(open(t, dir), { code: 'DIRECTORY_LOCKED' });
    return;
  }
  const log = await open(t, dir);
  const values = (await readAll(log)).map(([, value]) => value ?? '');
  const answered = values.slice(0, 50);
  t.same(
    answered,
    Array.from({ length: 50 }, (_, i) => Buffer.alloc(1000, String(i)).toString()),
  );
  t.ok(values.slice(50).every((value) => value.startsWith('not answered')));
  t.equal(await log.append({ value: Buffer.from('of the next owner') }), values.length);
});

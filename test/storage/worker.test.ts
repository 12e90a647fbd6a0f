import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
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
  if (workerData.leave) parentPort.postMessage(count);
  else {
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
  const [count] = await once(worker, 'message');
  t.equal(count, 50_000);
  await once(worker, 'exit');
  const log = await open(t, dir);
  t.equal((await readAll(log)).length, 50);
});

t.test('a worker that is terminated loses nothing that it was answered', async (t) => {
  const dir = tempDir(t);
  const worker = start(join(dir, 'events-0'), true);
  await once(worker, 'message');
  await worker.terminate();
  t.pass('it ends');
});

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { addon, needsNative, openDescriptors, until } from './support.js';

const script = new URL('./environment-worker.js', import.meta.url);

/** A worker in the middle of its work. */
function busyWorker(): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script);
    worker.once('error', reject);
    worker.once('message', (said) => (said === 'busy' ? resolve(worker) : reject(new Error(said))));
  });
}

t.test(
  'workers terminated in the middle of their work leave nothing behind',
  needsNative,
  async (t) => {
    // The first worker opens what Node itself keeps open for workers.
    await (await busyWorker()).terminate();
    const before = openDescriptors();
    for (let round = 0; round < 3; round++) {
      const workers = await Promise.all([busyWorker(), busyWorker(), busyWorker(), busyWorker()]);
      t.ok(addon().mapCount() >= 32, 'their maps are counted for the whole process');
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    await until(() => addon().mapCount() === 0, 'their maps are gone');
    await until(() => openDescriptors() <= before, 'their descriptors are gone');
  },
);

/** How a process that does `what` when busy ends. */
async function endOf(
  what: string,
): Promise<{ code: number | null; signal: string | null; ms: number }> {
  const child = spawn(process.execPath, [fileURLToPath(script), what], { stdio: 'inherit' });
  const started = performance.now();
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('exit', (code, signal) => resolve([code, signal])),
  );
  clearTimeout(timer);
  return { code, signal, ms: performance.now() - started };
}

t.test('process.exit ends at once, whatever is armed or queued', needsNative, async (t) => {
  const { code, signal, ms } = await endOf('exit');
  t.same({ code, signal }, { code: 0, signal: null });
  t.ok(ms < 10_000, `${Math.round(ms)} ms`);
});

t.test('with all handles closed a process ends by itself', needsNative, async (t) => {
  const { code, signal } = await endOf('close');
  t.same({ code, signal }, { code: 0, signal: null });
});

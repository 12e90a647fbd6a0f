// The fault proofs in full (test/fault, test/fuzz): crash states on a simulated disk, every fault at every
// I/O call, rot of every bit and byte. Prints a table. Exits 1 if there was a violation, or if the time was
// over before everything was done: then what is left is counted, and nothing is proved.
//
//     npm run crash                      at least 100,000 crash states; minutes on 2 cores
//     npm run crash -- --seed 7          other runs of the scenarios
//     npm run crash -- --states 1000000  more of them
//     npm run crash -- --only states     or faults, or rot
//     npm run crash -- --seconds 600     the time after which no new work is begun (default 3600)

import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    states: { type: 'string', default: '100000' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '3600' },
    workers: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
});
const { makeJobs } = await import(join(root, 'dist-test/test/fault/crash-parts.js'));
const jobs = makeJobs(Number(values.seed), Number(values.states)).filter(
  ({ part }) => values.only === undefined || part === values.only,
);
const total = jobs.length;
const rows = new Map();
const undetected = new Map();
const violations = [];
const started = performance.now();
const elapsed = () => (performance.now() - started) / 1000;

await Promise.all(Array.from({ length: Number(values.workers) }, work));
printTable();
process.exit(violations.length > 0 || jobs.length > 0 ? 1 : 0);

async function work() {
  // Thousands of small worlds a second, none of which lives long.
  const resourceLimits = { maxYoungGenerationSizeMb: 128 };
  const worker = new Worker(join(root, 'dist-test/test/fault/crash-worker.js'), { resourceLimits });
  for (;;) {
    if (elapsed() > Number(values.seconds)) break;
    const job = jobs.shift();
    if (job === undefined) break;
    take(await ask(worker, job), job);
    progress();
  }
  await worker.terminate();
}

function ask(worker, job) {
  return new Promise((resolve, reject) => {
    worker.once('message', (result) => {
      worker.off('error', reject);
      resolve(result);
    });
    worker.once('error', reject);
    worker.postMessage(job);
  });
}

function take(result, job) {
  const row = rows.get(result.row) ?? { part: job.part, count: 0, violations: 0 };
  row.count += result.count;
  row.violations += result.violations.length;
  rows.set(result.row, row);
  violations.push(...result.violations);
  for (const [what, count] of Object.entries(result.undetected)) {
    undetected.set(what, (undetected.get(what) ?? 0) + count);
  }
}

function progress() {
  if (!process.stderr.isTTY) return;
  const done = (((total - jobs.length) / total) * 100).toFixed(0);
  process.stderr.write(`\r${done} % of ${total} jobs, ${violations.length} violations `);
  if (jobs.length === 0) process.stderr.write('\r\x1b[K');
}

function printTable() {
  const seconds = elapsed();
  const line = (name, count, found) =>
    console.log(`${name.padEnd(52)}${String(count).padStart(9)}${String(found).padStart(12)}`);
  console.log(`seed ${values.seed}, Node ${process.versions.node}\n`);
  const totals = new Map();
  line('', 'states', 'violations');
  for (const [name, row] of [...rows].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    line(name, row.count, row.violations);
    totals.set(row.part, (totals.get(row.part) ?? 0) + row.count);
  }
  console.log();
  const names = { states: 'crash states', faults: 'faults', rot: 'flips and cuts' };
  let all = 0;
  for (const [part, count] of totals) {
    line(names[part], count, '');
    all += count;
  }
  line('in all', all, violations.length);
  console.log(`\n${seconds.toFixed(0)} s, ${(all / seconds).toFixed(0)} states/s`);
  if (undetected.size > 0) {
    console.log('\nnot to be told from the truth today (test/fuzz/rot.ts):');
    for (const [what, count] of [...undetected].sort()) line(`  ${what}`, count, '');
  }
  for (const violation of violations.slice(0, 40)) console.log(`VIOLATION ${violation}`);
  if (violations.length > 40) console.log(`... and ${violations.length - 40} more`);
  if (jobs.length > 0) console.log(`STOPPED at the time limit with ${jobs.length} jobs left`);
}

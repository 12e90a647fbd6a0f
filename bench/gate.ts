/**
 * The gate against getting slower: `npm run bench:gate`.
 *
 * No clock: only CPU time (user and system) of what is measured, divided by that of a baseline measured
 * a moment before, and counts of system calls and of bytes allocated. They stay within some 20 % from
 * run to run, also on a busy machine; the bounds in bench/bounds.json leave twice that and more. A
 * figure beyond its bound is measured anew, up to three times, and fails if it never keeps it.
 *
 * `--set` writes bounds from what was measured, with the usual room.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '#src/native/binding.js';
import { crc32cPortable } from '#src/native/crc32c.js';

import { BatchBuilder } from '#src/record/batch-builder.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { openLog } from '#src/storage/logs.js';
import {
  batchOfSize,
  type FilledLog,
  fetchLog,
  fillLog,
  makeBatch,
  writeProduceFrames,
} from './harness/broker-log.js';
import { CServer, runC } from './harness/c-programs.js';
import { GateBroker } from './harness/gate-broker.js';
import { logFiles, warmFile, warmMemory } from './harness/page-cache.js';
import { root } from './harness/paths.js';
import { cpuSeconds } from './harness/processes.js';
import { median } from './harness/statistics.js';
import { createTopic } from './harness/wire-client.js';

const TRIES = 3;
const PAIRS = 3;
/** What a new bound leaves: ratios of CPU time, and counts. */
const ROOM_CPU = 1.6;
const ROOM_COUNT = 1.25;

const boundsPath = join(root, 'bench/bounds.json');

interface Check {
  readonly name: string;
  /** A count repeats itself; a ratio of CPU times nearly. */
  readonly kind: 'cpu' | 'count';
  measure(): Promise<number>;
}

await main();

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-gate-'));
  const broker = await GateBroker.start(join(dir, 'data'));
  const closers: (() => Promise<void>)[] = [];
  let failed = 0;
  try {
    if (native === null) throw new Error('the gate measures with the addon, and there is none');
    const checks = [...microChecks(dir), ...(await brokerChecks(broker, dir, closers))];
    const setting = process.argv.includes('--set');
    const bounds = JSON.parse(readFileSync(boundsPath, 'utf8')) as Record<string, number>;
    const measured: Record<string, number> = {};
    for (const check of checks) {
      const bound = bounds[check.name];
      const value = await (setting ? worst(check) : best(check, bound ?? 0));
      measured[check.name] = value * (check.kind === 'cpu' ? ROOM_CPU : ROOM_COUNT);
      const ok = bound !== undefined && value <= bound;
      if (!ok) failed++;
      const verdict = ok ? 'ok' : 'TOO MUCH';
      console.log(
        `${check.name.padEnd(44)} ${value.toPrecision(3).padStart(8)}  <= ${bound}  ${verdict}`,
      );
    }
    if (setting) {
      const rounded = Object.entries(measured).map(([name, value]) => [name, round(value)]);
      writeFileSync(boundsPath, `${JSON.stringify(Object.fromEntries(rounded), null, 2)}\n`);
      failed = 0;
    }
  } finally {
    for (const close of closers) await close();
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  if (failed > 0) {
    console.error(`${failed} figures are beyond bench/bounds.json`);
    process.exitCode = 1;
  }
}

/** The lowest of some medians, as soon as one keeps the bound. */
async function best(check: Check, bound: number): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < TRIES && lowest > bound; attempt++) {
    const values: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) values.push(await check.measure());
    lowest = Math.min(lowest, median(values));
  }
  return lowest;
}

/** For a new bound: the highest of the medians. */
async function worst(check: Check): Promise<number> {
  let highest = 0;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const values: number[] = [];
    for (let pair = 0; pair < PAIRS; pair++) values.push(await check.measure());
    highest = Math.max(highest, median(values));
  }
  return highest;
}

function round(value: number): number {
  return Number(value.toPrecision(2));
}

/**
 * Seconds that this process computed for `work`. Without the kernel's part: what a write costs there
 * depends on the memory that it finds, and how many there are is counted apart.
 */
async function cpuOf(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  await work();
  return process.cpuUsage(start).user / 1e6;
}

function repeat(count: number, work: () => number): () => number {
  return () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += work() & 1;
    return sum;
  };
}

/** In this process, against the portable CRC-32C, which is plain arithmetic, or a plain write. */
function microChecks(dir: string): Check[] {
  const block = Buffer.alloc(16 << 10, 'bytes that are not all zero');
  const unit = repeat(2000, () => crc32cPortable(block, 0, block.length, 0));
  const batch = makeBatch(100, 100);
  const values = Array.from({ length: 100 }, (_, i) => Buffer.alloc(100, i));
  const against = (name: string, work: () => unknown): Check => ({
    ...{ name, kind: 'cpu' },
    measure: async () => (await cpuOf(work)) / (await cpuOf(unit)),
  });
  const crc = repeat(40_000, () => native?.crc32c(block, 0, block.length, 0) ?? 0);
  const encode = repeat(4000, () => makeBatchOf(values));
  const decode = repeat(4000, () => decodeAll(batch.bytes));
  for (const warm of [unit, crc, encode, decode]) warm();
  return [
    against('CRC-32C of 655 MB / portable of 33 MB', crc),
    against('encode 400,000 records / CRC of 33 MB', encode),
    against('decode 400,000 records / CRC of 33 MB', decode),
    against('append 128 MiB to a log / CRC of 33 MB', () => append(dir)),
  ];
}

function makeBatchOf(values: readonly Uint8Array[]): number {
  const builder = new BatchBuilder({});
  for (const value of values) builder.append({ timestamp: 1_700_000_000_000, value });
  return builder.build().length;
}

function decodeAll(bytes: Uint8Array): number {
  const cursor = decodeBatch(bytes, 0);
  let size = 0;
  for (let record = cursor.next(); record !== null; record = cursor.next()) {
    size += record.value?.length ?? 0;
  }
  return size;
}

async function append(dir: string): Promise<void> {
  const { bytes } = batchOfSize(64 << 10);
  const path = join(dir, 'append');
  const log = await openLog(join(path, 'gate-0'), { durability: 'os' });
  for (let i = 0; i < 128; i++) {
    let last: PromiseLike<unknown> | null = null;
    for (let j = 0; j < 16; j++) last = log.appendBatch(bytes);
    await last;
  }
  await log.close();
  rmSync(path, { recursive: true, force: true });
}

/** Against the C programs, through sockets: CPU of the broker's process. */
async function brokerChecks(
  broker: GateBroker,
  dir: string,
  closers: (() => Promise<void>)[],
): Promise<Check[]> {
  const { port, pid } = broker;
  const bulk = await fillLog(port, dir, {
    ...{ topic: 'bulk', partitions: 1, batch: batchOfSize(64 << 10), batchesEach: 4096 },
  });
  const small = await fillLog(port, dir, {
    ...{ topic: 'small', partitions: 1, batch: makeBatch(1, 4000), batchesEach: 4096 },
  });
  const segment = logFiles(join(dir, 'data')).find((path) => path.includes('bulk-0')) ?? '';
  const files = await CServer.start('file_server', { file: segment });
  const sink = await CServer.start('sink', { file: join(dir, 'sink'), mode: 'stream' });
  closers.push(() => files.stop());
  closers.push(() => sink.stop());
  const load = { kind: 'trunc', depth: 4 } as const;
  const size = 16 * bulk.batch.bytes.length;
  const fetchBulk = () => fetchLog(port, bulk, { ...load, requests: 512, batchesEach: 16 });
  const fetchPlain = () =>
    runC('fetch_client', {
      ...{ ...load, port: files.port, requests: 512, max_bytes: size, file_bytes: 256 * size },
    });
  await createTopic(port, 'sink', 1);
  const frames = writeProduceFrames(dir, {
    ...{ topic: 'sink', partitions: 1, batch: batchOfSize(16 << 10) },
  });
  const words = { requests: 4096, depth: 16 };
  const produceBatches = () => runC('produce_client', { ...words, ...frames, port });
  const send = () =>
    runC('produce_client', { ...words, file: frames.file, port: sink.port, answers: 0 });
  // The compiler has seen the code when it is measured.
  for (const warm of [fetchBulk, produceBatches]) for (let i = 0; i < 2; i++) await warm();
  await fetchSmall(port, small, 20_000);
  return [
    {
      ...{ name: 'bulk fetch, trunc client / C sendfile', kind: 'cpu' },
      async measure() {
        warmFile(segment);
        return (await cpuSpent(pid, fetchBulk)) / (await cpuSpent(files.pid, fetchPlain));
      },
    },
    {
      ...{ name: 'produce 16 KiB / C recv, CRC, pwrite', kind: 'cpu' },
      async measure() {
        warmMemory(dir, 64 << 20);
        return (await cpuSpent(pid, produceBatches)) / (await cpuSpent(sink.pid, send));
      },
    },
    {
      ...{ name: 'read calls per small fetch', kind: 'count' },
      measure: () => callsPer(pid, 'syscr', 5000, () => fetchSmall(port, small, 5000)),
    },
    {
      ...{ name: 'write calls per pipelined produce', kind: 'count' },
      measure: () => callsPer(pid, 'syscw', words.requests, produceBatches),
    },
    {
      ...{ name: 'heap bytes per small fetch', kind: 'count' },
      async measure() {
        const before = await broker.heapUsed();
        await fetchSmall(port, small, 5000);
        const grown = (await broker.heapUsed(false)) - before;
        // A collection came in between: nothing is known.
        return grown <= 0 ? Number.POSITIVE_INFINITY : grown / 5000;
      },
    },
  ];
}

function fetchSmall(port: number, log: FilledLog, requests: number) {
  return fetchLog(port, log, { requests, batchesEach: 1, connections: 4, depth: 4 });
}

async function cpuSpent(pid: number, work: () => Promise<unknown>): Promise<number> {
  const start = cpuSeconds(pid);
  await work();
  return cpuSeconds(pid) - start;
}

/** As the kernel counts them: read, pread and the like; write, pwrite and the like. Not sendmsg. */
async function callsPer(
  pid: number,
  field: 'syscr' | 'syscw',
  requests: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const count = (): number =>
    Number(new RegExp(`${field}: (\\d+)`).exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
  const start = count();
  await work();
  return (count() - start) / requests;
}

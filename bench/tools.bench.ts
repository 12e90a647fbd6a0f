/**
 * How long does a snapshot of a large log take, and how fast is `verify`, in clock and in CPU time?
 *
 *     node dist-test/bench/tools.bench.js [--gib 10] [--tail-mib 256] [--verify-gib 3] [--rounds 5] [--dir DIR]
 *
 * Writes a log of that many GiB through the library, in batches of 16 KiB and segments of 1 GiB, with an
 * active segment of `--tail-mib`; needs that much disk, given back at the end. Then, round by round:
 *
 *     log snapshot    the command in a process of its own: what it says that it took, and all of it
 *     bare loop       reads of 1 MiB over the first `--verify-gib`, which are in the page cache by then
 *     log verify      the same bytes, every batch checked; the ratio is to the bare loop of its round
 *
 * On a busy machine the CPU figures, user and system time of this process, are the ones to trust.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemEnv } from '#src/file/env.js';
import { findTargets, type VerifyTarget, verifyTarget } from '#src/log/verify.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { formatFileName } from '#src/segment/names.js';
import { openLog } from '#src/storage/logs.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MAIN = join(import.meta.dirname, '../../dist/cli/main.cjs');
/** Of one append: enough batches for a MiB. */
const APPEND_BYTES = MIB;
const RECORD_BYTES = 1000;
const RECORDS_PER_BATCH = 16;

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '10' },
    'tail-mib': { type: 'string', default: '256' },
    'verify-gib': { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const rounds = Number(values.rounds);

/** About a MiB of whole batches, one behind the other. */
function manyBatches(): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let size = 0; size < APPEND_BYTES; size += (parts.at(-1) as Uint8Array).length) {
    const builder = new BatchBuilder();
    for (let i = 0; i < RECORDS_PER_BATCH; i++) {
      const value = Buffer.alloc(RECORD_BYTES);
      for (let at = 0; at < RECORD_BYTES; at++) value[at] = (parts.length * 31 + i * 7 + at) & 255;
      builder.append({ timestamp: 1_700_000_000_000, value });
    }
    parts.push(builder.build());
  }
  return Buffer.concat(parts);
}

async function writeLog(dir: string, bytesMin: number): Promise<void> {
  await using log = await openLog(dir, { segmentBytes: GIB });
  const batches = manyBatches();
  for (let written = 0; written < bytesMin; written += batches.length) {
    await log.appendBatch(batches);
  }
}

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

async function measure(work: () => Promise<void> | void): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** The first segments of the log, together at least so many bytes, or all. */
function firstOf(target: VerifyTarget, bytesMin: number): VerifyTarget {
  const selected: (typeof target.bases)[number][] = [];
  let size = 0;
  for (const base of target.bases) {
    if (size >= bytesMin - APPEND_BYTES * target.bases.length) break;
    selected.push(base);
    size += systemEnv.stat(join(target.dir, formatFileName(base, 'log')))?.size ?? 0;
  }
  return { ...target, selected, size };
}

function readAll({ dir, selected }: VerifyTarget): void {
  const buffer = Buffer.alloc(MIB);
  for (const base of selected) {
    const file = systemEnv.open(join(dir, formatFileName(base, 'log')), 'read');
    for (let at = 0; file.pread(buffer, 0, MIB, at) > 0; at += MIB);
    file.close();
  }
}

async function verify(target: VerifyTarget): Promise<void> {
  for await (const { sound } of verifyTarget(systemEnv, target)) {
    if (!sound) throw new Error('the log is sound');
  }
}

function snapshot(from: string, to: string): { ms: number; wholeMs: number } {
  const start = performance.now();
  const args = [MAIN, 'log', 'snapshot', from, to, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const wholeMs = performance.now() - start;
  if (status !== 0) throw new Error(`log snapshot ended with ${status}: ${stderr}`);
  const { elapsedMs } = JSON.parse(stdout) as Record<string, number>;
  return { ms: elapsedMs ?? Number.NaN, wholeMs };
}

const root = mkdtempSync(join(values.dir, 'millrace-tools-'));
try {
  const dir = join(root, 'data/bench-0');
  const bytesMin = Number(values.gib) * GIB + Number(values['tail-mib']) * MIB;
  const wrote = await measure(() => writeLog(dir, bytesMin));
  const [target] = findTargets(systemEnv, dir);
  if (target === undefined) throw new Error('a log is there');
  const gib = target.size / GIB;
  console.log(
    `a log of ${gib.toFixed(2)} GiB, ${target.bases.length} segments (written at ${((gib * 1000) / wrote.ms).toFixed(2)} GiB/s)`,
  );

  const taken: ReturnType<typeof snapshot>[] = [];
  for (let round = 0; round < rounds; round++) {
    const to = join(root, 'copy');
    taken.push(snapshot(join(root, 'data'), to));
    rmSync(to, { recursive: true });
  }
  const ms = taken.map((one) => one.ms);
  const wholeMs = taken.map((one) => one.wholeMs);
  console.log(
    `log snapshot: ${median(ms).toFixed(0)} ms, of ${ms.join(', ')} (target: under 1000);` +
      ` ${median(wholeMs).toFixed(0)} ms with the start of its process`,
  );

  const part = firstOf(target, Number(values['verify-gib']) * GIB);
  const partGib = part.size / GIB;
  readAll(part);
  const bare: Cost[] = [];
  const verified: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(await measure(() => readAll(part)));
    verified.push(await measure(() => verify(part)));
  }
  console.log(`over ${partGib.toFixed(2)} GiB in the page cache:`);
  for (const [name, costs] of Object.entries({ 'bare loop': bare, 'log verify': verified })) {
    const rate = partGib / (median(costs.map((cost) => cost.ms)) / 1000);
    const cpu = median(costs.map((cost) => cost.cpuMs)) / 1000 / partGib;
    console.log(
      `  ${name.padEnd(10)} ${rate.toFixed(2).padStart(6)} GiB/s ${cpu.toFixed(3)} CPU s/GiB` +
        ` (${(1 / cpu).toFixed(2)} GiB per CPU second)`,
    );
  }
  const ratioOf = (pick: (cost: Cost) => number): string =>
    median(verified.map((cost, i) => pick(cost) / pick(bare[i] as Cost))).toFixed(2);
  console.log(
    `  verify takes ${ratioOf((c) => c.ms)} x the bare loop, ${ratioOf((c) => c.cpuMs)} x its CPU time (target: 2 GiB/s a core)`,
  );
} finally {
  rmSync(root, { recursive: true, force: true });
}

/**
 * How long do recovery, verification and a snapshot take?
 *
 *     node dist-test/bench/recovery.bench.js [--mib 1024] [--segments 10000]
 *
 * One log of that many MiB (16 KiB batches, in page cache): an unclean start that checks all of it, `verify`
 * against a bare loop of 1 MiB reads, a snapshot. Then a log of that many sealed segments: a clean start.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { offset } from '#src/base/offset.js';
import { runSnapshot } from '#src/cli/commands/log-snapshot.js';
import { systemEnv } from '#src/file/env.js';
import { systemRandom } from '#src/file/system-random.js';
import { FileReaper } from '#src/log/file-reaper.js';
import { PartitionLog } from '#src/log/partition-log.js';
import { defaultLogConfig } from '#src/log/topic-config.js';
import { findTargets, verifyTarget } from '#src/log/verify.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { patchOffsetAndEpoch } from '#src/record/batch-patch.js';

const MIB = 2 ** 20;
const SEGMENT_MIB = 256;

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    segments: { type: 'string', default: '10000' },
  },
});

function batchOf(valueBytes: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.append({ timestamp: 1_700_000_000_000, value: new Uint8Array(valueBytes).fill(0x6d) });
  return builder.build();
}

function writeLog(dir: string, mib: number): void {
  mkdirSync(dir, { recursive: true });
  const batch = batchOf(16 * 1024 - 80);
  let next = 0;
  for (let written = 0; written < mib; written += SEGMENT_MIB) {
    const base = next;
    const parts: Uint8Array[] = [];
    for (let bytes = 0; bytes < Math.min(SEGMENT_MIB, mib - written) * MIB; bytes += batch.length) {
      const copy = Uint8Array.from(batch);
      patchOffsetAndEpoch(copy, 0, offset(next++), 0);
      parts.push(copy);
    }
    writeFileSync(join(dir, `${String(base).padStart(20, '0')}.log`), Buffer.concat(parts));
  }
}

async function timed<T>(what: string, run: () => Promise<T> | T): Promise<number> {
  const started = performance.now();
  await run();
  const elapsedMs = performance.now() - started;
  console.log(`${what.padEnd(46)} ${elapsedMs.toFixed(0).padStart(7)} ms`);
  return elapsedMs;
}

async function openLog(dir: string, clean: boolean): Promise<PartitionLog> {
  return PartitionLog.open({
    env: systemEnv,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    reaper: new FileReaper(systemClock, silentLogger),
    dir,
    topic: 'bench',
    partition: 0,
    config: defaultLogConfig,
    clean,
    recoveryPoint: offset(0),
    logStartOffset: offset(0),
  });
}

const root = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
try {
  const mib = Number(values.mib);
  const dir = join(root, 'bench-0');
  writeLog(dir, mib);
  const open = async (clean: boolean): Promise<void> =>
    void (await (await openLog(dir, clean)).close());
  const unclean = await timed(`unclean start, ${mib} MiB not flushed`, () => open(false));
  console.log(`    ${(unclean / (mib / 1024)).toFixed(0)} ms a GiB (target 1000)`);
  await timed('clean start', () => open(true));
  const [target] = findTargets(systemEnv, dir);
  if (target === undefined) throw new Error('a log is there');
  const buffer = Buffer.alloc(MIB);
  const bare = await timed('bare loop of 1 MiB reads', () => {
    for (const base of target.bases) {
      const file = systemEnv.open(join(dir, `${String(base).padStart(20, '0')}.log`), 'read');
      for (let at = 0; file.pread(buffer, 0, MIB, at) > 0; at += MIB);
      file.close();
    }
  });
  const verified = await timed('verify', async () => {
    for await (const segment of verifyTarget(systemEnv, target)) {
      if (segment.file.check.damaged.length > 0) throw new Error('it is sound');
    }
  });
  const rate = mib / 1024 / (verified / 1000);
  console.log(
    `    ${rate.toFixed(2)} GiB/s (target 2), ${(verified / bare).toFixed(2)} x the bare loop`,
  );
  const io = { env: systemEnv, clock: systemClock, out: () => {}, terminal: { write: () => true } };
  await timed('snapshot', () => runSnapshot(dir, join(root, 'copy-0'), { json: true }, io));

  const count = Number(values.segments);
  const many = join(root, 'many-0');
  mkdirSync(many);
  for (let index = 0; index < count; index++) {
    const batch = Uint8Array.from(batchOf(100));
    patchOffsetAndEpoch(batch, 0, offset(index), 0);
    const name = join(many, String(index).padStart(20, '0'));
    writeFileSync(`${name}.log`, batch);
    writeFileSync(`${name}.index`, '');
    writeFileSync(`${name}.timeindex`, '');
  }
  const last = await openLog(many, true);
  await last.close();
  await timed(`clean start, ${count} segments (target 2000)`, () => openLog(many, true));
} finally {
  rmSync(root, { recursive: true, force: true });
}

/**
 * Compaction, transactions and truncation on a simulated disk: crash states of every moment, each
 * opened, compacted again and opened once more. What was acknowledged is there, or something newer of
 * its key; nothing aborted is read as committed; nothing is at an offset that was not written there.
 */

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { seededRandom } from '#src/base/random.js';
import type { Env } from '#src/file/env.js';
import { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { BatchBuilder } from '#src/record/batch-builder.js';
import { isControlBatch, lastOffsetOf, producerIdOf, sizeOf } from '#src/record/batch-view.js';
import { decodeBatch } from '#src/record/decode-batch.js';
import { crashKinds } from '../support/crash-states.js';
import type { DiskImage } from '../support/disk-image.js';
import { SimulatedDisk } from '../support/simulated-disk.js';
import { config, NOW_MS, TOPIC_ID } from './log-fixture.js';

const DIR = '/data';
const CONFIG = config({
  cleanupCompact: true,
  cleanupDelete: false,
  fileDeleteDelayMs: 500,
  flushMessages: 1,
  segmentBytes: 2500,
  indexIntervalBytes: 100,
  deleteRetentionMs: 2000,
});

/** What was written at an offset, and when that was certain. */
interface Written {
  readonly key: string;
  readonly value: string | null;
  /** 'no': aborted, or not decided. */
  committedAt: number | 'no';
}

interface Run {
  readonly disk: SimulatedDisk;
  readonly written: Map<number, Written>;
  /** Moments at which the log was about to be cut, and where. */
  readonly cuts: { readonly moment: number; readonly offset: number }[];
  readonly compactions: { readonly from: number; readonly to: number }[];
  /** Moment from which the clock had gone beyond a delete horizon. */
  expiredAt: number;
}

function openManager(env: Env, clock: ManualClock, seed: number): Promise<LogManager> {
  return LogManager.open({
    env,
    clock,
    random: seededRandom(seed),
    logger: silentLogger,
    dirs: [DIR],
    config: CONFIG,
    nodeId: 1,
    clusterId: TOPIC_ID,
    cleaner: { enable: false },
  });
}

async function runScript(seed: number): Promise<Run> {
  const random = seededRandom(seed);
  const clock = new ManualClock(NOW_MS);
  const disk = new SimulatedDisk({ clock, random: seededRandom(seed + 1) });
  const { env, kill } = disk.process();
  const run: Run = {
    disk,
    written: new Map(),
    cuts: [],
    compactions: [],
    expiredAt: Number.POSITIVE_INFINITY,
  };
  const manager = await openManager(env, clock, seed);
  const of = { topic: 'c', partition: 0, topicId: TOPIC_ID, config: CONFIG };
  const log = await manager.createLog(of);
  let sequence = 0;
  const put = async (transactional: boolean): Promise<number[]> => {
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: sequence };
    const builder = new BatchBuilder(transactional ? { ...producer, isTransactional: true } : {});
    const records: [string, string | null][] = [];
    for (let i = 0; i <= random.below(3); i++) {
      const key = `k${random.below(6)}`;
      const value = random.below(5) === 0 ? null : `v${random.below(1000)}`;
      const bytes = value === null ? null : Buffer.from(value);
      builder.append({ timestamp: clock.nowMs(), key: Buffer.from(key), value: bytes });
      records.push([key, value]);
    }
    // Known before it is written: a crash may leave what was not acknowledged.
    const from = log.logEndOffset;
    const offsets = records.map(([key, value], i) => {
      run.written.set(from + i, { key, value, committedAt: 'no' });
      return from + i;
    });
    const options = { leaderEpoch: 0, owned: true, transactional };
    const result = await log.append(builder.build(), options);
    if (!result.ok || result.baseOffset !== from) throw new Error('not appended where expected');
    if (transactional) sequence += records.length;
    else commit(offsets);
    return offsets;
  };
  const commit = (offsets: readonly number[]): void => {
    for (const at of offsets) (run.written.get(at) as Written).committedAt = disk.moment;
  };
  for (let step = 0; step < 45; step++) {
    const what = random.below(12);
    if (what < 5) await put(false);
    else if (what < 7) {
      const offsets = await put(true);
      const type = random.below(2) === 0 ? 'commit' : 'abort';
      const marker = { type, producerId: 7, producerEpoch: 0, coordinatorEpoch: 0 } as const;
      await log.appendEndTxnMarker({ ...marker, leaderEpoch: 0 });
      if (type === 'commit') commit(offsets);
    } else if (what < 9) await log.roll();
    else if (what === 9) {
      // Appends go on beside it.
      const from = disk.moment;
      const compacted = manager.runCompaction({ force: true });
      await put(false);
      await compacted;
      run.compactions.push({ from, to: disk.moment });
    } else if (what === 10) {
      clock.advance(1200);
      if (clock.nowMs() >= NOW_MS + 2000) run.expiredAt = Math.min(run.expiredAt, disk.moment);
    } else if (random.below(3) === 0 && sequence === 0) {
      const offset = Math.max(0, log.logEndOffset - random.below(6));
      run.cuts.push({ moment: disk.moment, offset });
      const end = await log.truncateTo(offset);
      for (const at of [...run.written.keys()]) if (at >= end) run.written.delete(at);
    }
  }
  await manager.runCompaction({ force: true });
  kill();
  return run;
}

interface Seen {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
}

/** What a read_committed consumer gets. */
function readCommitted(log: PartitionLog): Seen[] {
  const seen: Seen[] = [];
  for (let at: number = log.logStartOffset; ; ) {
    const read = log.read(at, { maxBytes: 600, minOneMessage: true, isolation: 'read_committed' });
    if (!read.ok) throw new Error(`${at}: ${read.error} ${read.message}`);
    if (read.slice === null) return seen;
    const bytes = Buffer.alloc(read.slice.length);
    read.slice.copyTo(bytes, 0, 0, bytes.length);
    read.slice.release();
    const aborted = (read.abortedTransactions ?? []).map(({ firstOffset }) => firstOffset);
    aborted.sort((a, b) => a - b);
    let inAborted = false;
    for (let position = 0; position + 61 <= bytes.length; ) {
      const size = sizeOf(bytes, position);
      if (position + size > bytes.length) break;
      const last = lastOffsetOf(bytes, position);
      const isOurs = producerIdOf(bytes, position) === 7;
      while (aborted.length > 0 && (aborted[0] as number) <= last) {
        aborted.shift();
        inAborted = true;
      }
      if (isControlBatch(bytes, position)) {
        inAborted = false;
      } else if (!(isOurs && inAborted)) {
        for (const { offset, key, value } of decodeBatch(bytes, position)) {
          if (offset < at) continue;
          const text = value === null ? null : Buffer.from(value).toString();
          seen.push({ offset, key: Buffer.from(key ?? []).toString(), value: text });
        }
      }
      at = Math.max(at, last + 1);
      position += size;
    }
  }
}

/** What is wrong with a log that was found after a crash at `moment`. */
function judge(run: Run, log: PartitionLog, moment: number): string[] {
  const wrong: string[] = [];
  const cutting = run.cuts.find((cut, i) => {
    const next = run.cuts[i + 1]?.moment ?? Number.POSITIVE_INFINITY;
    return cut.moment <= moment && moment < next;
  });
  const latest = new Map<string, number>();
  for (const [at, { key, committedAt }] of run.written) {
    if (committedAt !== 'no' && committedAt <= moment) {
      latest.set(key, Math.max(latest.get(key) ?? -1, at));
    }
  }
  const seen = new Map<string, Seen>();
  for (const record of readCommitted(log)) {
    const was = run.written.get(record.offset);
    if (run.cuts.length === 0 && (was?.key !== record.key || was.value !== record.value)) {
      wrong.push(`${record.key}=${record.value} is at ${record.offset}`);
    }
    seen.set(record.key, record);
  }
  for (const [key, at] of latest) {
    const found = seen.get(key);
    const isTombstone = run.written.get(at)?.value === null;
    if (found === undefined && isTombstone && moment >= run.expiredAt) continue;
    if (found === undefined || found.offset < at) {
      wrong.push(`${key} of ${at} is at ${found?.offset}, log end ${log.logEndOffset}`);
    }
  }
  if (cutting === undefined && log.lastStableOffset > log.highWatermark)
    wrong.push('stable offset');
  return wrong;
}

async function judgeState(run: Run, moment: number, image: DiskImage): Promise<string[]> {
  const wrong: string[] = [];
  const clock = new ManualClock(NOW_MS);
  const disk = new SimulatedDisk({ clock, random: seededRandom(1), image, history: false });
  for (const round of ['first', 'compacted', 'again']) {
    const { env, kill } = disk.process();
    const manager = await openManager(env, clock, 3);
    const log = manager.getLog('c', 0);
    const failure = manager.failures.get('c-0');
    if (failure !== undefined) return [`${round}: ${String(failure)}`];
    // A crash before the partition was there.
    if (log === undefined) return moment > 200 ? [`${round}: no log`] : [];
    wrong.push(...judge(run, log, moment).map((problem) => `${round}: ${problem}`));
    if (round === 'compacted') {
      await log.roll();
      await log.flush();
      await manager.runCompaction({ force: true });
      wrong.push(...judge(run, log, moment).map((problem) => `${round} too: ${problem}`));
    }
    kill();
    await manager.close();
  }
  return wrong;
}

const SEEDS = Number(process.env['MILLRACE_CRASH_SEEDS'] ?? 4);
const STATES = Number(process.env['MILLRACE_CRASH_STATES'] ?? 25);

t.setTimeout(0);
t.test('crash states of compaction, transactions and truncation', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = await runScript(seed);
    const random = seededRandom(seed + 99);
    const wrong: string[] = [];
    for (let count = 0; count < STATES; count++) {
      // Half of them while something was compacted.
      const during = run.compactions[random.below(2 * run.compactions.length || 1)];
      const { from, to } = during ?? { from: 0, to: run.disk.moment };
      const moment = from + random.below(to - from + 1);
      for (const kind of crashKinds) {
        const image = run.disk.at(moment).image(kind, random);
        for (const problem of await judgeState(run, moment, image)) {
          wrong.push(`seed ${seed}, moment ${moment}, ${kind}: ${problem}`);
        }
      }
    }
    t.same(wrong.slice(0, 5), [], `seed ${seed}`);
  }
});

/**
 * What the tests of the log room share: a temp directory, a manual clock, batches, and an Env that
 * counts calls and fails when told to.
 */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { silentLogger } from '#src/base/logger.js';
import { OFFSET_ZERO } from '#src/base/offset.js';
import { seededRandom } from '#src/base/random.js';
import { type Env, type EnvFile, systemEnv } from '#src/file/env.js';
import { IoError } from '#src/file/io-error.js';
import { FileReaper } from '#src/log/file-reaper.js';
import { LogManager, type LogManagerOptions } from '#src/log/log-manager.js';
import { PartitionLog, type PartitionLogOptions } from '#src/log/partition-log.js';
import type { AppendResult } from '#src/log/results.js';
import { defaultLogConfig, type LogConfig } from '#src/log/topic-config.js';
import { BatchBuilder, type BatchBuilderOptions } from '#src/record/batch-builder.js';
import { sizeOf } from '#src/record/batch-view.js';
import { decodeBatch } from '#src/record/decode-batch.js';

export const NOW_MS = 1_700_000_000_000;
export const TOPIC_ID = 'tZ4NdPrERqqWzgiThXTbLA';

export function tempDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What a crash leaves: a copy of the directory as it is now, without a living holder of its lock. */
export function crashCopy(t: Test, dir: string): string {
  const copy = tempDir(t);
  cpSync(dir, copy, { recursive: true, filter: (path) => !basename(path).startsWith('.lock') });
  return copy;
}

export interface BatchFields extends BatchBuilderOptions {
  readonly timestamp?: number;
  readonly timestamps?: readonly number[];
  readonly nullKeys?: boolean;
  readonly valueSize?: number;
}

/** A batch of `count` records with keys k0.. and values v0... */
export function batch(count = 1, fields: BatchFields = {}): Uint8Array {
  const { timestamp = NOW_MS, timestamps, nullKeys = false, valueSize, ...options } = fields;
  const builder = new BatchBuilder(options);
  for (let i = 0; i < count; i++) {
    builder.append({
      timestamp: timestamps?.[i] ?? timestamp,
      key: nullKeys ? null : Buffer.from(`k${i}`),
      value: valueSize === undefined ? Buffer.from(`v${i}`) : Buffer.alloc(valueSize, i),
    });
  }
  return builder.build();
}

/** A batch of an idempotent producer. */
export function produced(
  producerId: number,
  baseSequence: number,
  count = 1,
  producerEpoch = 0,
): Uint8Array {
  return batch(count, { producerId, producerEpoch, baseSequence });
}

export interface ReadRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** All visible records from `from` on. */
export function readAll(log: PartitionLog, from: number = log.logStartOffset): ReadRecord[] {
  const records: ReadRecord[] = [];
  for (let at = from; ; ) {
    const read = log.read(at, {
      maxBytes: 1 << 20,
      minOneMessage: true,
      isolation: 'read_uncommitted',
    });
    if (!read.ok) throw new Error(`${read.error}: ${read.message}`);
    if (read.slice === null) return records;
    const bytes = Buffer.alloc(read.slice.length);
    read.slice.copyTo(bytes, 0, 0, bytes.length);
    read.slice.release();
    for (let position = 0; position + 12 <= bytes.length; ) {
      const size = sizeOf(bytes, position);
      if (position + size > bytes.length) break;
      for (const record of decodeBatch(bytes, position)) {
        if (record.offset < at) continue;
        records.push({
          offset: record.offset,
          timestamp: record.timestamp,
          key: record.key === null ? null : Buffer.from(record.key).toString(),
          value: record.value === null ? null : Buffer.from(record.value).toString(),
        });
      }
      at = Math.max(at, lastOffsetIn(bytes, position) + 1);
      position += size;
    }
  }
}

function lastOffsetIn(bytes: Buffer, position: number): number {
  return Number(bytes.readBigInt64BE(position)) + bytes.readInt32BE(position + 23);
}

export function config(overrides: Partial<LogConfig> = {}): LogConfig {
  return { ...defaultLogConfig, ...overrides };
}

export async function openLog(
  t: Test,
  dir: string,
  options: Partial<PartitionLogOptions> = {},
): Promise<PartitionLog> {
  const clock = options.clock ?? new ManualClock(NOW_MS);
  const log = await PartitionLog.open({
    env: systemEnv,
    random: seededRandom(1),
    logger: silentLogger,
    reaper: new FileReaper(clock, silentLogger),
    dir,
    topic: 'orders',
    partition: 0,
    config: config(),
    clean: false,
    recoveryPoint: OFFSET_ZERO,
    logStartOffset: OFFSET_ZERO,
    ...options,
    clock,
  });
  t.teardown(() => log.close());
  return log;
}

export async function openManager(
  t: Test,
  dirs: readonly string[],
  options: Partial<LogManagerOptions> = {},
): Promise<LogManager> {
  const manager = await LogManager.open({
    env: systemEnv,
    clock: new ManualClock(NOW_MS),
    random: seededRandom(1),
    dirs,
    config: config(),
    nodeId: 1,
    clusterId: null,
    ...options,
  });
  t.teardown(() => manager.close());
  return manager;
}

/** Appends as a broker with leader epoch 0 does. */
export function append(log: PartitionLog, records: Uint8Array): Promise<AppendResult> {
  return log.append(records, { leaderEpoch: 0, owned: false });
}

/** Appends and asserts that it went well; answers the base offset. */
export async function appended(log: PartitionLog, records: Uint8Array): Promise<number> {
  const result = await append(log, records);
  if (!result.ok) throw new Error(`${result.error}: ${result.message}`);
  return result.baseOffset;
}

export type Call = 'open' | 'pwritev' | 'datasync' | 'syncDir' | 'rename';

/** Counts calls by name, and lets a test make one of them fail or wait. */
export class WatchedEnv {
  readonly counts = new Map<Call, number>();
  /** Names of calls in order, files by base name. */
  readonly trace: string[] = [];
  /** Consulted before each call: throws or answers a promise to wait for. */
  before: (call: Call, path: string) => Promise<void> | void = () => {};

  /** The system's Env, watched. */
  readonly env: Env = {
    ...systemEnv,
    open: (path, mode) => {
      void this.#note('open', path);
      return this.#watch(systemEnv.open(path, mode));
    },
    syncDir: async (path) => {
      await this.#note('syncDir', path);
      await systemEnv.syncDir(path);
    },
    rename: (from, to) => {
      void this.#note('rename', from);
      systemEnv.rename(from, to);
    },
  };

  count(call: Call): number {
    return this.counts.get(call) ?? 0;
  }

  #note(call: Call, path: string): Promise<void> | void {
    this.counts.set(call, this.count(call) + 1);
    this.trace.push(`${call} ${path.slice(path.lastIndexOf('/') + 1)}`);
    return this.before(call, path);
  }

  #watch(file: EnvFile): EnvFile {
    const note = (call: Call): Promise<void> | void => this.#note(call, file.path);
    return {
      fd: file.fd,
      path: file.path,
      pread: (target, targetOffset, length, position) =>
        file.pread(target, targetOffset, length, position),
      pwritev(buffers, position) {
        if (file.path.endsWith('.log')) void note('pwritev');
        file.pwritev(buffers, position);
      },
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      allocate: (position, length) => file.allocate(position, length),
      async datasync(overwritten) {
        await note('datasync');
        await file.datasync(overwritten);
      },
      datasyncSync() {
        void note('datasync');
        file.datasyncSync();
      },
      close: () => file.close(),
    };
  }
}

export function ioError(errno: string): IoError {
  return new IoError('pwritev', 'a file', errno);
}

/**
 * Verifies partition directories, ours or Kafka's, without changing anything: every batch, every index
 * entry against the batch it points at, and every byte where there is a checksum side file. The log may
 * be in use.
 */

import { basename, dirname, join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import { OFFSET_ZERO, type Offset } from '../base/offset.js';
import type { Env } from '../file/env.js';
import { parseFileName } from '../segment/names.js';
import { isSound, type VerifiedLogFile, verifyLogFile } from '../segment/verify-log-file.js';
import { parseOffsetCheckpoint, RECOVERY_POINT_FILE } from './checkpoints.js';
import { parsePartitionDir } from './partition-dir.js';
import { IndexCheck, type IndexFinding } from './verify-indexes.js';

/** What is to be looked at: a partition's directory, and which of its segments. */
export interface VerifyTarget {
  readonly dir: string;
  /** `TOPIC-PARTITION`, or whatever the directory is called. */
  readonly name: string;
  /** Of all segments, ascending. */
  readonly bases: readonly Offset[];
  /** Those to look at. */
  readonly selected: readonly Offset[];
  /** From the data directory's checkpoint; 0 if it has none. */
  readonly recoveryPoint: Offset;
  /** Of the log files, in bytes. */
  readonly size: number;
}

export interface VerifiedSegment {
  readonly target: VerifyTarget;
  readonly baseOffset: Offset;
  readonly isLast: boolean;
  readonly file: VerifiedLogFile;
  readonly indexes: readonly IndexFinding[];
  /** Nothing is wrong. */
  readonly sound: boolean;
  /** The file changed while it was read: what was said of its end does not count. */
  readonly changing: boolean;
}

export type TargetEnv = Pick<Env, 'readdir' | 'stat' | 'exists' | 'readFile'>;

/**
 * The partitions of a data directory, the partition of a partition's directory, or the segment of a
 * .log file. Throws NOT_FOUND, or NO_LOG where there is none.
 */
export function findTargets(env: TargetEnv, path: string): readonly VerifyTarget[] {
  const stat = env.stat(path);
  if (stat === null) throw new MillraceError(`${path} does not exist`, { code: 'NOT_FOUND' });
  if (!stat.directory) {
    const name = parseFileName(basename(path));
    if (name === null || name.kind !== 'log' || name.state !== 'live') {
      throw new MillraceError(`${path} is neither a directory nor a .log file`, { code: 'NO_LOG' });
    }
    return [targetOf(env, dirname(path), [name.baseOffset])];
  }
  const own = targetOf(env, path, null);
  if (own.bases.length > 0) return [own];
  const found = env
    .readdir(path)
    .filter((name) => parsePartitionDir(name) !== null || name.startsWith('__cluster_metadata-'))
    .sort()
    .map((name) => join(path, name))
    .filter((dir) => env.stat(dir)?.directory === true)
    .map((dir) => targetOf(env, dir, null));
  if (found.length === 0 && !env.exists(join(path, 'meta.properties'))) {
    throw new MillraceError(`${path} has no partitions and no segments`, { code: 'NO_LOG' });
  }
  return found;
}

function targetOf(env: TargetEnv, dir: string, only: readonly Offset[] | null): VerifyTarget {
  const bases = env
    .readdir(dir)
    .map(parseFileName)
    .filter((parsed) => parsed !== null && parsed.kind === 'log' && parsed.state === 'live')
    .map((parsed) => (parsed as { baseOffset: Offset }).baseOffset)
    .sort((a, b) => a - b);
  const selected = only ?? bases;
  const name = basename(dir);
  let size = 0;
  for (const base of selected) {
    size += env.stat(join(dir, `${String(base).padStart(20, '0')}.log`))?.size ?? 0;
  }
  return { dir, name, bases, selected, recoveryPoint: recoveryPointOf(env, dir, name), size };
}

function recoveryPointOf(env: TargetEnv, dir: string, name: string): Offset {
  try {
    const path = join(dirname(dir), RECOVERY_POINT_FILE);
    if (!env.exists(path)) return OFFSET_ZERO;
    const points = parseOffsetCheckpoint(env.readFile(path).toString('utf8'));
    return points?.get(name) ?? OFFSET_ZERO;
  } catch {
    // A checkpoint that cannot be read is one that is not there.
    return OFFSET_ZERO;
  }
}

export interface VerifyOptions {
  readonly onBatches?: (batches: Float64Array, count: number) => void;
  /** With the bytes read of this segment; default: lets others have a turn. */
  readonly onTurn?: (bytesRead: number) => Promise<void> | undefined;
}

/** Segment after segment, in order. A segment deleted meanwhile is passed over. */
export async function* verifyTarget(
  env: Env,
  target: VerifyTarget,
  options: VerifyOptions = {},
): AsyncGenerator<VerifiedSegment> {
  for (const baseOffset of target.selected) {
    const path = join(target.dir, `${String(baseOffset).padStart(20, '0')}.log`);
    try {
      yield await verifySegment(env, target, baseOffset, options);
    } catch (error) {
      const gone = error instanceof MillraceError && error.code === 'NOT_FOUND';
      if (!gone || env.exists(path)) throw error;
    }
  }
}

async function verifySegment(
  env: Env,
  target: VerifyTarget,
  baseOffset: Offset,
  options: VerifyOptions,
): Promise<VerifiedSegment> {
  const { dir, bases, recoveryPoint } = target;
  const nextBaseOffset = bases[bases.indexOf(baseOffset) + 1] ?? null;
  const isLast = nextBaseOffset === null;
  const check = new IndexCheck(env, dir, baseOffset);
  const { onTurn } = options;
  const file = await verifyLogFile({
    env,
    dir,
    baseOffset,
    nextBaseOffset,
    recoveryPoint,
    indexIntervalBytes: 4096,
    indexBytesMax: 2 ** 31 - 1,
    onBatches(batches, count) {
      check.take(batches, count);
      options.onBatches?.(batches, count);
    },
    ...(onTurn === undefined ? {} : { onTurn }),
  });
  const path = join(dir, `${String(baseOffset).padStart(20, '0')}.log`);
  const now = env.stat(path);
  const changing = now === null || now.modifiedMs !== file.identity.modifiedMs;
  // The writer of an active segment writes its last index entries when it is rolled or closed.
  const indexes = check.finish(isLast);
  const tornOnly = file.check.damaged.length === 0 && file.wrong.length === 0;
  const sound = indexes.length === 0 && (isSound(file) || (changing && tornOnly && isLast));
  return { target, baseOffset, isLast, file, indexes, sound, changing };
}

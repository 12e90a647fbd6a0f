/**
 * `millrace log snapshot`: a copy of a data directory, or of one partition, that opens as a log of its
 * own, also while a broker writes to the source. Sealed logs get a second name (a hard link), only the
 * active one of each partition is copied, and the small files that are written in place.
 *
 *     .log of a sealed segment, .snapshot, .checksum   linked: nobody writes them again
 *     .log of the active segment, indexes              copied, up to what was whole when it began
 *     checkpoints, meta.properties                     copied; recovery points made anew
 *
 * A partition whose sealed files changed meanwhile (retention, compaction, truncation) is begun again;
 * a compaction that is half done is taken as it is, and completed when the copy is opened. The copy has
 * no clean-shutdown marker: opening it checks the active segments, and cuts a torn append.
 * Everything copied is synced, and so are the directories; what the source has not synced is not, as
 * long as it has not.
 */

import { join } from 'node:path';
import { MillraceError } from '../../base/errors.js';
import type { Offset } from '../../base/offset.js';
import { METADATA_BACKUP_FILE, METADATA_FILE } from '../../cluster/metadata-store.js';
import { copyFile, hardLink } from '../../file/hard-link.js';
import { formatOffsetCheckpoint, RECOVERY_POINT_FILE } from '../../log/checkpoints.js';
import { parsePartitionDir } from '../../log/partition-dir.js';
import { findTargets, type VerifyTarget } from '../../log/verify.js';
import { appendedEnd } from '../../segment/appended-end.js';
import { formatFileName, parseFileName, type SegmentFileName } from '../../segment/names.js';
import { formatBytes } from '../progress.js';
import type { ToolIo } from './log-verify.js';

const ATTEMPTS_MAX = 10;
const LINKED = ['log', 'snapshot', 'checksum'];
/** In the data directory; recovery points are made anew. */
const KEPT = ['meta.properties', 'bootstrap.checkpoint', METADATA_FILE, METADATA_BACKUP_FILE];
/** Taken before the logs, so that they are not above the end of a log. */
const KEPT_FIRST = [
  'log-start-offset-checkpoint',
  'replication-offset-checkpoint',
  'cleaner-offset-checkpoint',
];
/** A writer gets so long to finish a batch. */
const WRITE_MS = 2;

interface Totals {
  linked: number;
  copied: number;
  linkedBytes: number;
  copiedBytes: number;
}

/** Answers 0; throws if `destination` is there and not empty, or if a file cannot be made. */
export async function runSnapshot(
  source: string,
  destination: string,
  { json }: { readonly json: boolean },
  io: ToolIo,
): Promise<0> {
  const { env, clock, out } = io;
  const startMs = clock.monotonicMs();
  if (env.exists(destination) && env.readdir(destination).length > 0) {
    throw new MillraceError(`${destination} is not empty`, { code: 'ALREADY_EXISTS' });
  }
  const targets = findTargets(env, source);
  const isPartition = targets.length === 1 && targets[0]?.dir === source;
  const totals: Totals = { linked: 0, copied: 0, linkedBytes: 0, copiedBytes: 0 };
  const recoveryPoints = new Map<string, Offset>();
  env.mkdir(destination);
  const keep = async (names: readonly string[]): Promise<void> => {
    for (const name of names) {
      if (isPartition || !env.exists(join(source, name))) continue;
      await copyWhole(env, join(source, name), join(destination, name), totals);
    }
  };
  await keep(KEPT_FIRST);
  for (const target of targets) {
    const to = isPartition ? destination : join(destination, target.name);
    const active = await snapshotPartition(io, target, to, totals);
    if (active !== null && parsePartitionDir(target.name) !== null) {
      recoveryPoints.set(target.name, active);
    }
  }
  await keep(KEPT);
  if (!isPartition) {
    const points = Buffer.from(formatOffsetCheckpoint(recoveryPoints));
    await env.writeFileAtomic(join(destination, RECOVERY_POINT_FILE), points);
  }
  await env.syncDir(destination);
  const elapsedMs = Math.round(clock.monotonicMs() - startMs);
  const { linked, copied, linkedBytes, copiedBytes } = totals;
  if (json) {
    const summary = { type: 'summary', partitions: targets.length, ...totals, elapsedMs };
    out(JSON.stringify(summary));
  } else {
    const links = `${linked} files linked (${formatBytes(linkedBytes)})`;
    out(`${links}, ${copied} copied (${formatBytes(copiedBytes)}) in ${elapsedMs} ms`);
  }
  return 0;
}

/** Answers the base offset of its active segment; null: it has none, or was deleted meanwhile. */
async function snapshotPartition(
  io: ToolIo,
  target: VerifyTarget,
  to: string,
  totals: Totals,
): Promise<Offset | null> {
  const { env } = io;
  for (let attempt = 1; ; attempt++) {
    const attempted: Totals = { linked: 0, copied: 0, linkedBytes: 0, copiedBytes: 0 };
    env.mkdir(to);
    const active = await tryPartition(io, target, to, attempted);
    if (active !== 'changed') {
      for (const key of Object.keys(attempted) as (keyof Totals)[]) totals[key] += attempted[key];
      return active;
    }
    for (const name of env.readdir(to)) env.unlink(join(to, name));
    if (!env.exists(target.dir)) {
      env.rmdir(to);
      return null;
    }
    if (attempt === ATTEMPTS_MAX) {
      const message = `${target.dir} changed all the while: try again`;
      throw new MillraceError(message, { code: 'CHANGING' });
    }
  }
}

async function tryPartition(
  io: ToolIo,
  { dir, recoveryPoint }: VerifyTarget,
  to: string,
  totals: Totals,
): Promise<Offset | null | 'changed'> {
  const { env } = io;
  try {
    const names = env.readdir(dir);
    const logs = names.map(parseFileName).filter((file) => file?.kind === 'log');
    const bases = logs.map((file) => (file?.state === 'live' ? file.baseOffset : -1));
    const active = Math.max(-1, ...bases) as Offset;
    const before = sealedIn(env, dir, active);
    const activeLog = active < 0 ? null : formatFileName(active, 'log');
    for (const name of names) {
      const parsed = parseFileName(name);
      const other = name === 'leader-epoch-checkpoint' || name === 'partition.metadata';
      if (name === activeLog || (parsed === null ? !other : !isTaken(parsed))) continue;
      const [from, copy] = [join(dir, name), join(to, name)];
      if (parsed !== null && LINKED.includes(parsed.kind) && hardLink(from, copy)) {
        totals.linked++;
        totals.linkedBytes += env.stat(copy)?.size ?? 0;
      } else {
        await copyWhole(env, from, copy, totals);
      }
    }
    // Behind its indexes, so that they have no entry beyond its end.
    if (activeLog !== null) {
      const [from, copy] = [join(dir, activeLog), join(to, activeLog)];
      await copyActive(io, { from, to: copy, baseOffset: active, recoveryPoint }, totals);
    }
    if (sealedIn(env, dir, active) !== before) return 'changed';
    await env.syncDir(to);
    return active < 0 ? null : active;
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'NOT_FOUND') return 'changed';
    throw error;
  }
}

/** A compaction that is committed has its result in .swap files. */
function isTaken({ state }: SegmentFileName): boolean {
  return state === 'live' || state === 'swap';
}

/** What the logs below the active one look like from outside. */
function sealedIn(env: ToolIo['env'], dir: string, active: number): string {
  const found = env.readdir(dir).filter((name) => {
    const parsed = parseFileName(name);
    return parsed?.kind === 'log' && parsed.baseOffset <= active && isTaken(parsed);
  });
  const looks = found.map((name) => {
    const { size, modifiedMs } = env.stat(join(dir, name)) ?? { size: -1, modifiedMs: -1 };
    const isActive = parseFileName(name)?.baseOffset === active;
    return isActive ? name : `${name} ${size} ${modifiedMs}`;
  });
  return looks.sort().join('\n');
}

async function copyActive(
  { env, clock }: ToolIo,
  log: { from: string; to: string; baseOffset: Offset; recoveryPoint: Offset },
  totals: Totals,
): Promise<void> {
  const { from, to, baseOffset, recoveryPoint } = log;
  const file = env.open(from, 'read');
  try {
    const wait = (): Promise<void> =>
      new Promise((resolve) => clock.setTimer(WRITE_MS, resolve, true));
    const size = await appendedEnd({ env, file, baseOffset, recoveryPoint, wait });
    await copyWhole(env, from, to, totals, size);
  } finally {
    file.close();
  }
}

async function copyWhole(
  env: ToolIo['env'],
  from: string,
  to: string,
  totals: Totals,
  sizeMax = Number.POSITIVE_INFINITY,
): Promise<void> {
  copyFile(from, to);
  const file = env.open(to, 'update');
  try {
    if (file.size() > sizeMax) file.truncate(sizeMax);
    totals.copied++;
    totals.copiedBytes += file.size();
    await file.datasync();
  } finally {
    file.close();
  }
}

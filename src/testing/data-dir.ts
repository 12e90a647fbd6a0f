/**
 * Snapshots of a data directory: what a kill -9 would leave at one moment, in a directory that nobody
 * writes to again. Taken synchronously in the broker's thread, so that it is one moment for all
 * partitions; a broker that begins with it recovers it as after a crash.
 *
 *     .log, .snapshot, .checksum below the active segment   linked: nobody writes them again
 *     the active .log                                       copied
 *     indexes                                               copied: they are mended in place
 *     checkpoints, metadata, meta.properties                copied; recovery points made anew
 *     millrace.snapshot                                     that it is one, and of which format
 *
 * A broker that begins with it gets links again. Cutting a sealed file would cut it in all: recovery
 * begins at the active segment, and truncation by replicas is not a thing here.
 */

import { join } from 'node:path';
import { MillraceError } from '../base/errors.js';
import type { Offset } from '../base/offset.js';
import { METADATA_BACKUP_FILE, METADATA_FILE } from '../cluster/metadata-store.js';
import { systemEnv } from '../file/env.js';
import { copyFile, hardLink } from '../file/hard-link.js';
import { removeTree } from '../file/temp-dir.js';
import {
  CLEANER_FILE,
  formatOffsetCheckpoint,
  HIGH_WATERMARK_FILE,
  LOG_START_FILE,
  RECOVERY_POINT_FILE,
} from '../log/checkpoints.js';
import { META_PROPERTIES_FILE } from '../log/meta-properties.js';
import { isDeletedDir, parsePartitionDir } from '../log/partition-dir.js';
import { formatFileName, parseFileName } from '../segment/names.js';

export const SNAPSHOT_FILE = 'millrace.snapshot';
const FORMAT = 1;

const LINKED: readonly string[] = ['log', 'snapshot', 'checksum'];
const SMALL: readonly string[] = [
  ...[META_PROPERTIES_FILE, METADATA_FILE, METADATA_BACKUP_FILE],
  ...[LOG_START_FILE, HIGH_WATERMARK_FILE, CLEANER_FILE],
];

/** Copies the data directory `from` into `to`, which exists and is empty. Synchronous. */
export function copyDataDir(from: string, to: string): void {
  const recoveryPoints = new Map<string, Offset>();
  for (const name of systemEnv.readdir(from)) {
    if (SMALL.includes(name)) copyFile(join(from, name), join(to, name));
    if (parsePartitionDir(name) === null) continue;
    const active = copyPartition(join(from, name), join(to, name));
    if (active !== null) recoveryPoints.set(name, active);
  }
  const points = Buffer.from(formatOffsetCheckpoint(recoveryPoints));
  writeSmall(join(to, RECOVERY_POINT_FILE), points);
}

/** Answers the base offset of the active segment; null: there is none. */
function copyPartition(from: string, to: string): Offset | null {
  systemEnv.mkdir(to);
  const names = systemEnv.readdir(from);
  let active: Offset | null = null;
  for (const name of names) {
    const file = parseFileName(name);
    if (file?.kind !== 'log' || file.state !== 'live') continue;
    if (active === null || file.baseOffset > active) active = file.baseOffset;
  }
  const activeLog = active === null ? null : formatFileName(active, 'log');
  for (const name of names) {
    const file = parseFileName(name);
    // A compaction that is committed has its result in .swap files.
    const taken = file === null ? !name.endsWith('.tmp') : /^(live|swap)$/.test(file.state);
    if (!taken) continue;
    const linked = file !== null && LINKED.includes(file.kind) && name !== activeLog;
    if (linked && hardLink(join(from, name), join(to, name))) continue;
    copyFile(join(from, name), join(to, name));
  }
  return active;
}

/** Marks `dir` as a snapshot. */
export function markSnapshot(dir: string, takenMs: number): void {
  const mark = JSON.stringify({ format: FORMAT, takenMs });
  writeSmall(join(dir, SNAPSHOT_FILE), Buffer.from(`${mark}\n`));
}

/** When it was taken, by its broker's clock. Throws NOT_A_SNAPSHOT or SNAPSHOT_VERSION. */
export function checkSnapshot(dir: string): number {
  const path = join(dir, SNAPSHOT_FILE);
  if (!systemEnv.exists(path)) {
    const message = `${dir} is not a snapshot (it was disposed, or never one): it has no ${SNAPSHOT_FILE}`;
    throw new MillraceError(message, { code: 'NOT_A_SNAPSHOT' });
  }
  const { format, takenMs } = parseMark(systemEnv.readFile(path).toString());
  if (format !== FORMAT || typeof takenMs !== 'number') {
    const found = String(format ?? 'an unknown one');
    const message = `${dir} is a snapshot of format ${found}, this version of millrace reads ${FORMAT}: take it anew`;
    throw new MillraceError(message, { code: 'SNAPSHOT_VERSION' });
  }
  return takenMs;
}

function parseMark(text: string): { readonly format?: unknown; readonly takenMs?: unknown } {
  try {
    return JSON.parse(text) as { format?: unknown; takenMs?: unknown };
  } catch {
    // Not what this version writes.
    return {};
  }
}

/** Removes all that a broker has in its data directory; other files, and the directory, stay. */
export function clearDataDir(dir: string): void {
  for (const name of systemEnv.readdir(dir)) {
    const path = join(dir, name);
    if (systemEnv.stat(path)?.directory === true) {
      if (parsePartitionDir(name) !== null || isDeletedDir(name)) removeTree(path);
    } else if (name !== SNAPSHOT_FILE && name !== '.lock') {
      removeTree(path);
    }
  }
}

function writeSmall(path: string, bytes: Uint8Array): void {
  const file = systemEnv.open(path, 'create-new');
  try {
    file.pwritev([bytes], 0);
  } finally {
    file.close();
  }
}

/**
 * Finds the next good batch behind damage, by its place: the length field of the damaged batch first,
 * then byte by byte. A batch that is found inside what the damaged batch claims as its own is not
 * taken at its word, because record values may hold whole batches (a topic of backups does):
 *
 *     | damaged header | ... value that is a batch ... | torn        unclear
 *     | damaged header with a wrong length | good | good | ...       valid
 *
 * It is accepted there if the damaged batch has a good CRC up to it (so that only its length is
 * wrong), or if good batches lead from it across the claimed end.
 */

import type { EnvFile } from '../file/env.js';
import {
  lastOffsetDeltaOf,
  lengthOf,
  magicOf,
  readInt64,
  recordsCountOf,
  sizeOf,
} from '../record/batch-view.js';
import { WALK_CRC, WALK_SPARSE_OFFSETS, walkBatches, walkOut } from '../record/batch-walk.js';
import {
  HEADER_SIZE,
  LENGTH,
  LENGTH_MIN,
  LOG_OVERHEAD,
  MAGIC,
  MAGIC_V2,
} from '../record/layout.js';
import { BatchScan, isBatchAt } from './scan.js';

const WINDOW_SIZE = 1024 * 1024;

export interface ResyncBounds {
  /** Exclusive, in bytes. */
  readonly end: number;
  /** A follower has a base offset in [offset, endOffset). */
  readonly offset: number;
  readonly endOffset: number;
}

export type Follower =
  | { readonly kind: 'valid'; readonly position: number }
  | { readonly kind: 'none' | 'unclear' };

export function findFollower(file: EnvFile, damage: number, bounds: ResyncBounds): Follower {
  const claimedEnd = claimedEndOf(file, damage, bounds);
  if (claimedEnd === bounds.end) return { kind: 'none' };
  const found = claimedEnd > damage && claimedEnd < bounds.end ? claimedEnd : -1;
  if (found !== -1 && isFollower(file, found, bounds)) return { kind: 'valid', position: found };
  let unclear = false;
  let at = damage + 1;
  for (;;) {
    const candidate = nextCandidate(file, at, bounds);
    if (candidate === -1) return { kind: unclear ? 'unclear' : 'none' };
    if (candidate >= claimedEnd || isFollowed(file, damage, candidate, claimedEnd, bounds)) {
      return { kind: 'valid', position: candidate };
    }
    unclear = true;
    at = candidate + 1;
  }
}

/** Where a damaged batch with a plausible header says it ends; -1 if its header is not plausible. */
function claimedEndOf(file: EnvFile, position: number, bounds: ResyncBounds): number {
  const header = new Uint8Array(HEADER_SIZE);
  if (file.pread(header, 0, HEADER_SIZE, position) < LOG_OVERHEAD) return -1;
  if (readInt64(header, 0) !== bounds.offset || lengthOf(header, 0) < LENGTH_MIN) return -1;
  return position + sizeOf(header, 0);
}

/** Whether `candidate`, inside the claimed extent of the damaged batch, is a batch of the log. */
function isFollowed(
  file: EnvFile,
  damage: number,
  candidate: number,
  claimedEnd: number,
  bounds: ResyncBounds,
): boolean {
  const bytes = new Uint8Array(candidate - damage);
  if (bytes.length >= HEADER_SIZE && file.pread(bytes, 0, bytes.length, damage) === bytes.length) {
    const length = bytes.length - LOG_OVERHEAD;
    new DataView(bytes.buffer).setInt32(LENGTH, length);
    bytes[MAGIC] = MAGIC_V2;
    const flags = WALK_CRC | WALK_SPARSE_OFFSETS;
    if (walkBatches(bytes, 0, bytes.length, walkOut(1), flags) === 1) return true;
  }
  const scan = new BatchScan(file, candidate, bounds.end);
  while (scan.position <= claimedEnd && scan.step());
  return scan.position > claimedEnd;
}

function isFollower(file: EnvFile, position: number, bounds: ResyncBounds): boolean {
  const header = new Uint8Array(HEADER_SIZE);
  if (position + HEADER_SIZE > bounds.end) return false;
  if (file.pread(header, 0, HEADER_SIZE, position) < HEADER_SIZE) return false;
  return isPlausible(header, 0, position, bounds) && isBatchAt(file, position, bounds.end);
}

/** The first good batch at or after `from`, or -1. */
function nextCandidate(file: EnvFile, from: number, bounds: ResyncBounds): number {
  const window = Buffer.allocUnsafe(Math.min(WINDOW_SIZE, Math.max(0, bounds.end - from)));
  for (let base = from; base + HEADER_SIZE <= bounds.end; ) {
    const size = file.pread(window, 0, Math.min(window.length, bounds.end - base), base);
    if (size < HEADER_SIZE) return -1;
    const last = size - HEADER_SIZE;
    for (let at = nextMagic(window, 0, size); at !== -1 && at <= last; ) {
      const position = base + at;
      if (isPlausible(window, at, position, bounds) && isBatchAt(file, position, bounds.end)) {
        return position;
      }
      at = nextMagic(window, at + 1, size);
    }
    // Headers that begin in the last bytes of the window are looked at in the next one.
    base += last + 1;
  }
  return -1;
}

/** The next place in the window whose 17th byte is the magic. */
function nextMagic(window: Buffer, at: number, size: number): number {
  const found = window.indexOf(MAGIC_V2, at + MAGIC);
  return found === -1 || found >= size ? -1 : found - MAGIC;
}

function isPlausible(
  bytes: Uint8Array,
  at: number,
  position: number,
  bounds: ResyncBounds,
): boolean {
  const length = lengthOf(bytes, at);
  const baseOffset = readInt64(bytes, at);
  const delta = lastOffsetDeltaOf(bytes, at);
  return (
    magicOf(bytes, at) === MAGIC_V2 &&
    length >= LENGTH_MIN &&
    position + length + LOG_OVERHEAD <= bounds.end &&
    baseOffset >= bounds.offset &&
    delta >= 0 &&
    recordsCountOf(bytes, at) >= 0 &&
    baseOffset + delta < bounds.endOffset
  );
}

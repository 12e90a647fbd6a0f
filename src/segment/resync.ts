/**
 * Finds the next good batch behind damage, by its place: where the CRC of the damaged batch is good, for
 * then its length alone is wrong; else at the end that it claims; else byte by byte. A batch that is
 * found inside what the damaged batch claims as its own is not taken at its word, because record
 * values may hold whole batches (a topic of backups does):
 *
 *     | damaged header | ... value that is a batch ... | torn        unclear
 *     | damaged header with a wrong length | good | good | ...       valid
 *
 * It is accepted there if the damaged batch has a good CRC up to it (so that only its length is
 * wrong), or if good batches lead from it across the claimed end.
 */

import type { EnvFile } from '../file/env.js';
import {
  crcOf,
  lastOffsetDeltaOf,
  lengthOf,
  magicOf,
  readInt64,
  recordsCountOf,
  sizeOf,
} from '../record/batch-view.js';
import { crc32c } from '../record/checksum.js';
import {
  ATTRIBUTES,
  HEADER_SIZE,
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
  const shorterEnd = shorterEndOf(file, damage, Math.min(claimedEnd, bounds.end), bounds);
  if (shorterEnd !== -1) return { kind: 'valid', position: shorterEnd };
  if (claimedEnd === bounds.end) return { kind: 'none' };
  const found = claimedEnd > damage && claimedEnd < bounds.end ? claimedEnd : -1;
  if (found !== -1 && isFollower(file, found, bounds)) return { kind: 'valid', position: found };
  let unclear = false;
  let at = damage + 1;
  for (;;) {
    const candidate = nextCandidate(file, at, bounds);
    if (candidate === -1) return { kind: unclear ? 'unclear' : 'none' };
    if (candidate >= claimedEnd || crosses(file, candidate, claimedEnd, bounds)) {
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

/**
 * Where the damaged batch ends in truth, if its length alone is wrong: before a batch inside of what it
 * claims, up to which its CRC is good; -1 if there is none. One pass over the claimed bytes.
 */
function shorterEndOf(
  file: EnvFile,
  damage: number,
  claimedEnd: number,
  bounds: ResyncBounds,
): number {
  let at = damage + HEADER_SIZE;
  if (claimedEnd <= at) return -1;
  const header = new Uint8Array(HEADER_SIZE);
  if (file.pread(header, 0, HEADER_SIZE, damage) < HEADER_SIZE) return -1;
  let crc = crc32c(header, ATTRIBUTES, HEADER_SIZE - ATTRIBUTES);
  for (let from = at; ; from = at + 1) {
    const candidate = nextCandidate(file, from, bounds, claimedEnd);
    if (candidate === -1) return -1;
    const bytes = new Uint8Array(candidate - at);
    if (file.pread(bytes, 0, bytes.length, at) < bytes.length) return -1;
    crc = crc32c(bytes, 0, bytes.length, crc);
    if (crc === crcOf(header, 0)) return candidate;
    at = candidate;
  }
}

/** Whether good batches lead from `candidate`, inside the claimed extent, across its end. */
function crosses(
  file: EnvFile,
  candidate: number,
  claimedEnd: number,
  bounds: ResyncBounds,
): boolean {
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

/** The first good batch that begins in [from, until), or -1. */
function nextCandidate(
  file: EnvFile,
  from: number,
  bounds: ResyncBounds,
  until = bounds.end,
): number {
  const window = Buffer.allocUnsafe(Math.min(WINDOW_SIZE, Math.max(0, bounds.end - from)));
  for (let base = from; base < until && base + HEADER_SIZE <= bounds.end; ) {
    const size = file.pread(window, 0, Math.min(window.length, bounds.end - base), base);
    if (size < HEADER_SIZE) return -1;
    const last = size - HEADER_SIZE;
    for (let at = nextMagic(window, 0, size); at !== -1 && at <= last; ) {
      const position = base + at;
      if (position >= until) return -1;
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

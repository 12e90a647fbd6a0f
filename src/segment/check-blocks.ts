/**
 * Checks a segment that nobody closed: its batches (check.ts), and the blocks of its checksum side file, if
 * it has one. A block that is not what it was, and holds no batch that is damaged by its own CRC, has a
 * flip in bytes that no CRC of a batch covers: no batch that touches it is believed.
 */

import type { EnvFile } from '../file/env.js';
import { type CheckOptions, type CheckResult, checkSegmentInTurns } from './check.js';
import {
  type ByteRange,
  CHECKSUM_BLOCK_SIZE,
  differingRanges,
  type SegmentChecksums,
} from './checksums.js';
import { blockSumsLater } from './first-read.js';

/** Bytes summed at a time: whole blocks. */
const STEP_SIZE = 64 * CHECKSUM_BLOCK_SIZE;

/** `checksums`: of the first bytes of the file. Rejects with an I/O error. */
export async function checkWithBlocks(
  options: CheckOptions,
  checksums: SegmentChecksums | null,
): Promise<CheckResult> {
  const wrong = checksums === null ? [] : await wrongBlocks(options.file, checksums);
  if (wrong.length === 0) return checkSegmentInTurns(options);
  const seen = await checkSegmentInTurns({ ...options, onBatches: undefined });
  const doubtful = wrong.filter(
    ({ position, endPosition }) =>
      endPosition <= seen.size &&
      !seen.damaged.some((range) => range.position < endPosition && position < range.endPosition),
  );
  return checkSegmentInTurns({ ...options, doubtful });
}

/** Each by itself, not neighbours as one: one may be explained and the other not. */
async function wrongBlocks(
  file: EnvFile,
  checksums: SegmentChecksums,
): Promise<readonly ByteRange[]> {
  const { length, crcs } = checksums;
  const found = new Uint32Array(crcs);
  for (let at = 0; at < length; at += STEP_SIZE) {
    const sums = await blockSumsLater(file, at, Math.min(STEP_SIZE, length - at));
    if (sums === null) return [];
    found.set(sums, at / CHECKSUM_BLOCK_SIZE);
  }
  return differingRanges(checksums, found).flatMap(({ position, endPosition }) => {
    const blocks: ByteRange[] = [];
    for (let at = position; at < endPosition; at += CHECKSUM_BLOCK_SIZE) {
      blocks.push({ position: at, endPosition: Math.min(endPosition, at + CHECKSUM_BLOCK_SIZE) });
    }
    return blocks;
  });
}

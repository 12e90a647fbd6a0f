/**
 * From blocks that differ from the side file to ranges that are not served. Called where a check of the
 * batches has told what it could: a block that no damaged batch explains has a flip in bytes that no CRC
 * of a batch covers, and every batch that touches it is in doubt.
 */

import type { Logger } from '../base/logger.js';
import type { Offset } from '../base/offset.js';
import type { BatchLocator } from './batch-locator.js';
import type { DamagedRange } from './check.js';
import type { ByteRange } from './checksums.js';

/** What is damaged, with what was known before; in order of position. */
export function damageOfBlocks(
  locator: BatchLocator,
  wrong: readonly ByteRange[],
  segment: { readonly baseOffset: number; readonly nextOffset: number; readonly size: number },
): readonly DamagedRange[] {
  const known = locator.damaged;
  const found = wrong
    .filter((block) => !known.some((range) => overlap(range, block)))
    .map((block) => rangeOf(locator, block, segment));
  return [...known, ...found].sort((a, b) => a.position - b.position);
}

export function logDamage(logger: Logger, path: string, damaged: readonly DamagedRange[]): void {
  for (const { position, endPosition, offset, endOffset } of damaged) {
    const fields = { path, position, endPosition, offset, endOffset };
    logger.error('a segment is damaged; this range is not served', fields);
  }
}

function overlap(a: ByteRange, b: ByteRange): boolean {
  return a.position < b.endPosition && b.position < a.endPosition;
}

function rangeOf(
  locator: BatchLocator,
  block: ByteRange,
  segment: { readonly baseOffset: number; readonly nextOffset: number; readonly size: number },
): DamagedRange {
  const cursor = locator.walk();
  let position = 0;
  let offset = segment.baseOffset;
  let endPosition = segment.size;
  let endOffset = segment.nextOffset;
  while (locator.advance(cursor)) {
    if (cursor.nextPosition <= block.position) {
      position = cursor.nextPosition;
      offset = cursor.lastOffset + 1;
    } else if (cursor.position >= block.endPosition) {
      endPosition = cursor.position;
      endOffset = cursor.baseOffset;
      break;
    }
  }
  return { position, endPosition, offset: offset as Offset, endOffset };
}

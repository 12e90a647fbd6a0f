/**
 * From an offset to its batch: index entry, then headers. Every entry is checked against the header
 * it points to (R8), and damaged ranges are stepped over. Null always means "not found this way":
 * whether the index lied or there is no such batch is for the segment to find out.
 */

import type { Offset } from '../base/offset.js';
import { yieldToLoop } from '../base/tick.js';
import type { EnvFile } from '../file/env.js';
import type { OffsetIndex } from '../index/offset-index.js';
import type { TimeIndex } from '../index/time-index.js';
import type { DamagedRange } from './check.js';
import { HeaderCursor } from './scan.js';
import type { BatchPosition } from './segment-types.js';

/** Bytes of one read where the batch is near (two index intervals), and on a walk over many. */
const NEAR_WINDOW = 8192;
const FAR_WINDOW = 64 * 1024;
/** Headers walked before others have a turn. */
const WALK_TURN_COUNT = 4096;

/** What a locator looks at. */
export interface LocatorSource {
  readonly baseOffset: number;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  /** Opens the log if it is not open. */
  file(): EnvFile;
  /** Bytes of the log. */
  size(): number;
}

export class BatchLocator {
  /** In order of position; a sealed segment's are few. */
  damaged: readonly DamagedRange[] = [];
  #source: LocatorSource;
  /** Made once: a look-up allocates nothing. */
  #near: HeaderCursor | null = null;

  constructor(source: LocatorSource) {
    this.#source = source;
  }

  /** A cursor of its own before the first batch, for a walk. */
  walk(): HeaderCursor {
    const cursor = new HeaderCursor(this.#source.file(), FAR_WINDOW);
    cursor.seek(0, this.#source.size());
    return cursor;
  }

  /** Moves to the next batch that is not damaged. */
  advance(cursor: HeaderCursor): boolean {
    for (const range of this.damaged) {
      const { nextPosition } = cursor;
      if (nextPosition < range.position || nextPosition >= range.endPosition) continue;
      cursor.seek(range.endPosition, this.#source.size());
    }
    return cursor.next();
  }

  /**
   * The largest timestamp of all batches that are not damaged, -1 if none; null: a header is, and was
   * not known to be. `onTurn` runs after others had a turn.
   */
  async largestTimestamp(onTurn: () => void): Promise<number | null> {
    const cursor = this.walk();
    let largest = -1;
    for (let count = 1; this.advance(cursor); count++) {
      largest = Math.max(largest, cursor.maxTimestamp);
      if (count % WALK_TURN_COUNT > 0) continue;
      await yieldToLoop();
      onTurn();
    }
    return cursor.malformed ? null : largest;
  }

  /**
   * A cursor at the first batch with a relative last offset >= `relativeOffset`. Valid until the next
   * call of this or of one of the next two.
   */
  find(relativeOffset: number): HeaderCursor | null {
    const { offsetIndex, baseOffset } = this.#source;
    const slot = offsetIndex.floor(relativeOffset);
    const behind = this.#behindGap(slot, relativeOffset);
    if (behind !== null) return behind;
    const cursor = slot < 0 ? this.#first() : this.atOffsetEntry(slot);
    while (cursor !== null && cursor.lastOffset - baseOffset < relativeOffset) {
      if (!this.advance(cursor)) return null;
    }
    return cursor;
  }

  /**
   * A batch larger than an index interval has an entry, and so has the one behind it. So of two entries that
   * one read does not reach from each other, the second is looked at first: one read, not two.
   */
  #behindGap(slot: number, relativeOffset: number): HeaderCursor | null {
    const { offsetIndex, baseOffset } = this.#source;
    const next = slot + 1;
    if (slot < 0 || next >= offsetIndex.count || offsetIndex.keyAt(slot) === relativeOffset) {
      return null;
    }
    const gap = offsetIndex.positionAt(next) - offsetIndex.positionAt(slot);
    const cursor = gap > NEAR_WINDOW ? this.atOffsetEntry(next) : null;
    return cursor !== null && cursor.baseOffset - baseOffset <= relativeOffset ? cursor : null;
  }

  /** A cursor at the batch of an offset index entry, if it is that batch. */
  atOffsetEntry(slot: number): HeaderCursor | null {
    const { offsetIndex, baseOffset } = this.#source;
    const position = offsetIndex.positionAt(slot);
    const cursor = this.#nearCursor(position);
    if (!this.advance(cursor) || cursor.position !== position) return null;
    return cursor.lastOffset - baseOffset === offsetIndex.keyAt(slot) ? cursor : null;
  }

  /** A cursor at the batch of a time index entry, if it has that offset and timestamp. */
  atTimeEntry(slot: number): HeaderCursor | null {
    const { timeIndex, baseOffset } = this.#source;
    const relativeOffset = timeIndex.relativeOffsetAt(slot);
    const cursor = this.find(relativeOffset);
    if (cursor === null || cursor.lastOffset - baseOffset !== relativeOffset) return null;
    return cursor.maxTimestamp === timeIndex.keyAt(slot) ? cursor : null;
  }

  /** Gives back memory and the hold on the file, which is about to be closed. */
  release(): void {
    this.#near = null;
  }

  /** The damaged range that `offset` is in. */
  damageAt(offset: number): DamagedRange | null {
    for (const range of this.damaged) {
      if (offset >= range.offset && offset < range.endOffset) return range;
    }
    return null;
  }

  /** The first damaged byte at or after `position`, or `endPosition`. */
  damageAfter(position: number, endPosition: number): number {
    for (const range of this.damaged) {
      if (range.position >= position) return Math.min(range.position, endPosition);
    }
    return endPosition;
  }

  #first(): HeaderCursor | null {
    const cursor = this.#nearCursor(0);
    return this.advance(cursor) ? cursor : null;
  }

  #nearCursor(position: number): HeaderCursor {
    const file = this.#source.file();
    let cursor = this.#near;
    if (cursor === null || cursor.file !== file) cursor = new HeaderCursor(file, NEAR_WINDOW);
    this.#near = cursor;
    cursor.seek(position, this.#source.size());
    return cursor;
  }
}

/** The batch that a cursor is at. */
export function batchPositionOf(cursor: HeaderCursor): BatchPosition {
  return {
    position: cursor.position,
    size: cursor.size,
    baseOffset: cursor.baseOffset as Offset,
    lastOffset: cursor.lastOffset as Offset,
  };
}

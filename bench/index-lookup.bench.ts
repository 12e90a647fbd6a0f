/**
 * Look-ups in the sparse offset index of a segment, at random and near the end, as large as an index
 * gets: 262,144 entries are 1 GiB of log. The baseline is a binary search in a Float64Array, which is the
 * least that a search costs.
 */

import { join } from 'node:path';
import { seededRandom } from '#src/base/random.js';
import { systemEnv } from '#src/file/env.js';
import { OffsetIndex } from '#src/index/offset-index.js';
import { microCase } from './harness/micro.js';
import type { Case, Suite } from './harness/suite.js';

const LOOKUPS = 1024;
const OFFSETS_PER_ENTRY = 37;

export const suite: Suite = {
  name: 'index-lookup',
  title: 'Index look-up',
  question: 'What does it cost to find the position of an offset?',
  open(context) {
    const cases: Case[] = [];
    for (const count of [10_000, 262_144]) {
      const path = join(context.dir, `${count}.index`);
      const index = new OffsetIndex({ env: systemEnv, path, bytesMax: count * 8 });
      const keys = new Float64Array(count);
      const random = seededRandom(count);
      for (let slot = 0; slot < count; slot++) {
        // Not evenly: batches differ in size.
        const offset = slot * OFFSETS_PER_ENTRY + random.below(OFFSETS_PER_ENTRY);
        index.append(offset, slot * 4096);
        keys[slot] = offset;
      }
      const end = count * OFFSETS_PER_ENTRY;
      const anywhere = Array.from({ length: LOOKUPS }, () => random.below(end));
      const near = Array.from({ length: LOOKUPS }, () => end - random.below(4000));
      const size = count === 10_000 ? '10 k' : '262 k';
      const baseline = `binary search, ${size} entries`;
      const shape = { unit: 'look-ups', perCall: LOOKUPS };
      cases.push(
        microCase({ ...shape, name: baseline, work: () => all(anywhere, (at) => floor(keys, at)) }),
      );
      for (const [where, offsets] of [
        ['at random', anywhere],
        ['near the end', near],
      ] as const) {
        const name = `index, ${size} entries, ${where}`;
        const work = (): number => all(offsets, (at) => index.floor(at));
        cases.push(microCase({ ...shape, name, baseline, work }));
      }
    }
    return Promise.resolve({ cases });
  },
};

function all(offsets: readonly number[], find: (offset: number) => number): number {
  let sum = 0;
  for (const offset of offsets) sum += find(offset);
  return sum;
}

function floor(keys: Float64Array, target: number): number {
  let low = -1;
  let high = keys.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((keys[middle] as number) <= target) low = middle;
    else high = middle - 1;
  }
  return low;
}

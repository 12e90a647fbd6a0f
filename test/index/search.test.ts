import t from 'tap';
import { seededRandom } from '#src/base/random.js';
import { floorSlot } from '#src/index/search.js';

function table(keys: readonly number[]): { count: number; keyAt(slot: number): number } {
  return {
    count: keys.length,
    keyAt(slot) {
      const key = keys[slot];
      if (key === undefined) throw new Error(`no slot ${slot} of ${keys.length}`);
      return key;
    },
  };
}

function linear(keys: readonly number[], target: number): number {
  let slot = -1;
  for (let at = 0; at < keys.length && (keys[at] as number) <= target; at++) slot = at;
  return slot;
}

t.test('equals linear search on every sorted table of up to 7 keys below 7', (t) => {
  let count = 0;
  const visit = (keys: number[], from: number): void => {
    for (let target = -1; target <= 8; target++) {
      count++;
      if (floorSlot(table(keys), target) !== linear(keys, target)) {
        t.fail(`[${keys.join()}] ${target}: ${floorSlot(table(keys), target)}`);
      }
    }
    if (keys.length === 7) return;
    for (let key = from; key < 7; key++) visit([...keys, key], key);
  };
  visit([], 0);
  t.ok(count > 30_000, `${count} searches`);
  t.end();
});

t.test('equals linear search around every key of large tables, even and uneven', (t) => {
  const random = seededRandom(7);
  for (const length of [17, 18, 511, 512, 513, 514, 1025, 3000]) {
    for (const spread of [1, 3, 1000]) {
      let key = random.below(5);
      const keys = Array.from({ length }, () => {
        // Now and then a jump: interpolation must not be misled.
        key += 1 + random.below(spread) + (random.below(50) === 0 ? 1_000_000 : 0);
        return key;
      });
      const wrong: string[] = [];
      for (let slot = 0; slot < length; slot++) {
        const at = keys[slot] as number;
        for (const [target, expected] of [
          [at, slot],
          [at - 1, slot - 1],
        ] as const) {
          const found = floorSlot(table(keys), target);
          if (found !== expected) wrong.push(`${target}: ${found}, not ${expected}`);
        }
      }
      if (floorSlot(table(keys), Number.MAX_SAFE_INTEGER) !== length - 1) wrong.push('beyond');
      t.same(wrong, [], `${length} keys, spread ${spread}`);
    }
  }
  t.end();
});

t.test('a table out of order gives some slot and ends', (t) => {
  const random = seededRandom(8);
  for (let round = 0; round < 2000; round++) {
    const keys = Array.from({ length: random.below(1500) }, () => random.below(1000) - 500);
    const slot = floorSlot(table(keys), random.below(1000) - 500);
    if (slot < -1 || slot >= keys.length) t.fail(`slot ${slot} of ${keys.length}`);
  }
  t.pass();
  t.end();
});

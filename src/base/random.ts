/**
 * Randomness, behind an interface. This file and file/system-random.ts are the only ones that draw numbers.
 * Tests pass a seed and print it.
 */

export interface Random {
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** Fills `target` and returns it. */
  fill(target: Uint8Array): Uint8Array;
}

/** Repeatable numbers from a 32-bit seed (mulberry32). Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    below: (bound) => Math.floor((next() / 2 ** 32) * bound),
    fill(target) {
      for (let i = 0; i < target.length; i++) target[i] = next() & 0xff;
      return target;
    },
  };
}

/** Randomness, behind an interface: the only file that draws numbers. Tests pass a seed and print it. */

import { randomFillSync } from 'node:crypto';

export interface Random {
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** Fills `target` and returns it. */
  fill(target: Uint8Array): Uint8Array;
}

const scratch = new Uint32Array(2);

export const systemRandom: Random = {
  below(bound) {
    randomFillSync(scratch);
    const high = (scratch[0] as number) & 0x1fffff;
    return Math.floor(((high * 2 ** 32 + (scratch[1] as number)) / 2 ** 53) * bound);
  },
  fill: (target) => randomFillSync(target),
};

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

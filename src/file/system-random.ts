/**
 * The system's random numbers: by the addon, else by node:crypto, which takes 2 ms to load and so is not
 * loaded where the addon is.
 */

import { createRequire } from 'node:module';
import { assert } from '../base/assert.js';
import type { Random } from '../base/random.js';
import { native } from '../native/binding.js';

const scratch = new Uint32Array(2);
const scratchBytes = new Uint8Array(scratch.buffer);

let crypto: typeof import('node:crypto') | null = null;

export const systemRandom: Random = {
  below(bound) {
    fill(scratchBytes);
    const high = (scratch[0] as number) & 0x1fffff;
    return Math.floor(((high * 2 ** 32 + (scratch[1] as number)) / 2 ** 53) * bound);
  },
  fill,
};

function fill(target: Uint8Array): Uint8Array {
  if (native === null) return fillPortable(target);
  const result = native.fillRandom(target);
  assert(result === 0, 'the system gives random bytes');
  return target;
}

/** The same without the addon. */
export function fillPortable(target: Uint8Array): Uint8Array {
  crypto ??= createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto');
  return crypto.randomFillSync(target);
}

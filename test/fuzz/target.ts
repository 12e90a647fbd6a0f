/** What is fuzzed, and what must hold for every input. */

import type { Random } from '#src/base/random.js';

export interface FuzzTarget {
  readonly name: string;
  /** Good inputs, from which hostile ones are made. */
  readonly samples: readonly Uint8Array[];
  /**
   * Decodes `bytes`, which are borrowed, and checks what it can of the outcome; true: they were
   * accepted. An error that comes out of it is a finding.
   */
  run(bytes: Buffer, random: Random): boolean;
  /** Bytes that decoding may set aside, beyond eight times the input; ALLOCATION_MAX if not given. */
  readonly allocationMax?: number;
}

export const ALLOCATION_MAX = 4 * 2 ** 20;

/** Runs `decode`; null for an error of one of the classes allowed, any other goes on. */
export function allowing<T>(
  allowed: readonly (abstract new (...args: never[]) => Error)[],
  decode: () => T,
): T | null {
  try {
    return decode();
  } catch (error) {
    if (allowed.some((type) => error instanceof type)) return null;
    throw error;
  }
}

export function hold(condition: boolean, what: string): void {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** Deep equality of decoded values; NaN equals NaN. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  if (keys.length !== others.length) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return keys.every((key) => key in right && same(left[key], right[key]));
}

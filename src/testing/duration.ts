/** Durations as a test writes them: 1500, '250ms', '7d', '1d 12h'. */

import { MillraceError } from '../base/errors.js';
import type { Duration } from './types.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** In whole milliseconds, not negative. Throws INVALID_DURATION. */
export function durationMs(duration: Duration): number {
  if (typeof duration === 'number') {
    if (duration >= 0 && Number.isFinite(duration)) return Math.round(duration);
    throw invalid(duration);
  }
  const text = duration.trim();
  if (!/^(\d+(\.\d+)?\s*(ms|[smhdw])\s*)+$/.test(text)) throw invalid(duration);
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[smhdw])/g)) {
    sum += Number(count) * (UNIT_MS[unit as string] as number);
  }
  return Math.round(sum);
}

function invalid(duration: Duration): MillraceError {
  const text = `a duration is milliseconds or text as '250ms', '10s', '7d', not ${JSON.stringify(duration)}`;
  return new MillraceError(text, { code: 'INVALID_DURATION' });
}

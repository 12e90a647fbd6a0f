/**
 * A load that is offered at a fixed rate, whatever the answers do, and a histogram of how long each
 * took from the moment at which it was due: a system that stalls is charged for all that was due
 * meanwhile (no coordinated omission).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { build, type Histogram } from 'hdr-histogram-js';

const MICROS_MAX = 60_000_000;

export interface OfferedLoad {
  readonly perSecond: number;
  readonly seconds: number;
  /** Sends what is due at `dueMs` (of performance.now()). Called in order, not awaited. */
  fire(dueMs: number): void;
}

/** Resolves when the last was fired. */
export async function offer({ perSecond, seconds, fire }: OfferedLoad): Promise<void> {
  const startMs = performance.now();
  const count = Math.floor(perSecond * seconds);
  for (let sent = 0; sent < count; ) {
    const dueMs = startMs + (sent * 1000) / perSecond;
    const early = dueMs - performance.now();
    if (early > 0) await sleep(Math.max(1, early));
    // Whatever is due by now, at once.
    const nowMs = performance.now();
    for (; sent < count && startMs + (sent * 1000) / perSecond <= nowMs; sent++) {
      fire(startMs + (sent * 1000) / perSecond);
    }
  }
}

export class Latencies {
  readonly #histogram: Histogram = build({
    ...{ bitBucketSize: 64, useWebAssembly: false },
    ...{ lowestDiscernibleValue: 1, highestTrackableValue: MICROS_MAX },
    numberOfSignificantValueDigits: 3,
  });

  record(dueMs: number): void {
    const micros = Math.round((performance.now() - dueMs) * 1000);
    this.#histogram.recordValue(Math.min(MICROS_MAX, Math.max(1, micros)));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  ms(percentile: number): number {
    return this.#histogram.getValueAtPercentile(percentile) / 1000;
  }
}

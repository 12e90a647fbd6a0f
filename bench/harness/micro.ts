/**
 * A case that calls one function over and over, timed by Benchmark.js: it finds how often to call, and
 * takes samples until they agree. The CPU figure is this process's, compiler and collector threads
 * included: on a busy machine it is the one to compare.
 */

import Benchmark from 'benchmark';
import { ownCpuSeconds } from './processes.js';
import type { Case } from './suite.js';

export interface MicroOptions {
  readonly name: string;
  readonly baseline?: string;
  /** What `perCall` counts: 'GB' makes the unit GB/s, 'records' makes it records/s. */
  readonly unit: string;
  /** Bytes or items that one call handles; of bytes say `bytes / 1e9` with the unit GB. */
  readonly perCall: number;
  /** Answers a number, which is kept, so that no compiler may leave the work out. */
  readonly work: () => number;
  /** Seconds a run of the case, 0.25 if not said. */
  readonly seconds?: number;
}

/** Where the results go. */
export let sink = 0;

export function microCase({ name, baseline, unit, perCall, work, seconds }: MicroOptions): Case {
  return {
    name,
    unit: `${unit}/s`,
    better: 'higher',
    ...(baseline === undefined ? {} : { baseline }),
    run() {
      let calls = 0;
      const cpuStart = ownCpuSeconds();
      const bench = new Benchmark(
        name,
        () => {
          sink += work() & 1;
          calls++;
        },
        { maxTime: seconds ?? 0.25, minSamples: 3 },
      );
      bench.run();
      const cpuPerCall = (ownCpuSeconds() - cpuStart) / calls;
      return Promise.resolve({
        value: (bench.hz ?? 0) * perCall,
        ...(unit === 'GB' ? { cpuSecondsPerGb: cpuPerCall / perCall } : {}),
        more: { cpuNanosPerCall: cpuPerCall * 1e9 },
      });
    },
  };
}

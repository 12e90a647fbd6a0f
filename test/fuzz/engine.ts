/**
 * The fuzzer: gives each target its share of time, in short turns, until enough inputs were tried. An
 * input is a finding if anything but the outcomes allowed comes out, if it takes too long, or if more
 * memory is set aside for it than its size explains.
 */

import { seededRandom } from '#src/base/random.js';
import { Mutator } from './mutator.js';
import { ALLOCATION_MAX, type FuzzTarget } from './target.js';

const TURN_MS = 40;
/** For one input, on the second try too: the first may have been the machine's. */
const INPUT_MS_MAX = 500;
/** One input in so many has its memory measured: that costs more than most inputs. */
const MEASURED_EVERY = 64;

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs of all targets together; whichever bound comes first ends the run. */
  readonly inputsMax: number;
  readonly msMax: number;
  readonly report?: (tallies: readonly Tally[]) => void;
}

export interface Tally {
  readonly name: string;
  inputs: number;
  accepted: number;
  ms: number;
  findings: Finding[];
}

export interface Finding {
  readonly problem: string;
  /** Hex. */
  readonly input: string;
}

/** What was tried of each target. A target that had a finding is not tried any further. */
export function fuzz(targets: readonly FuzzTarget[], options: FuzzOptions): Tally[] {
  const { stackTraceLimit } = Error;
  // Most inputs end in an error, and most of its cost is the stack.
  Error.stackTraceLimit = 0;
  try {
    return fuzzInTurns(targets, options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function fuzzInTurns(targets: readonly FuzzTarget[], options: FuzzOptions): Tally[] {
  const started = performance.now();
  const runs = targets.map((target, i) => new TargetRun(target, options.seed + i));
  const tallies = runs.map(({ tally }) => tally);
  let reported = started;
  for (let total = 0; ; ) {
    let alive = false;
    for (const run of runs) {
      const left = options.inputsMax - total;
      if (left <= 0 || performance.now() - started >= options.msMax) return tallies;
      if (run.tally.findings.length > 0) continue;
      alive = true;
      total += run.turn(left);
    }
    if (!alive) return tallies;
    if (performance.now() - reported < 10_000) continue;
    reported = performance.now();
    options.report?.(tallies);
  }
}

class TargetRun {
  readonly tally: Tally;
  readonly #target: FuzzTarget;
  readonly #seed: number;
  #turns = 0;

  constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    this.#seed = seed;
    this.tally = { name: target.name, inputs: 0, accepted: 0, ms: 0, findings: [] };
  }

  /** Each turn draws from a seed of its own, so that a finding is repeated by its turn alone. */
  turn(inputsMax: number): number {
    const target = this.#target;
    const random = seededRandom(Math.imul(this.#seed, 0x9e3779b1) + this.#turns++);
    const mutator = new Mutator(random);
    const { tally } = this;
    const started = performance.now();
    let now = started;
    let inputs = 0;
    while (inputs < inputsMax && now - started < TURN_MS && tally.findings.length === 0) {
      const bytes = mutator.next(target.samples);
      inputs++;
      const measured = (tally.inputs + inputs) % MEASURED_EVERY === 0;
      const memory = measured ? process.memoryUsage().arrayBuffers : 0;
      const copy = measured ? Buffer.from(bytes) : null;
      try {
        if (target.run(bytes, random)) tally.accepted++;
      } catch (error) {
        this.#found(bytes, this.#explain(bytes, random, error));
      }
      if (copy !== null) {
        const taken = process.memoryUsage().arrayBuffers - memory;
        const bound = 8 * copy.length + (target.allocationMax ?? ALLOCATION_MAX);
        if (taken > bound) this.#found(copy, `${taken} bytes were set aside for it`);
      }
      const after = performance.now();
      if (after - now > INPUT_MS_MAX) this.#slow(Buffer.from(bytes), random);
      now = after;
    }
    tally.inputs += inputs;
    tally.ms += performance.now() - started;
    return inputs;
  }

  /** The error with its stack, if it comes again. */
  #explain(bytes: Buffer, random: ReturnType<typeof seededRandom>, error: unknown): string {
    Error.stackTraceLimit = 20;
    try {
      this.#target.run(Buffer.from(bytes), random);
    } catch (again) {
      if (again instanceof Error) return again.stack ?? again.message;
    } finally {
      Error.stackTraceLimit = 0;
    }
    return String(error);
  }

  #slow(bytes: Buffer, random: ReturnType<typeof seededRandom>): void {
    const started = performance.now();
    try {
      this.#target.run(bytes, random);
    } catch {
      // Found already.
    }
    const ms = performance.now() - started;
    if (ms > INPUT_MS_MAX) this.#found(bytes, `it takes ${ms.toFixed(0)} ms`);
  }

  #found(bytes: Uint8Array, problem: string): void {
    this.tally.findings.push({ problem, input: Buffer.from(bytes).toString('hex') });
  }
}

/** A line a target, and the sum. */
export function formatTallies(tallies: readonly Tally[]): string {
  const width = Math.max(...tallies.map(({ name }) => name.length));
  const line = (name: string, inputs: number, accepted: string, ms: number): string => {
    const rate = Math.round((1000 * inputs) / Math.max(1, ms));
    return `${name.padEnd(width)}${`${inputs}`.padStart(12)}${`${rate}`.padStart(11)}${accepted.padStart(10)}`;
  };
  const lines = [`${'target'.padEnd(width)}      inputs   inputs/s  accepted`];
  let [inputs, ms] = [0, 0];
  for (const tally of tallies) {
    const share = `${((100 * tally.accepted) / Math.max(1, tally.inputs)).toFixed(1)} %`;
    lines.push(line(tally.name, tally.inputs, share, tally.ms));
    inputs += tally.inputs;
    ms += tally.ms;
  }
  lines.push(line('total', inputs, '', ms));
  return lines.join('\n');
}

/** Medians, spreads and ratios over the rounds of a suite. */

import type { Figure, Measurement, Round, SuiteResult, Target, Verdict } from './suite.js';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value; of an even number of values the mean of both middle ones. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function figureOf(measurement: Measurement | undefined, figure: Figure): number | undefined {
  if (measurement === undefined) return undefined;
  if (figure === 'value') return measurement.value;
  if (figure === 'cpuSecondsPerGb') return measurement.cpuSecondsPerGb;
  if (figure === 'rssMib') return measurement.rssMib;
  return measurement.more?.[figure];
}

/** The figure of a case in every kept round that has it. */
export function figures(rounds: readonly Round[], name: string, figure: Figure): number[] {
  return rounds
    .filter((round) => round.kept)
    .map((round) => figureOf(round.measurements[name], figure))
    .filter((value) => value !== undefined);
}

/** A case's figure divided by that of another in the same round, for every kept round with both. */
export function ratios(
  rounds: readonly Round[],
  name: string,
  against: string,
  figure: Figure,
): number[] {
  const found: number[] = [];
  for (const round of rounds) {
    if (!round.kept) continue;
    const own = figureOf(round.measurements[name], figure);
    const base = figureOf(round.measurements[against], figure);
    if (own !== undefined && base !== undefined && base !== 0) found.push(own / base);
  }
  return found;
}

/** What became of the targets; those whose cases did not run are left out. */
export function judge(
  targets: readonly Target[],
  { cases, rounds }: Pick<SuiteResult, 'cases' | 'rounds'>,
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const target of targets) {
    const figure = target.figure ?? 'value';
    const against =
      target.against === undefined
        ? cases.find(({ name }) => name === target.case)?.baseline
        : target.against;
    const values =
      against === undefined || against === null
        ? figures(rounds, target.case, figure)
        : ratios(rounds, target.case, against, figure);
    if (values.length === 0) continue;
    const reached = median(values);
    const ok =
      reached >= (target.atLeast ?? Number.NEGATIVE_INFINITY) &&
      reached <= (target.atMost ?? Number.POSITIVE_INFINITY);
    verdicts.push({ ...target, against: against ?? null, reached, ok });
  }
  return verdicts;
}

/**
 * Runs one suite: a warm-up, then rounds over all its cases, and a round again if too much of the
 * machine was used by others meanwhile. Says what it does through `Progress` alone.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment } from './environment.js';
import { ForeignCpu } from './processes.js';
import type { Progress } from './progress.js';
import { judge } from './statistics.js';
import type { BenchContext, Case, Measurement, Round, Suite, SuiteResult } from './suite.js';

/** A round with more than this share of foreign CPU is repeated. */
export const FOREIGN_CPU_MAX = 0.15;

export interface RunOptions {
  /** Overrides the suite's. */
  readonly rounds?: number | undefined;
  /** Rounds that may be repeated for foreign CPU; after that they are kept, and said to be. */
  readonly repeatsMax?: number;
  /** Only cases whose name contains one of these, and the baselines of those. */
  readonly only?: readonly string[];
  /** The suite's own words. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly progress: Progress;
}

export async function runSuite(suite: Suite, options: RunOptions): Promise<SuiteResult> {
  const notes: string[] = [];
  const dir = mkdtempSync(join(tmpdir(), `millrace-bench-${suite.name}-`));
  const context = contextOf(suite, options.parameters ?? {}, dir, notes);
  const failures: Record<string, string> = {};
  const rounds: Round[] = [];
  options.progress.say(`${suite.name}: preparing`);
  try {
    const open = await suite.open(context);
    const cases = chosen(open.cases, options.only ?? []);
    try {
      rounds.push(...(await runCases(cases, suite, options, failures, notes)));
    } finally {
      for (const one of [...cases].reverse()) await attempt(() => one.teardown?.(), notes);
      await open.close?.();
    }
    options.progress.clear();
    const shapes = cases.map(({ name, unit, better, baseline }) => ({
      ...{ name, unit, better },
      ...(baseline === undefined ? {} : { baseline }),
    }));
    return {
      name: suite.name,
      title: suite.title,
      question: suite.question,
      parameters: context.parameters,
      environment: environment(),
      cases: shapes,
      rounds,
      failures,
      verdicts: judge(suite.targets ?? [], { cases: shapes, rounds }),
      notes,
    };
  } finally {
    options.progress.clear();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runCases(
  cases: readonly Case[],
  suite: Suite,
  options: RunOptions,
  failures: Record<string, string>,
  notes: string[],
): Promise<Round[]> {
  const { progress } = options;
  for (const one of cases) {
    progress.say(`${suite.name}: setting up ${one.name}`);
    await fails(one, () => one.setup?.(), failures);
  }
  const wanted = options.rounds ?? suite.rounds ?? 5;
  let repeats = options.repeatsMax ?? wanted;
  const rounds: Round[] = [];
  for (let number = 0, kept = 0; kept < wanted; number++) {
    const foreign = new ForeignCpu();
    const measurements: Record<string, Measurement> = {};
    const order = number % 2 === 0 ? cases : [...cases].reverse();
    for (const one of order) {
      if (failures[one.name] !== undefined) continue;
      const title = number === 0 ? 'warm-up' : `round ${kept + 1} of ${wanted}`;
      progress.say(`${suite.name}: ${title}, ${one.name}`);
      const measured = await fails(one, () => one.run(number), failures);
      if (measured !== undefined) measurements[one.name] = measured;
    }
    if (number === 0) continue;
    const foreignCpu = foreign.share();
    const noisy = foreignCpu > FOREIGN_CPU_MAX;
    const keep = !noisy || repeats === 0;
    if (noisy && !keep) {
      repeats--;
      progress.line(`round repeated: ${(foreignCpu * 100).toFixed(0)} % of the CPU was foreign`);
    } else {
      kept++;
    }
    rounds.push({ number, foreignCpu, kept: keep, measurements });
  }
  const noisy = rounds.filter((round) => round.kept && round.foreignCpu > FOREIGN_CPU_MAX).length;
  if (noisy > 0) {
    notes.push(
      `${noisy} of ${wanted} rounds had more than 15 % foreign CPU: judge by the CPU ratios`,
    );
  }
  return rounds;
}

function contextOf(
  suite: Suite,
  given: Readonly<Record<string, string>>,
  dir: string,
  notes: string[],
): BenchContext {
  const parameters: Record<string, string> = {};
  for (const [name, { default: value }] of Object.entries(suite.parameters ?? {})) {
    parameters[name] = given[name] ?? value;
  }
  return {
    parameters,
    dir,
    number(name) {
      const value = Number(parameters[name]);
      if (parameters[name] === undefined || Number.isNaN(value)) {
        throw new Error(`--${name} of ${suite.name} is not a number: ${parameters[name]}`);
      }
      return value;
    },
    note: (text) => void notes.push(text),
  };
}

/** With the baselines of what was asked for, and theirs. */
function chosen(cases: readonly Case[], only: readonly string[]): readonly Case[] {
  if (only.length === 0) return cases;
  const names = new Set<string>();
  const add = (one: Case | undefined): void => {
    if (one === undefined || names.has(one.name)) return;
    names.add(one.name);
    add(cases.find(({ name }) => name === one.baseline));
  };
  for (const one of cases) if (only.some((part) => one.name.includes(part))) add(one);
  return cases.filter(({ name }) => names.has(name));
}

/** A case that throws is out of the run, and the others go on. */
async function fails<T>(
  one: Case,
  work: () => Promise<T> | undefined,
  failures: Record<string, string>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    failures[one.name] ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
    return undefined;
  }
}

async function attempt(work: () => Promise<void> | undefined, notes: string[]): Promise<void> {
  try {
    await work();
  } catch (error) {
    notes.push(`at the end: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The command of the benches.
 *
 *     npm run bench                        lists the suites and their parameters
 *     npm run bench -- NAME...             runs these (`all`: every one)
 *     npm run bench -- report              build/bench-report.html and the chart of README.md
 *     npm run bench -- compare REF NAME... the same suites of another git ref, in turn with these
 *     npm run bench -- profile NAME        with a CPU profile of every Node process
 *
 * --rounds N, --only PART (cases whose name contains it, and their baselines), --quick (one round,
 * nothing written), --repeats N (rounds that are repeated at most for foreign CPU), --out FOLDER, and
 * what the suite itself takes: --gib 50.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { catalog, type Entry } from './harness/catalog.js';
import { compare } from './harness/compare.js';
import { resultsDir } from './harness/paths.js';
import { profileSuite } from './harness/profile.js';
import { Progress } from './harness/progress.js';
import { report } from './harness/report.js';
import { runSuite } from './harness/run-suite.js';
import type { SuiteResult } from './harness/suite.js';
import { table } from './harness/table.js';

interface Words {
  readonly names: readonly string[];
  readonly options: Readonly<Record<string, string>>;
}

const words = parse(process.argv.slice(2));
const entries = await catalog();
process.exitCode = await main();

async function main(): Promise<number> {
  const [first, second, ...others] = words.names;
  if (first === undefined) {
    list();
    return 0;
  }
  if (first === 'report') return report();
  if (first === 'profile' && second !== undefined) {
    return profileSuite(import.meta.filename, second, given(['quick', 'out']));
  }
  if (first === 'compare' && second !== undefined && others.length > 0) {
    return compare({
      ...{ ref: second, names: others, progress: new Progress() },
      rounds: Number(words.options['rounds'] ?? 5),
      words: given(['rounds', 'repeats', 'quick', 'out']),
    });
  }
  const names = first === 'all' ? entries.map(({ name }) => name) : words.names;
  let failed = 0;
  for (const name of names) {
    const entry = entries.find((one) => one.name === name);
    if (entry === undefined) {
      console.error(`no suite is called ${name}; npm run bench lists them`);
      return 2;
    }
    failed += await run(entry);
  }
  return failed > 0 ? 1 : 0;
}

/** The options as they were given, without these. */
function given(without: readonly string[]): string[] {
  return Object.entries(words.options)
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => `--${name}=${value}`);
}

/** Answers the number of failures. */
async function run(entry: Entry): Promise<number> {
  if (!('suite' in entry)) {
    return spawnSync(process.execPath, [entry.script], { stdio: 'inherit' }).status === 0 ? 0 : 1;
  }
  const { rounds, repeats, only, quick, out, ...parameters } = words.options;
  const unknown = Object.keys(parameters).filter(
    (name) => entry.suite.parameters?.[name] === undefined,
  );
  for (const name of unknown) console.error(`${entry.name} has no parameter --${name}`);
  const result = await runSuite(entry.suite, {
    rounds: rounds === undefined ? (quick === undefined ? undefined : 1) : Number(rounds),
    ...(quick === undefined && repeats === undefined ? {} : { repeatsMax: Number(repeats ?? 0) }),
    only: only?.split(',') ?? [],
    parameters,
    progress: new Progress(),
  });
  console.log(`${table(result)}\n`);
  if (quick === undefined) write(result, out === undefined ? resultsDir : resolve(out));
  return Object.keys(result.failures).length;
}

function write(result: SuiteResult, dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${result.name}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

function list(): void {
  for (const entry of entries) {
    if (!('suite' in entry)) {
      console.log(`${entry.name.padEnd(18)} ${entry.title} (a program of its own)`);
      continue;
    }
    console.log(`${entry.name.padEnd(18)} ${entry.suite.question}`);
    for (const [name, { default: value, doc }] of Object.entries(entry.suite.parameters ?? {})) {
      console.log(`${''.padEnd(18)}   --${name} ${value}: ${doc}`);
    }
  }
}

/** `--name value` and `--name=value`; --quick stands alone. */
function parse(args: readonly string[]): Words {
  const names: string[] = [];
  const options: Record<string, string> = {};
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string;
    if (!word.startsWith('--')) {
      names.push(word);
      continue;
    }
    const [name = '', value] = word.slice(2).split('=', 2);
    if (value !== undefined || name === 'quick') options[name] = value ?? '1';
    else options[name] = args[++at] ?? '';
  }
  return { names, options };
}

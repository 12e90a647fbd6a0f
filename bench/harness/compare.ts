/**
 * `npm run bench -- compare REF NAME...`: another git ref against the work tree. The ref is checked out
 * beside it and built with the benches of the work tree, so that the product alone differs; then both run
 * one round of the suite in turn, again and again, so that both see the same machine.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';
import type { Progress } from './progress.js';
import { figureOf, spread } from './statistics.js';
import type { Measurement, SuiteResult } from './suite.js';
import { columns, number } from './table.js';

export interface CompareOptions {
  readonly ref: string;
  readonly names: readonly string[];
  readonly rounds: number;
  /** For the suites: --only, and their parameters. */
  readonly words: readonly string[];
  readonly progress: Progress;
}

export function compare(options: CompareOptions): number {
  const { ref, names, progress } = options;
  const commit = git(root, 'rev-parse', '--verify', `${ref}^{commit}`);
  const tree = join(root, 'build/bench-compare', commit.slice(0, 12));
  progress.say(`building ${commit.slice(0, 12)}`);
  try {
    build(tree, commit);
    for (const name of names) comparePairs(name, tree, options);
  } finally {
    progress.clear();
    git(root, 'worktree', 'remove', '--force', tree);
  }
  return 0;
}

function comparePairs(name: string, tree: string, options: CompareOptions): void {
  const { rounds, words, progress, ref } = options;
  const pairs: { other: SuiteResult; own: SuiteResult }[] = [];
  for (let round = 0; round < rounds; round++) {
    progress.say(`${name}: round ${round + 1} of ${rounds}`);
    const order = round % 2 === 0 ? [tree, root] : [root, tree];
    const results = new Map(order.map((at) => [at, runOnce(at, name, words)]));
    pairs.push({
      other: results.get(tree) as SuiteResult,
      own: results.get(root) as SuiteResult,
    });
  }
  progress.clear();
  console.log(`${name}: the work tree / ${ref}, ${rounds} rounds`);
  for (const line of pairTable(pairs)) console.log(line);
}

/** One line per case and figure: both medians, and the median of each round's ratio. */
function pairTable(pairs: readonly { other: SuiteResult; own: SuiteResult }[]): string[] {
  const rows = [['case', 'figure', 'ref', 'work tree', 'ratio', 'range']];
  const cases = pairs[0]?.own.cases ?? [];
  for (const { name, unit } of cases) {
    const measurements = pairs.map(({ other, own }) => ({
      other: only(other, name),
      own: only(own, name),
    }));
    const named = new Set(['value', 'cpuSecondsPerGb', 'rssMib']);
    for (const { own } of measurements)
      for (const key of Object.keys(own?.more ?? {})) named.add(key);
    for (const figure of named) {
      const both = measurements
        .map(({ other, own }) => [figureOf(other, figure), figureOf(own, figure)] as const)
        .filter((pair): pair is readonly [number, number] => !pair.includes(undefined));
      if (both.length === 0) continue;
      const ratio = spread(both.map(([other, own]) => own / other));
      rows.push([
        name,
        figure === 'value' ? unit : figure,
        number(spread(both.map(([other]) => other)).median),
        number(spread(both.map(([, own]) => own)).median),
        `${number(ratio.median)}x`,
        `${number(ratio.min)}-${number(ratio.max)}`,
      ]);
    }
  }
  return columns(rows);
}

function only(result: SuiteResult, name: string): Measurement | undefined {
  return result.rounds.at(-1)?.measurements[name];
}

/** A process of that tree runs one round of the suite. */
function runOnce(tree: string, name: string, words: readonly string[]): SuiteResult {
  const out = join(root, 'build/bench-compare/out');
  rmSync(out, { recursive: true, force: true });
  const main = join(tree, 'dist-test/bench/main.js');
  const { status, stderr } = spawnSync(
    process.execPath,
    [main, name, '--rounds', '1', '--repeats', '0', '--out', out, ...words],
    { cwd: tree, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] },
  );
  if (status !== 0) throw new Error(`${name} failed in ${tree}: ${stderr}`);
  return JSON.parse(readFileSync(join(out, `${name}.json`), 'utf8')) as SuiteResult;
}

/** The same dependencies as the work tree's: what differs is the code. */
function build(tree: string, commit: string): void {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, '..'), { recursive: true });
  git(root, 'worktree', 'prune');
  git(root, 'worktree', 'add', '--detach', '--force', tree, commit);
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  rmSync(join(tree, 'bench'), { recursive: true, force: true });
  cpSync(join(root, 'bench'), join(tree, 'bench'), {
    recursive: true,
    filter: (path) => !/\/(node_modules|results|bin)$/.test(path),
  });
  const rivals = join(root, 'bench/rivals/node_modules');
  if (existsSync(rivals)) symlinkSync(rivals, join(tree, 'bench/rivals/node_modules'));
  run(tree, 'node', 'scripts/build-native.mjs');
  // It emits in spite of what another time's sources do not have; the bench that needs it fails.
  run(tree, 'npx', 'tsc', '-b', 'tsconfig.json');
  run(tree, 'npx', 'tsc', '-b', 'test/tsconfig.json');
  run(tree, 'node', 'scripts/bundle.mjs');
  if (!existsSync(join(tree, 'dist-test/bench/main.js')))
    throw new Error(`${commit} does not build`);
}

function run(cwd: string, command: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0)
    console.error(`${command} ${args.join(' ')}: ${stdout}${stderr}`.slice(0, 2000));
}

function git(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

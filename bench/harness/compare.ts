/**
 * `npm run bench -- compare REF NAME...`: another git ref against the work tree. The ref is checked out
 * beside it and built; then both run one round of the suite in turn, again and again, so that both see
 * the same machine. The suite of each is its own: of cases that only one has nothing is said.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
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

export function compare({ ref, names, rounds, words, progress }: CompareOptions): number {
  const commit = git(root, 'rev-parse', '--verify', `${ref}^{commit}`);
  const tree = join(root, 'build/bench-compare', commit.slice(0, 12));
  progress.say(`building ${commit.slice(0, 12)}`);
  if (!existsSync(join(tree, 'dist-test'))) build(tree, commit);
  for (const name of names) {
    const pairs: { other: SuiteResult; own: SuiteResult }[] = [];
    for (let round = 0; round < rounds; round++) {
      progress.say(`${name}: round ${round + 1} of ${rounds}`);
      const [first, second] = round % 2 === 0 ? [tree, root] : [root, tree];
      const results = new Map([first, second].map((at) => [at, runOnce(at, name, words)]));
      pairs.push({
        other: results.get(tree) as SuiteResult,
        own: results.get(root) as SuiteResult,
      });
    }
    progress.clear();
    console.log(`${name}: the work tree / ${ref} (${commit.slice(0, 12)}), ${rounds} rounds`);
    for (const line of pairTable(pairs)) console.log(line);
  }
  return 0;
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
    [main, name, '--rounds', '1', '--repeats', '1', '--out', out, ...words],
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
  const commands = [
    ['node', 'scripts/build-native.mjs'],
    ['npx', 'tsc', '-b', 'tsconfig.json', 'test/tsconfig.json'],
    ['node', 'scripts/bundle.mjs'],
  ];
  for (const [command = '', ...args] of commands) {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: tree, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stdout}${stderr}`);
  }
}

function git(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

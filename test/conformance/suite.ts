// What a suite that others wrote is to the runner, and how its programs are run: each bounded in time,
// its output in a file, ended by its own process group.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rootDir } from '../interop/paths.js';
import type { Server } from '../interop/servers.js';
import type { Report } from './report.js';

/** Sources of the suites' own clients. */
export const conformanceDir = join(rootDir, 'test/conformance');
/** What scripts/install-conformance.mjs has built, and the logs of the last run; not in git. */
export const buildDir = join(conformanceDir, 'build');

/** Nothing listens there: whatever passes against it says nothing about a broker. */
export const DEAD_PORT = '127.0.0.1:1';

export type Context = {
  /** Temporary. */
  readonly dir: string;
  readonly report: Report;
  /** Whether passing tests are run against the dead port too. */
  readonly withControl: boolean;
  readonly isWanted: (test: string) => boolean;
  /** The set `ci`: what says most in its time. */
  readonly isQuick: boolean;
  /** A fresh server with these configs, Kafka's names; `key=value` each. */
  readonly start: (overrides?: readonly string[]) => Promise<Server>;
};

export type Suite = {
  readonly name: string;
  /** Why it cannot run here, or null. */
  readonly missing: () => string | null;
  readonly run: (context: Context) => Promise<void>;
};

export type ProgramOptions = {
  readonly log: string;
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
};

export type ProgramEnd = {
  /** Null after a signal. */
  readonly code: number | null;
  readonly late: boolean;
  readonly seconds: number;
  /** Everything it wrote, without colours. */
  readonly output: string;
};

const groups = new Set<number>();
process.on('exit', () => {
  for (const group of groups) endGroup(group);
});

/** Runs a program to its end, or ends it and all its children at the time limit. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramEnd> {
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, 'w');
  const started = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const group = child.pid;
  if (group !== undefined) groups.add(group);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (group !== undefined) endGroup(group);
  }, options.timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  clearTimeout(timer);
  if (group !== undefined) {
    endGroup(group);
    groups.delete(group);
  }
  const seconds = (performance.now() - started) / 1000;
  return { code, late, seconds, output: withoutColours(readFileSync(options.log, 'latin1')) };
}

/** Runs `work` for every item, at most `countMax` at a time, in order of start. */
export async function inParallel<T>(
  items: readonly T[],
  countMax: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const item = items[next++];
      if (item === undefined) return;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: countMax }, worker));
}

/** The log of one test of the last run. */
export function logOf(suite: string, test: string, purpose = ''): string {
  return join(buildDir, 'logs', suite, `${test.replaceAll(/[^\w.-]+/g, '-')}${purpose}.log`);
}

function withoutColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are.
  return text.replaceAll(/\x1b\[[0-9;]*m/g, '');
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

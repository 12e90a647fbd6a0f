/** Runs the command as a user does: a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  /** Settles when the process has ended. */
  readonly finished: Promise<Finished>;
}

interface Test {
  teardown(callback: () => unknown): void;
}

export function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (bytes: Buffer) => {
    output.stdout += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    output.stderr += bytes.toString();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { child, output, finished };
}

export function run(args: readonly string[], env?: Record<string, string>): Promise<Finished> {
  return start(args, env).finished;
}

/** Starts a broker and waits until it says where it listens. */
export async function runBroker(
  t: Test,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<Running> {
  const { child, output, finished } = start(['broker', ...args], env);
  t.teardown(() => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', () => {
      const match = /listening on \S+:(\d+)/.exec(output.stdout);
      if (match !== null) resolve(Number(match[1]));
    });
    void finished.then(({ code, stderr }) => reject(new Error(`ended with ${code}: ${stderr}`)));
  });
  return { child, port, finished };
}

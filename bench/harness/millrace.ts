/**
 * Our broker as a process of its own, as a user starts it, and what a bench asks of it: its port, its
 * CPU time, its memory, its end.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cliPath } from './paths.js';
import { cpuSeconds, rssMib } from './processes.js';

export interface MillraceOptions {
  readonly dataDir: string;
  /** Config of the broker, as `--override NAME=VALUE` takes it. */
  readonly config?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

export class Millrace {
  readonly pid: number;
  readonly port: number;
  /** From the spawn to the line that tells the port. */
  readonly startMs: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number, startMs: number) {
    this.#process = process;
    this.pid = process.pid as number;
    this.port = port;
    this.startMs = startMs;
  }

  static async start({ dataDir, config = {}, env = {} }: MillraceOptions): Promise<Millrace> {
    const startMs = performance.now();
    const profile = process.env['MILLRACE_BENCH_PROFILE'];
    const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const overrides = Object.entries(config).flatMap((pair) => ['--override', pair.join('=')]);
    const child = spawn(
      process.execPath,
      [...flags, cliPath, 'broker', '--data-dir', dataDir, '--listen', '127.0.0.1:0', ...overrides],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } },
    );
    const port = await listeningPort(child);
    return new Millrace(child, port, performance.now() - startMs);
  }

  cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  rssMib(): number {
    return rssMib(this.pid);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }
}

function listeningPort(broker: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    broker.once('error', reject);
    broker.once('exit', (code) => reject(new Error(`the broker ended with ${code}: ${text}`)));
    broker.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const match = /listening on .*:(\d+)/.exec(text);
      if (match !== null) resolve(Number(match[1]));
    });
  });
}

/**
 * The C programs of bench/native: compiled when they are first asked for, started, and read. A server
 * prints its port and ends with its standard input; a client prints one line of JSON and ends.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';
import { cpuSeconds, rssMib } from './processes.js';

const sourceDir = join(root, 'bench/native');
const outDir = join(root, 'dist-test/bench-native');

/** With the addon's CRC-32C. */
const CRC_SOURCES = ['crc32c.cc', 'crc32c_arm.cc', 'crc32c_x86.cc'].map((name) =>
  join(root, 'native', name),
);

export type CProgram =
  | 'file_server'
  | 'fetch_client'
  | 'produce_client'
  | 'sink'
  | 'sync_loop'
  | 'evict';

/** The path of the compiled program. */
export function cProgram(name: CProgram): string {
  const cpp = name === 'sink';
  const source = join(sourceDir, `${name}.${cpp ? 'cc' : 'c'}`);
  const target = join(outDir, name);
  const newest = Math.max(
    ...[source, ...headers(), ...(cpp ? CRC_SOURCES : [])].map((path) => statSync(path).mtimeMs),
  );
  if (existsSync(target) && statSync(target).mtimeMs > newest) return target;
  mkdirSync(outDir, { recursive: true });
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', target, source];
  const { status, stderr } = cpp
    ? spawnSync('g++', ['-std=c++20', ...flags, ...CRC_SOURCES], { encoding: 'utf8' })
    : spawnSync('gcc', ['-std=gnu11', ...flags], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot compile ${source}: ${stderr ?? 'no compiler'}`);
  return target;
}

function headers(): string[] {
  return readdirSync(sourceDir)
    .filter((name) => name.endsWith('.h'))
    .map((name) => join(sourceDir, name));
}

export type Words = Readonly<Record<string, string | number>>;

export interface ClientResult {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
  readonly responses: number;
  readonly count: number;
}

/** Runs a client to its end. */
export async function runC(name: CProgram, words: Words): Promise<ClientResult> {
  const child = spawn(cProgram(name), wordsOf(words), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${errors.trim()}`);
  return JSON.parse(output) as ClientResult;
}

/** A server in C that runs until `stop`. */
export class CServer {
  readonly pid: number;
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.pid = process.pid as number;
    this.port = port;
  }

  static async start(name: CProgram, words: Words): Promise<CServer> {
    const child = spawn(cProgram(name), wordsOf(words), { stdio: ['pipe', 'pipe', 'inherit'] });
    const [first] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    return new CServer(child, Number(first.toString()));
  }

  cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  rssMib(): number {
    return rssMib(this.pid);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.stdin?.end();
    await once(this.#process, 'exit');
  }
}

/** Puts files out of the page cache. */
export function evict(paths: readonly string[]): void {
  const { status, stderr } = spawnSync(cProgram('evict'), paths, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot evict: ${stderr}`);
}

function wordsOf(words: Words): string[] {
  return Object.entries(words).map((pair) => pair.join('='));
}

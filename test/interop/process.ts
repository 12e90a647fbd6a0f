// Child processes of the interop suite: bounded in time, ended by their own pid, output kept as bytes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';

export type RunOptions = {
  /** Bytes or a file that becomes standard input. */
  readonly input?: Uint8Array | { readonly file: string };
  /** Standard output goes to this file instead of memory. */
  readonly outputFile?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Each line of standard output as it comes, which is not kept then. */
  readonly onLine?: (line: string) => void;
};

export type RunResult = { readonly code: number; readonly stdout: Buffer; readonly stderr: string };

const TIMEOUT_MS = 60_000;
const STDERR_MAX = 64 * 1024;

/** Runs a program to its end. Rejects when it cannot be started or passes its time limit. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  ended.catch(() => {});
  let stderr = '';
  child.stderr.on('data', (part: Buffer) => {
    if (stderr.length < STDERR_MAX) stderr += part.toString();
  });
  const stdout: Buffer[] = [];
  let file: WriteStream | undefined;
  const { onLine } = options;
  if (onLine !== undefined) {
    createInterface({ input: child.stdout }).on('line', onLine);
  } else if (options.outputFile === undefined) {
    child.stdout.on('data', (part: Buffer) => stdout.push(part));
  } else {
    file = createWriteStream(options.outputFile);
    child.stdout.pipe(file);
  }
  // A program may end before it has read all of its input: that is for its exit code to say.
  child.stdin.on('error', () => {});
  if (options.input === undefined) child.stdin.end();
  else if (options.input instanceof Uint8Array) child.stdin.end(options.input);
  else pipeline(createReadStream(options.input.file), child.stdin).catch(() => {});

  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    const [code, signal] = (await ended) as [number | null, string | null];
    if (file !== undefined && !file.writableFinished) await once(file, 'finish');
    if (late) {
      throw new Error(`${describe(command, args)}: no end after ${timeoutMs} ms\n${tail(stderr)}`);
    }
    return {
      code: code ?? (signal === null ? -1 : 128),
      stdout: Buffer.concat(stdout),
      stderr,
    };
  } finally {
    clearTimeout(timer);
  }
}

/** As `run`, and an exit code other than 0 is an error that shows what the program said. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const said = tail(result.stderr) || tail(result.stdout.toString());
    throw new Error(`${describe(command, args)}: exit ${result.code}\n${said}`);
  }
  return result;
}

/** A server that runs beside the suite. */
export class Service {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = '';
  readonly #waiters = new Set<() => void>();

  constructor(
    command: string,
    args: readonly string[],
    options: { env?: Record<string, string>; cwd?: string } = {},
  ) {
    this.#child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (part: Buffer): void => {
      this.#output = (this.#output + part.toString()).slice(-1024 * 1024);
      for (const waiter of this.#waiters) waiter();
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#output += String(error);
        resolve(-1);
      });
      this.#child.on('close', (code) => resolve(code));
    });
    services.add(this);
    this.#ended.then(() => {
      services.delete(this);
      for (const waiter of this.#waiters) waiter();
    }, ignore);
  }

  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the match as soon as the output has the pattern. */
  async waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpMatchArray> {
    const found = await new Promise<RegExpMatchArray | null>((resolve) => {
      const look = (): void => {
        const match = this.#output.match(pattern);
        if (match === null && this.running) return;
        done(match);
      };
      const timer = setTimeout(() => done(null), timeoutMs);
      const done = (match: RegExpMatchArray | null): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(match);
      };
      this.#waiters.add(look);
      look();
    });
    if (found === null) {
      throw new Error(`server: no output like ${pattern}\n${tail(this.#output)}`);
    }
    return found;
  }

  /** Asks the server to end and waits; kills it when it does not. Answers its exit code. */
  async stop(timeoutMs = 30_000): Promise<number | null> {
    if (this.running) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), timeoutMs);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }

  /** Ends the server at once, as a crash would. */
  async killNow(): Promise<void> {
    this.kill();
    await this.#ended;
  }

  /** To pause and continue it. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  kill(): void {
    if (this.running) this.#child.kill('SIGKILL');
  }
}

const services = new Set<Service>();
const ignore = (): void => {};

process.on('exit', () => {
  for (const service of services) service.kill();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => process.exit(130));
}

function describe(command: string, args: readonly string[]): string {
  const text = [command.split('/').at(-1), ...args].join(' ');
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}

export function tail(text: string, linesMax = 25): string {
  return text.trimEnd().split('\n').slice(-linesMax).join('\n');
}

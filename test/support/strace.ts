/**
 * Runs a program under strace and sums the bytes of its system calls by file.
 *
 *     const traced = traceProgram(process.execPath, [script], { syscalls: ['sendfile', 'read'] });
 *     ... traced.child is the program itself: talk to it, end it ...
 *     const calls = await traced.calls();
 *     sumBytes(calls, ({ name, files }) => name === 'read' && files.includes('/the/file'));
 */

import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** One system call that has returned. */
export interface TracedCall {
  readonly pid: number;
  readonly name: string;
  /** What the descriptors among its arguments are: paths, 'socket:[N]', 'pipe:[N]', ... */
  readonly files: readonly string[];
  /** -1 for an error. */
  readonly result: number;
}

export interface Traced {
  /** The traced program, not strace: its pid and its end are the program's. */
  readonly child: ChildProcess;
  /** All calls, once the program has ended. To be called once. */
  calls(): Promise<TracedCall[]>;
}

export interface TraceOptions {
  readonly syscalls: readonly string[];
  readonly spawn?: SpawnOptions;
}

const TRACE_END_MS_MAX = 10_000;

/** Why programs cannot be traced here, or null. */
export function straceMissing(): string | null {
  const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  if (probe.error !== undefined) return 'strace is not installed';
  return probe.status === 0 ? null : `strace does not work here: ${probe.stderr.trim()}`;
}

export function traceProgram(
  command: string,
  args: readonly string[],
  options: TraceOptions,
): Traced {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-strace-'));
  const output = join(dir, 'trace');
  const trace = `trace=${options.syscalls.join(',')}`;
  // -D: the tracer is the grandchild, so that the process started here is the program itself.
  const straceArgs = ['-D', '-f', '-y', '-s', '0', '-e', trace, '-o', output, command, ...args];
  const child = spawn('strace', straceArgs, options.spawn ?? {});
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    async calls() {
      await exited;
      try {
        return parseTrace(await finishedTrace(output, child.pid ?? -1));
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}

/** The tracer outlives the program by a moment; its last line tells of the program's end. */
async function finishedTrace(path: string, pid: number): Promise<string> {
  const end = new RegExp(`^${pid} +\\+\\+\\+ (exited|killed)`, 'm');
  for (let waitedMs = 0; waitedMs < TRACE_END_MS_MAX; waitedMs += 20) {
    const text = readFileSync(path, 'utf8');
    if (end.test(text)) return text;
    await sleep(20);
  }
  throw new Error(`strace did not write the end of process ${pid}`);
}

/**
 * Lines as of `strace -f -y -o`: `PID name(arguments) = result ...`. A call that another thread's
 * line has cut in two is put together again.
 */
export function parseTrace(text: string): TracedCall[] {
  const calls: TracedCall[] = [];
  const unfinished = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^(\d+) +(.*)$/.exec(line);
    if (match === null) continue;
    const [, pid = '', rest = ''] = match;
    const cut = rest.indexOf(' <unfinished ...>');
    if (cut >= 0) {
      unfinished.set(pid, rest.slice(0, cut));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const call = parseCall(
      Number(pid),
      (resumed ? unfinished.get(pid) : '') + (resumed?.[1] ?? rest),
    );
    if (call !== null) calls.push(call);
  }
  return calls;
}

function parseCall(pid: number, text: string): TracedCall | null {
  const match = /^(\w+)\((.*)\) += (-?\d+|\?)/.exec(text);
  if (match === null) return null;
  const [, name = '', args = '', result = ''] = match;
  const files = [...args.matchAll(/\b\d+<([^<>]*)>/g)].map(([, file = '']) => file);
  return { pid, name, files, result: result === '?' ? -1 : Number(result) };
}

/** Bytes that the calls which `wanted` picks have moved. */
export function sumBytes(
  calls: readonly TracedCall[],
  wanted: (call: TracedCall) => boolean,
): number {
  let bytes = 0;
  for (const call of calls) if (call.result > 0 && wanted(call)) bytes += call.result;
  return bytes;
}

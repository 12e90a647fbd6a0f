/** The tree of commands: names, options and help. What they do is in commands/. */

import { createRequire } from 'node:module';
import { Command, InvalidArgumentError } from 'commander';
import type { BrokerOptions } from './commands/broker.js';
import type { ToolIo } from './commands/log-verify.js';
import type { TestOptions } from './commands/test.js';
import { failureText } from './failure.js';
import { LineBuffer } from './line-buffer.js';

const REPEAT = (value: string, previous: string[]): string[] => [...previous, value];

export function buildProgram(): Command {
  const program = new Command('millrace')
    .description('A Kafka-compatible commit log.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .option('--debug', 'print stack traces with errors')
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({
      outputError: (text, write) => write(`millrace: ${text.replace(/^error: /, '')}`),
    });
  addBroker(program);
  addTest(program);
  addLog(program);
  addApis(program);
  return program;
}

function addBroker(program: Command): void {
  program
    .command('broker')
    .description('Run a broker.')
    .option('--listen <host:port>', 'address to listen on (default 127.0.0.1:9092; port 0: any)')
    .option('--data-dir <dir>', 'data directory (default ./millrace-data)')
    .option('--ephemeral', 'for development: a temporary data directory, removed at the end')
    .option('--config <file>', "a server.properties with Kafka's own names")
    .option('--override <key=value>', 'set one config; may be repeated', REPEAT, [] as string[])
    .option('--verbose', 'log more than warnings')
    .option('--debug', 'print stack traces with errors')
    .action(async (options: BrokerOptions) => {
      const { runBroker } = await import('./commands/broker.js');
      await runBroker(options);
    });
}

function addTest(program: Command): void {
  program
    .command('test')
    .description('Run a command with a broker that is thrown away afterwards.')
    .usage('[options] -- <command> [args...]')
    .argument('<command...>', 'gets its address in KAFKA_BROKERS and KAFKA_BOOTSTRAP_SERVERS')
    .option('--topic <name[:partitions]>', 'make a topic first; may be repeated', REPEAT, [])
    .option('--port <port>', 'port of 127.0.0.1 (default: any that is free)')
    .option('--override <key=value>', 'set one config; may be repeated', REPEAT, [] as string[])
    .option('--verbose', 'log more than errors')
    .option('--debug', 'print stack traces with errors')
    .action(async (command: string[], options: TestOptions) => {
      const { runTest } = await import('./commands/test.js');
      process.exitCode = await runTest(command, options);
    });
}

function addLog(program: Command): void {
  const log = program.command('log').description('Look into data directories.');
  log
    .command('dump')
    .description('Print a segment (.log), an index (.index, .timeindex, .txnindex) or a .snapshot.')
    .argument('<file>', 'the file')
    .option('--records', 'print the records of each batch too')
    .option('--json', 'one JSON object a line')
    .option('--debug', 'print stack traces with errors')
    .action(async (file: string, options: { records?: true; json?: true }) => {
      const { dumpFile } = await import('./commands/log-dump.js');
      const output = new LineBuffer((text) => process.stdout.write(text));
      process.exitCode = dumpFile(file, {
        records: options.records ?? false,
        json: options.json ?? false,
        out: (line) => output.line(line),
      });
      output.flush();
    });
  addLogTools(log);
}

/** Those that take a directory, ours or Kafka's. Exit code 2 for a mistake on the command line. */
function addLogTools(log: Command): void {
  const tool = (name: string, description: string): Command =>
    log
      .command(name)
      .description(description)
      .option('--json', 'one JSON object a line')
      .option('--debug', 'print stack traces with errors')
      .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  const path = 'a data directory, the directory of a partition, or a .log file';
  tool('verify', 'Check every batch, index and checksum. Changes nothing.')
    .argument('<path>', path)
    .action((target: string, { json = false }: ToolOptions) =>
      runTool(async (io) => {
        const { runVerify } = await import('./commands/log-verify.js');
        return runVerify(target, { json }, io);
      }),
    );
  tool('repair', 'Make damaged indexes anew and cut a torn tail, and say so.')
    .argument('<path>', path)
    .option('--force', 'cut a damaged end too, which may have held records')
    .action((target: string, { json = false, force = false }: ToolOptions & { force?: boolean }) =>
      runTool(async (io) => {
        const { runRepair } = await import('./commands/log-repair.js');
        return runRepair(target, { json, force }, io);
      }),
    );
  tool('stats', 'Count what is in the logs. Changes nothing.')
    .argument('<path>', path)
    .action((target: string, { json = false }: ToolOptions) =>
      runTool(async (io) => {
        const { runStats } = await import('./commands/log-stats.js');
        return runStats(target, { json }, io);
      }),
    );
  tool('follow', 'Print the records of a partition as they come. Changes nothing.')
    .argument('<dir>', 'the directory of a partition')
    .option('--from <offset>', 'an offset, earliest or latest', offsetArgument, 'latest')
    .option('--count <records>', 'end after so many', countArgument)
    .option('--once', 'end when there is no more')
    .action((target: string, { json = false, from = 'latest', count, once }: FollowArguments) =>
      runTool(async (io) => {
        const { runFollow } = await import('./commands/log-follow.js');
        const ended = new AbortController();
        for (const signal of ['SIGINT', 'SIGTERM'] as const) {
          process.once(signal, () => ended.abort());
        }
        const countMax = count ?? Number.POSITIVE_INFINITY;
        const options = { json, from, countMax, once: once ?? false, signal: ended.signal };
        return runFollow(target, options, io);
      }),
    );
  tool('snapshot', 'Make a copy that opens as a log of its own, by hard links where it can.')
    .argument('<source>', 'a data directory, or the directory of a partition')
    .argument('<destination>', 'a directory that is not there, or empty; on the same file system')
    .action((source: string, destination: string, { json = false }: ToolOptions) =>
      runTool(async (io) => {
        const { runSnapshot } = await import('./commands/log-snapshot.js');
        return runSnapshot(source, destination, { json }, io);
      }),
    );
}

interface ToolOptions {
  readonly json?: boolean;
}

interface FollowArguments extends ToolOptions {
  readonly from?: number | 'earliest' | 'latest';
  readonly count?: number;
  readonly once?: boolean;
}

function offsetArgument(value: string): number | 'earliest' | 'latest' {
  return value === 'earliest' || value === 'latest' ? value : countArgument(value);
}

function countArgument(value: string): number {
  const count = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(count) || count < 0) {
    throw new InvalidArgumentError('a whole number is needed');
  }
  return count;
}

/** Runs a tool: its answer is the exit code, 2 where there is no log to work on. */
async function runTool(run: (io: ToolIo) => Promise<number>): Promise<void> {
  const [{ systemEnv }, { systemClock }] = await Promise.all([
    import('../file/env.js'),
    import('../base/clock.js'),
  ]);
  // Lines are kept together where nobody watches them come.
  const output = new LineBuffer((text) => process.stdout.write(text));
  const out = (line: string): void => {
    output.line(line);
    if (process.stdout.isTTY || process.argv[3] === 'follow') output.flush();
  };
  try {
    const io = { env: systemEnv, clock: systemClock, out, terminal: process.stderr };
    process.exitCode = await run(io);
  } catch (error) {
    output.flush();
    process.stderr.write(failureText(error, process.argv.includes('--debug')));
    const { code } = error as { code?: unknown };
    process.exitCode = code === 'NOT_FOUND' || code === 'NO_LOG' ? 2 : 1;
  } finally {
    output.flush();
  }
}

function addApis(program: Command): void {
  program
    .command('apis')
    .description('Print the APIs and versions that the broker serves.')
    .option('--json', 'as JSON')
    .option('--debug', 'print stack traces with errors')
    .action(async (options: { json?: true }) => {
      const { runApis } = await import('./commands/apis.js');
      runApis(options);
    });
}

function packageVersion(): string {
  const load = createRequire(import.meta.url);
  return (load('../../package.json') as { version: string }).version;
}

/** The tree of commands: names, options and help. What they do is in commands/. */

import { createRequire } from 'node:module';
import { Command } from 'commander';
import type { BrokerOptions } from './commands/broker.js';
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
    .option('--config <file>', "a server.properties with Kafka's own names")
    .option('--override <key=value>', 'set one config; may be repeated', REPEAT, [] as string[])
    .option('--verbose', 'log more than warnings')
    .option('--debug', 'print stack traces with errors')
    .action(async (options: BrokerOptions) => {
      const { runBroker } = await import('./commands/broker.js');
      await runBroker(options);
    });
}

function addLog(program: Command): void {
  program
    .command('log')
    .description('Look into data directories.')
    .command('dump')
    .description('Print a segment (.log) or an index (.index, .timeindex).')
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

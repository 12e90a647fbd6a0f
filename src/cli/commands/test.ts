/**
 * `millrace test -- COMMAND`: starts a broker that is thrown away, tells the command where it is in
 * KAFKA_BROKERS and KAFKA_BOOTSTRAP_SERVERS, runs it with this terminal, and exits as it does.
 */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { systemClock } from '../../base/clock.js';
import { makeTempDir, removeTree } from '../../file/temp-dir.js';
import { BrokerHost } from '../../testing/broker-host.js';
import { hostOptions } from '../../testing/start-options.js';
import type { NewTopic } from '../../testing/types.js';
import { UsageError } from '../failure.js';
import { lineLogger } from '../logger.js';

export interface TestOptions {
  readonly topic: readonly string[];
  readonly override: readonly string[];
  readonly port?: string;
  readonly verbose?: true;
}

/** As a shell has it for a command that it did not find, or could not run. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** Answers the exit code: the command's, or 128 and the number of the signal that ended it. */
export async function runTest(command: readonly string[], options: TestOptions): Promise<number> {
  const level = options.verbose ? 'info' : 'error';
  const write = (line: string): unknown => process.stderr.write(line);
  const logger = lineLogger({ clock: systemClock, level, write });
  const given = hostOptions({
    topics: options.topic.map(topicOf),
    config: Object.fromEntries(options.override.map(configOf)),
    port: portOf(options.port),
  });
  const dir = makeTempDir('millrace-test');
  try {
    const broker = await BrokerHost.open(
      { ...given, dir },
      {
        log: (at, message, fields) => logger[at](message, fields),
        onKill: () => {},
      },
    );
    const address = `127.0.0.1:${broker.port}`;
    try {
      const env = { KAFKA_BROKERS: address, KAFKA_BOOTSTRAP_SERVERS: address };
      return await runCommand(command, { ...process.env, ...env });
    } finally {
      await broker.close();
    }
  } finally {
    removeTree(dir);
  }
}

function runCommand(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'inherit', env });
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    const forward = (signal: NodeJS.Signals): void => {
      // A terminal sends its own to the whole group.
      if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal);
    };
    for (const signal of signals) process.on(signal, forward);
    const end = (code: number): void => {
      for (const signal of signals) process.off(signal, forward);
      resolve(code);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`millrace: cannot run ${file}: ${error.message}\n`);
      end(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE);
    });
    child.once('exit', (code, signal) => {
      end(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** NAME or NAME:PARTITIONS. */
function topicOf(text: string): NewTopic {
  const match = /^([^:]+)(?::(\d+))?$/.exec(text);
  if (match === null) throw new UsageError(`--topic ${text}: expected NAME or NAME:PARTITIONS`);
  const [, name = '', partitions] = match;
  return partitions === undefined ? { name } : { name, partitions: Number(partitions) };
}

function configOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--override ${text}: expected KEY=VALUE`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function portOf(text: string | undefined): number {
  const port = Number(text ?? 0);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UsageError(`--port ${text}: expected 0 to 65535`);
}

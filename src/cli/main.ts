#!/usr/bin/env node
/** The `millrace` command. What a command needs is imported when it runs, so that others start fast. */

import { failureText } from './failure.js';

const debug = process.argv.includes('--debug');

function fail(error: unknown): void {
  process.stderr.write(failureText(error, debug));
  process.exitCode = 1;
}

// A reader that goes away (`| head`) is no error of ours.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

// The broker's modules load while the command line is read: a start is mostly loading.
if (process.argv[2] === 'broker') import('./commands/broker.js').catch(() => {});

try {
  const { buildProgram } = await import('./program.js');
  await buildProgram().parseAsync();
} catch (error) {
  fail(error);
}

#!/usr/bin/env node
/** The `millrace` command. What a command needs is imported when it runs, so that others start fast. */

import { failureText } from './failure.js';
import { buildProgram } from './program.js';

const debug = process.argv.includes('--debug');

function fail(error: unknown): void {
  process.stderr.write(failureText(error, debug));
  process.exitCode = 1;
}

// A reader that goes away (`| head`) is no error of ours.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

try {
  await buildProgram().parseAsync();
} catch (error) {
  fail(error);
}

/** The whole command. What a part of it needs is imported when it runs, so that others start fast. */

import { failureText } from './failure.js';

export async function runCommand(): Promise<void> {
  // A reader that goes away (`| head`) is no error of ours.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  // The broker's modules load while the command line is read: a start is mostly loading.
  if (process.argv[2] === 'broker') import('./commands/broker.js').catch(() => {});

  try {
    const { buildProgram } = await import('./program.js');
    await buildProgram().parseAsync();
  } catch (error) {
    process.stderr.write(failureText(error, process.argv.includes('--debug')));
    process.exitCode = 1;
  }
}

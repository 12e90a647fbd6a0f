// One check of a suite of our own making: it passes unless it throws, and may say something.

import type { Context } from './suite.js';

export async function check(
  { report, isWanted }: Context,
  suite: string,
  test: string,
  work: () => Promise<unknown>,
): Promise<void> {
  if (!isWanted(test)) return;
  const started = performance.now();
  let reason: string | undefined;
  let failed = false;
  try {
    const said = await work();
    if (typeof said === 'string') reason = said;
  } catch (error) {
    failed = true;
    reason = error instanceof Error ? error.message : String(error);
  }
  const seconds = (performance.now() - started) / 1000;
  const verdict = failed ? 'fail' : 'pass';
  report.add({ suite, test, verdict, seconds, ...(reason === undefined ? {} : { reason }) });
}

// What the suites found: a line for each test as it ends, then a table of counts, the failures, and JSON.

import { writeFileSync } from 'node:fs';

export type Verdict =
  | 'pass'
  | 'fail'
  /** Not run, or it ended itself: the reason says why. */
  | 'skip'
  /** It passes without a broker as well, so that it says nothing about ours. */
  | 'local';

export type Result = {
  readonly suite: string;
  readonly test: string;
  readonly verdict: Verdict;
  readonly seconds: number;
  /** Why it failed or was left out; for a pass, what the test left out of itself. */
  readonly reason?: string;
  /** What the same test does where nothing listens; missing where that was not run. */
  readonly control?: 'fails' | 'passes';
};

const VERDICTS: readonly Verdict[] = ['pass', 'fail', 'skip', 'local'];

export class Report {
  results: Result[] = [];
  /** What failed in a run that another one has taken the place of. */
  readonly #failedBefore: Result[] = [];
  readonly #started = performance.now();
  /** Seconds of wall time of each suite. */
  readonly #seconds = new Map<string, number>();

  add(result: Result): void {
    this.results.push(result);
    const { suite, test, verdict, seconds, reason, control } = result;
    const controlled = control === undefined ? '' : `  (dead port: ${control})`;
    const why = reason === undefined ? '' : `  ${firstLine(reason)}`;
    const mark = verdict === 'fail' ? 'FAIL' : verdict;
    console.log(`${mark.padEnd(5)} ${suite}: ${test}  ${seconds.toFixed(1)} s${controlled}${why}`);
  }

  suiteEnded(suite: string, seconds: number): void {
    this.#seconds.set(suite, seconds);
  }

  hasFailed(suite: string): boolean {
    return this.results.some((one) => one.suite === suite && one.verdict === 'fail');
  }

  /** The suite is run once more: what it has found so far is shown, and does not count. */
  beginAgain(suite: string): void {
    const own = this.results.filter((one) => one.suite === suite);
    this.#failedBefore.push(...own.filter(({ verdict }) => verdict === 'fail'));
    this.results = this.results.filter((one) => one.suite !== suite);
  }

  get failed(): boolean {
    return this.results.some(({ verdict }) => verdict === 'fail');
  }

  toString(): string {
    const rows = [['suite', ...VERDICTS, 'passes that fail at a dead port', 'seconds']];
    for (const suite of new Set(this.results.map((result) => result.suite))) {
      const own = this.results.filter((result) => result.suite === suite);
      const count = (verdict: Verdict): string =>
        String(own.filter((result) => result.verdict === verdict).length);
      const passed = own.filter(({ verdict }) => verdict === 'pass');
      const controlled = passed.filter(({ control }) => control === 'fails').length;
      const seconds = this.#seconds.get(suite) ?? own.reduce((sum, one) => sum + one.seconds, 0);
      rows.push([
        suite,
        ...VERDICTS.map(count),
        `${controlled} of ${passed.length}`,
        seconds.toFixed(0),
      ]);
    }
    const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
    const lines = rows.map((row) =>
      row
        .map((text, i) => text.padEnd(widths?.[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    const failures = this.results
      .filter(({ verdict }) => verdict === 'fail')
      .map(({ suite, test, reason }) => `\nFAIL ${suite}: ${test}\n${reason ?? ''}`);
    const before = this.#failedBefore.map(
      ({ suite, test, reason }) =>
        `\nfailed in the first run of ${suite}: ${test}\n${reason ?? ''}`,
    );
    const total = ((performance.now() - this.#started) / 1000).toFixed(0);
    return ['', ...lines, ...before, ...failures, '', `${total} s in all`].join('\n');
  }

  write(path: string): void {
    writeFileSync(path, `${JSON.stringify(this.results, null, 1)}\n`);
  }
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 160 ? `${line.slice(0, 160)}...` : line;
}

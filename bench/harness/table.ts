/** A result as text. */

import { figures, median, ratios, spread } from './statistics.js';
import type { Figure, SuiteResult, Verdict } from './suite.js';

export function table(result: SuiteResult): string {
  const { cases, rounds } = result;
  const more = new Set<string>();
  for (const round of rounds) {
    for (const { more: others } of Object.values(round.measurements)) {
      for (const name of Object.keys(others ?? {})) more.add(name);
    }
  }
  const extra: Figure[] = ['cpuSecondsPerGb', 'rssMib', ...more].filter((figure) =>
    cases.some(({ name }) => figures(rounds, name, figure).length > 0),
  );
  const rows: string[][] = [];
  const head = ['case', 'median', 'min', 'max', 'unit', 'ratio', 'range'];
  for (const figure of extra) head.push(HEADS[figure] ?? figure, 'ratio');
  rows.push(head);
  for (const { name, unit, baseline } of cases) {
    const values = figures(rounds, name, 'value');
    if (values.length === 0) {
      rows.push([name, 'failed']);
      continue;
    }
    const { median: middle, min, max } = spread(values);
    const row = [name, number(middle), number(min), number(max), unit];
    const shares = baseline === undefined ? [] : ratios(rounds, name, baseline, 'value');
    const range = spread(shares);
    row.push(
      shares.length === 0 ? '' : `${number(range.median)}x`,
      shares.length === 0 ? '' : `${number(range.min)}-${number(range.max)}`,
    );
    for (const figure of extra) {
      const own = figures(rounds, name, figure);
      const against = baseline === undefined ? [] : ratios(rounds, name, baseline, figure);
      row.push(own.length === 0 ? '' : number(median(own)));
      row.push(against.length === 0 ? '' : `${number(median(against))}x`);
    }
    rows.push(row);
  }
  const lines = [`${result.title}: ${result.question}`, ...columns(rows)];
  const kept = rounds.filter((round) => round.kept);
  const foreign = Math.max(0, ...kept.map((round) => round.foreignCpu));
  lines.push(
    `${kept.length} rounds, foreign CPU up to ${(foreign * 100).toFixed(0)} %; ratios are medians of each round's`,
  );
  for (const [name, reason] of Object.entries(result.failures)) {
    lines.push(`FAILED ${name}: ${reason}`);
  }
  for (const verdict of result.verdicts) lines.push(verdictLine(verdict));
  for (const note of result.notes) lines.push(`note: ${note}`);
  return lines.join('\n');
}

export function verdictLine(verdict: Verdict): string {
  const { id, figure, against, reached, atLeast, atMost, ok } = verdict;
  const what = against === null ? verdict.case : `${verdict.case} / ${against}`;
  const bound = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  const named = figure === undefined || figure === 'value' ? '' : ` (${figure})`;
  return `${id}${named}: ${what} = ${number(reached)}, target ${bound}: ${ok ? 'reached' : 'MISSED'}`;
}

/** Three digits that count. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (size >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

const HEADS: Readonly<Record<string, string>> = {
  cpuSecondsPerGb: 'CPU s/GB',
  rssMib: 'RSS MiB',
};

/** Rows of cells under each other: the first column leads, the others are flush right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  return rows.map((row) =>
    widths
      .map((width, at) =>
        at === 0 ? (row[at] ?? '').padEnd(width) : (row[at] ?? '').padStart(width),
      )
      .join('  ')
      .trimEnd(),
  );
}

/**
 * The chart of README.md: every target of the kept results as a bar, from the bound to what was
 * reached, on a logarithmic scale. Right of the line is better than the target, left is missed.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { root } from './paths.js';
import { escapeXml } from './profile.js';
import type { SuiteResult, Verdict } from './suite.js';
import { number } from './table.js';

const WIDTH = 960;
const ROW = 22;
const TOP = 46;
const LABEL_WIDTH = 430;
const LABEL_LENGTH = 74;
const SCALE_MAX = 16;

export interface Row extends Verdict {
  readonly suite: string;
}

export function verdictRows(results: readonly SuiteResult[]): Row[] {
  return (
    results
      .flatMap(({ name, verdicts }) => verdicts.map((verdict) => ({ ...verdict, suite: name })))
      // A bound of nothing at all has no scale; the report's table has it.
      .filter((row) => (row.atLeast ?? row.atMost) !== 0)
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
  );
}

/** How many times better than the bound; below 1 is missed. */
export function margin({ reached, atLeast, atMost }: Verdict): number {
  return atLeast === undefined ? (atMost ?? 1) / reached : reached / atLeast;
}

export function chart(results: readonly SuiteResult[]): string {
  const rows = verdictRows(results);
  const height = TOP + rows.length * ROW + 20;
  const zero = LABEL_WIDTH + (WIDTH - LABEL_WIDTH - 20) / 3;
  const unit = (WIDTH - 20 - zero) / Math.log2(SCALE_MAX);
  const bars = rows.map((row, at) => {
    const y = TOP + at * ROW;
    const span = Math.log2(Math.min(SCALE_MAX, Math.max(1 / 8, margin(row))));
    const [x, width] =
      span >= 0 ? [zero, span * unit] : [zero + span * unit * 0.66, -span * unit * 0.66];
    const bound =
      row.atLeast === undefined ? `≤ ${number(row.atMost ?? 0)}` : `≥ ${number(row.atLeast)}`;
    const figure = row.figure === undefined || row.figure === 'value' ? '' : `, ${row.figure}`;
    const against = row.against === null ? '' : ` / ${row.against}`;
    const label = `${row.id}  ${row.case}${figure}${against}`.slice(0, LABEL_LENGTH);
    return (
      `<text x="8" y="${y + 15}">${escapeXml(label)}</text>` +
      `<rect x="${x.toFixed(1)}" y="${y + 3}" width="${Math.max(2, width).toFixed(1)}" height="${ROW - 7}" ` +
      `fill="${row.ok ? '#2a9d6f' : '#c8553d'}"/>` +
      `<text x="${(span >= 0 ? x + width + 6 : zero + 6).toFixed(1)}" y="${y + 15}" fill="#444">` +
      `${number(row.reached)} (${bound})</text>`
    );
  });
  const newest = [...results].sort((a, b) =>
    b.environment.date.localeCompare(a.environment.date),
  )[0];
  const machine = newest === undefined ? '' : machineLine(newest);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" font-family="DejaVu Sans, sans-serif" font-size="11">` +
    `<title>Targets: reached against bound</title><rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="8" y="18" font-size="14">Targets: reached against bound, logarithmic</text>` +
    `<text x="8" y="34" fill="#666">${escapeXml(machine)}</text>` +
    `<line x1="${zero}" x2="${zero}" y1="${TOP - 6}" y2="${height - 14}" stroke="#222"/>` +
    `${bars.join('\n')}</svg>\n`
  );
}

function machineLine({ environment: one }: SuiteResult): string {
  return (
    `${one.cores} x ${one.cpu}, ${one.memoryGib} GiB, Linux ${one.kernel}, Node ${one.node}, ` +
    `${one.commit}, ${one.date.slice(0, 10)}`
  );
}

/** Null where there is no font to draw text with. */
export async function png(svg: string): Promise<Uint8Array | null> {
  const font = fontFile();
  if (font === null) return null;
  await initWasm(
    new Uint8Array(readFileSync(join(root, 'node_modules/@resvg/resvg-wasm/index_bg.wasm'))),
  );
  const image = new Resvg(svg, {
    font: {
      fontBuffers: [new Uint8Array(readFileSync(font))],
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
    fitTo: { mode: 'zoom', value: 1.5 },
  });
  return image.render().asPng();
}

function fontFile(): string | null {
  const folder = '/usr/share/fonts';
  if (!existsSync(folder)) return null;
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) =>
    name.endsWith('/DejaVuSans.ttf'),
  );
  return found === undefined ? null : join(folder, found);
}

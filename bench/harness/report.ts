/**
 * `npm run bench -- report`: the kept results as one page without links to anywhere, and the chart of
 * README.md beside docs/PERFORMANCE.md.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart, png } from './chart.js';
import { resultsDir, root } from './paths.js';
import { escapeXml } from './profile.js';
import { figureOf } from './statistics.js';
import type { SuiteResult } from './suite.js';
import { table } from './table.js';

export function readResults(dir: string = resultsDir): SuiteResult[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as SuiteResult);
}

export async function report(): Promise<number> {
  const results = readResults();
  if (results.length === 0) {
    console.error('no results yet: npm run bench -- all');
    return 1;
  }
  const svg = chart(results);
  const page = join(root, 'build/bench-report.html');
  const picture = join(root, 'docs/performance.png');
  mkdirSync(join(page, '..'), { recursive: true });
  writeFileSync(page, html(results, svg));
  writeFileSync(join(root, 'docs/performance.svg'), svg);
  const pixels = await png(svg);
  if (pixels === null) console.error('no DejaVu Sans on this machine: docs/performance.png stays');
  else writeFileSync(picture, pixels);
  console.log([page, join(root, 'docs/performance.svg'), picture].join('\n'));
  return 0;
}

/** The plot shows the value of each case, round by round: what is level there can be believed. */
function html(results: readonly SuiteResult[], svg: string): string {
  const uplot = join(root, 'node_modules/uplot/dist');
  const plots = results.map((result) => ({ id: `plot-${result.name}`, ...series(result) }));
  const sections = results.map(
    (result) =>
      `<h2 id="${result.name}">${escapeXml(result.title)}</h2>` +
      `<p>${escapeXml(result.question)} <small>${escapeXml(machine(result))}</small></p>` +
      `<div id="plot-${result.name}"></div><pre>${escapeXml(table(result))}</pre>` +
      `<details><summary>JSON</summary><pre>${escapeXml(JSON.stringify(result))}</pre></details>`,
  );
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Millrace benches</title>',
    `<style>${readFileSync(join(uplot, 'uPlot.min.css'), 'utf8')}`,
    'body{font:14px sans-serif;max-width:1200px;margin:2em auto;padding:0 1em}pre{overflow-x:auto}',
    'details pre{white-space:pre-wrap;word-break:break-all}</style>',
    `<h1>Millrace benches</h1>${svg}`,
    `<p>${results.map(({ name, title }) => `<a href="#${name}">${escapeXml(title)}</a>`).join(' · ')}</p>`,
    ...sections,
    `<script>${readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8')}</script>`,
    `<script>const plots=${JSON.stringify(plots).replace(/</g, '\\u003c')};`,
    'const color=i=>"hsl("+i*67%360+" 65% 42%)";',
    'for(const p of plots)new uPlot({width:1100,height:320,scales:{x:{time:false},y:{distr:p.log?3:1}},',
    'axes:[{label:"round"},{size:80}],series:[{label:"round"},...p.names.map((label,i)=>',
    '({label,stroke:color(i),points:{show:true}}))]},p.data,document.getElementById(p.id));</script></html>',
  ].join('\n');
}

function series({ cases, rounds }: SuiteResult): {
  names: string[];
  data: unknown[];
  log: boolean;
} {
  const kept = rounds.filter((round) => round.kept);
  const values = cases.map(({ name }) =>
    kept.map((round) => figureOf(round.measurements[name], 'value') ?? null),
  );
  const all = values.flat().filter((value) => value !== null);
  const log = Math.min(...all) > 0 && Math.max(...all) / Math.min(...all) > 20;
  return {
    names: cases.map(({ name }) => name),
    data: [kept.map((_, at) => at + 1), ...values],
    log,
  };
}

function machine({ environment: one, parameters }: SuiteResult): string {
  const words = Object.entries(parameters).map(([name, value]) => `--${name} ${value}`);
  return [
    `${one.date} · ${one.commit}${one.dirty ? ' and changes' : ''} · Node ${one.node} · addon ${one.native}`,
    `${one.cores} x ${one.cpu}, ${one.memoryGib} GiB, Linux ${one.kernel}, ${one.congestion}`,
    ...words,
  ].join(' · ');
}

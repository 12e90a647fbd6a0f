/**
 * `npm run bench -- profile NAME`: the suite once, with a CPU profile of its own process and of every
 * broker that it starts. Says which functions took the time, and draws a flame graph of each profile.
 * A .cpuprofile opens in the developer tools of any Chromium.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';

const LINES_MAX = 25;
const IDLE = ['(idle)', '(program)', '(root)'];

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export function profileSuite(mainPath: string, name: string, words: readonly string[]): number {
  const dir = join(root, 'build/bench-profiles', name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const { status } = spawnSync(
    process.execPath,
    ['--cpu-prof', `--cpu-prof-dir=${dir}`, mainPath, name, '--quick', ...words],
    { stdio: 'inherit', env: { ...process.env, MILLRACE_BENCH_PROFILE: dir } },
  );
  for (const file of readdirSync(dir)) {
    const profile = JSON.parse(readFileSync(join(dir, file), 'utf8')) as CpuProfile;
    const svg = file.replace(/\.cpuprofile$/, '.svg');
    writeFileSync(join(dir, svg), flameGraph(profile));
    console.log(`\n${join(dir, file)}\n${join(dir, svg)}`);
    for (const line of topFunctions(profile)) console.log(line);
  }
  return status ?? 1;
}

/** Microseconds of each node by itself. */
function selfTimes({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const times = new Map<number, number>();
  samples.forEach((id, at) => {
    times.set(id, (times.get(id) ?? 0) + (timeDeltas[at] ?? 0));
  });
  return times;
}

/** Functions by the time that they took themselves, of the time that the process was busy. */
export function topFunctions(profile: CpuProfile): string[] {
  const times = selfTimes(profile);
  const functions = new Map<string, number>();
  let busy = 0;
  for (const { id, callFrame } of profile.nodes) {
    const time = times.get(id) ?? 0;
    if (IDLE.includes(callFrame.functionName)) continue;
    busy += time;
    const name = nameOf(callFrame);
    functions.set(name, (functions.get(name) ?? 0) + time);
  }
  return [...functions]
    .sort(([, a], [, b]) => b - a)
    .slice(0, LINES_MAX)
    .map(([name, time]) => `${((time / busy) * 100).toFixed(1).padStart(6)} %  ${name}`);
}

function nameOf({ functionName, url, lineNumber }: ProfileNode['callFrame']): string {
  const file = url.split('/').slice(-2).join('/');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}

const WIDTH = 1600;
const ROW = 16;
const PIXELS_MIN = 0.5;

/** Callers above, callees below, as wide as they took time; the name shows under the pointer. */
export function flameGraph(profile: CpuProfile): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const self = selfTimes(profile);
  const totals = new Map<number, number>();
  const total = (id: number): number => {
    const node = nodes.get(id);
    if (node === undefined || IDLE.slice(0, 2).includes(node.callFrame.functionName)) return 0;
    const sum = (node.children ?? []).reduce((all, child) => all + total(child), self.get(id) ?? 0);
    totals.set(id, sum);
    return sum;
  };
  const first = profile.nodes[0];
  if (first === undefined) return '';
  const scale = WIDTH / Math.max(1, total(first.id));
  const boxes: string[] = [];
  let depthMax = 0;
  const draw = (id: number, x: number, depth: number): void => {
    const node = nodes.get(id);
    const width = (totals.get(id) ?? 0) * scale;
    if (node === undefined || width < PIXELS_MIN) return;
    depthMax = Math.max(depthMax, depth);
    const name = escapeXml(nameOf(node.callFrame));
    const hue = 20 + ((name.length * 37) % 40);
    const text = name.slice(0, Math.floor(width / 7));
    boxes.push(
      `<g><title>${name}: ${((width / WIDTH) * 100).toFixed(1)} %</title>` +
        `<rect x="${x.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" height="${ROW - 1}" ` +
        `fill="hsl(${hue} 80% 70%)"/><text x="${(x + 2).toFixed(1)}" y="${depth * ROW + 12}">${text}</text></g>`,
    );
    let at = x;
    for (const child of node.children ?? []) {
      draw(child, at, depth + 1);
      at += (totals.get(child) ?? 0) * scale;
    }
  };
  draw(first.id, 0, 0);
  const height = (depthMax + 1) * ROW;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `font-family="monospace" font-size="11">${boxes.join('\n')}</svg>\n`
  );
}

export function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

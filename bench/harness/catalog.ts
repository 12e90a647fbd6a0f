/** Which suites there are: every bench/NAME.bench.ts that exports one. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';
import type { Suite } from './suite.js';

/** A bench that is not a suite: a program of its own, which is run as one. */
export interface Script {
  readonly name: string;
  readonly script: string;
  readonly title: string;
}

export type Entry = { readonly name: string; readonly suite: Suite } | Script;

const SUFFIX = '.bench.ts';

export async function catalog(): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const file of readdirSync(join(root, 'bench')).sort()) {
    if (!file.endsWith(SUFFIX)) continue;
    const name = file.slice(0, -SUFFIX.length);
    const compiled = join(root, 'dist-test/bench', `${name}.bench.js`);
    if (!existsSync(compiled)) continue;
    const text = readFileSync(join(root, 'bench', file), 'utf8');
    if (!/^export const suite\b/m.test(text)) {
      const title = /^\/\*\*\n \* (.*)/.exec(text)?.[1] ?? '';
      entries.push({ name, script: compiled, title });
      continue;
    }
    const { suite } = (await import(compiled)) as { suite: Suite };
    if (suite.name !== name) throw new Error(`bench/${file} calls itself ${suite.name}`);
    entries.push({ name, suite });
  }
  return entries;
}

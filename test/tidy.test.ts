/**
 * The rules of the house that a program can check, so that reviews can talk about design: floors,
 * who may touch files, sockets, clocks and chance, names, lengths, heads of files.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '../..');
const LINES_MAX = 600;

/** Room -> rooms that it may import, besides itself, base and metrics (docs/DESIGN.md, "Floors"). */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  native: [],
  metrics: [],
  file: ['native'],
  record: ['native'],
  protocol: [],
  index: ['file'],
  net: ['file', 'protocol', 'native'],
  security: ['protocol'],
  segment: ['index', 'record', 'file'],
  log: ['segment', 'index', 'record', 'file'],
  client: ['net', 'security', 'protocol', 'record'],
  coordinator: ['log', 'record', 'protocol'],
  cluster: ['log', 'client', 'protocol', 'record', 'file'],
  storage: ['log', 'segment', 'record', 'file'],
  streams: ['client', 'record'],
  connect: ['client', 'record'],
  broker: [
    ...['file', 'record', 'protocol', 'index', 'net', 'security', 'segment', 'log', 'client'],
    ...['coordinator', 'cluster'],
  ],
  console: ['broker', 'client', 'log'],
};
// It stands in the places of clients, disks and clocks, and hands them the broker's own types.
Object.assign(MAY_IMPORT, {
  testing: ['broker', ...(MAY_IMPORT.broker ?? []), 'storage', 'native'],
});
const ROOMS = Object.keys(MAY_IMPORT);
for (const top of ['cli', 'public']) Object.assign(MAY_IMPORT, { [top]: ROOMS });

/** What only some files may use: [what, pattern, files or folders that may]. */
const RESERVED: readonly (readonly [string, RegExp, readonly string[]])[] = [
  [
    'files',
    /['"](node:)?fs(\/promises)?['"]/,
    // Besides the engine's: the addon, the code of a WebAssembly library, and the command's own files.
    [
      ...['src/file/', 'src/native/binding.ts', 'src/record/compression/zstd-wasm.ts'],
      'src/cli/main.ts',
    ],
  ],
  ['sockets', /['"](node:)?(net|tls|dgram|http|https)['"]/, ['src/net/', 'src/console/']],
  [
    'the clock',
    /\b(Date\.now|performance\.now|setTimeout|setInterval)\b|process\.hrtime|new Date\(\)/,
    ['src/base/clock.ts'],
  ],
  [
    'chance',
    /Math\.random|\brandom(Bytes|FillSync|UUID|Int)\b|getRandomValues/,
    ['src/base/random.ts', 'src/file/system-random.ts'],
  ],
  ['the addon', /process\.dlopen|\.node['"`]/, ['src/native/binding.ts']],
  ['generated source', /new Function\(/, ['src/protocol/']],
];

interface Source {
  readonly path: string;
  readonly text: string;
  /** Without comments, so that a rule is not broken by words about it. */
  readonly code: string;
  readonly imports: readonly string[];
}

const sources = readSources('src');
const tests = readSources('test').concat(readSources('bench'));

t.test('a room imports only the rooms below that it may, types included', (t) => {
  const wrong: string[] = [];
  for (const source of sources) {
    const room = roomOf(source.path);
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) wrong.push(`${source.path}: no such room in the house`);
    for (const imported of source.imports) {
      const target = roomOf(imported);
      if (target === room || target === 'base' || (target === 'metrics' && room !== 'base'))
        continue;
      if (!allowed?.includes(target)) wrong.push(`${source.path} imports ${imported}`);
    }
  }
  t.same(wrong, []);
  t.end();
});

t.test('no file imports itself by way of others', (t) => {
  const graph = new Map(sources.map((source) => [source.path, source.imports]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' > '));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  t.same(cycles, []);
  t.end();
});

t.test('files, sockets, clock, chance and the addon are touched only where they may be', (t) => {
  const wrong: string[] = [];
  for (const { path, code } of sources) {
    for (const [what, pattern, places] of RESERVED) {
      if (places.some((place) => path.startsWith(place))) continue;
      const found = pattern.exec(code);
      if (found !== null) wrong.push(`${path} touches ${what}: ${found[0]}`);
    }
  }
  t.same(wrong, []);
  t.end();
});

t.test('each source file has a head, a standard name and a length that can be seen whole', (t) => {
  const wrong: string[] = [];
  for (const { path, text } of sources) {
    const name = basename(path);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name)) wrong.push(`${path}: not kebab-case`);
    if (/^(utils?|helpers?|common|misc|index)\.ts$/.test(name))
      wrong.push(`${path}: names nothing`);
    if (!/^(#!.*\n)?(\/\*\*|\/\/)/.test(text)) wrong.push(`${path}: no head`);
    const lines = text.split('\n').length;
    if (lines > LINES_MAX) wrong.push(`${path}: ${lines} lines`);
  }
  t.same(wrong, []);
  t.end();
});

t.test('no leftovers: marks of unfinished work, barrels, default exports, loose types', (t) => {
  const wrong: string[] = [];
  for (const { path, text, code } of [...sources, ...tests]) {
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(text) && path !== 'test/tidy.test.ts') {
      wrong.push(`${path}: belongs in docs/NOT-DONE.md`);
    }
    if (/^export \* from/m.test(code) && !path.startsWith('src/public/'))
      wrong.push(`${path}: barrel`);
    if (/^export default/m.test(code)) wrong.push(`${path}: default export`);
    if (/@ts-(ignore|nocheck)/.test(text) && path !== 'test/tidy.test.ts')
      wrong.push(`${path}: unchecked`);
    if (/^\s*(export )?(const )?enum |^\s*(export )?namespace /m.test(code))
      wrong.push(`${path}: enum`);
  }
  t.same(wrong, []);
  t.end();
});

t.test('tests wait for conditions, not for time', (t) => {
  const wrong: string[] = [];
  for (const { path, code } of tests) {
    if (!path.endsWith('.test.ts') || path === 'test/tidy.test.ts') continue;
    if (/timers\/promises/.test(code)) wrong.push(path);
  }
  t.same(wrong, []);
  t.end();
});

t.test('these checks see what they look for', (t) => {
  t.ok(sources.length > 5 && sources.some((source) => source.imports.length > 0));
  t.equal(stripComments("const a = 'x'; // setTimeout\n/* node:fs */"), "const a = 'x'; \n");
  t.same(
    importsOf(
      'src/log/a.ts',
      "import type { B } from '../file/b.js';\nexport { c } from './c.js';",
    ),
    ['src/file/b.ts', 'src/log/c.ts'],
  );
  t.end();
});

function readSources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => {
      const path = relative(root, join(root, folder, name));
      const text = readFileSync(join(root, path), 'utf8');
      const code = stripComments(text);
      return { path, text, code, imports: importsOf(path, code) };
    });
}

function importsOf(path: string, code: string): string[] {
  const pattern = /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)\.js['"]/g;
  return [...code.matchAll(pattern)].map((found) =>
    normalize(join(dirname(path), `${found[1]}.ts`)),
  );
}

/** Good enough for our own formatting: no comment marks inside strings at the start of a line. */
function stripComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{},])\/\/[^\n]*/g, '$1');
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

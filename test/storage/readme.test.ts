/** The examples of the README run as they are written, in a package that has installed this one. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { tempDir } from './storage-fixture.js';

const root = join(import.meta.dirname, '../../..');

/** `await using` is syntax from Node 24 on; elsewhere it is what a compiler makes of it. */
function runnable(source: string): string {
  if (Number(process.versions.node.split('.')[0]) >= 24) return source;
  const { ES2022, ESNext } = { ES2022: ts.ScriptTarget.ES2022, ESNext: ts.ModuleKind.ESNext };
  return ts.transpileModule(source, { compilerOptions: { target: ES2022, module: ESNext } })
    .outputText;
}

function runExample(t: Parameters<typeof tempDir>[0], source: string) {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(root, join(dir, 'node_modules/millrace'));
  const file = join(dir, 'example.mjs');
  writeFileSync(file, runnable(source));
  return spawnSync(process.execPath, [file], { cwd: dir, encoding: 'utf8', timeout: 60_000 });
}

function examplesOf(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, source]) => source as string);
}

const examples = examplesOf('README.md');

t.test('the log alone', (t) => {
  const example = examples.find((source) => source.includes("from 'millrace/storage'"));
  const { status, stdout, stderr } = runExample(t, example ?? '');
  t.equal(status, 0, stderr);
  t.match(stdout, /^0 .*kept|^0 <Buffer 6b 65 70 74>/);
  t.equal(stdout.trim().split('\n').length, 1);
  t.end();
});

t.test('the broker', (t) => {
  const example = examples.find((source) => source.includes("from 'millrace/broker'"));
  const { status, stdout, stderr } = runExample(t, example ?? '');
  t.equal(status, 0, stderr);
  t.match(stdout, /127\.0\.0\.1.*\d+/s);
  t.end();
});

t.test('the page of the library', (t) => {
  const [example = ''] = examplesOf('docs/STORAGE.md');
  t.match(example, /signal/, 'it leaves the signal to the reader');
  // What it says of `data/` is made by it; the signal ends its endless pass.
  const ended = 'const ended = new AbortController();\nconst { signal } = ended;\n';
  const stop = example.replace('console.log(', 'setImmediate(() => ended.abort()), console.log(');
  const { status, stdout, stderr } = runExample(t, ended + stop);
  t.match(stdout, /^0 /);
  t.equal(status, 1, 'a pass that is ended by its signal rejects');
  t.match(stderr, /AbortError/);
  t.end();
});

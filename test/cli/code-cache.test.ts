import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import t from 'tap';
import { type BundleFunction, wrapBundle } from '#src/cli/bundle-code.js';
import { tempDir } from '../support/test-broker.js';
import { MAIN } from './cli.js';

/** A copy of the command, without its modules: what runs is the bundle. */
function copyOfCommand(t: Parameters<typeof tempDir>[0]): string {
  const root = tempDir(t);
  const dir = join(root, 'dist/cli');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  cpSync(MAIN, join(dir, 'main.cjs'));
  return dir;
}

function outputOf(dir: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(dir, 'main.cjs')], {
    encoding: 'utf8',
  });
  return stdout + stderr;
}

const BUNDLE = "exports.runCommand = (print = console.log) => print('this bundle');";

t.test('a code cache of another bundle, or one that V8 refuses, is not used', (t) => {
  const dir = copyOfCommand(t);
  writeFileSync(join(dir, 'bundle.cjs'), BUNDLE);
  const copy = Buffer.from(BUNDLE);
  const garbage = Buffer.alloc(1000, 7);
  for (const [what, cache] of [
    ['none', null],
    ['of another bundle', Buffer.concat([Buffer.alloc(copy.length), garbage])],
    ['garbage', Buffer.concat([copy, garbage])],
    ['cut', copy.subarray(0, 10)],
    ['empty', Buffer.alloc(0)],
  ] as const) {
    if (cache !== null) writeFileSync(join(dir, 'bundle.cache'), cache);
    t.equal(outputOf(dir), 'this bundle\n', what);
  }
  t.end();
});

t.test('nor is one whose bundle has the same length, which is all that V8 compares', (t) => {
  const dir = copyOfCommand(t);
  const other = BUNDLE.replace('this', 'that');
  const script = new Script(wrapBundle(other), { filename: join(dir, 'bundle.cjs') });
  // What has not run is not in it.
  const module: { exports: { runCommand?: (print: () => void) => void } } = { exports: {} };
  const run = script.runInThisContext() as BundleFunction;
  run(module.exports, createRequire(MAIN), module, MAIN);
  module.exports.runCommand?.(() => {});
  writeFileSync(
    join(dir, 'bundle.cache'),
    Buffer.concat([Buffer.from(other), script.createCachedData()]),
  );
  writeFileSync(join(dir, 'bundle.cjs'), BUNDLE);
  t.equal(outputOf(dir), 'this bundle\n');
  t.end();
});

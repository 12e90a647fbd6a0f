#!/usr/bin/env node
/**
 * The `millrace` command: runs the one file that the build has made of it (scripts/bundle.mjs), which
 * loads in half the time, or the modules where that file is missing or older than they are. As a program it
 * is dist/cli/main.cjs.
 *
 * The file is compiled with V8's code of an earlier start (scripts/code-cache.mjs), where the build left
 * it. It begins with a copy of the file that it was made from, because V8 itself compares nothing but the
 * length, and to compare is cheaper than any hash; V8 refuses that of another version of itself, and
 * compiles as ever.
 */

import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';
import { type BundleFunction, wrapBundle } from './bundle-code.js';

type Command = typeof import('./command.js');

if (bundleIsFresh()) void loadBundle().runCommand();
else void import('./command.js').then(({ runCommand }) => runCommand());

function bundleIsFresh(): boolean {
  const bundle = modifiedMs('./bundle.cjs');
  return bundle > 0 && bundle >= modifiedMs('../src.tsbuildinfo');
}

function loadBundle(): Command {
  const filename = pathOf('./bundle.cjs');
  const require = createRequire(filename);
  // Only Node's own loader takes note of a source map.
  if (process.execArgv.includes('--enable-source-maps')) return require(filename) as Command;
  const source = readFileSync(filename);
  const cachedData = cachedDataOf(source);
  const script = new Script(wrapBundle(source.toString('latin1')), {
    filename,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === null ? {} : { cachedData }),
  });
  const module = { exports: {} };
  const run = script.runInThisContext() as BundleFunction;
  run(module.exports, require, module, filename);
  return module.exports as Command;
}

/** Null without a cache of this very file. */
function cachedDataOf(source: Buffer): Buffer | null {
  if (modifiedMs('./bundle.cache') === 0) return null;
  const cache = readFileSync(pathOf('./bundle.cache'));
  const { length } = source;
  return cache.subarray(0, length).equals(source) ? cache.subarray(length) : null;
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** 0 for what is not there; a package has no build info. */
function modifiedMs(path: string): number {
  return statSync(pathOf(path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

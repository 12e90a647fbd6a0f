#!/usr/bin/env node
/**
 * The `millrace` command: runs the one file that the build has made of it (scripts/bundle.mjs), which
 * loads in half the time, or the modules where that file is missing or older than they are.
 */

import { statSync } from 'node:fs';

const { runCommand } = (await import(
  bundleIsFresh() ? './bundle.js' : './command.js'
)) as typeof import('./command.js');
await runCommand();

function bundleIsFresh(): boolean {
  const bundle = modifiedMs('./bundle.js');
  return bundle > 0 && bundle >= modifiedMs('../src.tsbuildinfo');
}

/** 0 for what is not there; a package has no build info. */
function modifiedMs(path: string): number {
  const url = new URL(path, import.meta.url);
  return statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

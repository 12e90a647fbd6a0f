// Installs the stores that bench/embedded.bench.ts compares with, from the lock file in bench/rivals.
// Some of them compile: the headers come from here, nothing is downloaded for that.
//
//     node scripts/install-rivals.mjs

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDirectory } from './native-headers.mjs';

const cwd = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench/rivals');
const env = {
  ...process.env,
  npm_config_nodedir: nodeDirectory().path,
  npm_config_ignore_scripts: 'false',
};
const { status } = spawnSync('npm', ['ci'], { cwd, env, stdio: 'inherit' });
process.exitCode = status ?? 1;

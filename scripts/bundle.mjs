// Puts a program that loads many modules into one file: Node's loader needs longer for the two hundred
// modules of a broker than the broker needs to start (docs/adr/0004-one-file-for-the-command.md).
//
//     dist/cli/bundle.cjs            the command
//     dist/cli/main.cjs              runs it: src/cli/main.ts as CommonJS, since Node's loader of ECMAScript
//                                    modules takes 4 ms before it has loaded any
//     dist/cli/bundle.cache          V8's code of what a broker runs when it starts (code-cache.mjs)
//     dist/testing/worker-bundle.js  the thread of a test broker; dist/testing/worker-thread.js runs it
//     dist/testing/testing.cjs       millrace/testing for those who require it: test runners that load
//                                    modules in a way of their own cannot require ECMAScript modules
//
// The command and the thread are run if they are newer than the modules, else the modules.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'dist/src.tsbuildinfo');

const program = {
  format: 'esm',
  banner: {
    // For the CommonJS packages inside.
    js: "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
  },
};
const common = {
  format: 'cjs',
  // In CommonJS a module has a path and no URL.
  define: { 'import.meta.url': 'bundleUrl' },
  banner: {
    js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;",
  },
};
const bundles = [
  {
    ...{ entry: 'dist/cli/main.js', outfile: 'dist/cli/main.cjs', ...common },
    external: ['./command.js'],
  },
  { entry: 'dist/cli/command.js', outfile: 'dist/cli/bundle.cjs', ...common },
  { entry: 'dist/testing/worker-main.js', outfile: 'dist/testing/worker-bundle.js', ...program },
  { entry: 'dist/public/testing.js', outfile: 'dist/testing/testing.cjs', ...common },
];

for (const { entry, outfile, ...options } of bundles) {
  const out = join(root, outfile);
  if (existsSync(out) && statSync(out).mtimeMs >= statSync(modules).mtimeMs) continue;
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(root, entry)],
    outfile: out,
    bundle: true,
    platform: 'node',
    target: 'node20',
    // Loaded when they are first needed; codecs have binaries of their own.
    packages: 'bundle',
    external: ['snappy', 'lz4-napi', '@bokuweb/zstd-wasm', 're2js', '*/local-thread.js'],
    sourcemap: true,
    // One byte a character: so main.ts reads it.
    charset: 'ascii',
    legalComments: 'inline',
    logLevel: 'warning',
    ...options,
  });
}

// Its types: those of the ECMAScript modules, as CommonJS is to see them.
writeFileSync(
  join(root, 'dist/testing/testing.d.cts'),
  `export type * from '../public/testing.js' with { 'resolution-mode': 'import' };
type Testing = typeof import('../public/testing.js', { with: { 'resolution-mode': 'import' } });
export declare const MillraceError: Testing['MillraceError'];
export declare const startBroker: Testing['startBroker'];
export declare const startCluster: Testing['startCluster'];
`,
);

const code = join(root, 'dist/cli/bundle.cjs');
const cache = join(root, 'dist/cli/bundle.cache');
if (!existsSync(cache) || statSync(cache).mtimeMs < statSync(code).mtimeMs) {
  // Without it the command starts a little slower, so that it is not worth a failed build.
  const made = spawnSync(process.execPath, [join(root, 'scripts/code-cache.mjs')], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (made.status !== 0) console.error(`no code cache: ${made.stderr}`);
}

// Puts the command into one file, dist/cli/bundle.js: Node's loader needs longer for the two hundred
// modules of a broker than the broker needs to start (docs/adr/0004-one-file-for-the-command.md).
// dist/cli/main.js runs the bundle if it is newer than the modules, else the modules.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outfile = join(root, 'dist/cli/bundle.js');
const modules = join(root, 'dist/src.tsbuildinfo');

if (!existsSync(outfile) || statSync(outfile).mtimeMs < statSync(modules).mtimeMs) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(root, 'dist/cli/command.js')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Loaded when they are first needed; codecs have binaries of their own.
    packages: 'bundle',
    external: ['snappy', 'lz4-napi', '@bokuweb/zstd-wasm', 're2js'],
    sourcemap: true,
    legalComments: 'inline',
    logLevel: 'warning',
    banner: {
      // For the CommonJS packages inside.
      js: "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
    },
  });
}

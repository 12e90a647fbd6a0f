// Puts the addon that was built here where a package carries it, prebuilds/PLATFORM-ARCH.node: a package
// has no install script, and builds nothing where it is installed. npm runs it around `npm pack` and
// `npm publish`:
//
//     node scripts/prebuild.mjs             prepack
//     node scripts/prebuild.mjs --remove    postpack: a work tree runs what it built, never an older copy

import { cpSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(root, 'build/Release/millrace.node');
const prebuilt = join(root, `prebuilds/${process.platform}-${process.arch}.node`);

if (process.argv.includes('--remove')) rmSync(prebuilt, { force: true });
else if (existsSync(built)) cpSync(built, prebuilt);
else console.error('prebuild: no addon was built here, so that the package has none');

// Makes the package as it is published, with the addon of this machine in prebuilds/ (a package has no
// install script, and builds nothing where it is installed):
//
//     node scripts/pack.mjs [DIRECTORY]      prints the path of the tarball

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Answers the path of the tarball in `directory`. `addon` false: without a prebuilt one. */
export function pack(directory, { addon = true } = {}) {
  const npm = (args, cwd) =>
    JSON.parse(
      execFileSync('npm', [...args, '--json', '--ignore-scripts'], { cwd, encoding: 'utf8' }),
    );
  const stage = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
  try {
    const [{ files }] = npm(['pack', '--dry-run'], root);
    for (const { path } of files) {
      if (path.startsWith('prebuilds/')) continue;
      mkdirSync(dirname(join(stage, path)), { recursive: true });
      copyFileSync(join(root, path), join(stage, path));
    }
    const built = join(root, 'build/Release/millrace.node');
    if (addon && existsSync(built)) {
      cpSync(built, join(stage, `prebuilds/${process.platform}-${process.arch}.node`));
    }
    const [{ filename }] = npm(['pack', '--pack-destination', directory], stage);
    return join(directory, filename);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = resolve(process.argv[2] ?? '.');
  mkdirSync(directory, { recursive: true });
  process.stdout.write(`${pack(directory)}\n`);
}

// Runs the examples as a stranger would: from the packed package, each in an empty project.
//
//     node scripts/examples.mjs [NAME ...] [--keep]
//
// Installed without install scripts, since the package has none; run with the addon and without it
// (MILLRACE_NATIVE=0), on this Node and, if it is another, on Node 24. Ends with 1 if one fails.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NAMES = ['node-test', 'tap', 'vitest', 'jest'];
const OTHER_NODE = '24';
const RUN_MS_MAX = 180_000;

const named = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const names = named.length === 0 ? NAMES : named;
const dir = mkdtempSync(join(tmpdir(), 'millrace-examples-'));
const failed = [];

function run(what, command, args, options = {}) {
  const startMs = performance.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: RUN_MS_MAX,
    ...options,
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${seconds.padStart(6)} s  ${what}\n`);
  if (status === 0) return true;
  failed.push(what);
  process.stdout.write(`${stdout}${stderr}${error?.message ?? ''}\n`);
  return false;
}

/** The package as `npm pack` makes it, without building anew; answers its path. */
function pack() {
  const npm = (...args) => execFileSync('npm', args, { cwd: root, encoding: 'utf8' });
  npm('run', 'prepack');
  try {
    const answer = npm('pack', '--ignore-scripts', '--json', '--pack-destination', dir);
    return join(dir, JSON.parse(answer)[0].filename);
  } finally {
    npm('run', 'postpack');
  }
}

try {
  const tarball = pack();
  for (const name of names) {
    // The tests are beside the service, and the packages above both.
    const project = join(dir, name);
    mkdirSync(project);
    cpSync(join(root, 'examples', name), join(project, 'test'), { recursive: true });
    cpSync(join(root, 'examples/service'), join(project, 'service'), { recursive: true });
    const manifest = JSON.parse(readFileSync(join(root, 'examples', name, 'package.json')));
    manifest.devDependencies.millrace = `file:${tarball}`;
    writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, null, 2));
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    if (!run(`${name}: install`, 'npm', install, { cwd: project })) continue;
    const addon = `import('./node_modules/millrace/dist/native/binding.js').then(({ native }) => {
      if (native === null) throw new Error('the package has no addon for this machine');
    })`;
    run(`${name}: the addon loads`, process.execPath, ['-e', addon], { cwd: project });
    for (const native of ['', '0']) {
      const env = { ...process.env, MILLRACE_NATIVE: native, CI: 'true' };
      const how = native === '0' ? 'without the addon' : 'with the addon';
      const options = { cwd: project, env };
      run(`${name}: Node ${process.versions.node}, ${how}`, 'npm', ['test'], options);
      if (process.versions.node.startsWith(`${OTHER_NODE}.`)) continue;
      const npx = ['--yes', `--package=node@${OTHER_NODE}`, '--', 'npm', 'test'];
      run(`${name}: Node ${OTHER_NODE}, ${how}`, 'npx', npx, options);
    }
  }
} finally {
  if (process.argv.includes('--keep')) process.stdout.write(`kept in ${dir}\n`);
  else rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failed.length === 0 ? 0 : 1;

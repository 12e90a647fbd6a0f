// Installs what `npm run interop` talks with: Debian's kcat and the client programs of
// test/interop/clients, each by its own package manager.
//
//     node scripts/install-interop.mjs            everything that is missing or has changed
//     node scripts/install-interop.mjs --tools    only the tools (Debian packages)
//     node scripts/install-interop.mjs --only java,node-rdkafka
//
// Tools come from apt where it is there and may be used; else their names are printed. What fails is
// said at the end with its log, and makes exit code 1; the other clients are installed all the same.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installTools } from './install-tools.mjs';
import { nodeDirectory } from './native-headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const clients = join(root, 'test/interop/clients');

const installers = {
  kafkajs: () => npmCi('kafkajs'),
  platformatic: () => npmCi('platformatic'),
  // With a Node.js of its own, which this version needs; the package installs the binary by a script.
  'platformatic-2': () => npmCi('platformatic-2', { npm_config_ignore_scripts: 'false' }),
  'node-rdkafka': () =>
    // Its own name for the headers' directory, so that nothing is downloaded for the build.
    npmCi('node-rdkafka', {
      npm_package_config_node_gyp_nodedir: nodeDirectory().path,
      // Its makefiles do not stand parallel jobs.
      MAKEFLAGS: '',
      JOBS: '1',
    }),
  python: () =>
    install('python', ['requirements.txt'], '.venv', [
      ['python3', '-m', 'venv', '.venv'],
      ['.venv/bin/pip', 'install', '--quiet', '--only-binary', ':all:', '-r', 'requirements.txt'],
    ]),
  go: () =>
    install('go', ['go.mod', 'go.sum', ...sources('go', '.go')], 'bin', [
      ['go', 'build', '-o', 'bin/', './franz', './franz-member', './sarama', './sarama-member'],
    ]),
  java: () =>
    install('java', ['pom.xml', ...sources('java', '.java')], 'target', [
      ['mvn', '-B', '-q', 'dependency:copy-dependencies', '-DoutputDirectory=target/lib'],
      ['javac', '--release', '17', '-nowarn', '-cp', 'target/lib/*', '-d', 'target/classes'].concat(
        sources('java', '.java'),
      ),
    ]),
};

process.exitCode = await main();

async function main() {
  if (!installTools('interop')) return 1;
  if (process.argv.includes('--tools')) return 0;
  const failed = [];
  const only = process.argv[process.argv.indexOf('--only') + 1]?.split(',');
  const chosen = Object.entries(installers).filter(
    ([name]) => !process.argv.includes('--only') || only?.includes(name),
  );
  await Promise.all(
    chosen.map(async ([name, start]) => {
      const started = performance.now();
      try {
        const done = await start();
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        console.log(`${name}: ${done ? `installed in ${seconds} s` : 'is there'}`);
      } catch (error) {
        failed.push(name);
        console.error(`${name}: ${error.message}`);
      }
    }),
  );
  if (failed.length > 0) console.error(`\nnot installed: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
}

function npmCi(name, env = {}) {
  const flags = Object.keys(env).length > 0 ? [] : ['--ignore-scripts'];
  return install(
    name,
    ['package.json', 'package-lock.json'],
    'node_modules',
    [['npm', 'ci', ...flags]],
    env,
  );
}

/**
 * Runs the commands in the client's folder, unless they ran for the same files before. Answers
 * whether there was something to do; rejects with the end of what a command said.
 */
async function install(name, files, output, commands, env = {}) {
  const cwd = join(clients, name);
  const hash = createHash('sha256').update(process.version);
  for (const file of files) hash.update(readFileSync(join(cwd, file)));
  const stamp = join(cwd, output, '.installed');
  const wanted = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false;
  rmSync(join(cwd, output), { recursive: true, force: true });
  mkdirSync(join(cwd, output), { recursive: true });
  for (const [command, ...args] of commands) await run(command, args, cwd, env);
  writeFileSync(stamp, wanted);
  return true;
}

function run(command, args, cwd, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const keep = (part) => {
      said = (said + part).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.slice(0, 3).join(' ')}: exit ${code}\n${said}`));
    });
  });
}

/** Paths below the client's folder, sorted. */
function sources(name, ending) {
  const ignored = /^(bin|target|node_modules|\.venv)\//;
  return readdirSync(join(clients, name), { recursive: true })
    .filter((file) => file.endsWith(ending) && !ignored.test(file))
    .sort();
}

// Installs what `npm run interop` talks with: Debian's kcat and the client programs of
// test/interop/clients, each by its own package manager.
//
//     node scripts/install-interop.mjs            everything that is missing or has changed
//     node scripts/install-interop.mjs --tools    only the tools (Debian packages)
//
// Tools come from apt where it is there and may be used; else their names are printed. What fails is
// said at the end with its log, and makes exit code 1; the other clients are installed all the same.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDirectory } from './native-headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const clients = join(root, 'test/interop/clients');

/** A Debian package and how to see that it is not needed. */
const tools = [
  { package: 'kcat', present: () => found('kcat', '-V') },
  { package: 'strace', present: () => found('strace', '-V') },
  { package: 'g++', present: () => found('g++', '--version') },
  { package: 'make', present: () => found('make', '--version') },
  // Without it node-rdkafka is built without zstd.
  { package: 'libzstd-dev', present: () => found('pkg-config', '--exists', 'libzstd') },
  { package: 'pkg-config', present: () => found('pkg-config', '--version') },
  { package: 'python3-venv', present: () => found('python3', '-c', 'import ensurepip, venv') },
  { package: 'default-jdk-headless', present: () => found('javac', '-version') },
  { package: 'maven', present: () => found('mvn', '--version') },
];
/** What no package of this Debian gives in the version that is needed. */
const given = [
  { name: 'Go 1.21 or newer (go)', present: () => goVersion() >= 21 },
  {
    name: 'apt-cache, whose package index is the input text',
    present: () => found('apt-cache', '--version'),
  },
];

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
  if (!installTools()) return 1;
  if (process.argv.includes('--tools')) return 0;
  const failed = [];
  await Promise.all(
    Object.entries(installers).map(async ([name, start]) => {
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

function installTools() {
  const missing = tools.filter(({ present }) => !present()).map((tool) => tool.package);
  if (missing.length > 0) {
    if (!found('apt-get', '--version') || process.getuid() !== 0) {
      console.error(`missing, and only root can install them by apt-get: ${missing.join(' ')}`);
      return false;
    }
    console.log(`apt-get install ${missing.join(' ')}`);
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: aptEnvironment() };
    // A list that cannot be refreshed may still do; the install says what it lacks.
    spawnSync('apt-get', ['update', '-qq'], quiet);
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
    if (spawnSync('apt-get', install, quiet).status !== 0) {
      console.error(`apt-get could not install: ${missing.join(' ')}`);
      return false;
    }
  }
  const wanting = given.filter(({ present }) => !present());
  for (const { name } of wanting) console.error(`missing: ${name}`);
  return wanting.length === 0;
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

function found(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: 'ignore' });
  return error === undefined && status === 0;
}

/** The minor version of Go 1; 0 if there is none. A newer one that go.mod asks for comes as a module. */
function goVersion() {
  const { stdout } = spawnSync('go', ['version'], { encoding: 'utf8' });
  return Number(/go1\.(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}

function aptEnvironment() {
  return { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
}

// Builds the addon: build/Release/millrace.node. Downloads nothing.
//
//     node scripts/build-native.mjs            node-gyp, else cmake-js, else the compiler itself
//     node scripts/build-native.mjs --cmake    cmake-js alone      (also --gyp, --direct)
//     node scripts/build-native.mjs --force    even if nothing has changed
//
// Nobody needs the addon: without it the TypeScript fallback runs. So a machine without a compiler
// gets one line and exit code 0. MILLRACE_REQUIRE_NATIVE=1 makes every failure exit code 1.
// What the tools say goes to build/native.log, and to the terminal with MILLRACE_VERBOSE=1.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDirectory } from './native-headers.mjs';

const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, 'build/Release/millrace.node');
const record = join(root, 'build/native.json');
const log = join(root, 'build/native.log');
const required = process.env.MILLRACE_REQUIRE_NATIVE === '1';
const options = new Set(process.argv.slice(2));

const ways = [
  { name: 'node-gyp', option: '--gyp', build: buildWithGyp },
  { name: 'cmake-js', option: '--cmake', build: buildWithCmake },
  { name: 'c++', option: '--direct', build: buildDirectly },
];
const forced = ways.filter((way) => options.has(way.option));

process.exitCode = main();

function main() {
  if (process.platform !== 'linux') {
    return giveUp(`the addon is written for Linux, this is ${process.platform}`);
  }
  const wanted = forced.length > 0 ? forced : ways;
  const hash = hashOfSources();
  if (!options.has('--force') && isBuilt(hash, wanted)) return 0;

  rmSync(record, { force: true });
  if (findCompiler() === null) {
    rmSync(output, { force: true });
    return giveUp('no C++ compiler found (CXX, c++, g++, clang++)');
  }
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(log, '');
  const started = performance.now();
  for (const way of wanted) {
    if (way.build() && loads()) {
      writeFileSync(record, `${JSON.stringify({ hash, way: way.name })}\n`);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`native: built ${relative(root, output)} with ${way.name} in ${seconds} s`);
      return 0;
    }
  }
  // An addon of other sources must not be taken for this one; who has it loaded keeps it.
  rmSync(output, { force: true });
  return giveUp(`the addon could not be built, see ${relative(root, log)}`, true);
}

function giveUp(reason, showLog = false) {
  if (required) {
    console.error(`native: ${reason}; it is required by MILLRACE_REQUIRE_NATIVE=1`);
    if (showLog) console.error(readFileSync(log, 'utf8').slice(-4000));
    return 1;
  }
  console.log(`native: ${reason}; the TypeScript fallback will be used`);
  return 0;
}

function isBuilt(hash, wanted) {
  if (!existsSync(output) || !existsSync(record)) return false;
  try {
    const built = JSON.parse(readFileSync(record, 'utf8'));
    return built.hash === hash && wanted.some((way) => way.name === built.way);
  } catch {
    return false;
  }
}

/** Of everything that the result depends on. Not of the Node version: Node-API is stable. */
function hashOfSources() {
  const hash = createHash('sha256').update(
    `${process.platform} ${process.arch} ${process.env.CXX}`,
  );
  const native = readdirSync(join(root, 'native')).map((name) => `native/${name}`);
  const scripts = ['scripts/build-native.mjs', 'scripts/native-headers.mjs'];
  for (const path of [...native.sort(), 'binding.gyp', 'CMakeLists.txt', ...scripts]) {
    if (existsSync(join(root, path))) hash.update(path).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}

function findCompiler() {
  const names = [process.env.CXX, 'c++', 'g++', 'clang++'].filter((name) => name);
  return names.find((name) => spawnSync(name, ['--version']).status === 0) ?? null;
}

function buildWithGyp() {
  const script = resolve('node-gyp/bin/node-gyp.js');
  if (script === null) return false;
  const nodedir = nodeDirectory().path;
  // Not "rebuild": that would first remove build/, where the log and the headers may be.
  const jobs = String(availableParallelism());
  const common = ['--release', `--nodedir=${nodedir}`, '--loglevel=warn'];
  return (
    run(process.execPath, [script, 'configure', ...common]) &&
    run(process.execPath, [script, 'build', ...common, '-j', jobs]) &&
    existsSync(output)
  );
}

function buildWithCmake() {
  const script = resolve('cmake-js/bin/cmake-js');
  if (script === null) return false;
  const target = join(root, 'build/cmake');
  const args = ['compile', '--out', target, '--config', 'Release', '--log-level', 'warn'];
  return run(process.execPath, [script, ...args]) && install(join(target, 'Release/millrace.node'));
}

function buildDirectly() {
  const compiler = findCompiler();
  const addonApi = resolve('node-addon-api/napi.h');
  if (compiler === null || addonApi === null) return false;
  const { sources, defines, cflags, ldflags } = readBuildFile();
  const target = join(root, 'build/direct/millrace.node');
  mkdirSync(dirname(target), { recursive: true });
  const args = [
    ...defines.map((define) => `-D${define}`),
    ...cflags,
    `-I${join(nodeDirectory().path, 'include/node')}`,
    ...['-isystem', dirname(addonApi)],
    ...['-shared', '-pthread', '-o', target],
    ...sources,
    ...ldflags,
  ];
  return run(compiler, args) && install(target);
}

function readBuildFile() {
  return JSON.parse(readFileSync(join(root, 'native/build.json'), 'utf8'));
}

/** By rename: a process that has the old file mapped keeps it. */
function install(built) {
  if (!existsSync(built)) return false;
  mkdirSync(dirname(output), { recursive: true });
  copyFileSync(built, `${output}.new`);
  renameSync(`${output}.new`, output);
  return true;
}

function loads() {
  const script = 'require(process.argv[1])';
  return run(process.execPath, ['--eval', script, output]);
}

function resolve(name) {
  try {
    return require.resolve(name);
  } catch {
    appendFileSync(log, `${name} is not installed\n`);
    return null;
  }
}

/** Whether `command` ended with 0. It sees no setting that would point it to other headers. */
function run(command, args) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (
      /^npm_(package_)?config_(node_gyp_)?(nodedir|disturl|dist_url|target|runtime)$/i.test(name)
    ) {
      delete env[name];
    }
  }
  // binding.gyp calls "node": let it be this one.
  env.PATH = `${dirname(process.execPath)}${delimiter}${env.PATH ?? ''}`;
  const ended = spawnSync(command, args, { cwd: root, env, encoding: 'utf8' });
  const said = `$ ${[command, ...args].join(' ')}\n${ended.stdout ?? ''}${ended.stderr ?? ''}`;
  appendFileSync(log, `${said}${ended.error ? `${ended.error.message}\n` : ''}\n`);
  if (process.env.MILLRACE_VERBOSE === '1') console.log(said);
  return ended.status === 0;
}

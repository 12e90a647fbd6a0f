// The addon's tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a stock Node: the addon
// is compiled with them into build-asan/, gcc's libasan is preloaded, and any report fails the run.
// First two planted bugs (native/canary.cc) must be found: else the harness proves nothing.
//
//     npm run test:asan                  all of test/native
//     npm run test:asan -- crc32c mapped-file

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDirectory } from './native-headers.mjs';

const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = join(root, 'build-asan');
const addon = join(directory, 'millrace.node');
const reports = join(directory, 'reports');
// gcc's: the runtime of clang does not start under a stock Node.
const compiler = process.env.CXX ?? 'g++';
const sanitizers = [
  '-fsanitize=address,undefined',
  '-fno-sanitize=vptr',
  '-fno-sanitize-recover=all',
];

await build();
const environment = sanitizedEnvironment();
checkCanaries();
runTests();

async function build() {
  const { sources, defines, cflags, ldflags } = JSON.parse(
    readFileSync(join(root, 'native/build.json'), 'utf8'),
  );
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  const flags = [
    ...[...defines, 'MILLRACE_CANARY'].map((define) => `-D${define}`),
    ...cflags.filter((flag) => flag !== '-O2'),
    ...['-O1', '-g', '-fno-omit-frame-pointer', ...sanitizers],
    `-I${join(nodeDirectory().path, 'include/node')}`,
    ...['-isystem', dirname(require.resolve('node-addon-api/napi.h'))],
  ];
  const queue = [...sources, 'native/canary.cc'];
  const objects = queue.map((source) => join(directory, `${source.replaceAll('/', '_')}.o`));
  const jobs = queue.map((source, i) => [...flags, '-c', source, '-o', objects[i]]);
  const worker = async () => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) await compile(job);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  const link = ldflags.filter((flag) => flag !== '-s');
  await compile(['-shared', '-pthread', ...sanitizers, ...objects, ...link, '-o', addon]);
}

function compile(args) {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, { cwd: root, stdio: 'inherit' });
    child.on('error', (error) => fail(`${compiler}: ${error.message}`));
    child.on('exit', (code) => (code === 0 ? resolve() : fail(`${compiler} ended with ${code}`)));
  });
}

function sanitizedEnvironment() {
  const found = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const library = found.stdout?.trim() ?? '';
  if (!library.startsWith('/')) fail(`${compiler} has no libasan.so`);
  return {
    ...process.env,
    LD_PRELOAD: library,
    MILLRACE_NATIVE: '',
    MILLRACE_NATIVE_PATH: addon,
    MILLRACE_REQUIRE_NATIVE: '1',
    MILLRACE_VERIFY: '1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  };
}

/** Node itself does not free everything at exit, so leaks are not looked at. */
function asanOptions(more) {
  return `detect_leaks=0:allow_user_segv_handler=1:exitcode=99${more}`;
}

function checkCanaries() {
  const canaries = [
    ['canaryOverread(Buffer.alloc(100_000))', 'heap-buffer-overflow'],
    ['canaryOverflow(2 ** 31 - 1)', 'signed integer overflow'],
  ];
  for (const [call, report] of canaries) {
    const script = `require(${JSON.stringify(addon)}).${call}`;
    const env = { ...environment, ASAN_OPTIONS: asanOptions('') };
    const ended = spawnSync(process.execPath, ['--eval', script], { env, encoding: 'utf8' });
    if (ended.status === 0 || !ended.stderr.includes(report)) {
      fail(`the planted bug ${call} was not found: ${ended.status} ${ended.stderr.slice(0, 2000)}`);
    }
    console.log(`asan: planted ${report} found`);
  }
}

function runTests() {
  const wanted = process.argv.slice(2);
  const folder = join(root, 'dist-test/test/native');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.test.js'))
    .filter((name) => existsSync(join(root, 'test/native', name.replace(/js$/, 'ts'))))
    .filter((name) => wanted.length === 0 || wanted.includes(name.replace(/\.test\.js$/, '')))
    .map((name) => join(folder, name));
  if (files.length === 0) fail('no test file matches');
  const env = { ...environment, ASAN_OPTIONS: asanOptions(`:log_path=${reports}/report`) };
  const reporter = `--test-reporter=${join(root, 'scripts/test-reporter.mjs')}`;
  const args = ['--test', '--test-concurrency=2', reporter, ...files];
  const ended = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  for (const name of readdirSync(reports)) {
    console.error(readFileSync(join(reports, name), 'utf8').slice(0, 5000));
  }
  if (readdirSync(reports).length > 0) fail('the sanitizers found something');
  if (ended.status !== 0) fail('the tests failed under the sanitizers');
  console.log(`asan: ${files.length} test files clean`);
}

function fail(reason) {
  console.error(`asan: ${reason}`);
  process.exit(1);
}

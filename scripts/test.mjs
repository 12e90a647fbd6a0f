// The test run: every test twice, once with the addon (under tap) and once without it (under
// node --test), so that both paths and both runners are held to the same files.
//
//     npm test                     all
//     npm test -- test/log         only the files below these folders, or these files
//     npm test -- --native-only    or --fallback-only
//
// MILLRACE_VERIFY=1 turns on the costly checks. With CI=true or MILLRACE_REQUIRE_NATIVE=1 a missing
// addon is a failure; else the first pass says that it is skipped.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const requireNative = process.env.CI === 'true' || process.env.MILLRACE_REQUIRE_NATIVE === '1';

const files = readdirSync(join(root, 'dist-test/test'), { recursive: true })
  .map((name) => join('dist-test/test', name))
  .filter((name) => name.endsWith('.test.js') && !name.startsWith('dist-test/test/interop/'))
  // A compiled test whose source is gone would run for ever after.
  .filter((name) => existsSync(join(root, sourceOf(name))))
  .filter((name) => wanted.length === 0 || wanted.some((want) => matches(name, want)))
  .sort();
if (files.length === 0) fail(`no test file matches ${wanted.join(' ')}`);

let failed = false;
if (!options.includes('--fallback-only')) {
  const { native, nativeError } = await import(join(root, 'dist/native/binding.js'));
  if (native !== null) {
    failed = !pass('with the addon, under tap', 'tap', ['run', ...files], {});
  } else if (requireNative) {
    fail(`the addon is missing and required: ${nativeError?.message}`);
  } else {
    console.log(`SKIPPED with the addon: ${nativeError?.message}`);
  }
}
if (!options.includes('--native-only')) {
  const runner = ['--test', '--test-concurrency=2', '--test-reporter=./scripts/test-reporter.mjs'];
  failed =
    !pass('without the addon, under node --test', process.execPath, [...runner, ...files], {
      MILLRACE_NATIVE: '0',
    }) || failed;
}
process.exit(failed ? 1 : 0);

function sourceOf(compiled) {
  return relative('dist-test', compiled).replace(/\.js$/, '.ts');
}

function matches(compiled, want) {
  const source = sourceOf(compiled);
  const path = relative(root, join(process.cwd(), want));
  return source === path || source.startsWith(`${path}/`);
}

function pass(title, command, args, environment) {
  console.log(`# ${files.length} test files ${title}`);
  // A file that hangs is ended after TAP_TIMEOUT seconds; a loaded machine is not a hang.
  const env = { ...process.env, MILLRACE_VERIFY: '1', TAP_TIMEOUT: '300', ...environment };
  env.PATH = `${join(root, 'node_modules/.bin')}:${env.PATH}`;
  const started = performance.now();
  const { status } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`# ${title}: ${status === 0 ? 'green' : 'FAILED'} in ${seconds} s\n`);
  return status === 0;
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

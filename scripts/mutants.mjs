// Mutation score: plants the one-line faults of test/mutants/mutants.mjs in a copy of the tree, one at
// a time, and runs the tests that must see them. A fault that no test sees fails the run.
//
//     npm run mutants                    every fault
//     npm run mutants -- --only fsync    those whose name matches it
//     npm run mutants -- --check         only whether each is found once and compiles
//     npm run mutants -- --head          plant in what is committed, not in the working tree
//     npm run mutants -- --named         the named tests alone, not the whole suite after them
//     npm run mutants -- --jobs 1        (2) copies at work side by side
//
// For each fault: replace, compile that file with its types checked (C++: that object, and a link), run
// the named tests up to the first that fails; if none does, the whole suite without the addon. A test
// that hangs has seen it. First the named tests run without a fault: one that is red anyway proves
// nothing. Without a C++ compiler the faults of the addon are left out, and the table says so.

import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { mutants as all } from '../test/mutants/mutants.mjs';
import { NativeBuild } from '../test/mutants/native-build.mjs';

/** A test with a fault in the tree may take so long, or three times what it took without, if that is more. */
const TEST_MS_MAX = 45_000;
/** One without a fault. */
const SOUND_MS_MAX = 180_000;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    check: { type: 'boolean', default: false },
    head: { type: 'boolean', default: false },
    named: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '2' },
  },
});
let mutants = all.filter(({ name }) => new RegExp(options.only ?? '').test(name));
const scratch = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));
const running = new Set();
/** What a test file took without a fault, in ms, by `TEST NATIVE`. */
const soundMs = new Map();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    rmSync(scratch, { recursive: true, force: true });
    process.exit(1);
  });
}
async function main() {
  const started = performance.now();
  const trees = [join(scratch, '0')];
  copyTree(trees[0]);
  const native = await NativeBuild.make(trees[0]);
  if (native === null) {
    const left = mutants.filter(({ file }) => file.endsWith('.cc')).length;
    if (left > 0) console.error(`SKIPPED ${left} faults of the addon: no C++ compiler`);
    mutants = mutants.filter(({ file }) => !file.endsWith('.cc'));
  }
  const compiler = new Compiler(trees[0], native);
  const planted = [];
  for (const mutant of mutants) planted.push({ ...mutant, ...(await compiler.compile(mutant)) });
  const wrong = planted.filter(({ problem }) => problem !== undefined);
  for (const { name, problem } of wrong) console.error(`ERROR ${name}: ${problem}`);
  if (wrong.length > 0 || mutants.length === 0) return 1;
  console.log(`${planted.length} faults, each found once, each compiles (${since(started)} s)`);
  if (options.check) return 0;

  if (Number(options.jobs) > 1) {
    trees.push(join(scratch, '1'));
    cpSync(trees[0], trees[1], {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
    });
  }
  const named = new Map();
  for (const { tests, native } of planted) {
    for (const test of tests) named.set(`${test} ${native ?? true}`, { test, native });
  }
  const red = new Map();
  await share([...named.values()], trees, async ({ test, native = true }, tree) => {
    const began = performance.now();
    let failure = await run(tree, test, native, SOUND_MS_MAX);
    // Twice: some tests measure time, and the machine may have others at work.
    if (failure !== null) failure = await run(tree, test, native, SOUND_MS_MAX);
    if (failure !== null) red.set(`${test} ${native}`, failure);
    soundMs.set(`${test} ${native}`, performance.now() - began);
  });
  for (const [test, failure] of red)
    console.error(`ERROR red without a fault: ${test}: ${failure}`);
  const green = named.size - red.size;
  console.log(`${green} named test files are green without a fault (${since(started)} s)\n`);

  const isGreen = (test, native = true) => !red.has(`${test} ${native}`);
  const tried = planted.map((mutant) => {
    return { ...mutant, tests: mutant.tests.filter((test) => isGreen(test, mutant.native)) };
  });
  const rows = await share(tried, trees, tryMutant);
  print(rows);
  const killed = rows.filter(({ killer }) => killer !== null).length;
  console.log(`\n${killed} of ${rows.length} faults killed in ${since(started)} s`);
  return killed === rows.length && red.size === 0 ? 0 : 1;
}

/** Does `work` for each item in one of the trees; answers in the order of the items. */
async function share(items, trees, work) {
  const results = new Array(items.length);
  let next = 0;
  await Promise.all(
    trees.map(async (tree) => {
      while (next < items.length) {
        const index = next++;
        results[index] = await work(items[index], tree);
      }
    }),
  );
  return results;
}

async function tryMutant(mutant, tree) {
  const started = performance.now();
  plant(tree, mutant);
  let killer = null;
  try {
    for (const test of mutant.tests) {
      const failure = await run(tree, test, mutant.native ?? true);
      if (failure === null) continue;
      killer = `${test}: ${failure}`;
      break;
    }
    if (killer === null && !options.named) killer = await runSuite(tree);
  } finally {
    restore(tree, mutant);
  }
  // By another test than the named ones: only if that one is green without the fault.
  if (killer?.startsWith('(suite) ')) {
    const test = killer.slice('(suite) '.length).split(': ')[0];
    if ((await run(tree, test, false)) !== null) killer = null;
  }
  const row = { name: mutant.name, killer, seconds: since(started) };
  process.stderr.write(
    `${killer === null ? 'SURVIVED' : 'killed'} ${row.name} (${row.seconds} s)\n`,
  );
  return row;
}

function plant(tree, { file, faulty, addon }) {
  if (addon === undefined) writeFileSync(outputOf(tree, file), faulty);
  else replaceAddon(tree, addon);
}

function restore(tree, { file, sound, addon }) {
  if (addon === undefined) writeFileSync(outputOf(tree, file), sound);
  else replaceAddon(tree, `${NativeBuild.addonOf(tree)}.sound`);
}

/** By rename: what still runs keeps the one that it has loaded. */
function replaceAddon(tree, addon) {
  const path = NativeBuild.addonOf(tree);
  copyFileSync(addon, `${path}.new`);
  renameSync(`${path}.new`, path);
}

async function runSuite(tree) {
  const tests = readdirSync(join(tree, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts') && !name.startsWith('interop/'))
    .map((name) => `test/${name}`);
  for (const test of tests) {
    const failure = await run(tree, test, false);
    if (failure !== null) return `(suite) ${test}: ${failure}`;
  }
  return null;
}

function limitOf(test, native) {
  return Math.max(TEST_MS_MAX, 3 * (soundMs.get(`${test} ${native}`) ?? 0));
}

/** Null: green. Else what failed first. */
function run(tree, test, native, msMax = limitOf(test, native)) {
  const file = join(tree, 'dist-test', test.replace(/\.ts$/, '.js'));
  const env = { ...process.env, MILLRACE_VERIFY: '1', MILLRACE_NATIVE: native ? '' : '0', CI: '' };
  env.MILLRACE_FUZZ_MS = '1500';
  env.TAP_BAIL = '1';
  // The bound is ours: a busy machine is no failure.
  env.TAP_TIMEOUT = `${msMax / 1000 - 5}`;
  delete env.NODE_TEST_CONTEXT;
  return new Promise((resolve) => {
    // A group of its own, so that what the test started ends with it.
    const child = spawn(process.execPath, [file], {
      cwd: tree,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => {
        if (output.length < 1_000_000) output += bytes;
      });
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, msMax);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      killGroup(child);
      if (late) resolve(`hangs for ${Math.round(msMax / 1000)} s`);
      else resolve(code === 0 ? null : (firstFailure(output) ?? `ended with ${code ?? signal}`));
    });
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** The name of the test, with that of the first check in it that failed. */
function firstFailure(output) {
  const name = / *not ok \d+ - (.*?)(?: # .*)?$/m.exec(output)?.[1];
  const before = output.slice(0, output.search(/ *not ok \d+ - /));
  const test = [...before.matchAll(/^# Subtest: (.*)$/gm)].at(-1)?.[1];
  return name === undefined || test === undefined ? (name ?? null) : `${test}: ${name}`;
}

function outputOf(tree, file) {
  return join(tree, file.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
}

/** The tree as it is (or as committed), compiled, with the installed packages. */
function copyTree(tree) {
  const git = (...args) => execFileSync('git', args, { cwd: root, maxBuffer: 2 ** 30 });
  if (options.head) {
    mkdirSync(tree);
    execFileSync('tar', ['-x', '-C', tree], { input: git('archive', 'HEAD') });
  } else {
    const names = git('ls-files', '-co', '--exclude-standard', '-z').toString().split('\0');
    for (const name of names.filter((each) => each !== '' && !each.startsWith('bench/rivals/'))) {
      cpSync(join(root, name), join(tree, name), { recursive: true, preserveTimestamps: true });
    }
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-b', 'tsconfig.json', 'test/tsconfig.json'];
  execFileSync(process.execPath, args, { cwd: tree, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Compiles one changed file at a time, with the types of all checked. */
class Compiler {
  #tree;
  #native;
  #service;
  #changed = '';
  #text = '';
  #version = 0;

  constructor(tree, native) {
    this.#tree = tree;
    this.#native = native;
    const { config } = ts.readConfigFile(join(tree, 'tsconfig.json'), ts.sys.readFile);
    const parsed = ts.parseJsonConfigFileContent(config, ts.sys, tree);
    // Only what is asked for is emitted.
    const compilerOptions = { ...parsed.options, composite: false, declaration: false };
    delete compilerOptions.tsBuildInfoFile;
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => compilerOptions,
      getCurrentDirectory: () => tree,
      getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
      getScriptFileNames: () => parsed.fileNames,
      getScriptVersion: (path) => (path === this.#changed ? `${this.#version}` : '0'),
      getScriptSnapshot: (path) => {
        const text = path === this.#changed ? this.#text : ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      fileExists: ts.sys.fileExists,
      readFile: ts.sys.readFile,
      readDirectory: ts.sys.readDirectory,
      directoryExists: ts.sys.directoryExists,
      getDirectories: ts.sys.getDirectories,
    });
  }

  /** The emitted file with and without the fault, or the addon with it, or what is wrong with the entry. */
  async compile({ name, file, search, replace, tests }) {
    const path = join(this.#tree, file);
    const source = ts.sys.readFile(path);
    if (source === undefined) return { problem: `there is no ${file}` };
    const count = source.split(search).length - 1;
    if (count !== 1) return { problem: `found ${count} times in ${file}: ${search}` };
    for (const test of tests) {
      if (ts.sys.fileExists(join(this.#tree, test))) continue;
      return { problem: `there is no ${test}` };
    }
    const text = source.replace(search, () => replace);
    if (file.endsWith('.cc')) return this.#native.plant(file, text, name.replace(/\W+/g, '-'));
    const faulty = this.#emit(path, text);
    const [diagnostic] = faulty.diagnostics;
    if (diagnostic !== undefined) {
      const reason = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
      return { problem: `does not compile: ${reason}` };
    }
    const sound = this.#emit(path, source).code;
    // What is written here must be what the build writes, but for the fault.
    if (sound !== ts.sys.readFile(outputOf(this.#tree, file))) {
      return { problem: `${file} is not compiled as the build does` };
    }
    return { faulty: faulty.code, sound };
  }

  #emit(path, text) {
    this.#changed = path;
    this.#text = text;
    this.#version++;
    const diagnostics = [
      ...this.#service.getSyntacticDiagnostics(path),
      ...this.#service.getSemanticDiagnostics(path),
    ];
    const { outputFiles } = this.#service.getEmitOutput(path);
    return { diagnostics, code: outputFiles.find(({ name }) => name.endsWith('.js'))?.text ?? '' };
  }
}

function print(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log(`${'fault'.padEnd(width)}  seconds  killed by`);
  for (const { name, killer, seconds } of rows) {
    console.log(`${name.padEnd(width)}  ${seconds.padStart(7)}  ${killer ?? 'NOBODY'}`);
  }
}

function since(started) {
  return ((performance.now() - started) / 1000).toFixed(1);
}

try {
  process.exitCode = await main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

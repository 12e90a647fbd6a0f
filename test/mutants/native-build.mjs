// The addon of a copied tree, built there, so that faults of the C++ core can be planted in it: every
// source is an object of its own, and a fault costs one of them and a link. By the compiler itself, with
// the flags of native/build.json; the sanitizer builds and node-gyp have no part in it.

import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const COMPILERS = [process.env.CXX, 'c++', 'g++', 'clang++'];

export class NativeBuild {
  #tree;
  #compiler;
  #flags;
  #settings;

  constructor(tree, compiler, headers, settings) {
    this.#tree = tree;
    this.#compiler = compiler;
    this.#settings = settings;
    this.#flags = [
      ...settings.defines.map((define) => `-D${define}`),
      ...settings.cflags,
      `-I${join(headers, 'include/node')}`,
      ...['-isystem', join(tree, 'node_modules/node-addon-api')],
      `-I${join(tree, 'native')}`,
    ];
  }

  /** Builds the addon of `tree`; null where there is no compiler, or no Linux. */
  static async make(tree) {
    const compiler = process.platform === 'linux' ? await findCompiler() : null;
    if (compiler === null) return null;
    const script = pathToFileURL(join(tree, 'scripts/native-headers.mjs')).href;
    const { nodeDirectory } = await import(script);
    const settings = JSON.parse(readFileSync(join(tree, 'native/build.json'), 'utf8'));
    const build = new NativeBuild(tree, compiler, nodeDirectory().path, settings);
    await build.#buildAll();
    return build;
  }

  /** Where the addon of a tree is. */
  static addonOf(tree) {
    return join(tree, 'build/Release/millrace.node');
  }

  /** Answers the path of an addon with `text` in the place of `file`, or what the compiler says. */
  async plant(file, text, name) {
    const path = join(this.#tree, dirname(file), `fault-${name}.cc`);
    const object = this.#objectOf(`fault-${name}.cc`);
    const addon = join(this.#tree, 'build/faults', `${name}.node`);
    mkdirSync(dirname(addon), { recursive: true });
    writeFileSync(path, text);
    try {
      const problem = await this.#compile(path, object);
      if (problem !== null) return { problem };
      const others = this.#settings.sources.filter((source) => source !== file);
      const objects = [...others.map((source) => this.#objectOf(source)), object];
      const linked = await this.#link(objects, addon);
      return linked === null ? { addon } : { problem: linked };
    } finally {
      rmSync(path);
    }
  }

  async #buildAll() {
    const { sources } = this.#settings;
    const left = [...sources];
    const work = async () => {
      for (let source = left.pop(); source !== undefined; source = left.pop()) {
        const problem = await this.#compile(join(this.#tree, source), this.#objectOf(source));
        if (problem !== null) throw new Error(problem);
      }
    };
    await Promise.all([work(), work()]);
    const objects = sources.map((source) => this.#objectOf(source));
    const addon = NativeBuild.addonOf(this.#tree);
    mkdirSync(dirname(addon), { recursive: true });
    const problem = await this.#link(objects, addon);
    if (problem !== null) throw new Error(problem);
    copyFileSync(addon, `${addon}.sound`);
  }

  #objectOf(source) {
    const folder = join(this.#tree, 'build/objects');
    mkdirSync(folder, { recursive: true });
    return join(folder, `${basename(source, '.cc')}.o`);
  }

  #compile(path, object) {
    return run(this.#compiler, [...this.#flags, '-c', '-o', object, path]);
  }

  #link(objects, addon) {
    const { ldflags } = this.#settings;
    return run(this.#compiler, ['-shared', '-pthread', '-o', addon, ...objects, ...ldflags]);
  }
}

async function findCompiler() {
  for (const name of COMPILERS) {
    if (name !== undefined && (await run(name, ['--version'])) === null) return name;
  }
  return null;
}

/** Null, or what it said. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said += bytes;
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : said.slice(0, 1000)));
  });
}

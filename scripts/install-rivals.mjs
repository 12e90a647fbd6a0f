// Installs what the benches compare with, each pinned by a lock file:
//
//     embedded stores              bench/rivals/package-lock.json; some of them compile
//     Apache Kafka, its tools      test/interop/clients/java/pom.xml
//     librdkafka and its tools     test/interop/clients/node-rdkafka/package-lock.json
//     kfake (Go)                   bench/rivals/kfake/go.mod
//     librdkafka's mock cluster    bench/rivals/mock/mock.c, with the librdkafka above
//
//     node scripts/install-rivals.mjs
//
// What cannot be installed is said at the end and makes exit code 1; the benches leave it out and say so.
// Not among them: Apache Iggy, whose server is in no package registry (only its clients are).

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDirectory } from './native-headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const rivals = join(root, 'bench/rivals');
const bin = join(rivals, 'bin');
const rdkafka = join(
  root,
  'test/interop/clients/node-rdkafka/node_modules/node-rdkafka/deps/librdkafka',
);

const steps = {
  'embedded stores': () =>
    // Nothing is downloaded for the headers.
    run('npm', ['ci'], rivals, {
      npm_config_nodedir: nodeDirectory().path,
      npm_config_ignore_scripts: 'false',
    }),
  'Apache Kafka and librdkafka': () =>
    run('node', ['scripts/install-interop.mjs', '--only', 'java,node-rdkafka'], root),
  kfake: () =>
    run('go', ['build', '-o', join(bin, 'kfake'), '.'], join(rivals, 'kfake'), {
      GOFLAGS: '-mod=readonly',
    }),
  mock: () => buildMock(),
};

mkdirSync(bin, { recursive: true });
const failed = Object.entries(steps).filter(([name, install]) => {
  console.log(`${name} ...`);
  return !install();
});
for (const [name] of failed) console.error(`not installed: ${name}`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Whether it ended well. */
function run(command, args, cwd, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

/** With the libraries that librdkafka's own configure has found. */
function buildMock() {
  const config = join(rdkafka, 'Makefile.config');
  if (!existsSync(config)) return false;
  const libraries = [...readFileSync(config, 'utf8').matchAll(/^LIBS\+=(.*)$/gm)].flatMap((line) =>
    line[1].trim().split(/\s+/),
  );
  const include = join(bin, 'include');
  mkdirSync(include, { recursive: true });
  const link = join(include, 'librdkafka');
  if (!existsSync(link)) symlinkSync(join(rdkafka, 'src'), link);
  const source = join(rivals, 'mock/mock.c');
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-isystem', include];
  const archive = join(rdkafka, 'src/librdkafka.a');
  return run('gcc', [...flags, '-o', join(bin, 'mock'), source, archive, ...libraries], root);
}

// Builds what `npm run conformance` runs, in test/conformance: mocha for node-rdkafka's specs,
// librdkafka's test-runner, the tests of franz-go's client, Kafka Streams' tests, and a directory that
// looks like an unpacked Kafka to tests that call Kafka's scripts.
//
//     node scripts/install-conformance.mjs            what is missing; after scripts/install-interop.mjs
//     node scripts/install-conformance.mjs --tools    only the tools (Debian packages)
//
// One heavy thing at a time, niced. What fails is said at the end and makes exit code 1.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installTools } from './install-tools.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interop = join(root, 'test/interop/clients');
const clients = join(root, 'test/conformance/clients');
const build = join(root, 'test/conformance/build');
const librdkafkaStamp = join(build, 'librdkafka/.installed');
const rdkafka = join(interop, 'node-rdkafka/node_modules/node-rdkafka/deps/librdkafka');

const steps = [
  {
    name: 'mocha',
    done: () => existsSync(join(clients, 'mocha/node_modules/mocha')),
    make: () => run('npm', ['ci', '--ignore-scripts'], join(clients, 'mocha')),
  },
  { name: 'kafka', done: () => existsSync(join(build, 'kafka/bin/kafka-topics.sh')), make: kafka },
  {
    name: 'java',
    done: () => readdirIfThere(join(clients, 'java/target/lib')).length > 0,
    make: () =>
      run(
        'mvn',
        ['-B', '-q', 'dependency:copy-dependencies', '-DoutputDirectory=target/lib'],
        join(clients, 'java'),
      ),
  },
  { name: 'kgo', done: () => existsSync(join(build, 'kgo.test')), make: kgo },
  {
    name: 'librdkafka',
    // Anew when this file says something else of it.
    done: () =>
      existsSync(join(build, 'librdkafka/tests/test-runner')) &&
      existsSync(librdkafkaStamp) &&
      readFileSync(librdkafkaStamp, 'utf8') === ownHash(),
    make: librdkafka,
  },
];

if (!installTools('conformance')) process.exit(1);
if (process.argv.includes('--tools')) process.exit(0);
mkdirSync(build, { recursive: true });
const failed = [];
for (const { name, done, make } of steps) {
  if (done()) {
    console.log(`${name}: is there`);
    continue;
  }
  const started = performance.now();
  try {
    make();
    console.log(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    failed.push(name);
    console.error(`${name}: ${error.message}`);
  }
}
if (failed.length > 0) console.error(`\nnot installed: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** The scripts that tests call, over the jars of the interop suite. */
function kafka() {
  const directory = join(build, 'kafka');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, 'bin'), { recursive: true });
  symlinkSync(join(interop, 'java/target/lib'), join(directory, 'libs'));
  const java = 'exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1';
  const libs = '$(dirname "$0")/../libs/*';
  const scripts = {
    'run-class': `${java} -cp "$CLASSPATH:${libs}" "$@"`,
    topics: `exec node '${join(root, 'test/conformance/clients/kafka-topics.mjs')}' "$@"`,
    configs: `${java} -cp "${libs}" kafka.admin.ConfigCommand "$@"`,
  };
  for (const [name, line] of Object.entries(scripts)) {
    const path = join(directory, `bin/kafka-${name}.sh`);
    writeFileSync(path, `#!/bin/sh\n${line}\n`);
    chmodSync(path, 0o755);
  }
}

/** The test binary of the version that go.mod of the interop suite pins. */
function kgo() {
  const go = (args, cwd) => run('go', args, cwd, { GOFLAGS: '-mod=mod' });
  const module = go(
    ['list', '-m', '-f', '{{.Dir}}', 'github.com/twmb/franz-go'],
    join(interop, 'go'),
  ).trim();
  const directory = join(module, 'pkg/kgo');
  go(['test', '-c', '-o', join(build, 'kgo.test'), '.'], directory);
  writeFileSync(join(build, 'kgo.dir'), directory);
}

/** A copy of headers, archives and tests; node-rdkafka's install has built the library itself. */
function librdkafka() {
  const target = join(build, 'librdkafka');
  rmSync(target, { recursive: true, force: true });
  for (const path of ['Makefile.config', 'config.h', 'mklove', 'tests']) {
    cpSync(join(rdkafka, path), join(target, path), {
      recursive: true,
      filter: (from) => !from.includes('/trivup/'),
    });
  }
  for (const folder of ['src', 'src-cpp']) {
    const keep = readdirSync(join(rdkafka, folder), { recursive: true, encoding: 'utf8' });
    for (const file of keep) {
      // The C files that the tests compile for themselves are among these.
      const wanted = /\.(h|json)$/.test(file) || /^(tiny|rdlist).*\.c$/.test(file);
      if (!wanted && !/^librdkafka(\+\+)?\.a$/.test(file)) continue;
      cpSync(join(rdkafka, folder, file), join(target, folder, file));
    }
  }
  // The tests that read statistics want this header library; node-rdkafka's build does not.
  edit(join(target, 'config.h'), /#endif \/\* _CONFIG_H_ \*\//, '#define WITH_RAPIDJSON 1\n$&');
  const tests = join(target, 'tests');
  edit(
    join(tests, 'test.c'),
    'if (tests_to_run && !strstr(tests_to_run, testnum)) {',
    'if (tests_to_run && strcmp(tests_to_run, test->name)) {',
  );
  // Of 0081 and 0109, the parts about ACLs and SCRAM users.
  edit(
    join(tests, '0081-admin.c'),
    /^ +do_test_((Create|Describe|Delete)Acls|UserScramCredentials)\(.*\n/gm,
    '',
  );
  edit(
    join(tests, '0109-auto_create_topics.cpp'),
    /^ +do_test_consumer\(\w+, \w+, true\);\n/gm,
    '',
  );
  for (const file of readdirSync(tests)) {
    if (/^(0098|0101|0103|0107)-/.test(file)) edit(join(tests, file), /, 3, 5000\)/g, ', 1, 5000)');
    if (/^0111-/.test(file))
      edit(join(tests, file), 'topic.c_str(), 1, 3)', 'topic.c_str(), 1, 1)');
  }
  // It waits "session timeout + 1s", and means 5 s, but its consumers have 6 s like all consumers of the tests.
  edit(join(tests, '0081-admin.c'), /rd_sleep\(6\);/g, 'rd_sleep(7);');
  run('make', ['-j1', 'test-runner'], tests);
  writeFileSync(librdkafkaStamp, ownHash());
}

function ownHash() {
  return createHash('sha256')
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest('hex');
}

function edit(path, from, to) {
  const text = readFileSync(path, 'utf8');
  const edited = text.replace(from, to);
  if (edited === text) throw new Error(`${path} is not as expected: ${from}`);
  writeFileSync(path, edited);
}

/** Standard output; an exit code other than 0 is an error with the end of what was said. */
function run(command, args, cwd, env = {}) {
  const { status, stdout, stderr, error } = spawnSync('nice', ['-n', '10', command, ...args], {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (error !== undefined) throw error;
  if (status !== 0) {
    throw new Error(
      `${command} ${args.slice(0, 3).join(' ')}: exit ${status}\n${stderr.slice(-3000)}`,
    );
  }
  return stdout;
}

function readdirIfThere(path) {
  return existsSync(path) ? readdirSync(path) : [];
}

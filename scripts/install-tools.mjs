// The tools that `npm run interop` and `npm run conformance` take from the system: Debian packages, installed
// by apt where it is there and may be used; else their names are printed. What no package of Debian gives
// in the version that is needed is only looked for.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A Debian package and how to see that it is not needed. */
const interop = [
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
const conformance = [
  ...interop,
  // Without it librdkafka's tests 0053, 0098, 0101 and 0110 skip themselves.
  { package: 'rapidjson-dev', present: () => existsSync('/usr/include/rapidjson') },
];
const packages = { interop, conformance };

const given = [
  { name: 'Go 1.21 or newer (go)', present: () => goVersion() >= 21 },
  {
    name: 'apt-cache, whose package index is the input text',
    present: () => found('apt-cache', '--version'),
  },
];

/** `suite`: interop or conformance. Answers whether everything is there now. */
export function installTools(suite) {
  const missing = packages[suite].filter(({ present }) => !present()).map((tool) => tool.package);
  if (missing.length > 0) {
    if (!found('apt-get', '--version') || process.getuid() !== 0) {
      console.error(`missing, and only root can install them by apt-get: ${missing.join(' ')}`);
      return false;
    }
    console.log(`apt-get install ${missing.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env };
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

function found(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: 'ignore' });
  return error === undefined && status === 0;
}

/** The minor version of Go 1; 0 if there is none. A newer one that go.mod asks for comes as a module. */
function goVersion() {
  const { stdout } = spawnSync('go', ['version'], { encoding: 'utf8' });
  return Number(/go1\.(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}

// Writes test/golden/kafka-data anew with a real Kafka: `node dist-test/test/interop/make-golden.js`.
// Producer ids, topic ids and append times differ from run to run; everything else is the same.

import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goldenDir } from './paths.js';
import { runOk } from './process.js';
import { javaOptions, startKafka } from './servers.js';

const dir = mkdtempSync(join(tmpdir(), 'millrace-golden-'));
try {
  const golden = (bootstrap: string, ...args: string[]): Promise<unknown> =>
    runOk('java', [...javaOptions(256), 'millrace.interop.Golden', bootstrap, ...args]);
  const kafka = await startKafka(dir);
  try {
    await golden(kafka.bootstrap, 'fill');
    // The second start loads from disk what the first wrote; deleted segments are gone by then.
    await kafka.restart('stop');
    await golden(kafka.bootstrap, 'expect', join(dir, 'expected.json'));
  } finally {
    await kafka.stop();
  }
  for (const name of readdirSync(goldenDir)) {
    if (name !== 'README.md') rmSync(join(goldenDir, name), { recursive: true });
  }
  cpSync(join(dir, 'expected.json'), join(goldenDir, 'expected.json'));
  cpSync(join(dir, 'data'), join(goldenDir, 'data'), {
    recursive: true,
    filter: (source) => !source.endsWith('/.lock') && !source.includes('-delete'),
  });
  console.log(`${size(goldenDir)} bytes under ${goldenDir}`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function size(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0);
}

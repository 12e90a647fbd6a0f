// Lets Kafka's classes read batches that we built: node check.mjs CLASSPATH_FILE CLASSES_DIRECTORY
// (see README.md). Needs the compiled product and tests: dist/ and dist-test/.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BatchBuilder } from '../../../../dist/record/batch-builder.js';
import { patchAppendTime, patchOffsetAndEpoch } from '../../../../dist/record/batch-patch.js';
import { buildEndTxnMarker } from '../../../../dist/record/control-record.js';
import { seededRandom } from '../../../../dist/base/random.js';
import { describeBatches } from '../../../../dist-test/test/record/golden.js';

const [classpathFile, classes] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'millrace-check-'));
const random = seededRandom(1);
const built = new Map();

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  for (const [size, count] of [[0, 1], [10, 50], [1000, 300], [100_000, 5]]) {
    for (const kind of ['text', 'noise', 'producer']) {
      const producer = { producerId: 2 ** 53 - 1, producerEpoch: 7, baseSequence: 2147483640 };
      const options = kind === 'producer' ? { ...producer, isTransactional: true } : {};
      const builder = new BatchBuilder({ compression, ...options });
      for (let i = 0; i < count; i++) builder.append(recordOf(kind, size, i));
      const batch = builder.build({ baseOffset: i53(), leaderEpoch: 4 });
      built.set(`${compression}-${kind}-${size}x${count}`, batch);
      const stamped = Buffer.from(batch);
      patchAppendTime(stamped, 0, 1800000000000);
      patchOffsetAndEpoch(stamped, 0, 5, 6);
      built.set(`${compression}-${kind}-${size}x${count}-stamped`, stamped);
    }
  }
}
for (const type of ['commit', 'abort']) {
  const ids = { coordinatorEpoch: 3, producerId: 9, producerEpoch: 1, timestamp: 1700000000000 };
  built.set(type, buildEndTxnMarker({ type, ...ids }));
}

function i53() {
  return random.below(2 ** 31) * 2 ** 20;
}

function recordOf(kind, size, i) {
  const value =
    kind === 'noise'
      ? random.fill(new Uint8Array(size))
      : Buffer.from('text that repeats itself, '.repeat(size / 26 + 1).slice(0, size));
  const headers = i % 3 === 0 ? [{ key: `h${i}ü`, value: i % 2 ? null : Buffer.from('x') }] : [];
  return {
    timestamp: 1700000000000 + random.below(100000) - 50000,
    key: i % 4 === 0 ? null : Buffer.from(`key ${i}`),
    value: i % 5 === 4 ? null : value,
    headers,
  };
}

const files = [];
for (const [name, batch] of built) {
  files.push(join(directory, name));
  writeFileSync(join(directory, name), batch);
}
const classpath = `${classes}:${readFileSync(classpathFile, 'utf8').trim()}`;
const output = execFileSync('java', ['-cp', classpath, 'Check', ...files], {
  encoding: 'utf8',
  maxBuffer: 1 << 28,
  stdio: ['ignore', 'pipe', 'ignore'],
});
const read = JSON.parse(`[${output.trim().replaceAll('\n{"name"', ',\n{"name"')}]`);
let wrong = read.length === built.size ? 0 : 1;
for (const { name, batches } of read) {
  if (isDeepStrictEqual(describeBatches(built.get(name)), batches)) continue;
  wrong++;
  console.error(`${name}: Kafka reads something else`);
}
rmSync(directory, { recursive: true });
console.log(`${read.length} files read by Kafka, ${wrong} differ`);
process.exitCode = wrong === 0 ? 0 : 1;

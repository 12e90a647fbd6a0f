/**
 * CRC-32C: what is the addon worth over TypeScript, and from which size on?
 *
 *     npm run build && node dist-test/bench/crc32c.bench.js
 *
 * One line per size and implementation: GB/s (1e9 bytes), the relative margin of error, and the ratio
 * to TypeScript. The addon is called as the engine calls it: a whole Uint8Array, offset and length.
 */

import benchmark, { type Suite } from 'benchmark';
import { seededRandom } from '#src/base/random.js';
import { native, nativeError } from '#src/native/binding.js';
import { crc32cPortable } from '#src/native/crc32c.js';

const sizes = [64, 1024, 16 << 10, 1 << 20];

// Benchmark.js has no guard against dead code: every result goes in here.
let sink = 0;

for (const size of sizes) {
  const bytes = seededRandom(size).fill(new Uint8Array(size + 8));
  const suite = new benchmark.Suite().add('TypeScript', () => {
    sink ^= crc32cPortable(bytes, 8, size, 0);
  });
  const addon = native;
  if (addon !== null) {
    suite.add(`native (${addon.crc32cKind()})`, () => {
      sink ^= addon.crc32c(bytes, 8, size, 0);
    });
  }
  suite.on('complete', () => report(size, suite));
  suite.run();
}
if (native === null) console.log(`no addon: ${nativeError?.message}`);
if (sink === 0.5) console.log(sink);

function report(size: number, suite: Suite): void {
  let baseline = 0;
  suite.forEach((bench: { name?: string; hz?: number; stats?: { rme: number } }) => {
    const rate = ((bench.hz ?? 0) * size) / 1e9;
    if (baseline === 0) baseline = rate;
    const columns = [
      `${size} B`.padStart(9),
      (bench.name ?? '').padEnd(18),
      `${rate.toFixed(2).padStart(6)} GB/s`,
      `+-${bench.stats?.rme.toFixed(1)} %`.padStart(9),
      `${(rate / baseline).toFixed(1).padStart(6)}x`,
    ];
    console.log(columns.join('  '));
  });
}

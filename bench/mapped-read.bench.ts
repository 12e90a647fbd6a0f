/**
 * Reading 4 KiB out of a sealed file: pread, our mapping, and mmap-io's if `npm run bench:rivals` has
 * installed it (docs/adr/0001-own-mmap.md).
 *
 *     npm run build && npm run build:test && node dist-test/bench/mapped-read.bench.js
 */

import { mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import benchmark, { type Suite } from 'benchmark';
import { native, nativeError } from '#src/native/binding.js';

interface MmapIo {
  readonly PROT_READ: number;
  readonly MAP_SHARED: number;
  map(size: number, protection: number, flags: number, fd: number): Buffer;
}

const SIZE = 64 << 20;
const READ = 4096;

const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
const path = join(dir, 'sealed');
writeFileSync(path, Buffer.alloc(SIZE, 7));
const fd = openSync(path, 'r');
const target = Buffer.alloc(READ);
let position = 0;
const next = (): number => {
  position = (position + 5 * READ) % (SIZE - READ);
  return position;
};

const suite = new benchmark.Suite().add('pread', () => {
  readSync(fd, target, 0, READ, next());
});
const mapped = native?.mapFile(fd, 0, SIZE);
if (mapped instanceof ArrayBuffer) {
  const bytes = new Uint8Array(mapped);
  suite.add('mapFile', () => {
    const at = next();
    target.set(bytes.subarray(at, at + READ));
  });
} else console.log(`no mapFile: ${nativeError?.message}`);
const rival = mmapIo();
if (rival !== null) {
  const bytes = rival.map(SIZE, rival.PROT_READ, rival.MAP_SHARED, fd);
  suite.add('mmap-io', () => {
    const at = next();
    target.set(bytes.subarray(at, at + READ));
  });
} else console.log('mmap-io is missing: npm run bench:rivals installs it');
suite.on('complete', () => report(suite));
suite.run();
if (mapped instanceof ArrayBuffer) native?.unmapFile(mapped);
rmSync(dir, { recursive: true });

function mmapIo(): MmapIo | null {
  try {
    const load = createRequire(join(import.meta.dirname, '../../bench/rivals/package.json'));
    return load('mmap-io') as MmapIo;
  } catch {
    return null;
  }
}

function report(results: Suite): void {
  let baseline = 0;
  results.forEach((bench: { name?: string; hz?: number; stats?: { rme: number } }) => {
    const rate = bench.hz ?? 0;
    baseline ||= rate;
    const margin = bench.stats?.rme.toFixed(1) ?? '?';
    const ratio = (rate / baseline).toFixed(2);
    console.log(`${bench.name}: ${Math.round(rate)} reads/s +-${margin} %, ${ratio} x pread`);
  });
}

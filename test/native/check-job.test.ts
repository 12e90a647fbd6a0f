import { closeSync, openSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { crc32c } from '#src/native/crc32c.js';
import { chain } from '../segment/support.js';
import { addon, needsNative, temporaryDirectory, temporaryFile } from './support.js';

const MIB = 2 ** 20;

/** The descriptor is closed at once: a job has its own. */
function walk(path: string, position: number, end: number, limit: number): Promise<number> {
  return new Promise((resolve) => {
    const fd = openSync(path, 'r');
    const queued = addon().walkFile(fd, position, end, limit, resolve);
    closeSync(fd);
    if (queued !== 0) resolve(queued);
  });
}

function sums(path: string, position: number, length: number, blockSize: number) {
  return new Promise<{ result: number; crcs: readonly number[] }>((resolve) => {
    const fd = openSync(path, 'r');
    const queued = addon().checksumBlocks(fd, position, length, blockSize, (result, crcs) =>
      resolve({ result, crcs: [...crcs] }),
    );
    closeSync(fd);
    if (queued !== 0) resolve({ result: queued, crcs: [] });
  });
}

t.test('walkFile answers where the good batches end', needsNative, async (t) => {
  const batches = chain(0, 60, 700);
  const bytes = Buffer.concat(batches);
  const { path } = temporaryFile(t, bytes);
  const size = bytes.length;
  const begins = batches.map((_, i) =>
    batches.slice(0, i).reduce((n, { length }) => n + length, 0),
  );
  const third = begins[3] as number;
  t.equal(await walk(path, 0, size, size), size);
  t.equal(await walk(path, third, size, size), size);
  t.ok((await walk(path, 0, third + 1, size)) >= third + 1);
  t.equal(await walk(path, 0, size - 1, size - 1), begins[59], 'no batch passes the limit');
  t.equal(await walk(path, 0, size, size + 9), size, 'nor the end of the file');
  t.equal(await walk(path, 1, size, size), 1);
  t.equal(await walk(path, 0, 0, 0), 0);
  for (const batch of [0, 7, 59]) {
    const bad = Buffer.from(bytes);
    bad[(begins[batch] as number) + 30] = (bad[(begins[batch] as number) + 30] as number) ^ 1;
    writeFileSync(path, bad);
    t.equal(await walk(path, 0, size, size), begins[batch], `batch ${batch} is not good`);
  }
  const swapped = [...batches.slice(0, 8), batches[3] as Buffer, ...batches.slice(8)];
  writeFileSync(path, Buffer.concat(swapped));
  t.equal(await walk(path, 0, size, size), begins[8], 'offsets rise');
});

t.test('walkFile takes batches that are larger than a piece', needsNative, async (t) => {
  const batches = [...chain(0, 2), ...chain(3, 1, 3 * MIB), ...chain(4, 2), ...chain(7, 1, MIB)];
  const bytes = Buffer.concat(batches);
  const { path } = temporaryFile(t, bytes);
  t.equal(await walk(path, 0, bytes.length, bytes.length), bytes.length);
  const large = batches[0]?.length as number;
  const second = large + (batches[1]?.length as number);
  t.equal(await walk(path, 0, second + 5, second + 2 * MIB), second);
});

t.test('checksumBlocks sums what is there', needsNative, async (t) => {
  const bytes = Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * 31) & 255));
  const { path } = temporaryFile(t, bytes);
  const expected = [0, 65_536, 131_072].map((at) => crc32c(bytes.subarray(at, at + 65_536)));
  t.same(await sums(path, 0, 150_000, 65_536), { result: 150_000, crcs: expected });
  t.same(await sums(path, 65_536, 65_536, 65_536), { result: 65_536, crcs: [expected[1]] });
  t.same(await sums(path, 65_536, 4 * MIB, 65_536), { result: 84_464, crcs: expected.slice(1) });
  t.same(await sums(path, 200_000, 10, 4096), { result: 0, crcs: [] });
  t.same(await sums(path, 0, 0, 4096), { result: 0, crcs: [] });
});

t.test('errors are answered, and both jobs have bounds', needsNative, async (t) => {
  const { EINVAL } = addon().constants;
  const dir = temporaryDirectory(t);
  t.ok((await walk(dir, 0, 10, 10)) < 0, 'a directory cannot be read');
  t.ok((await sums(dir, 0, 10, 4096)).result < 0);
  const { path } = temporaryFile(t, Buffer.alloc(10));
  t.equal(await walk(path, 5, 4, 10), -EINVAL);
  t.equal(await walk(path, 0, 11, 10), -EINVAL);
  t.equal(await walk(path, 0, 65 * MIB, 65 * MIB), -EINVAL);
  t.equal((await sums(path, 0, 65 * MIB, 4096)).result, -EINVAL);
  t.equal((await sums(path, 0, 10, 4095)).result, -EINVAL);
});

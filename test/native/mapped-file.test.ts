import { closeSync, ftruncateSync, openSync } from 'node:fs';
import t from 'tap';
import {
  addon,
  collectGarbage,
  needsNative,
  pattern,
  temporaryFile,
  unpooled,
  until,
} from './support.js';

function map(fd: number, position: number, length: number): ArrayBuffer {
  const mapped = addon().mapFile(fd, position, length);
  if (typeof mapped === 'number') throw new Error(`refused: ${mapped}`);
  return mapped;
}

t.test('a map shows exactly the range, from any position', needsNative, async (t) => {
  const bytes = pattern(20_000);
  const { fd } = temporaryFile(t, bytes);
  for (const [position, length] of [
    [0, 20_000],
    [0, 1],
    [1, 4096],
    [4095, 2],
    [4096, 4096],
    [19_999, 1],
    [12_345, 7655],
  ] as const) {
    const mapped = map(fd, position, length);
    t.same(Buffer.from(mapped), bytes.subarray(position, position + length));
    t.equal(addon().unmapFile(mapped), 0);
  }
});

t.test('unmapping detaches every view first', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(10_000));
  const before = addon().mapCount();
  const mapped = map(fd, 10, 9000);
  const view = new Uint8Array(mapped, 5, 100);
  t.equal(addon().mapCount(), before + 1);
  t.equal(addon().unmapFile(mapped), 0);
  t.equal(addon().mapCount(), before);
  t.equal(mapped.byteLength, 0);
  t.equal(view.length, 0);
  t.equal(view[0], undefined);
  t.equal(addon().crc32c(view, 0, 1, 0), -addon().constants.EINVAL, 'also for the addon');
  t.equal(addon().unmapFile(mapped), -addon().constants.EINVAL, 'a second time');
});

t.test('nothing is mapped past the end of the file', needsNative, async (t) => {
  const { EINVAL } = addon().constants;
  const { fd } = temporaryFile(t, pattern(10_000));
  for (const [position, length] of [
    [0, 10_001],
    [10_000, 1],
    [9999, 2],
    [20_000, 1],
    [0, 0],
    [0, 2 ** 53 - 1],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ] as const) {
    t.equal(addon().mapFile(fd, position, length), -EINVAL, `${position} + ${length}`);
  }
  ftruncateSync(fd, 5000);
  t.equal(addon().mapFile(fd, 0, 10_000), -EINVAL, 'the size of now counts');
  t.type(addon().mapFile(fd, 0, 5000), ArrayBuffer);
});

t.test('only regular files are mapped', needsNative, async (t) => {
  const device = openSync('/dev/zero', 'r');
  t.equal(addon().mapFile(device, 0, 4096), -addon().constants.EINVAL);
  closeSync(device);
  t.equal(addon().mapFile(-1, 0, 1), -addon().constants.EBADF);
});

t.test('positions and lengths beyond 4 GiB', needsNative, async (t) => {
  const { fd } = temporaryFile(t, new Uint8Array(0));
  const position = 5 * 2 ** 30 + 3;
  addon().pwritev(fd, [unpooled('far')], position);
  const mapped = map(fd, position, 3);
  t.equal(Buffer.from(mapped).toString(), 'far');
  t.equal(addon().unmapFile(mapped), 0);
});

t.test('a map outlives its descriptor', needsNative, async (t) => {
  const bytes = pattern(5000);
  const { path } = temporaryFile(t, bytes);
  const fd = openSync(path, 'r');
  const mapped = map(fd, 0, 5000);
  closeSync(fd);
  t.same(Buffer.from(mapped), bytes);
  addon().unmapFile(mapped);
});

t.test('a buffer that is no map is refused', needsNative, async (t) => {
  const { EINVAL } = addon().constants;
  t.equal(addon().unmapFile(new ArrayBuffer(10)), -EINVAL);
  t.equal(addon().unmapFile(new ArrayBuffer(0)), -EINVAL);
  const { fd } = temporaryFile(t, pattern(5000));
  const mapped = map(fd, 0, 5000);
  const clone = structuredClone(mapped);
  t.equal(addon().unmapFile(clone), -EINVAL, 'nor a copy of one');
  t.equal(addon().unmapFile(mapped), 0);
});

t.test('a forgotten map is unmapped when it is collected', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(5000));
  await collectGarbage();
  const before = addon().mapCount();
  for (let i = 0; i < 50; i++) map(fd, 0, 5000);
  await collectGarbage();
  await until(() => addon().mapCount() <= before, 'the maps are gone');
  t.pass();
});

t.test('the number of maps has a bound, and unmapping makes room', needsNative, async (t) => {
  const { EMFILE, MAP_COUNT_MAX } = addon().constants;
  const { fd } = temporaryFile(t, pattern(100));
  const maps: ArrayBuffer[] = [];
  while (addon().mapCount() < MAP_COUNT_MAX) maps.push(map(fd, 0, 100));
  t.equal(addon().mapFile(fd, 0, 100), -EMFILE);
  addon().unmapFile(maps.pop() as ArrayBuffer);
  maps.push(map(fd, 0, 100));
  for (const mapped of maps) addon().unmapFile(mapped);
  t.equal(addon().mapCount(), 0);
});

import { closeSync, fsyncSync, openSync } from 'node:fs';
import t from 'tap';
import { addon, needsNative, pattern, temporaryFile } from './support.js';

t.test('bytes just written are resident, bytes beyond the end are not', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(100_000));
  const resident = addon().residentBytes(fd, 0, 100_000);
  if (resident === -addon().constants.ENOSYS) {
    t.comment('this kernel has no cachestat');
    return;
  }
  t.equal(resident, 100_000);
  t.equal(addon().residentBytes(fd, 4095, 2), 2, 'over a page border');
  t.equal(addon().residentBytes(fd, 0, 0), 0, 'an empty range is not "to the end"');
  t.equal(addon().residentBytes(fd, 200_000, 10), 0);
  t.ok(addon().residentBytes(fd, 90_000, 50_000) < 50_000, 'in part');
});

t.test('prefetch answers how much is there and owns its descriptor', needsNative, async (t) => {
  const { path } = temporaryFile(t, pattern(700_000));
  const prefetch = (position: number, length: number): Promise<number> =>
    new Promise((resolve) => {
      const fd = openSync(path, 'r');
      t.equal(addon().prefetch(fd, position, length, 1 << 20, resolve), 0);
      closeSync(fd);
    });
  t.equal(await prefetch(0, 700_000), 700_000);
  t.equal(await prefetch(600_001, 500_000), 99_999, 'up to the end of the file');
  t.equal(await prefetch(700_000, 1), 0);
  t.equal(await prefetch(0, 0), 0);
});

t.test('dropped pages are gone, those beside them are not', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(64 * 4096));
  fsyncSync(fd);
  const resident = (position: number, length: number): number =>
    addon().residentBytes(fd, position, length);
  const drop = (position: number, length: number): Promise<number> =>
    new Promise((resolve) => t.equal(addon().dropPages(fd, position, length, resolve), 0));
  const canTell = resident(0, 4096) === 4096;
  t.equal(await drop(0, 0), 0);
  if (canTell) t.equal(resident(0, 64 * 4096), 64 * 4096, 'nothing is not "to the end"');
  t.equal(await drop(16 * 4096, 16 * 4096), 0);
  if (!canTell) return;
  t.equal(resident(0, 16 * 4096), 16 * 4096);
  t.equal(resident(32 * 4096, 32 * 4096), 32 * 4096);
  // A file system in memory keeps them.
  if (resident(16 * 4096, 16 * 4096) > 0) t.comment('this file system drops nothing');
});

t.test('prefetch has a bound', needsNative, async (t) => {
  const { fd } = temporaryFile(t, pattern(10));
  const refused = addon().prefetch(fd, 0, 65 * 2 ** 20, 0, () => t.fail('called back'));
  t.equal(refused, -addon().constants.EINVAL);
});

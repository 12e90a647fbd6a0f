import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { offset } from '#src/base/offset.js';
import { systemEnv } from '#src/file/env.js';
import { sizeOf } from '#src/record/batch-view.js';
import { decodeChecksums, encodeChecksums, loadChecksums } from '#src/segment/checksums.js';
import { formatFileName } from '#src/segment/names.js';
import { isSound, verifyLogFile, writeChecksums } from '#src/segment/verify-log-file.js';
import { tempDir } from '../file/temp-dir.js';
import { batch, chain, logPath, open, readAll } from './support.js';

/** A sealed, compacted log: gaps between batches hide some flips of base offsets. */
const sparse = [batch(0, 2), batch(100, 1), batch(205, 3), batch(400, 1)];
const NEXT = offset(1000);

function verify(dir: string) {
  return verifyLogFile({
    env: systemEnv,
    dir,
    baseOffset: offset(0),
    nextBaseOffset: NEXT,
    recoveryPoint: NEXT,
    indexIntervalBytes: 4096,
    indexBytesMax: 1_000_000,
    makeChecksums: true,
  });
}

/** Writes `bytes` as the rot of a disk would: the file has the time it had. */
function rot(path: string, bytes: Uint8Array): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

async function sealedLog(t: Parameters<typeof tempDir>[0], batches = sparse): Promise<string> {
  const dir = tempDir(t);
  writeFileSync(logPath(dir), Buffer.concat(batches));
  // Times that setting them again gives back exactly.
  utimesSync(logPath(dir), 1_700_000_000, 1_700_000_000);
  await writeChecksums(systemEnv, dir, await verify(dir));
  return dir;
}

const openClean = (dir: string) => open(dir, 0, { clean: true, nextBaseOffset: NEXT });

t.test('a side file is read as it was written; any flipped bit or cut makes it none', (t) => {
  const crcs = Uint32Array.from([1, 2 ** 32 - 1]);
  const written = {
    baseOffset: 2 ** 40,
    length: 65_537,
    modifiedMs: 1_700_000_000_000.25,
    crcs,
    transactionIndexCrc: 0xfedcba98,
  };
  const bytes = encodeChecksums(written);
  t.same(decodeChecksums(bytes), written);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes);
    (flipped[bit >> 3] as number) ^= 1;
    flipped[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    if (decodeChecksums(flipped) !== null) t.fail(`bit ${bit}`);
  }
  for (let size = 0; size < bytes.length; size++) {
    if (decodeChecksums(bytes.subarray(0, size)) !== null) t.fail(`cut at ${size}`);
  }
  t.end();
});

t.test('every flipped bit of a compacted log is found, and never served', async (t) => {
  const dir = await sealedLog(t);
  const path = logPath(dir);
  const good = readFileSync(path);
  t.ok(isSound(await verify(dir)));
  let unseenByCrc = 0;
  for (let bit = 0; bit < good.length * 8; bit++) {
    const flipped = Buffer.from(good);
    flipped[bit >> 3] = (good[bit >> 3] as number) ^ (1 << (bit & 7));
    rot(path, flipped);
    const verified = await verify(dir);
    if (isSound(verified)) t.fail(`bit ${bit} was not found`);
    if (verified.check.damaged.length === 0) unseenByCrc++;
    // Each way of damage once in a while: a read must not serve it.
    if (bit % 37 > 0 && bit >= 21 * 8) continue;
    const segment = await openClean(dir);
    const seen = readAll(segment, 0, 1_000_000);
    if (!seen.some((each) => typeof each === 'string')) t.fail(`bit ${bit} was served`);
    segment.close();
  }
  t.ok(unseenByCrc > 0, `${unseenByCrc} flips show in the side file alone`);
});

t.test('a stale or corrupt side file is ignored, and changes no answer', async (t) => {
  const dir = await sealedLog(t);
  const side = join(dir, formatFileName(offset(0), 'checksum'));
  const identity = (await verify(dir)).identity;
  const good = readFileSync(side);
  const states: string[] = [];
  const spoil: (() => void)[] = [
    () => {},
    () => writeFileSync(side, good.subarray(7)),
    () => writeFileSync(side, ''),
    () => {
      writeFileSync(side, good);
      utimesSync(logPath(dir), 1_600_000_000, 1_600_000_000);
    },
  ];
  for (const action of spoil) {
    action();
    states.push((await verify(dir)).checksumState);
    t.ok(isSound(await verify(dir)));
    const segment = await openClean(dir);
    t.same(readAll(segment, 0, 1_000_000), [0, 100, 205, 400]);
    segment.close();
  }
  t.same(states, ['valid', 'corrupt', 'corrupt', 'stale']);
  t.equal(loadChecksums(systemEnv, join(dir, 'none'), identity).state, 'absent');
});

t.test('bytes of an earlier run are looked at once before they are sent', async (t) => {
  const batches = chain(0, 300, 20_000);
  for (const withSideFile of [true, false]) {
    const dir = await sealedLog(t, batches);
    if (!withSideFile) systemEnv.unlink(join(dir, formatFileName(offset(0), 'checksum')));
    const bytes = readFileSync(logPath(dir));
    // In the value of the 150th batch: no header shows it.
    const position = batches.slice(0, 150).reduce((sum, one) => sum + sizeOf(one, 0), 0) + 5000;
    bytes[position] = (bytes[position] as number) ^ 4;
    rot(logPath(dir), bytes);
    for (const nextBaseOffset of [NEXT, null]) {
      const segment = await open(dir, 0, { clean: true, nextBaseOffset });
      t.same(segment.damaged, [], 'a start looks at nothing');
      const seen = readAll(segment, 0, 3_000_000);
      const damage = seen.filter((each) => typeof each === 'string');
      t.same(damage, ['300-301'], 'the damaged batch alone is not served');
      t.equal(seen.length, 300, 'everything else is');
      t.same(readAll(segment, 0, 700), seen, 'the same again');
      segment.close();
    }
  }
});

t.test('what this process appends behind it, and what is cut, is right', async (t) => {
  const batches = chain(0, 20);
  const dir = await sealedLog(t, batches);
  const segment = await openClean(dir);
  const before = readAll(segment, 0);
  segment.activate();
  t.notOk(systemEnv.exists(join(dir, formatFileName(offset(0), 'checksum'))), 'it would be stale');
  const end = segment.nextOffset;
  segment.append([batch(end, 2)]);
  t.same(readAll(segment, 0, 1_000_000), [...before, end]);
  segment.truncateTo(9);
  t.same(
    readAll(segment, 0, 1_000_000),
    before.filter((each) => Number(each) < 9),
  );
  segment.close();
});

t.test('the side file goes with its segment', async (t) => {
  const dir = await sealedLog(t);
  const segment = await openClean(dir);
  segment.renameDeleted();
  t.ok(systemEnv.readdir(dir).includes(formatFileName(offset(0), 'checksum', 'deleted')));
  await segment.unlinkDeleted();
  t.same(systemEnv.readdir(dir), []);
});

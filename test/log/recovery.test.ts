/** What a partition log makes of damage; the segment room tests the bytes, this tests the log. */

import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Offset, offset } from '#src/base/offset.js';
import { HEADER_SIZE } from '#src/record/layout.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  openLog,
  readAll,
  tempDir,
} from './log-fixture.js';

const LOG = '00000000000000000000.log';
const READ = { maxBytes: 1 << 20, minOneMessage: true, isolation: 'read_uncommitted' } as const;

t.test('cut at any byte: whole batches stay, the next append follows them, twice', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  const ends = [0];
  for (const count of [1, 2, 1]) {
    await appended(log, batch(count));
    ends.push(log.sizeInBytes);
  }
  const endOffsets = [0, 1, 3, 4];
  const copy = crashCopy(t, dir);
  const whole = readFileSync(join(dir, LOG));
  const wrong: string[] = [];
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(join(copy, LOG), whole.subarray(0, cut));
    const kept = endOffsets[ends.findLastIndex((end) => end <= cut)] as number;
    const again = await openLog(t, copy);
    const offsets = readAll(again).map(({ offset }) => offset);
    if (offsets.length !== kept || again.logEndOffset !== kept) wrong.push(`cut at ${cut}`);
    if ((await appended(again, batch(1))) !== kept) wrong.push(`append after cut at ${cut}`);
    await again.flush();
    await again.discard();
    const third = await openLog(t, copy);
    if (readAll(third).length !== kept + 1) wrong.push(`second start after cut at ${cut}`);
    await third.discard();
  }
  t.same(wrong, []);
});

t.test(
  'rot below the recovery point is not cut: the rest is served, no offset is reused',
  async (t) => {
    const dir = tempDir(t);
    const small = config({ segmentBytes: 400 });
    const log = await openLog(t, dir, { config: small });
    const size = batch(1).length;
    for (let i = 0; i < 12; i++) await appended(log, batch(1));
    await log.flush();
    t.equal(log.recoveryPoint, 12);
    const rot = (path: string, name: string, at: number): void => {
      const bytes = readFileSync(join(path, name));
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(join(path, name), bytes);
    };
    const copy = crashCopy(t, dir);
    rot(copy, LOG, size + size - 1);
    const again = await openLog(t, copy, { config: small, recoveryPoint: 0 as Offset });
    t.equal(again.logEndOffset, 12);
    t.match(again.read(1, READ), { ok: false, error: 'CORRUPT_MESSAGE' });
    const before = again.read(0, READ);
    t.equal(before.ok && before.slice?.length, size, 'what is before it is served');
    if (before.ok) before.slice?.release();
    t.same(
      readAll(again, 2).map(({ offset }) => offset),
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    t.match(await append(again, batch(1)), { ok: true, baseOffset: 12 });
  },
);

t.test('a durable tail that is gone is not given out again', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  for (let i = 0; i < 5; i++) await appended(log, batch(1));
  await log.flush();
  const size = log.sizeInBytes / 5;
  for (const cut of [0, size - 1, size, 3 * size + 7, 5 * size - 1]) {
    const copy = crashCopy(t, dir);
    truncateSync(join(copy, LOG), cut);
    const again = await openLog(t, copy, { recoveryPoint: log.recoveryPoint });
    t.ok(again.logEndOffset >= 5, `cut at ${cut}`);
    t.ok((await appended(again, batch(1))) >= 5);
    const records = readAll(again, again.logEndOffset - 1);
    t.equal(records.length, 1);
  }
});

t.test(
  'offsets that were durable and are gone: a consumer there goes on behind them',
  async (t) => {
    for (const clean of [true, false]) {
      const dir = tempDir(t);
      const log = await openLog(t, dir);
      for (let i = 0; i < 5; i++) await appended(log, batch(2));
      const half = log.sizeInBytes * 0.4;
      await log.close();
      truncateSync(join(dir, LOG), half);
      const recoveryPoint = offset(10);
      for (let start = 0; start < 2; start++) {
        const again = await openLog(t, dir, { clean, recoveryPoint });
        t.equal(again.logEndOffset, 10 + start);
        const read = again.read(7, {
          maxBytes: 1,
          minOneMessage: true,
          isolation: 'read_committed',
        });
        t.ok(read.ok && read.slice?.length === HEADER_SIZE, 'a batch without records');
        if (read.ok) read.slice?.release();
        t.same(
          readAll(again).map((record) => record.offset),
          start === 0 ? [0, 1, 2, 3] : [0, 1, 2, 3, 10],
        );
        if (start === 0)
          t.equal(await appended(again, batch(1)), 10, 'no offset is given out twice');
        await again.close();
      }
    }
  },
);

t.test('a hole that no segment could hold is left: the checkpoint is wrong', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(t, dir);
  await appended(log, batch(2));
  await log.close();
  const recoveryPoint = offset(2 ** 40);
  const again = await openLog(t, dir, { recoveryPoint });
  t.equal(again.logEndOffset, 2 ** 40);
  t.equal(await appended(again, batch(1)), 2 ** 40);
  t.equal(readAll(again).length, 3);
});

/** A time index that lies, and is right about every batch it names, deletes nothing (R8). */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { Offset } from '#src/base/offset.js';
import { appended, batch, config, NOW_MS, openLog, readAll, tempDir } from '../log/log-fixture.js';

const DAY_MS = 86_400_000;

t.test('retention by time asks the batches, not the time index', async (t) => {
  const dir = tempDir(t);
  const old = NOW_MS - 10 * DAY_MS;
  const log = await openLog(t, dir, { clock: new ManualClock(NOW_MS) });
  await appended(log, batch(1, { timestamp: NOW_MS }));
  await appended(log, batch(1, { timestamp: old }));
  await log.roll();
  await appended(log, batch(1, { timestamp: NOW_MS }));
  t.ok(await log.close());
  const [name] = readdirSync(dir)
    .filter((each) => each.endsWith('.timeindex'))
    .sort();
  const entry = Buffer.alloc(12);
  entry.writeBigInt64BE(BigInt(old));
  entry.writeInt32BE(1, 8);
  writeFileSync(join(dir, name as string), entry);

  const again = await openLog(t, dir, {
    clock: new ManualClock(NOW_MS + DAY_MS),
    config: config({ retentionMs: 5 * DAY_MS }),
    clean: true,
    recoveryPoint: 3 as Offset,
  });
  t.equal(await again.applyRetention(), 0);
  t.same(
    readAll(again).map(({ offset }) => offset),
    [0, 1, 2],
  );
});

/**
 * Deleted records stay deleted where a crash undoes the renames of their segments: the log start is in
 * its checkpoint also when no segment is left below it.
 */

import { cpSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import {
  appended,
  batch,
  config,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
} from '../log/log-fixture.js';

t.test('the log start outlives the names of the segments below it', async (t) => {
  const [dir, crashed] = [tempDir(t), tempDir(t)];
  const manager = await openManager(t, [dir]);
  const options = { topic: 'orders', partition: 0, topicId: TOPIC_ID };
  const log = await manager.createLog({ ...options, config: config({ fileDeleteDelayMs: 1e6 }) });
  for (let i = 0; i < 3; i++) {
    await appended(log, batch(2));
    await log.roll();
  }
  await log.flush();
  const start = log.segments[2]?.baseOffset ?? 0;
  t.equal(start, 4);
  t.match(await log.deleteRecordsBefore(start), { ok: true, logStartOffset: start });
  await log.applyRetention();
  t.equal(log.segments[0]?.baseOffset, start, 'nothing is below it');
  await manager.checkpoint();
  cpSync(dir, crashed, {
    recursive: true,
    filter: (path) => !basename(path).startsWith('.lock'),
  });
  // The renames were not on the disk.
  const partition = join(crashed, 'orders-0');
  const renamed = readdirSync(partition).filter((name) => name.endsWith('.deleted'));
  t.ok(renamed.length > 0);
  for (const name of renamed) {
    renameSync(join(partition, name), join(partition, name.replace('.deleted', '')));
  }
  const again = (await openManager(t, [crashed])).getLog('orders', 0);
  t.equal(again?.logStartOffset, start);
  const offsets = again === undefined ? [] : readAll(again).map(({ offset }) => offset);
  t.same(offsets, [4, 5], 'the deleted ones are not back');
});

/** What must be synced, and when, seen from the calls themselves (R4). */

import { basename } from 'node:path';
import t from 'tap';
import {
  appended,
  batch,
  config,
  openLog,
  openManager,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from '../log/log-fixture.js';

t.test('a flush syncs every segment that was sealed before it, oldest first', async (t) => {
  const watched = new WatchedEnv();
  const log = await openLog(t, tempDir(t), {
    env: watched.env,
    config: config({ segmentBytes: 300 }),
  });
  for (let i = 0; i < 4; i++) await appended(log, batch(1, { valueSize: 200 }));
  await log.flush();
  t.equal(log.segmentCount, 4);
  const synced = watched.trace.filter((call) => /^datasync .*\.log$/.test(call));
  t.strictSame(
    synced,
    [0, 1, 2, 3].map((offset) => `datasync ${`${offset}`.padStart(20, '0')}.log`),
  );
});

t.test('a new log is durable in its own directory, then in the one above', async (t) => {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const manager = await openManager(t, [dir], { env: watched.env });
  watched.trace.length = 0;
  await manager.createLog({ topic: 'orders', partition: 0, topicId: TOPIC_ID, config: config() });
  const inner = watched.trace.lastIndexOf('syncDir orders-0');
  const outer = watched.trace.lastIndexOf(`syncDir ${basename(dir)}`);
  t.ok(inner >= 0 && outer > inner, watched.trace.join(', '));
});

t.test(
  'compaction makes the new name durable before the old ones go, and that before it is live',
  async (t) => {
    const watched = new WatchedEnv();
    const log = await openLog(t, tempDir(t), {
      env: watched.env,
      config: config({ segmentBytes: 300, cleanupCompact: true, cleanupDelete: false }),
    });
    // One key in all of them: all but the last go.
    for (let i = 0; i < 4; i++) await appended(log, batch(1, { valueSize: 200 }));
    await log.roll();
    await log.flush();
    const cleanable = log.cleanable(null);
    if (cleanable === null) throw new Error('a log that can be compacted');
    watched.trace.length = 0;
    await log.compact({ cleanable, dedupeBytesMax: 100_000, loadFactor: 0.9 });
    const kinds = watched.trace.flatMap((call) => {
      if (call.startsWith('syncDir ')) return ['sync'];
      if (!call.startsWith('rename ')) return [];
      if (call.endsWith('.cleaned')) return ['to swap'];
      return [call.endsWith('.swap') ? 'to live' : 'to deleted'];
    });
    const phases = kinds.filter((kind, i) => kind !== kinds[i - 1]);
    const order = phases.slice(phases.indexOf('to swap')).join(', ');
    t.match(order, /^to swap, sync, to deleted, sync, to live, sync/);
  },
);

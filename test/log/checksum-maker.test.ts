import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { offset } from '#src/base/offset.js';
import { systemEnv } from '#src/file/env.js';
import { loadChecksums } from '#src/segment/checksums.js';
import { appended, batch, config, openManager, readAll, TOPIC_ID, tempDir } from './log-fixture.js';

const sums = (dir: string): string[] => readdirSync(dir).filter((name) => /checksum$/.test(name));

t.test('a segment that was rolled has its checksums soon', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  for (const flushMessages of [1, Number.MAX_SAFE_INTEGER]) {
    const topic = flushMessages === 1 ? 'durable' : 'cached';
    const given = config({ segmentBytes: 400, flushMessages });
    const log = await manager.createLog({ topic, partition: 0, topicId: TOPIC_ID, config: given });
    for (let i = 0; i < 12; i++) await appended(log, batch(1));
    await log.flush();
    await manager.checksumsMade();
    t.equal(sums(log.path).length, log.segmentCount - 1, 'all but the active one');
    for (const { baseOffset, size } of log.segments.slice(0, -1)) {
      const name = join(log.path, String(baseOffset).padStart(20, '0'));
      const { mtimeMs: modifiedMs } = statSync(`${name}.log`);
      const identity = { baseOffset, length: size, modifiedMs };
      t.equal(loadChecksums(systemEnv, `${name}.checksum`, identity).state, 'valid');
    }
    await log.truncateTo(log.segments[1]?.baseOffset ?? offset(0));
    t.equal(sums(log.path).length, 1, 'what is cut loses them');
  }
});

t.test(
  'a segment that two runs have written is whole for a reader of its first part',
  async (t) => {
    const dir = tempDir(t);
    const before = await openManager(t, [dir]);
    const given = config({ flushMessages: 1 });
    const of = { topic: 'orders', partition: 0, topicId: TOPIC_ID, config: given };
    await appended(await before.createLog(of), batch(2));
    await before.close();
    const manager = await openManager(t, [dir], { config: given });
    const log = manager.getLog('orders', 0);
    if (log === undefined) throw new Error('the log is there');
    await appended(log, batch(3));
    await log.roll();
    await manager.checksumsMade();
    t.equal(sums(log.path).length, 1);
    t.same(
      readAll(log).map((record) => record.offset),
      [0, 1, 2, 3, 4],
    );
  },
);

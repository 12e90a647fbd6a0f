/** What a start reads, by counting calls: its time must not grow with what was closed or flushed well. */

import { join } from 'node:path';
import t from 'tap';
import { type Env, type EnvFile, systemEnv } from '#src/file/env.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import {
  appended,
  batch,
  config,
  crashCopy,
  openManager,
  TOPIC_ID,
  tempDir,
} from './log-fixture.js';

/** Counts bytes read of each log file, and opens of any segment file, by name. */
function countingEnv() {
  const bytesRead = new Map<string, number>();
  const opened: string[] = [];
  const env: Env = {
    ...systemEnv,
    open(path, mode) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (/^\d{20}\.(log|index|timeindex)$/.test(name)) opened.push(name);
      const file = systemEnv.open(path, mode);
      const pread: EnvFile['pread'] = (target, at, length, position) => {
        const size = read(target, at, length, position);
        bytesRead.set(name, (bytesRead.get(name) ?? 0) + size);
        return size;
      };
      const read = file.pread.bind(file);
      return Object.assign(file, { pread });
    },
  };
  return { env, bytesRead, opened };
}

const nameOf = (baseOffset: number): string => `${String(baseOffset).padStart(20, '0')}.log`;

t.test('a clean start opens no file of a sealed segment, however many there are', async (t) => {
  const opens: number[] = [];
  for (const count of [4, 40]) {
    const dir = tempDir(t);
    const manager = await openManager(t, [dir]);
    const given = config({ segmentBytes: 100 });
    const log = await manager.createLog({
      topic: 'a',
      partition: 0,
      topicId: TOPIC_ID,
      config: given,
    });
    for (let i = 0; i < count; i++) await appended(log, batch(1));
    await manager.close();
    const { env, bytesRead, opened } = countingEnv();
    const again = await openManager(t, [dir], { env });
    t.equal(again.getLog('a', 0)?.segmentCount, count);
    t.ok(opened.every((name) => name.startsWith(nameOf(count - 1).slice(0, 20))));
    for (const name of bytesRead.keys()) t.notMatch(name, nameOf(0));
    opens.push(opened.length);
    await again.close();
  }
  t.equal(opens[0], opens[1]);
});

t.test('an unclean start reads what is above the recovery point, and that once', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const given = config({ segmentBytes: 4000 });
  const log = await manager.createLog({
    topic: 'a',
    partition: 0,
    topicId: TOPIC_ID,
    config: given,
  });
  for (let i = 0; i < 200; i++) await appended(log, batch(1));
  await log.flush();
  const durable = log.activeSegmentOffset;
  await manager.checkpoint();
  for (let i = 0; i < 200; i++) await appended(log, batch(1));
  const crashed = crashCopy(t, dir);
  const sizes = new Map(log.segments.map(({ baseOffset, size }) => [nameOf(baseOffset), size]));
  const { env, bytesRead } = countingEnv();
  const again = await openManager(t, [crashed], { env });
  const reopened = again.getLog('a', 0) as PartitionLog;
  t.equal(reopened.logEndOffset, 400);
  t.equal(reopened.path, join(crashed, 'a-0'));
  for (const [name, size] of sizes) {
    const read = bytesRead.get(name) ?? 0;
    if (name < nameOf(durable)) t.equal(read, 0, `${name} is durable`);
    else t.ok(read >= size && read <= size + 1000, `${name}: ${read} of ${size} bytes`);
  }
});

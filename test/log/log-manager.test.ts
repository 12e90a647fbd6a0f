import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import type { LogManager } from '#src/log/log-manager.js';
import type { PartitionLog } from '#src/log/partition-log.js';
import { keepingLogger } from '../support/keeping-logger.js';
import {
  append,
  appended,
  batch,
  config,
  crashCopy,
  ioError,
  NOW_MS,
  openManager,
  readAll,
  TOPIC_ID,
  tempDir,
  WatchedEnv,
} from './log-fixture.js';

async function create(manager: LogManager, topic: string, partition = 0, overrides = {}) {
  return manager.createLog({ topic, partition, topicId: TOPIC_ID, config: config(overrides) });
}

t.test('a new partition has the files that Kafka makes, checksums and copies', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const log = await create(manager, 'orders');
  t.equal(log.topicId, TOPIC_ID);
  await appended(log, batch(3));
  await manager.close();
  t.same(readdirSync(join(dir, 'orders-0')).sort(), [
    '00000000000000000000.checksum',
    '00000000000000000000.index',
    '00000000000000000000.log',
    '00000000000000000000.timeindex',
    '00000000000000000003.snapshot',
    'leader-epoch-checkpoint',
    'leader-epoch-checkpoint.copy',
    'partition.metadata',
    'partition.metadata.copy',
  ]);
  const text = (name: string): string => readFileSync(join(dir, name), 'utf8');
  t.equal(text('orders-0/partition.metadata'), `version: 0\ntopic_id: ${TOPIC_ID}`);
  t.equal(text('recovery-point-offset-checkpoint'), '0\n1\norders 0 3\n');
  t.equal(text('replication-offset-checkpoint'), '0\n1\norders 0 3\n');
  t.equal(text('log-start-offset-checkpoint'), '0\n0\n');
  t.match(text('.kafka_cleanshutdown'), /"version":0/);
  t.match(text('meta.properties'), /^node\.id=1$/m);
  t.match(text('meta.properties'), new RegExp(`^cluster\\.id=${manager.clusterId}$`, 'm'));
  t.match(text('meta.properties'), new RegExp(`^directory\\.id=${manager.directoryId}$`, 'm'));
});

t.test(
  'the broker epoch that Kafka left in its clean-shutdown marker is left there again',
  async (t) => {
    const dir = tempDir(t);
    const marker = join(dir, '.kafka_cleanshutdown');
    const epoch = (): unknown => JSON.parse(readFileSync(marker, 'utf8')).brokerEpoch;
    const pass = async (): Promise<unknown> => {
      await (await openManager(t, [dir])).close();
      return epoch();
    };
    t.equal(await pass(), -1, 'there was none');
    writeFileSync(marker, '{"version":0,"brokerEpoch":57}');
    t.equal(await pass(), 57);
    t.equal(await pass(), 57);
    rmSync(marker);
    t.equal(await pass(), -1, 'a crash');
    for (const text of ['', '{"version":0}', 'null', '{"version":0,"brokerEpoch":"x"}', '[57]']) {
      writeFileSync(marker, text);
      t.equal(await pass(), -1, text);
    }
  },
);

t.test('logs are opened again, after a clean close and after a crash', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  for (const topic of ['b', 'a', 'a.b-c_d']) {
    for (const partition of [1, 0]) {
      const log = await create(manager, topic, partition);
      for (let i = 0; i <= partition; i++) await appended(log, batch(2));
    }
  }
  await manager.checkpoint();
  const crashed = crashCopy(t, dir);
  await manager.close();
  for (const path of [dir, crashed]) {
    const again = await openManager(t, [path]);
    t.same(again.topics(), ['a', 'a.b-c_d', 'b']);
    t.same(
      again.partitions().map(({ topic, partition }) => `${topic}-${partition}`),
      ['a-0', 'a-1', 'a.b-c_d-0', 'a.b-c_d-1', 'b-0', 'b-1'],
    );
    t.equal(again.getLog('a', 1)?.logEndOffset, 4);
    t.equal(again.getLog('a.b-c_d', 0)?.topicId, TOPIC_ID);
    t.equal(again.getLog('c', 0), undefined);
    t.equal(again.clusterId, manager.clusterId);
    t.equal(existsSync(join(path, '.kafka_cleanshutdown')), false);
    await again.close();
    t.equal(existsSync(join(path, '.kafka_cleanshutdown')), true);
  }
});

t.test('a clean start trusts the files, an unclean one reads them', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const log = await create(manager, 'orders');
  await appended(log, batch(1));
  const second = log.sizeInBytes;
  await appended(log, batch(1));
  await manager.close();
  const file = join(dir, 'orders-0', '00000000000000000000.log');
  const bytes = readFileSync(file);
  bytes[second + 65] = (bytes[second + 65] as number) ^ 1;
  writeFileSync(file, bytes);
  rmSync(join(dir, 'recovery-point-offset-checkpoint'));
  rmSync(join(dir, 'recovery-point-offset-checkpoint.copy'));
  const unclean = crashCopy(t, dir);
  rmSync(join(unclean, '.kafka_cleanshutdown'));
  t.equal((await openManager(t, [dir])).getLog('orders', 0)?.logEndOffset, 2);
  t.equal((await openManager(t, [unclean])).getLog('orders', 0)?.logEndOffset, 1);
});

t.test('corrupt checkpoints are ignored, never fatal', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const log = await create(manager, 'orders', 0, { segmentBytes: 200 });
  for (let i = 0; i < 9; i++) await appended(log, batch(1));
  const expected = readAll(log);
  await manager.checkpoint();
  const crashed = crashCopy(t, dir);
  await manager.close();
  const names = ['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint'];
  names.push('replication-offset-checkpoint');
  const texts = ['', '0', '0\n', '0\n1\n', '0\n2\norders 0 3\n', '1\n1\norders 0 3\n'];
  texts.push('0\n1\norders 0 -3\n', '0\n1\norders 0 99999999999999999999\n', '\0'.repeat(40));
  texts.push('0\n1\norders 0 3', '0\n1\norders zero 3\n', 'rot\nrot\nrot\n', '0\n1\nother 0 3\n');
  for (const from of [crashed, dir]) {
    for (const text of texts) {
      const copy = crashCopy(t, from);
      for (const name of names) writeFileSync(join(copy, name), text);
      const again = await openManager(t, [copy]);
      const found = again.getLog('orders', 0);
      t.same(found === undefined ? [] : readAll(found), expected, JSON.stringify(text));
      await again.close();
    }
  }
});

t.test(
  'meta.properties: a corrupt one is made anew, another cluster or node is refused',
  async (t) => {
    const dir = tempDir(t);
    const first = await openManager(t, [dir]);
    await create(first, 'orders');
    await first.close();
    await t.rejects(openManager(t, [dir], { nodeId: 2 }), { code: 'INCONSISTENT_META_PROPERTIES' });
    await t.rejects(openManager(t, [dir], { clusterId: TOPIC_ID }), {
      code: 'INCONSISTENT_META_PROPERTIES',
    });
    for (const text of ['', 'version=7\n', 'version=1\nnode.id=x\n', '\0\0\0']) {
      writeFileSync(join(dir, 'meta.properties'), text);
      const again = await openManager(t, [dir], { clusterId: first.clusterId });
      t.equal(again.clusterId, first.clusterId);
      t.ok(again.getLog('orders', 0));
      await again.close();
    }
    writeFileSync(join(dir, 'meta.properties'), 'version=0\nbroker.id=1\ncluster.id=abc\\:d\n');
    const old = await openManager(t, [dir]);
    t.equal(old.clusterId, 'abc:d');
  },
);

t.test('a deleted log is gone at once, its files after the delay', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const dir = tempDir(t);
  const manager = await openManager(t, [dir], { clock });
  const log = await create(manager, 'orders', 0, { fileDeleteDelayMs: 1000 });
  await appended(log, batch(1));
  const queued = append(log, batch(1));
  t.equal(await manager.deleteLog('orders', 0), true);
  t.equal(await manager.deleteLog('orders', 0), false);
  t.match(await queued, { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.equal(manager.getLog('orders', 0), undefined);
  const left = (): string[] => readdirSync(dir).filter((name) => name.startsWith('orders'));
  t.match(left(), [/^orders-0\.[0-9a-f]{32}-delete$/]);
  const crashed = crashCopy(t, dir);
  clock.advance(1000);
  await until(() => left().length === 0);
  const again = await openManager(t, [crashed], { clock });
  clock.advance(0);
  await until(() => !readdirSync(crashed).some((name) => name.startsWith('orders')));
  t.same(again.topics(), []);
});

t.test(
  'a topic that is created again does not inherit the checkpoints of the old one',
  async (t) => {
    const dir = tempDir(t);
    const manager = await openManager(t, [dir]);
    const log = await create(manager, 'orders');
    for (let i = 0; i < 5; i++) await appended(log, batch(1));
    await log.flush();
    await manager.checkpoint();
    await manager.deleteLog('orders', 0);
    await create(manager, 'orders');
    const again = await openManager(t, [crashCopy(t, dir)]);
    t.equal(again.getLog('orders', 0)?.logEndOffset, 0);
  },
);

t.test('names that are no topics make no directory', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const before = readdirSync(dir);
  for (const topic of ['', '.', '..', '../x', 'a/b', 'a b', 'ä', 'x'.repeat(250), 'a\0b']) {
    await t.rejects(create(manager, topic), { code: 'INVALID_TOPIC' }, JSON.stringify(topic));
  }
  t.same(readdirSync(dir), before);
  await create(manager, 'x'.repeat(249), 10);
  t.equal(await manager.deleteLog('x'.repeat(249), 10), true);
  await create(manager, 'orders');
  await t.rejects(create(manager, 'orders'), { code: 'ALREADY_EXISTS' });
});

t.test('a creation that fails leaves nothing behind', async (t) => {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const manager = await openManager(t, [dir], { env: watched.env });
  watched.before = (call, path) => {
    if (call === 'open' && path.endsWith('.log')) throw new Error('no files left');
  };
  await t.rejects(create(manager, 'orders'), /no files left/);
  t.notOk(existsSync(join(dir, 'orders-0')));
  watched.before = () => {};
  await create(manager, 'orders');
});

t.test('one log that cannot be opened does not stop the others', async (t) => {
  const dir = tempDir(t);
  const first = await openManager(t, [dir]);
  for (const topic of ['a', 'b']) await appended(await create(first, topic), batch(1));
  await first.close();
  rmSync(join(dir, 'a-0', '00000000000000000000.log'));
  mkdirSync(join(dir, 'a-0', '00000000000000000000.log'));
  const logger = keepingLogger();
  const again = await openManager(t, [dir], { logger });
  t.same([...again.failures.keys()], ['a-0']);
  t.equal(again.getLog('b', 0)?.logEndOffset, 1);
  t.ok(logger.lines.some((line) => line.startsWith('error log not opened')));
  await again.close();
  t.equal(existsSync(join(dir, '.kafka_cleanshutdown')), false);
});

t.test('several data directories: partitions spread, all are found again', async (t) => {
  const dirs = [tempDir(t), tempDir(t)];
  const manager = await openManager(t, dirs);
  for (let partition = 0; partition < 4; partition++) await create(manager, 'orders', partition);
  for (const dir of dirs) {
    t.equal(readdirSync(dir).filter((name) => name.startsWith('orders')).length, 2);
  }
  await manager.close();
  const again = await openManager(t, dirs.toReversed());
  t.equal(again.partitions().length, 4);
  t.equal(again.clusterId, manager.clusterId);
});

t.test('a second process is refused and told who has the directory', async (t) => {
  const dir = tempDir(t);
  const manager = await openManager(t, [dir]);
  const fixture = pathToFileURL(join(import.meta.dirname, 'log-fixture.js')).href;
  const script = `
    import { systemEnv } from '#src/file/env.js';
    try { systemEnv.lockDir(process.argv[1]); console.log('locked'); }
    catch (error) { console.log(error.code, error.message); }
  `;
  t.ok(fixture);
  const run = (): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script, dir], {
      encoding: 'utf8',
      timeout: 20_000,
    }).stdout;
  const refused = run();
  t.match(refused, /^DIRECTORY_LOCKED/);
  t.match(refused, new RegExp(`\\b${process.pid}\\b`));
  await manager.close();
  t.match(run(), /^locked/);
});

t.test('retention and checkpoints run by the clock until the manager is closed', async (t) => {
  const clock = new ManualClock(NOW_MS);
  const dir = tempDir(t);
  const manager = await openManager(t, [dir], {
    clock,
    retentionCheckIntervalMs: 1000,
    checkpointIntervalMs: 400,
    cleaner: { enable: false },
  });
  const log = await create(manager, 'orders', 0, { retentionMs: 500 });
  await appended(log, batch(2));
  clock.advance(1000);
  await until(() => log.logStartOffset === 2);
  const file = join(dir, 'replication-offset-checkpoint');
  await until(() => existsSync(file) && readFileSync(file, 'utf8') === '0\n1\norders 0 2\n');
  await appended(log, batch(1, { timestamp: NOW_MS + 1000 }));
  await until(() => clock.timerCount >= 4);
  clock.advance(400);
  await until(() => readFileSync(file, 'utf8') === '0\n1\norders 0 3\n');
  await manager.close();
  t.equal(clock.timerCount, 0);
});

t.test('an error between lock and logs leaves the directory free', async (t) => {
  const dir = tempDir(t);
  const beforeLogs = () => Promise.reject(new Error('no metadata'));
  await t.rejects(openManager(t, [dir], { beforeLogs }), /no metadata/);
  const manager = await openManager(t, [dir], {
    beforeLogs: async ({ clusterId, dirs }) => {
      t.equal(clusterId.length, 22);
      t.same(dirs, [dir]);
    },
  });
  await manager.close();
  await manager.close();
});

t.test('directories that are no partitions are left alone', async (t) => {
  const dir = tempDir(t);
  const hex = '0'.repeat(32);
  const names = [
    `a-0.${hex}-stray`,
    `a-0.${hex}-future`,
    '__cluster_metadata-0',
    'a-',
    'a-x',
    'lost+found',
  ];
  for (const name of names) mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'file-0'), '');
  const manager = await openManager(t, [dir]);
  t.same(manager.partitions(), []);
  for (const name of names) t.ok(existsSync(join(dir, name)), name);
});

t.test(
  'a directory that Apache Kafka wrote opens with the records that its client read',
  async (t) => {
    const golden = join(import.meta.dirname, '../../../test/golden/kafka-data');
    const dir = tempDir(t);
    cpSync(join(golden, 'data'), dir, { recursive: true });
    const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as Expected;
    const unclean = crashCopy(t, dir);
    rmSync(join(unclean, '.kafka_cleanshutdown'));
    const metadata = readFileSync(join(dir, 'meta.properties'), 'utf8');
    const nodeId = Number(/node\.id=(\d+)/.exec(metadata)?.[1]);
    for (const path of [dir, unclean]) {
      const manager = await openManager(t, [path], { nodeId });
      t.equal(manager.failures.size, 0);
      for (const { topic, topicId, partitions } of expected.topics) {
        for (const { partition, logStartOffset, logEndOffset, records } of partitions) {
          const log = manager.getLog(topic, partition);
          if (log === undefined) throw new Error(`${topic}-${partition} is not open`);
          const name = `${topic}-${partition}`;
          t.equal(log.topicId, topicId, name);
          t.equal(log.logStartOffset, logStartOffset, `${name} log start`);
          t.equal(log.logEndOffset, logEndOffset, `${name} log end`);
          const offsets = new Set(records.map(({ offset }) => offset));
          const read = readAll(log).filter(({ offset }) => offsets.has(offset));
          t.same(
            read.map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key, value })),
            records.map(({ offset, timestamp, key, value }) => ({
              offset,
              timestamp,
              key: decoded(key),
              value: decoded(value),
            })),
            `${name} records`,
          );
        }
      }
      await manager.close();
      const again = await openManager(t, [path], { nodeId });
      t.equal(again.partitions().length, manager.partitions().length);
      await again.close();
    }
  },
);

interface Expected {
  readonly topics: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly logStartOffset: number;
      readonly logEndOffset: number;
      readonly records: readonly {
        readonly offset: number;
        readonly timestamp: number;
        readonly key: string | null;
        readonly value: string | null;
      }[];
    }[];
  }[];
}

function decoded(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : Buffer.from(text, 'base64').toString();
}

/** Turns of the event loop until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it did not happen');
}

t.test('a deletion that a full disk refuses leaves the log as it was', async (t) => {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const manager = await openManager(t, [dir], { env: watched.env });
  const log = await create(manager, 'orders');
  for (let i = 0; i < 3; i++) await appended(log, batch(1));
  await log.deleteRecordsBefore(1);
  watched.before = (call, path) => {
    if (call === 'rename' && path.endsWith('orders-0')) throw ioError('ENOSPC');
  };
  await t.rejects(manager.deleteLog('orders', 0), { code: 'NO_SPACE' });
  watched.before = () => {};
  const again = manager.getLog('orders', 0) as PartitionLog;
  t.match(again, { logStartOffset: 1, logEndOffset: 3, topicId: log.topicId });
  t.match(await append(again, batch(1)), { ok: true, baseOffset: 3 });
  await manager.checkpoint();
  const crashed = await openManager(t, [crashCopy(t, dir)]);
  t.match(crashed.getLog('orders', 0), { logStartOffset: 1, logEndOffset: 4 });
  t.equal(await manager.deleteLog('orders', 0), true);
  t.match(await create(manager, 'orders'), { logStartOffset: 0, logEndOffset: 0 });
});

t.test('where a log is that could not be deleted nobody vouches for it', async (t) => {
  const dir = tempDir(t);
  const watched = new WatchedEnv();
  const manager = await openManager(t, [dir], { env: watched.env });
  await appended(await create(manager, 'orders'), batch(1));
  watched.before = (_, path) => {
    if (path.includes('orders-0')) throw ioError('ENOSPC');
  };
  await t.rejects(manager.deleteLog('orders', 0), { code: 'NO_SPACE' });
  t.equal(manager.getLog('orders', 0), undefined, 'nor could it be opened again');
  t.ok(manager.failures.has('orders-0'));
  await t.rejects(create(manager, 'orders'), { code: 'ALREADY_EXISTS' });
  watched.before = () => {};
  await manager.close();
  t.notOk(existsSync(join(dir, '.kafka_cleanshutdown')));
  const next = await openManager(t, [dir]);
  t.equal(next.getLog('orders', 0)?.logEndOffset, 1);
});

import t from 'tap';
import { FakeDisk, openController } from './fakes.js';

const abc = { name: 'abc', partitionCount: 3, configs: { 'retention.ms': '77' } };

/** What clients and the disk see, without ids. */
function view(
  disk: FakeDisk,
  controller: Awaited<ReturnType<typeof openController>>['controller'],
) {
  return {
    topics: controller.image
      .topics()
      .map(({ name, partitionCount }) => `${name}:${partitionCount}`),
    directories: [...disk.directories.keys()].sort(),
  };
}

const EMPTY = { topics: [], directories: [] };
const WHOLE = { topics: ['abc:3'], directories: ['abc-0', 'abc-1', 'abc-2'] };

t.test('a topic is created whole, and is there after the next start', async (t) => {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  const result = await controller.createTopic(abc);
  t.match(result, { ok: true, topic: { name: 'abc', partitionCount: 3, state: 'live' } });
  t.same(view(disk, controller), WHOLE);
  const again = await openController(disk, 2);
  t.same(view(disk, again.controller), WHOLE);
  t.same(again.controller.image.topic('abc'), controller.image.topic('abc'), 'with the same id');
  t.equal(again.controller.logConfigOf('abc')?.retentionMs, 77);
});

t.test('a crash at every step of a creation leaves nothing or the whole topic', async (t) => {
  const steps = await stepsOf((controller) => controller.createTopic(abc));
  t.ok(steps >= 5, 'two copies of the intent and three directories');
  for (let crashAt = 0; crashAt <= steps; crashAt++) {
    const disk = new FakeDisk();
    const { controller } = await openController(disk);
    disk.changesLeft = crashAt;
    const result = await controller.createTopic(abc);
    t.equal(result.ok, crashAt === steps, `answer of a crash at ${crashAt}`);
    if (!result.ok) t.equal(controller.image.topic('abc'), undefined, 'nobody sees it');
    disk.changesLeft = Number.POSITIVE_INFINITY;
    const again = await openController(disk, 2);
    t.same(view(disk, again.controller), crashAt === 0 ? EMPTY : WHOLE, `crash at ${crashAt}`);
    const third = await openController(disk, 3);
    t.same(view(disk, third.controller), crashAt === 0 ? EMPTY : WHOLE, 'and stays so');
  }
});

t.test('a crash at every step of a deletion leaves the whole topic or nothing', async (t) => {
  const steps = await stepsOf((controller) => controller.deleteTopic('abc'), true);
  for (let crashAt = 0; crashAt <= steps; crashAt++) {
    const disk = new FakeDisk();
    const { controller } = await openController(disk);
    await controller.createTopic(abc);
    disk.changesLeft = crashAt;
    if (crashAt < steps) await t.rejects(controller.deleteTopic('abc'), { code: 'IO_ERROR' });
    else t.equal(await controller.deleteTopic('abc'), true);
    disk.changesLeft = Number.POSITIVE_INFINITY;
    const again = await openController(disk, 2);
    t.same(view(disk, again.controller), crashAt === 0 ? WHOLE : EMPTY, `crash at ${crashAt}`);
  }
});

t.test(
  'a crash at every step of growing leaves the old number of partitions or the new',
  async (t) => {
    const grow = { name: 'abc', count: 5 };
    const options = { validateOnly: false };
    const steps = await stepsOf(
      (one) => one.createPartitions(grow.name, grow.count, options),
      true,
    );
    t.equal(steps, 4, 'two copies of the intent and two directories');
    const GROWN = { topics: ['abc:5'], directories: [0, 1, 2, 3, 4].map((one) => `abc-${one}`) };
    for (let crashAt = 0; crashAt <= steps; crashAt++) {
      const disk = new FakeDisk();
      const { controller } = await openController(disk);
      await controller.createTopic(abc);
      disk.changesLeft = crashAt;
      const result = await controller.createPartitions(grow.name, grow.count, options);
      t.equal(result.ok, crashAt === steps, `answer of a crash at ${crashAt}`);
      t.equal(controller.image.topic('abc')?.partitionCount, crashAt === steps ? 5 : 3);
      disk.changesLeft = Number.POSITIVE_INFINITY;
      const again = await openController(disk, 2);
      t.same(view(disk, again.controller), crashAt === 0 ? WHOLE : GROWN, `crash at ${crashAt}`);
    }
  },
);

t.test('growing that fails for lack of space is taken back, and works later', async (t) => {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  await controller.createTopic(abc);
  const grow = () => controller.createPartitions('abc', 5, { validateOnly: false });
  disk.changesLeft = 3;
  t.match(await grow(), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  disk.changesLeft = Number.POSITIVE_INFINITY;
  t.equal(controller.image.topic('abc')?.partitionCount, 3);
  t.match(await grow(), { ok: true });
  t.equal(disk.directories.size, 5);
});

t.test('configs are in force only when they are on disk', async (t) => {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  await controller.createTopic(abc);
  const set = (validateOnly: boolean) =>
    controller.alterTopicConfigs(
      'abc',
      (current) => ({ ok: true, configs: { ...current, 'retention.ms': '78' } }),
      { validateOnly },
    );
  t.match(await set(true), { ok: true });
  disk.changesLeft = 0;
  t.match(await set(false), { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.same(controller.image.topic('abc')?.configs, abc.configs);
  t.equal(disk.configs.size, 0);
  disk.changesLeft = Number.POSITIVE_INFINITY;
  t.match(await set(false), { ok: true });
  t.equal(disk.configs.get('abc')?.retentionMs, 78);
  const again = await openController(disk, 2);
  t.same(again.controller.image.topic('abc')?.configs, { 'retention.ms': '78' });
});

t.test('no producer gets an id that a log knows from elsewhere', async (t) => {
  const disk = new FakeDisk();
  disk.directories.set('abc-0', null);
  disk.directories.set('abc-1', null);
  disk.producerIds.set('abc-0', 4000);
  disk.producerIds.set('abc-1', 17);
  const { controller } = await openController(disk);
  t.equal(await controller.producerIds.next(), 4001);
  disk.producerIds.set('abc-1', 4001);
  const again = await openController(disk, 2);
  t.equal(await again.controller.producerIds.next(), 5001, 'its own blocks stay as they are');
});

t.test('an id that a client made up does not use up the numbers', async (t) => {
  const disk = new FakeDisk();
  disk.directories.set('abc-0', null);
  disk.directories.set('abc-1', null);
  disk.producerIds.set('abc-0', Number.MAX_SAFE_INTEGER);
  disk.producerIds.set('abc-1', 2 ** 53 - 2 ** 40);
  for (let seed = 1; seed <= 3; seed++) {
    const { controller, store } = await openController(disk, seed);
    t.equal(store.lost, false);
    t.ok(Number.isSafeInteger(await controller.producerIds.next()));
  }
});

async function stepsOf(
  change: (
    controller: Awaited<ReturnType<typeof openController>>['controller'],
  ) => Promise<unknown>,
  createFirst = false,
): Promise<number> {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  if (createFirst) await controller.createTopic(abc);
  const before = disk.changes;
  await change(controller);
  return disk.changes - before;
}

t.test('a creation that fails for lack of space is taken back', async (t) => {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  const { env } = disk;
  disk.changesLeft = 4;
  const result = await controller.createTopic(abc);
  t.match(result, { ok: false, error: 'KAFKA_STORAGE_ERROR' });
  t.ok(env.exists('/data/millrace.metadata'));
  disk.changesLeft = Number.POSITIVE_INFINITY;
  t.match(await controller.createTopic(abc), { ok: true }, 'it can be created later');
  t.same(view(disk, controller), WHOLE);
});

t.test(
  'after failed changes a topic can be created and deleted again without a restart',
  async (t) => {
    for (let changesLeft = 0; changesLeft < 12; changesLeft++) {
      const disk = new FakeDisk();
      const { controller } = await openController(disk);
      disk.changesLeft = changesLeft;
      const result = await controller.createTopic(abc);
      if (result.ok) await t.rejects(controller.deleteTopic('abc'));
      disk.changesLeft = Number.POSITIVE_INFINITY;
      const other = { ...abc, name: 'other' };
      t.match(await controller.createTopic(other), { ok: true }, 'another write between');
      await controller.deleteTopic('other');
      if (controller.image.topic('abc') === undefined) {
        t.match(await controller.createTopic(abc), { ok: true }, `stopped at ${changesLeft}`);
      }
      t.same(view(disk, controller), WHOLE);
      const again = await openController(disk, 2);
      t.same(view(disk, again.controller), WHOLE);
    }
  },
);

t.test('what cannot be created, and why', async (t) => {
  const { controller } = await openController(new FakeDisk());
  await controller.createTopic({ ...abc, name: 'a.b' });
  const refusal = async (change: Partial<typeof abc>) => {
    const result = await controller.createTopic({ ...abc, ...change });
    return result.ok ? 'created' : result.error;
  };
  t.equal(await refusal({ name: 'a.b' }), 'TOPIC_ALREADY_EXISTS');
  t.equal(await refusal({ name: 'a_b' }), 'INVALID_TOPIC_EXCEPTION');
  for (const name of ['', '.', '..', 'a/b', '../x', 'x'.repeat(250), 'a b', 'ü']) {
    t.equal(await refusal({ name }), 'INVALID_TOPIC_EXCEPTION', name);
  }
  t.equal(await refusal({ partitionCount: 0 }), 'INVALID_PARTITIONS');
  t.equal(await refusal({ partitionCount: 10_001 }), 'INVALID_PARTITIONS');
  t.equal(await refusal({ configs: { 'retention.ms': 'x' } }), 'INVALID_CONFIG');
});

t.test('topics of which there are only directories are taken over with their ids', async (t) => {
  const disk = new FakeDisk();
  disk.directories.set('real-0', 'AAAAAAAAAAAAAAAAAAAAAQ');
  disk.directories.set('real-2', 'AAAAAAAAAAAAAAAAAAAAAQ');
  disk.directories.set('old-0', null);
  disk.directories.set('__cluster_metadata-0', 'AAAAAAAAAAAAAAAAAAAAAg');
  const { controller, logger } = await openController(disk);
  t.match(controller.image.topic('real'), { id: 'AAAAAAAAAAAAAAAAAAAAAQ', partitionCount: 3 });
  t.equal(controller.image.topic('old')?.id.length, 22);
  t.equal(controller.image.topic('__cluster_metadata'), undefined);
  t.ok(disk.directories.has('real-1'), 'the missing one is made');
  t.match(logger.lines.join('\n'), /taking over a topic/);
  t.match(controller.logConfigOf('real'), { retentionMs: Infinity }, 'its overrides are not known');
  const again = await openController(disk, 9);
  t.equal(again.controller.image.topic('old')?.id, controller.image.topic('old')?.id);
});

t.test(
  'when the metadata is lost, topics come back from directories and nothing of them is deleted',
  async (t) => {
    const disk = new FakeDisk();
    const { controller } = await openController(disk);
    await controller.createTopic(abc);
    const id = controller.image.topic('abc')?.id;
    for (const path of disk.files.keys()) disk.files.set(path, Buffer.from('rubbish'));
    const again = await openController(disk, 2);
    t.same(view(disk, again.controller), WHOLE);
    t.equal(again.controller.image.topic('abc')?.id, id);
    t.match(again.controller.logConfigOf('abc'), {
      retentionMs: Infinity,
      retentionBytes: Infinity,
    });
  },
);

t.test('a partition that cannot be opened is left as it is, and the start goes on', async (t) => {
  const disk = new FakeDisk();
  const { controller } = await openController(disk);
  await controller.createTopic(abc);
  disk.directories.delete('abc-1');
  disk.failures.set('abc-1', new Error('damaged'));
  const again = await openController(disk, 2);
  t.match(again.controller.image.topic('abc'), { partitionCount: 3 });
  t.notOk(disk.directories.has('abc-1'));
});

t.test('two callers create one topic', async (t) => {
  const { controller } = await openController(new FakeDisk());
  const results = await Promise.all([controller.createTopic(abc), controller.createTopic(abc)]);
  t.match(results, [{ ok: true }, { ok: false, error: 'TOPIC_ALREADY_EXISTS' }]);
});

t.test('no producer id is given twice, whenever the machine stops', async (t) => {
  const given = new Set<number>();
  let seed = 0;
  for (const changesLeft of [0, 1, 2, 3, Number.POSITIVE_INFINITY]) {
    const disk = new FakeDisk();
    given.clear();
    for (const left of [Number.POSITIVE_INFINITY, changesLeft, Number.POSITIVE_INFINITY]) {
      disk.changesLeft = Number.POSITIVE_INFINITY;
      const { controller } = await openController(disk, ++seed);
      disk.changesLeft = left;
      const ids = await Promise.allSettled(
        Array.from({ length: 1500 }, () => controller.producerIds.next()),
      );
      for (const id of ids) {
        if (id.status === 'rejected') continue;
        if (given.has(id.value)) t.fail(`id ${id.value} was given twice`);
        given.add(id.value);
      }
    }
    t.ok(given.size >= 3000);
  }
});

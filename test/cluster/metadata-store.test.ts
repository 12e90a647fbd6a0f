import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { decodeMetadataDocument, encodeMetadataDocument } from '#src/cluster/metadata-document.js';
import { type Topic, topic } from '#src/cluster/metadata-image.js';
import { METADATA_BACKUP_FILE, METADATA_FILE, MetadataStore } from '#src/cluster/metadata-store.js';
import { keepingLogger } from '../support/keeping-logger.js';
import { FakeDisk } from './fakes.js';

const FILE = `/data/${METADATA_FILE}`;
const BACKUP = `/data/${METADATA_BACKUP_FILE}`;

function entry(name: string, more: Partial<Topic> = {}): Topic {
  const id = Buffer.alloc(16, name).toString('base64url');
  return topic({ name, id, partitionCount: 3, configs: {}, state: 'live', ...more });
}

function open(disk: FakeDisk, logger = keepingLogger()): MetadataStore {
  return MetadataStore.open({ env: disk.env, clock: new ManualClock(), logger, dir: '/data' });
}

const names = (store: MetadataStore) => store.image.topics().map(({ name }) => name);

t.test('a document comes back as it was', async (t) => {
  const document = {
    revision: 9,
    nextProducerId: 4000,
    topics: [entry('a', { configs: { 'retention.ms': '5' } }), entry('b', { state: 'deleting' })],
    configs: [{ type: 'broker', name: '', configs: { 'log.retention.ms': '7' } }] as const,
    quotas: [{ entity: { user: null, 'client-id': 'c' }, values: { producer_byte_rate: 1.5 } }],
  };
  t.same(decodeMetadataDocument(encodeMetadataDocument(document)), { ok: true, document });
  const old = { revision: 9, nextProducerId: 4000, topics: [] };
  t.match(decodeMetadataDocument(encodeMetadataDocument(old)), {
    ok: true,
    document: { ...old, configs: [], quotas: [] },
  });
});

t.test(
  'a document of version 1 is read, one that has changed or is of version 3 is not',
  async (t) => {
    const checksum = '08fd2e3e29964b213c137e55efc27c81819245d38ddbf66634a779c6e6e4647f';
    const body = '{"revision":9,"nextProducerId":4000,"topics":[]}\n';
    const decode = (text: string) => decodeMetadataDocument(Buffer.from(text));
    t.match(decode(`millrace-metadata 1 sha256=${checksum}\n${body}`), {
      ok: true,
      document: { revision: 9, nextProducerId: 4000, topics: [] },
    });
    const changed = body.replace('4000', '4001');
    t.match(decode(`millrace-metadata 1 sha256=${checksum}\n${changed}`), { ok: false });
    t.match(decode(`millrace-metadata 3 sha256=${checksum}\n${body}`), { problem: /version is 3/ });
    const encoded = encodeMetadataDocument({ revision: 9, nextProducerId: 0, topics: [] });
    t.match(encoded.toString(), /^millrace-metadata 2 crc32c=[0-9a-f]{8}\n/);
  },
);

t.test('every flipped bit and every cut of a document is found', async (t) => {
  const bytes = encodeMetadataDocument({ revision: 1, nextProducerId: 0, topics: [entry('a')] });
  let missed = 0;
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      if (decodeMetadataDocument(flipped).ok) missed++;
    }
    if (decodeMetadataDocument(bytes.subarray(0, at)).ok) missed++;
  }
  t.equal(missed, 0);
});

t.test('a document of another shape is refused even if its checksum is right', async (t) => {
  const encode = (topics: unknown) =>
    encodeMetadataDocument({ revision: 1, nextProducerId: 0, topics: topics as Topic[] });
  for (const wrong of [
    [{ ...entry('a'), name: '../a' }],
    [{ ...entry('a'), id: 'short' }],
    [{ ...entry('a'), partitionCount: 0 }],
    [{ ...entry('a'), state: 'dead' }],
    [{ ...entry('a'), configs: { x: 1 } }],
  ]) {
    t.equal(decodeMetadataDocument(encode(wrong)).ok, false, JSON.stringify(wrong));
  }
  const encodeMore = (more: object) =>
    encodeMetadataDocument({ revision: 1, nextProducerId: 0, topics: [], ...more });
  for (const wrong of [
    { configs: [{ type: 'topic', name: 'a', configs: {} }] },
    { configs: [{ type: 'broker', name: 1, configs: {} }] },
    { configs: [{ type: 'broker', name: '', configs: { a: 1 } }] },
    { quotas: [{ entity: { host: 'a' }, values: {} }] },
    { quotas: [{ entity: { user: 1 }, values: {} }] },
    { quotas: [{ entity: { user: 'a' }, values: { x: '1' } }] },
  ]) {
    t.equal(decodeMetadataDocument(encodeMore(wrong)).ok, false, JSON.stringify(wrong));
  }
});

t.test('a commit is seen, and seen again after the next start', async (t) => {
  const disk = new FakeDisk();
  const store = open(disk);
  await store.commit({ put: [entry('a'), entry('b')], nextProducerId: 1000 });
  await store.commit({ remove: ['a'] });
  t.same(names(store), ['b']);
  const again = open(disk);
  t.same(names(again), ['b']);
  t.equal(again.nextProducerId, 1000);
  t.equal(again.lost, false);
});

t.test('a crash at every write leaves the old or the new state', async (t) => {
  for (let changesLeft = 0; changesLeft <= 2; changesLeft++) {
    const disk = new FakeDisk();
    await open(disk).commit({ put: [entry('old')] });
    disk.changesLeft = changesLeft;
    const store = open(disk);
    const commit = store.commit({ put: [entry('new')] });
    if (changesLeft < 2) {
      await t.rejects(commit, { code: 'IO_ERROR' });
      t.same(names(store), ['old'], 'in memory nothing changed');
    } else {
      await commit;
    }
    t.same(names(open(disk)), changesLeft === 0 ? ['old'] : ['new', 'old']);
  }
});

t.test('a damaged file is replaced by its backup, and the other way round', async (t) => {
  for (const path of [FILE, BACKUP]) {
    for (const damage of [Buffer.from('rubbish'), null]) {
      const disk = new FakeDisk();
      await open(disk).commit({ put: [entry('a')] });
      if (damage === null) disk.files.delete(path);
      else disk.files.set(path, damage);
      const logger = keepingLogger();
      const store = open(disk, logger);
      t.same(names(store), ['a']);
      t.equal(logger.lines.length, damage === null ? 0 : 1);
      await store.commit({ put: [entry('b')] });
      disk.files.delete(path === FILE ? BACKUP : FILE);
      t.same(names(open(disk)), ['a', 'b'], 'the next write repaired it');
    }
  }
});

t.test('when both are damaged it says so, and no producer id is used twice', async (t) => {
  const disk = new FakeDisk();
  await open(disk).commit({ put: [entry('a')], nextProducerId: 5000 });
  disk.files.set(FILE, Buffer.from('rubbish'));
  disk.files.set(BACKUP, new Uint8Array(0));
  const store = open(disk);
  t.equal(store.lost, true);
  t.same(names(store), []);
  t.ok(store.nextProducerId > 5000);
  t.ok(Number.isSafeInteger(store.nextProducerId));
});

t.test('configs and quotas are kept with the topics, and go when they are emptied', async (t) => {
  const disk = new FakeDisk();
  const store = open(disk);
  const quota = { entity: { user: 'u' }, values: { consumer_byte_rate: 5 } };
  await store.commit({
    put: [entry('a')],
    configs: [{ type: 'broker', name: '1', configs: { x: 'y' } }],
    quotas: [quota, { entity: { user: null }, values: { consumer_byte_rate: 6 } }],
  });
  await store.commit({ quotas: [{ entity: { user: null }, values: {} }] });
  for (const { image } of [store, open(disk)]) {
    t.same(image.configsOf('broker', '1'), { x: 'y' });
    t.same(image.configsOf('broker', ''), {});
    t.same([...image.quotas()], [quota]);
    t.same(image.quotaOf({ user: 'u' }), quota);
    t.equal(image.quotaOf({ user: null }), undefined);
  }
  await store.commit({ configs: [{ type: 'broker', name: '1', configs: {} }] });
  t.same([...open(disk).image.configResources()], []);
  t.same(names(open(disk)), ['a']);
});

import t from 'tap';
import type { Offset } from '#src/base/offset.js';
import { seededRandom } from '#src/base/random.js';
import { isUuid, randomUuid } from '#src/base/uuid.js';
import {
  formatLeaderEpochs,
  formatOffsetCheckpoint,
  formatPartitionMetadata,
  parseLeaderEpochs,
  parseOffsetCheckpoint,
  parsePartitionMetadata,
} from '#src/log/checkpoints.js';
import { LeaderEpochCache } from '#src/log/leader-epoch-cache.js';
import { formatMetaProperties, parseMetaProperties } from '#src/log/meta-properties.js';
import {
  formatDeletedDir,
  formatPartitionDir,
  isDeletedDir,
  parsePartitionDir,
} from '#src/log/partition-dir.js';

t.test('offset checkpoints are read as they are written', async (t) => {
  const offsets = new Map([
    ['orders-0', 42 as Offset],
    ['a-b-c-17', (2 ** 53 - 1) as Offset],
  ]);
  const text = formatOffsetCheckpoint(offsets);
  t.equal(text, '0\n2\norders 0 42\na-b-c 17 9007199254740991\n');
  t.same(parseOffsetCheckpoint(text), offsets);
  t.same(parseOffsetCheckpoint('0\n0\n'), new Map());
  for (let size = 0; size < text.length; size++) {
    t.equal(parseOffsetCheckpoint(text.slice(0, size)), null, `cut at ${size}`);
  }
});

t.test('leader epochs and partition.metadata', async (t) => {
  const entries = [
    { epoch: 0, startOffset: 0 as Offset },
    { epoch: 5, startOffset: 100 as Offset },
  ];
  t.equal(formatLeaderEpochs(entries), '0\n2\n0 0\n5 100\n');
  t.same(parseLeaderEpochs(formatLeaderEpochs(entries)), entries);
  for (const text of ['', '0\n1\n-1 0\n', '0\n1\n1 x\n', '0\n1\n4294967296 0\n']) {
    t.equal(parseLeaderEpochs(text), null, JSON.stringify(text));
  }
  const id = 'tZ4NdPrERqqWzgiThXTbLA';
  t.equal(parsePartitionMetadata(formatPartitionMetadata(id)), id);
  for (const text of [
    '',
    'version: 1\ntopic_id: x',
    `version: 0\ntopic_id: ${id}x`,
    'topic_id: x',
  ]) {
    t.equal(parsePartitionMetadata(text), null, JSON.stringify(text));
  }
});

t.test('epochs: the later history wins, trimming keeps the one in force', async (t) => {
  const cache = new LeaderEpochCache();
  const assign = (epoch: number, offset: number) => cache.assign(epoch, offset as Offset);
  t.same([assign(1, 0), assign(1, 5), assign(3, 10), assign(7, 20)], [true, false, true, true]);
  t.equal(cache.trimTo(12 as Offset), true);
  t.same(cache.entries, [
    { epoch: 3, startOffset: 12 },
    { epoch: 7, startOffset: 20 },
  ]);
  t.equal(cache.trimTo(12 as Offset), false);
  t.same(cache.endOffsetFor(1, 30 as Offset), { epoch: 1, endOffset: 12 });
  t.same(cache.endOffsetFor(5, 30 as Offset), { epoch: 3, endOffset: 20 });
  t.same(cache.endOffsetFor(7, 30 as Offset), { epoch: 7, endOffset: 30 });
  t.equal(cache.endOffsetFor(8, 30 as Offset), null);
  t.equal(cache.endOffsetFor(-1, 30 as Offset), null);
  t.equal(cache.truncateTo(20 as Offset), true);
  t.equal(cache.latestEpoch, 3);
  t.equal(assign(4, 5), true);
  t.same(cache.entries, [{ epoch: 4, startOffset: 5 }]);
  t.equal(new LeaderEpochCache().endOffsetFor(0, 0 as Offset), null);
});

t.test('meta.properties: ours, and what Java writes', async (t) => {
  const meta = { nodeId: 3, clusterId: 'tZ4NdPrERqqWzgiThXTbLA', directoryId: 'abc' };
  t.same(parseMetaProperties(formatMetaProperties(meta)), meta);
  const java =
    '#\r\n#Mon Jan 01 00:00:00 UTC 2024\r\ncluster.id=x\\=y\r\nversion=1\r\nnode.id = 7\r\n';
  t.same(parseMetaProperties(java), { nodeId: 7, clusterId: 'x=y', directoryId: null });
  t.same(parseMetaProperties('version=0\nbroker.id=2\n'), {
    nodeId: 2,
    clusterId: null,
    directoryId: null,
  });
  for (const text of ['', 'node.id=1\n', 'version=2\n', 'version=1\nnode.id=-1\n']) {
    t.equal(parseMetaProperties(text), null, JSON.stringify(text));
  }
});

t.test('partition directories', async (t) => {
  for (const [topic, partition] of [
    ['orders', 0],
    ['a-1', 2],
    ['a.b', 2147483647],
  ] as const) {
    t.same(parsePartitionDir(formatPartitionDir(topic, partition)), { topic, partition });
  }
  const none = ['orders', 'orders-', '-0', 'a-01', 'a-2147483648', 'a b-0', '__cluster_metadata-0'];
  for (const name of [...none, `a-0.${'0'.repeat(32)}-delete`]) {
    t.equal(parsePartitionDir(name), null, name);
  }
  const random = seededRandom(1);
  const deleted = formatDeletedDir('orders', 3, random);
  t.match(deleted, /^orders-3\.[0-9a-f]{32}-delete$/);
  t.equal(isDeletedDir(deleted), true);
  t.equal(isDeletedDir('orders-3'), false);
  t.equal(formatDeletedDir('x'.repeat(249), 99999, random).length, 255);
});

t.test('uuids are 22 characters, of version 4, and never begin with a dash', async (t) => {
  const random = seededRandom(7);
  for (let i = 0; i < 2000; i++) {
    const uuid = randomUuid(random);
    const bytes = Buffer.from(uuid, 'base64url');
    if (uuid.startsWith('-') || bytes.length !== 16 || !isUuid(uuid)) t.fail(uuid);
    if ((bytes[6] as number) >> 4 !== 4 || (bytes[8] as number) >> 6 !== 2) t.fail(uuid);
  }
  t.equal(isUuid('AAAAAAAAAAAAAAAAAAAAAA'), true);
  for (const text of ['', 'x', 'AAAAAAAAAAAAAAAAAAAAAB', 'AAAAAAAAAAAAAAAAAAAAA=']) {
    t.equal(isUuid(text), false, text);
  }
});

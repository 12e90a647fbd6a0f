import t from 'tap';
import { murmur2, partitionOf } from '#src/testing/partitioner.js';

t.test('hashes are those of Kafka', (t) => {
  // From Kafka's own tests of the function.
  const known: readonly [string, number][] = [
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ];
  for (const [key, hash] of known) {
    t.equal(murmur2(Buffer.from(key)), hash, key);
    t.equal(partitionOf(Buffer.from(key), 12), (hash & 0x7fffffff) % 12, key);
  }
  t.end();
});

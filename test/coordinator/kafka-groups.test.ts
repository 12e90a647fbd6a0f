/** Groups and offsets that a real Kafka left in its directory. */

import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startBroker, tempDir } from '../support/test-broker.js';

const GOLDEN = join(import.meta.dirname, '../../../test/golden/kafka-groups');
const LOG = '00000000000000000000.log';

t.test('groups of a real Kafka go on here', async (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, '__consumer_offsets-0'));
  cpSync(join(GOLDEN, LOG), join(dir, '__consumer_offsets-0', LOG));
  const { groups } = (await startBroker(t, { 'log.dirs': dir })).services;
  t.same(
    groups
      .list()
      .map(({ groupId, state, type }) => `${groupId} ${type} ${state}`)
      .sort(),
    [
      'classic-left classic Empty',
      'classic-stays classic Stable',
      'consumer-left consumer Empty',
      'consumer-stays consumer Stable',
    ],
  );
  for (const { groupId } of groups.list()) {
    const fetched = groups.fetchOffsets(groupId, null, true);
    if (typeof fetched === 'string') throw new Error(fetched);
    const offsets = fetched.map(({ partition, committed }) => [partition, committed?.offset]);
    t.same(offsets.sort(), [
      [0, 3],
      [1, 2],
    ]);
  }
  const classic = groups.describeClassic('classic-stays');
  if (typeof classic !== 'object') throw new Error('no group');
  t.match([...classic.members.values()], [{ clientId: 'consumer-classic-stays-1' }]);
  t.equal(classic.generationId, 1);
  const group = groups.describeConsumer('consumer-stays');
  if (typeof group !== 'object') throw new Error('no group');
  const [member] = group.members.values();
  t.match(member?.subscription, { topics: ['t'], regex: '', classic: null });
  t.match(member?.current, { memberEpoch: 1, previousMemberEpoch: 0, state: 0 });
  t.same([...(member?.current.assigned.values() ?? [])], [new Set([0, 1])]);
});

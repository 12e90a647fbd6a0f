import t from 'tap';
import { type CommittedOffset, GroupOffsets } from '#src/coordinator/group/group-offsets.js';
import { UUID_ZERO } from '#src/protocol/schema.js';

const at = (offset: number, recordOffset: number): CommittedOffset => ({
  offset,
  recordOffset,
  leaderEpoch: -1,
  metadata: '',
  commitTimestampMs: 0,
  expireTimestampMs: -1,
  topicId: UUID_ZERO,
});
const PRODUCER = 7;

t.test('of an offset in a transaction and a plain one the later record counts', (t) => {
  for (const isLater of [false, true]) {
    const offsets = new GroupOffsets();
    offsets.put('a', 0, at(1, 10));
    offsets.putPending(PRODUCER, 'a', 0, at(2, isLater ? 12 : 11));
    offsets.put('a', 0, at(3, isLater ? 11 : 12));
    t.equal(offsets.get('a', 0)?.offset, 3, 'while the transaction is open');
    offsets.endTransaction(PRODUCER, true);
    t.equal(offsets.get('a', 0)?.offset, isLater ? 2 : 3);
    t.notOk(offsets.hasPending);
  }
  t.end();
});

t.test('an abort changes nothing, and leaves nothing behind', (t) => {
  const offsets = new GroupOffsets();
  offsets.put('a', 0, at(1, 10));
  offsets.putPending(PRODUCER, 'a', 0, at(2, 11));
  offsets.putPending(PRODUCER, 'b', 0, at(2, 12));
  t.ok(offsets.isPending('a', 0));
  offsets.endTransaction(PRODUCER, false);
  t.equal(offsets.get('a', 0)?.offset, 1);
  t.equal(offsets.get('b', 0), undefined);
  t.notOk(offsets.isPending('a', 0));
  t.equal(offsets.count, 1);
  t.end();
});

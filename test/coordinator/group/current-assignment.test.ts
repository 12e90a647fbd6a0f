import t from 'tap';
import {
  type Assignment,
  type CurrentAssignment,
  NEW_MEMBER,
  NO_PARTITIONS,
  STATE_STABLE,
  STATE_UNRELEASED,
  STATE_UNREVOKED,
} from '#src/coordinator/group/consumer-group.js';
import { reconcile } from '#src/coordinator/group/current-assignment.js';

const partitions = (...numbers: number[]): Assignment => new Map([['t', new Set(numbers)]]);

const HAS_BOTH: CurrentAssignment = {
  ...NEW_MEMBER,
  state: STATE_STABLE,
  memberEpoch: 4,
  assigned: partitions(0, 1),
};

function step(current: CurrentAssignment, owned: Assignment | null, ownedByOthers: number[] = []) {
  return reconcile({
    current,
    target: partitions(1, 2),
    targetEpoch: 5,
    owned,
    isOwned: (_topicId, partition) => ownedByOthers.includes(partition),
  });
}

t.test('what is to go is asked back, from who says nothing of what it has too', (t) => {
  for (const owned of [partitions(0, 1), null]) {
    t.match(step(HAS_BOTH, owned), {
      state: STATE_UNREVOKED,
      memberEpoch: 4,
      assigned: partitions(1),
      pendingRevocation: partitions(0),
    });
  }
  t.end();
});

t.test('nothing is given before everything asked back is back', (t) => {
  const waiting = step(HAS_BOTH, partitions(0, 1));
  t.equal(step(waiting, null), waiting, 'it says nothing');
  t.equal(step(waiting, partitions(0, 1)), waiting, 'it has it still');
  t.match(step(waiting, partitions(1)), {
    state: STATE_STABLE,
    memberEpoch: 5,
    assigned: partitions(1, 2),
    pendingRevocation: NO_PARTITIONS,
  });
  t.end();
});

t.test('what somebody else still has is not given', (t) => {
  const waiting = step(HAS_BOTH, partitions(0, 1));
  const next = step(waiting, partitions(1), [2]);
  t.match(next, { state: STATE_UNRELEASED, memberEpoch: 5, assigned: partitions(1) });
  t.equal(next.assigned.get('t')?.size, 1);
  t.match(step(next, null), { state: STATE_STABLE, assigned: partitions(1, 2) }, 'it is free now');
  t.end();
});

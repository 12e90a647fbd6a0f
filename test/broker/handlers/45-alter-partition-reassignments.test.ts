import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { alterPartitionReassignments } from '#src/protocol/messages/45-alter-partition-reassignments.js';
import { listPartitionReassignments } from '#src/protocol/messages/46-list-partition-reassignments.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

t.test('a partition keeps its only replica, anything else is refused', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 6 });
  for (const version of [0, 1]) {
    const answer = await client.request(alterPartitionReassignments, version, {
      topics: [
        {
          name: 'a',
          partitions: [[1], null, [2], [], [1, 1], [1, 2]]
            .map((replicas, partitionIndex) => ({ partitionIndex, replicas }))
            .concat({ partitionIndex: 6, replicas: [1] }),
        },
        { name: 'b', partitions: [{ partitionIndex: 0, replicas: [1] }] },
      ],
    });
    t.equal(answer.errorCode, 0);
    t.same(
      answer.responses.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode)),
      [
        [
          0,
          errorCodes.NO_REASSIGNMENT_IN_PROGRESS,
          errorCodes.INVALID_REPLICA_ASSIGNMENT,
          errorCodes.INVALID_REPLICA_ASSIGNMENT,
          errorCodes.INVALID_REPLICA_ASSIGNMENT,
          errorCodes.INVALID_REPLICA_ASSIGNMENT,
          errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        ],
        [errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
      ],
    );
  }
});

t.test('there is never a reassignment under way', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  for (const topics of [null, [{ name: 'a', partitionIndexes: [0] }]]) {
    const answer = await client.request(listPartitionReassignments, 0, { topics });
    t.match(answer, { errorCode: 0, errorMessage: null, topics: [] });
  }
});

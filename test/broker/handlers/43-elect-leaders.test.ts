import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { electLeaders } from '#src/protocol/messages/43-elect-leaders.js';
import { connectTo, createTopic, startBroker } from '../../support/test-broker.js';

t.test('every version answers that no election is needed', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a', { partitions: 2 });
  for (let version = 0; version <= 2; version++) {
    const answer = await client.request(electLeaders, version, {
      electionType: version === 2 ? 1 : 0,
      topicPartitions: [
        { topic: 'a', partitions: [0, 1, 2] },
        { topic: 'b', partitions: [0] },
      ],
    });
    t.match(answer, {
      errorCode: 0,
      replicaElectionResults: [
        {
          topic: 'a',
          partitionResult: [
            { partitionId: 0, errorCode: errorCodes.ELECTION_NOT_NEEDED },
            { partitionId: 1, errorCode: errorCodes.ELECTION_NOT_NEEDED },
            { partitionId: 2, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION },
          ],
        },
        {
          topic: 'b',
          partitionResult: [{ errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }],
        },
      ],
    });
    const all = await client.request(electLeaders, version, { topicPartitions: null });
    const nothing = [{ topic: 'a', partitionResult: [] }];
    t.match(all.replicaElectionResults, nothing, 'of all, only where there was something to do');
  }
});

t.test(
  'an unknown type is refused, a partition that is offline has no leader to elect',
  async (t) => {
    const broker = await startBroker(t);
    const client = await connectTo(t, broker);
    await createTopic(client, 'a');
    const wrong = await client.request(electLeaders, 2, { electionType: 4, topicPartitions: null });
    t.equal(wrong.errorCode, errorCodes.INVALID_REQUEST);
    await broker.services.logs.getLog('a', 0)?.close();
    for (const [electionType, errorCode] of [
      [0, errorCodes.PREFERRED_LEADER_NOT_AVAILABLE],
      [1, errorCodes.ELIGIBLE_LEADERS_NOT_AVAILABLE],
    ] as const) {
      const all = await client.request(electLeaders, 2, { electionType, topicPartitions: null });
      t.match(all.replicaElectionResults, [{ topic: 'a', partitionResult: [{ errorCode }] }]);
    }
  },
);

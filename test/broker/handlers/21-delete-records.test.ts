import t from 'tap';
import { errorCodes } from '#src/protocol/error-codes.js';
import { deleteRecords } from '#src/protocol/messages/21-delete-records.js';
import type { RawClient } from '../../support/raw-client.js';
import {
  connectTo,
  createTopic,
  fetchFrom,
  produceTo,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

async function trim(
  client: RawClient,
  topic: string,
  offset: number,
  options: { version?: number; partition?: number } = {},
) {
  const { topics } = await client.request(deleteRecords, options.version ?? 2, {
    topics: [{ name: topic, partitions: [{ partitionIndex: options.partition ?? 0, offset }] }],
    timeoutMs: 1000,
  });
  return topics[0]?.partitions[0];
}

t.test('every version moves the log start offset, for good', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  await createTopic(client, 'a');
  await produceTo(client, 'a', ['0', '1', '2', '3', '4', '5']);
  for (let version = 0; version <= 2; version++) {
    const answer = await trim(client, 'a', version + 1, { version });
    t.match(answer, { partitionIndex: 0, errorCode: 0, lowWatermark: version + 1 });
  }
  t.match(await trim(client, 'a', 1), { errorCode: 0, lowWatermark: 3 }, 'never down');
  t.equal((await fetchFrom(client, 'a', { offset: 2 })).errorCode, errorCodes.OFFSET_OUT_OF_RANGE);
  await first.close();
  const second = await startBroker(t, { 'log.dirs': dir });
  const again = await connectTo(t, second);
  t.match(await fetchFrom(again, 'a', { offset: 3 }), { errorCode: 0, logStartOffset: 3 });
  t.match(await trim(again, 'a', -1), { errorCode: 0, lowWatermark: 6 }, 'the high watermark');
  t.match(await produceTo(again, 'a', ['6']), { errorCode: 0, baseOffset: 6, logStartOffset: 6 });
});

t.test('errors', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  await createTopic(client, 'a');
  await createTopic(client, 'compacted', { configs: { 'cleanup.policy': 'compact' } });
  await produceTo(client, 'a', ['0', '1']);
  const error = async (...asked: [string, number, { partition?: number }?]) => {
    const answer = await trim(client, ...asked);
    t.equal(answer?.lowWatermark, -1);
    return answer?.errorCode;
  };
  t.equal(await error('none', 1), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error('a', 1, { partition: 1 }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error('a', 1, { partition: -1 }), errorCodes.UNKNOWN_TOPIC_OR_PARTITION);
  t.equal(await error('a', 3), errorCodes.OFFSET_OUT_OF_RANGE);
  t.equal(await error('a', -2), errorCodes.OFFSET_OUT_OF_RANGE);
  t.equal(await error('compacted', -1), errorCodes.POLICY_VIOLATION);
});

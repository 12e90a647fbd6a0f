import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { errorCodes } from '#src/protocol/error-codes.js';
import { produce } from '#src/protocol/messages/00-produce.js';
import { fetch } from '#src/protocol/messages/01-fetch.js';
import { metadata } from '#src/protocol/messages/03-metadata.js';
import { createTopics } from '#src/protocol/messages/19-create-topics.js';
import { deleteTopics } from '#src/protocol/messages/20-delete-topics.js';
import { createPartitions } from '#src/protocol/messages/37-create-partitions.js';
import { describeClientQuotas } from '#src/protocol/messages/48-describe-client-quotas.js';
import { alterClientQuotas } from '#src/protocol/messages/49-alter-client-quotas.js';
import { RawClient } from '../../support/raw-client.js';
import {
  batchOf,
  connectTo,
  createTopic,
  fetchRequest,
  startBroker,
  tempDir,
} from '../../support/test-broker.js';

type Entity = Record<string, string | null>;

async function set(
  client: RawClient,
  entity: Entity,
  values: Record<string, number | null>,
  options: { version?: number; validateOnly?: boolean } = {},
) {
  const { entries } = await client.request(alterClientQuotas, options.version ?? 1, {
    entries: [
      {
        entity: Object.entries(entity).map(([entityType, entityName]) => ({
          entityType,
          entityName,
        })),
        ops: Object.entries(values).map(([key, value]) => ({
          key,
          value: value ?? 0,
          remove: value === null,
        })),
      },
    ],
    validateOnly: options.validateOnly ?? false,
  });
  return entries[0];
}

/** [entity type, match type, match] per component. */
async function list(
  client: RawClient,
  components: readonly (readonly [string, number, string | null])[],
  options: { version?: number; strict?: boolean } = {},
) {
  const answer = await client.request(describeClientQuotas, options.version ?? 1, {
    components: components.map(([entityType, matchType, match]) => ({
      entityType,
      matchType,
      match,
    })),
    strict: options.strict ?? false,
  });
  const entries = answer.entries?.map(({ entity, values }) => ({
    entity: Object.fromEntries(entity.map((one) => [one.entityType, one.entityName])),
    values: Object.fromEntries(values.map(({ key, value }) => [key, value])),
  }));
  return { errorCode: answer.errorCode, errorMessage: answer.errorMessage, entries };
}

t.test('quotas are set, changed, removed and described in every version, and kept', async (t) => {
  const dir = tempDir(t);
  const first = await startBroker(t, { 'log.dirs': dir });
  const client = await connectTo(t, first);
  for (const version of [0, 1]) {
    const user = `u${version}`;
    const done = { errorCode: 0, errorMessage: null };
    t.match(await set(client, { user }, { producer_byte_rate: 5 }, { version }), done);
    t.match(await set(client, { user }, { consumer_byte_rate: 6 }, { version }), done);
    t.match(await set(client, { user }, { producer_byte_rate: null }, { version }), done);
    const check = { validateOnly: true, version };
    t.match(await set(client, { user }, { producer_byte_rate: 9 }, check), done);
    const found = await list(client, [['user', 0, user]], { version });
    t.same(found.entries, [{ entity: { user }, values: { consumer_byte_rate: 6 } }]);
  }
  await set(client, { user: null }, { request_percentage: 12.5 });
  await set(client, { user: 'u0', 'client-id': 'c' }, { producer_byte_rate: 1 });
  await set(client, { ip: '127.0.0.9' }, { connection_creation_rate: 7 });
  const entities = async (
    ...asked: Parameters<typeof list> extends [unknown, ...infer R] ? R : never
  ) => (await list(client, ...asked)).entries?.map(({ entity }) => entity);
  t.same(await entities([['user', 2, null]]), [
    { user: 'u0' },
    { user: 'u1' },
    { user: null },
    { user: 'u0', 'client-id': 'c' },
  ]);
  t.same(await entities([['user', 0, 'u0']], { strict: true }), [{ user: 'u0' }]);
  t.same(await entities([['user', 1, null]]), [{ user: null }]);
  t.same(await entities([['ip', 2, null]]), [{ ip: '127.0.0.9' }]);
  t.equal((await entities([]))?.length, 5);
  await first.close();
  const second = await startBroker(t, { 'log.dirs': dir });
  const again = await connectTo(t, second);
  t.match((await list(again, [['user', 1, null]])).entries, [
    { values: { request_percentage: 12.5 } },
  ]);
  t.equal(second.services.quotas.active, true);
});

t.test('errors', async (t) => {
  const broker = await startBroker(t);
  const client = await connectTo(t, broker);
  const { INVALID_REQUEST, UNSUPPORTED_VERSION } = errorCodes;
  for (const [entity, values, message] of [
    [{}, { producer_byte_rate: 1 }, 'Invalid empty client quota entity'],
    [{ host: 'a' }, { producer_byte_rate: 1 }, /Unhandled client quota entity type/],
    [{ user: '' }, { producer_byte_rate: 1 }, /Empty/],
    [{ user: 'u' }, { bytes: 1 }, 'Invalid configuration key bytes'],
    [{ user: 'u' }, { connection_creation_rate: 1 }, /Invalid configuration key/],
    [{ ip: '::1' }, { producer_byte_rate: 1 }, /Invalid configuration key/],
    [{ ip: 'host' }, { connection_creation_rate: 1 }, /not a valid IP/],
    [
      { ip: '1.2.3.4', user: 'u' },
      { connection_creation_rate: 1 },
      /Invalid quota entity combination/,
    ],
    [{ user: 'u' }, { producer_byte_rate: 0 }, /must be greater than 0/],
    [{ user: 'u' }, { producer_byte_rate: Number.NaN }, /./],
    [{ user: 'u' }, { producer_byte_rate: 1.5 }, /cannot be a fractional value/],
  ] as const) {
    const answer = await set(client, entity, values);
    t.match(answer, { errorCode: INVALID_REQUEST, errorMessage: message }, JSON.stringify(entity));
  }
  t.same((await list(client, [])).entries, [], 'nothing was set');
  for (const [components, errorCode] of [
    [[['', 0, 'a']], INVALID_REQUEST],
    [[['host', 0, 'a']], UNSUPPORTED_VERSION],
    [[['user', 0, null]], INVALID_REQUEST],
    [[['user', 1, 'a']], INVALID_REQUEST],
    [[['user', 2, 'a']], INVALID_REQUEST],
    [[['user', 3, null]], INVALID_REQUEST],
    [
      [
        ['user', 1, null],
        ['user', 1, null],
      ],
      INVALID_REQUEST,
    ],
  ] as const) {
    const answer = await list(client, components);
    t.equal(answer.errorCode, errorCode, JSON.stringify(components));
    t.equal(answer.entries, undefined);
  }
});

t.test('produce and fetch above the quota: told at once, and the connection is mute', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const admin = await connectTo(t, broker);
  await createTopic(admin, 'a');
  await set(
    admin,
    { 'client-id': 'greedy' },
    { producer_byte_rate: 1000, consumer_byte_rate: 500 },
  );
  const produced = {
    acks: 1,
    timeoutMs: 1000,
    topicData: [
      { name: 'a', partitionData: [{ index: 0, records: batchOf(['x'.repeat(20_000)]) }] },
    ],
  };
  const client = await connectTo(t, broker);
  const frame = await client.send(produce, 9, produced, 'greedy').frame;
  const { throttleTimeMs, responses } = client.decode(produce, 9, frame);
  t.equal(responses[0]?.partitionResponses[0]?.errorCode, 0, 'it is taken all the same');
  t.ok(throttleTimeMs > 9_000 && throttleTimeMs < 11_000, `${throttleTimeMs} ms`);
  let answered = false;
  const next = client.send(metadata, 9, { topics: [] }, 'greedy').frame;
  void next.then(() => {
    answered = true;
  });
  for (let i = 0; i < 20; i++) await admin.request(metadata, 9, { topics: [] });
  t.equal(answered, false, 'nothing is taken from it');
  clock.advance(throttleTimeMs);
  t.equal(client.decode(metadata, 9, await next).throttleTimeMs, 0);

  const reader = await connectTo(t, broker);
  const fetched = await reader.send(fetch, 11, fetchRequest('a', {}), 'greedy').frame;
  const answer = reader.decode(fetch, 11, fetched);
  t.ok(answer.throttleTimeMs > 0, 'the first batch is whole, and paid for');
  t.ok((answer.responses[0]?.partitions[0]?.records?.length ?? 0) > 20_000);
  const bystander = await connectTo(t, broker);
  const free = await bystander.send(fetch, 11, fetchRequest('a', {}), 'other').frame;
  t.equal(bystander.decode(fetch, 11, free).throttleTimeMs, 0);
  const large = await bystander.request(metadata, 9, { topics: null });
  t.equal(large.throttleTimeMs, 0);
});

t.test(
  'a fetch asks the quota for its size, and acks 0 is throttled without an answer',
  async (t) => {
    const clock = new ManualClock();
    const broker = await startBroker(t, {}, { clock });
    const admin = await connectTo(t, broker);
    await createTopic(admin, 'a');
    for (let i = 0; i < 5; i++) {
      await admin.request(produce, 9, {
        acks: 1,
        timeoutMs: 1000,
        topicData: [
          { name: 'a', partitionData: [{ index: 0, records: batchOf(['x'.repeat(4000)]) }] },
        ],
      });
    }
    await set(admin, { user: null }, { consumer_byte_rate: 500, producer_byte_rate: 10 });
    const fetched = await admin.request(fetch, 11, fetchRequest('a', {}));
    const size = fetched.responses[0]?.partitions[0]?.records?.length ?? 0;
    t.equal(size, 5000, 'as much as 10 s of the quota');
    const silent = await connectTo(t, broker);
    silent.sendOneWay(produce, 9, {
      acks: 0,
      timeoutMs: 1000,
      topicData: [
        { name: 'a', partitionData: [{ index: 0, records: batchOf(['x'.repeat(4000)]) }] },
      ],
    });
    const log = broker.services.logs.getLog('a', 0);
    const bystander = await connectTo(t, broker);
    while ((log?.logEndOffset ?? 0) < 6) await bystander.request(metadata, 9, { topics: [] });
    const next = silent.send(metadata, 9, { topics: [] }).frame;
    let answered = false;
    void next.then(() => {
      answered = true;
    });
    for (let i = 0; i < 20; i++) await bystander.request(metadata, 9, { topics: [] });
    t.equal(answered, false);
    clock.advance(450_000);
    await next;
    t.equal(answered, true);
  },
);

t.test('changes of topics above the quota', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  await set(client, { user: 'ANONYMOUS' }, { controller_mutation_rate: 1 });
  const create = (name: string, numPartitions: number, version: number) =>
    client.request(createTopics, version, {
      topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    });
  const first = await create('a', 16, 7);
  t.match(first, { throttleTimeMs: 0, topics: [{ errorCode: 0 }] }, 'a burst of 11, into debt');
  const refused = await create('b', 1, 7);
  const { THROTTLING_QUOTA_EXCEEDED } = errorCodes;
  t.match(refused, {
    throttleTimeMs: 5000,
    topics: [{ name: 'b', errorCode: THROTTLING_QUOTA_EXCEEDED }],
  });
  clock.advance(4000);
  const mute = create('c', 1, 7);
  clock.advance(1000);
  t.match(await mute, { throttleTimeMs: 0, topics: [{ errorCode: 0 }] });
  const deleted = await client.request(deleteTopics, 6, {
    topics: [{ name: 'a', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    timeoutMs: 1000,
  });
  t.match(deleted, { throttleTimeMs: 1000, responses: [{ errorCode: THROTTLING_QUOTA_EXCEEDED }] });
  clock.advance(1000);
  const grown = await client.request(createPartitions, 1, {
    topics: [{ name: 'c', count: 4, assignments: null }],
    timeoutMs: 1000,
    validateOnly: false,
  });
  t.match(grown, { throttleTimeMs: 3000, results: [{ errorCode: 0 }] }, 'old versions only wait');
});

t.test('connections of an address above its rate are closed', async (t) => {
  const clock = new ManualClock();
  const broker = await startBroker(t, {}, { clock });
  const client = await connectTo(t, broker);
  await set(client, { ip: '127.0.0.1' }, { connection_creation_rate: 1 });
  const open: RawClient[] = [];
  for (let i = 0; i < 20; i++) open.push(await RawClient.connect(broker.port));
  const served = await Promise.allSettled(
    open.map((one) => one.request(metadata, 9, { topics: [] })),
  );
  t.equal(served.filter(({ status }) => status === 'fulfilled').length, 11);
  for (const one of open) one.close();
});

// An administrator's round trip by every client: topics, partitions, configs, records and groups.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { offsetCommit } from '#src/protocol/messages/08-offset-commit.js';
import { RawClient } from '../support/raw-client.js';
import type { Client } from './client.js';
import type { Server } from './servers.js';

/** What is seen after each step, by its name in clients/README.md. */
const EXPECTED: Readonly<Record<string, unknown>> = {
  again: 36,
  partitions: 3,
  retention: '123456789',
  earliest: 2,
  listed: true,
  state: 'Empty',
  left: false,
  deleted: true,
};

export async function roundTrip({
  server,
  client,
}: {
  readonly server: Server;
  readonly client: Client;
}): Promise<void> {
  ok(client.administer !== undefined);
  const name = client.name.replaceAll(' ', '-');
  const [topic, group] = [`${name}-administered`, `${name}-administered`];
  const [host, port] = server.bootstrap.split(':');
  await using raw = await RawClient.connect(Number(port), host);
  // A group that nobody is in.
  const { topics } = await raw.request(offsetCommit, 8, {
    groupId: group,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [
      {
        name: 'offsets',
        partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }],
      },
    ],
  });
  equal(topics[0]?.partitions[0]?.errorCode, 0);
  const seen = await client.administer(server.bootstrap, topic, group);
  const wanted = Object.entries(EXPECTED).filter(([step]) => !client.lacks.includes(step));
  deepEqual(seen, Object.fromEntries(wanted));
}

// Transactions by every client: what is committed is read, what is aborted or a zombie's is not, and offsets go with it.

import { deepEqual, equal, ok } from 'node:assert/strict';
import { offsetFetch } from '#src/protocol/messages/09-offset-fetch.js';
import { RawClient } from '../support/raw-client.js';
import { committedValues, markersOf } from '../support/transactions.js';
import type { Client } from './client.js';
import type { Server } from './servers.js';

const COMMITTED = ['committed 0', 'committed 1', 'committed 2', 'committed 3'];

export async function transactions({
  server,
  client,
}: {
  readonly server: Server;
  readonly client: Client;
}): Promise<void> {
  ok(client.transact !== undefined);
  const name = client.name.replaceAll(' ', '-');
  const [topic, input, group] = [`${name}-tx`, `${name}-tx-input`, `${name}-tx-group`];
  await client.create(server.bootstrap, topic, 1, {});
  await client.create(server.bootstrap, input, 1, {});
  const transactionalId = `${name}-id`;
  const names = { topic, input, group, transactionalId };
  deepEqual(await client.transact(server.bootstrap, names), COMMITTED, 'as the client reads it');
  const [host, port] = server.bootstrap.split(':');
  await using raw = await RawClient.connect(Number(port), host);
  deepEqual(await committedValues(raw, topic), COMMITTED, 'as it is stored');
  const markers = (await markersOf(raw, topic)).map((marker) => marker.split(' ')[0]);
  // Where the id was not taken over there is one transaction less.
  const zombies = markers.length === 5 ? ['abort'] : [];
  deepEqual(markers, ['commit', 'abort', 'commit', ...zombies, 'commit']);
  const { groups } = await raw.request(offsetFetch, 8, {
    requireStable: true,
    groups: [{ groupId: group, topics: [{ name: input, partitionIndexes: [0] }] }],
  });
  equal(groups[0]?.topics[0]?.partitions[0]?.committedOffset, 3, 'the offset of the group');
}

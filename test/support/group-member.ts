/** Members of classic groups, by raw requests. */

import type { RequestInput } from '#src/protocol/infer.js';
import { joinGroup } from '#src/protocol/messages/11-join-group.js';
import { syncGroup } from '#src/protocol/messages/14-sync-group.js';
import { consumerProtocolSubscription } from '#src/protocol/stored/group-records.js';
import { encodeStored } from '#src/protocol/stored/stored-message.js';
import type { RawClient } from './raw-client.js';

type JoinInput = RequestInput<typeof joinGroup>;

export function joinRequest(groupId: string, fields: Partial<JoinInput> = {}): JoinInput {
  return {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscriptionTo('a') }],
    ...fields,
  };
}

export function subscriptionTo(...topics: string[]): Uint8Array {
  return encodeStored(consumerProtocolSubscription, 1, { topics, userData: null });
}

export interface RawMember {
  readonly memberId: string;
  readonly generationId: number;
}

/** Joins an empty group and assigns itself something: the group is stable then. */
export async function startMember(
  client: RawClient,
  groupId: string,
  options: { version?: number; assignment?: string; fields?: Partial<JoinInput> } = {},
): Promise<RawMember> {
  const version = options.version ?? 5;
  const { fields } = options;
  let join = await client.request(joinGroup, version, joinRequest(groupId, fields));
  if (join.errorCode === 79) {
    const { memberId } = join;
    join = await client.request(joinGroup, version, joinRequest(groupId, { ...fields, memberId }));
  }
  if (join.errorCode !== 0) throw new Error(`not joined: ${join.errorCode}`);
  const { memberId, generationId } = join;
  const sync = await client.request(syncGroup, Math.min(version, 5), {
    groupId,
    generationId,
    memberId,
    protocolType: 'consumer',
    protocolName: join.protocolName ?? 'range',
    assignments: [{ memberId, assignment: Buffer.from(options.assignment ?? '') }],
  });
  if (sync.errorCode !== 0) throw new Error(`not synced: ${sync.errorCode}`);
  return { memberId, generationId };
}

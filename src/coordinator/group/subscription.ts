/** What members of a group subscribe to; of a classic one read from the metadata they join with. */

import { ProtocolError } from '../../protocol/protocol-error.js';
import { consumerProtocolSubscription } from '../../protocol/stored/group-records.js';
import { decodeStored, storedVersionOf } from '../../protocol/stored/stored-message.js';
import type { ClassicGroup } from './classic-group.js';
import type { ConsumerGroup } from './consumer-group.js';

/** Every version begins as version 0 does: topics, then bytes that only assignors know. */
const BASE_VERSION = 0;

/** Null: it cannot be told. Then every topic counts as subscribed. */
export function subscribedTopicsOf(
  group: ClassicGroup | ConsumerGroup,
): ReadonlySet<string> | null {
  if (group.type === 'consumer') return group.subscribedTopics();
  if (!group.usesConsumerProtocol) return null;
  const topics = new Set<string>();
  if (group.members.size === 0) return topics;
  if (group.protocolName === null) return null;
  for (const member of group.members.values()) {
    const found = topicsOf(member.metadataFor(group.protocolName));
    if (found === null) return null;
    for (const topic of found) topics.add(topic);
  }
  return topics;
}

function topicsOf(metadata: Uint8Array): readonly string[] | null {
  if (storedVersionOf(metadata) < 0) return null;
  const asBase = Buffer.from(metadata);
  asBase.writeInt16BE(BASE_VERSION, 0);
  try {
    return decodeStored(consumerProtocolSubscription, asBase).topics;
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

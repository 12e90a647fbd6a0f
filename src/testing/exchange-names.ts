/** What one request is about, by the broker's own knowledge: topic ids, partitions of fetch sessions. */

import type { Exchange } from '../broker/interceptor.js';
import { fetch } from '../protocol/messages/01-fetch.js';
import {
  groupsOf,
  type NamedTopic,
  type TopicNames,
  topicsOf,
  transactionalIdsOf,
} from './request-shape.js';

export interface ExchangeNames {
  readonly topics: readonly NamedTopic[];
  readonly groups: readonly string[];
  readonly transactionalIds: readonly string[];
}

export function exchangeNames(exchange: Exchange): ExchangeNames {
  const { message, body } = exchange;
  return {
    topics: [...topicsOf(body, topicNamesOf(exchange)), ...sessionTopics(exchange)],
    groups: groupsOf(message, body),
    transactionalIds: transactionalIdsOf(message, body),
  };
}

export function topicNamesOf({ context }: Exchange): TopicNames {
  return (topicId) => context.broker.controller.image.topicById(topicId)?.name;
}

/** What an incremental fetch asks for without naming it. */
export function sessionTopics(exchange: Exchange): NamedTopic[] {
  const { message, body, context } = exchange;
  if (message.key !== fetch.key || !((body.sessionEpoch as number) > 0)) return [];
  const nameOf = topicNamesOf(exchange);
  const partitions = context.broker.fetchSessions.partitionsOf(body.sessionId as number);
  return partitions.map(({ topic, partition }) => ({
    topic: (context.version >= 13 ? nameOf(topic) : topic) ?? '',
    partitions: [partition],
  }));
}

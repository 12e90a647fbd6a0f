/** DeleteTopics 1-6, by name or, from 6, by id. One answer per topic, also on error. */

import { MillraceError } from '../../base/errors.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { deleteTopics } from '../../protocol/messages/20-delete-topics.js';
import { UUID_ZERO } from '../../protocol/schema.js';
import { type BrokerServices, handler } from '../handler.js';
import { ANONYMOUS, type MutationQuota } from '../quotas/client-quotas.js';

type TopicResponse = ElementOf<ResponseInput<typeof deleteTopics>['responses']>;

const NO_SUCH_TOPIC = 'This server does not host this topic-partition.';

interface Asked {
  readonly name: string | null;
  readonly topicId: string;
}

export const deleteTopicsHandler = handler({
  message: deleteTopics,
  versions: { min: 1, max: 6 },
  notes: '',
  async handle({ broker, version, clientId }, request) {
    const asked = askedTopics(version, request);
    if (!broker.config.values['delete.topic.enable']) {
      const errorCode =
        version < 3 ? errorCodes.INVALID_REQUEST : errorCodes.TOPIC_DELETION_DISABLED;
      return {
        responses: asked.map((one) => failure(one, errorCode, 'Topic deletion is disabled.')),
      };
    }
    const mutations = broker.quotas.mutations({ user: ANONYMOUS, clientId }, version >= 5);
    const responses: TopicResponse[] = [];
    const done = new Set<string>();
    for (const one of asked) {
      const key = `${one.topicId}/${one.name}`;
      if (done.has(key)) continue;
      done.add(key);
      const repeats = asked.filter(
        ({ name, topicId }) => name === one.name && topicId === one.topicId,
      );
      responses.push(
        repeats.length > 1
          ? failure(one, errorCodes.INVALID_REQUEST, 'Duplicate topic name.')
          : await remove(broker, one, mutations),
      );
    }
    return { throttleTimeMs: mutations.throttleMs, responses };
  },
});

function askedTopics(version: number, request: RequestOf<typeof deleteTopics>): readonly Asked[] {
  if (version >= 6) return request.topics;
  return request.topicNames.map((name) => ({ name, topicId: UUID_ZERO }));
}

async function remove(
  broker: BrokerServices,
  asked: Asked,
  mutations: MutationQuota,
): Promise<TopicResponse> {
  const { name, topicId } = asked;
  const byId = topicId !== UUID_ZERO;
  if (byId === (name !== null)) {
    const text =
      name === null
        ? 'Neither topic name nor id were specified.'
        : 'You may not specify both topic name and topic id.';
    return failure(asked, errorCodes.INVALID_REQUEST, text);
  }
  const { controller } = broker;
  const topic = byId ? controller.image.topicById(topicId) : controller.image.topic(name as string);
  if (topic === undefined) {
    return byId
      ? failure(asked, errorCodes.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.')
      : failure(asked, errorCodes.UNKNOWN_TOPIC_OR_PARTITION, NO_SUCH_TOPIC);
  }
  if (!mutations.take(topic.partitionCount)) {
    const text = 'The throttling quota has been exceeded.';
    return failure(asked, errorCodes.THROTTLING_QUOTA_EXCEEDED, text);
  }
  try {
    const deleted = await controller.deleteTopic(topic.name);
    if (deleted) await broker.groups.topicsDeleted(new Set([topic.name]));
    const errorCode = deleted ? errorCodes.NONE : errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
    return { name: topic.name, topicId: topic.id, errorCode };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    broker.logger.error('cannot delete a topic', { topic: topic.name, cause: error.message });
    return failure(asked, errorCodes.KAFKA_STORAGE_ERROR, error.message);
  }
}

function failure(
  { name, topicId }: Asked,
  errorCode: number,
  errorMessage: string | null = null,
): TopicResponse {
  return { name, topicId, errorCode, errorMessage };
}

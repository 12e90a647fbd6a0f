/** OffsetFetch 1-10: what groups have committed. From 8 on for several groups at once. */

import type { FetchedOffset, TopicPartition } from '../../coordinator/group/group-coordinator.js';
import { type ErrorName, errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { offsetFetch } from '../../protocol/messages/09-offset-fetch.js';
import { UUID_ZERO } from '../../protocol/schema.js';
import { type BrokerServices, handler, type RequestContext } from '../handler.js';

type GroupRequest = ElementOf<RequestOf<typeof offsetFetch>['groups']>;
type Response = ResponseInput<typeof offsetFetch>;
type GroupAnswer = ElementOf<Response['groups']>;
type TopicAnswer = ElementOf<GroupAnswer['topics']>;
type PartitionAnswer = ElementOf<TopicAnswer['partitions']>;

export const offsetFetchHandler = handler({
  message: offsetFetch,
  versions: { min: 1, max: 10 },
  notes: '',
  handle(context, request) {
    const { requireStable } = request;
    if (context.version >= 8) {
      return { groups: request.groups.map((group) => answer(context, group, requireStable)) };
    }
    const { groupId, topics } = request;
    const asked = topics?.map((topic) => ({ ...topic, topicId: UUID_ZERO })) ?? null;
    const group = { groupId, memberId: null, memberEpoch: -1, topics: asked };
    const single = answer(context, group, requireStable);
    const errorCode = single.errorCode ?? errorCodes.NONE;
    if (context.version >= 2 || errorCode === errorCodes.NONE) {
      return {
        errorCode,
        topics: single.topics.map((topic) => ({ ...topic, name: topic.name ?? '' })),
      };
    }
    // Version 1 has no field for the error of all.
    return {
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((index) => nothing(index, errorCode)),
      })),
    };
  },
});

function answer(
  { broker, version }: RequestContext,
  group: GroupRequest,
  requireStable: boolean,
): GroupAnswer {
  const byId = version >= 10;
  const { groupId, memberId, memberEpoch, topics } = group;
  const refused = broker.groups.fetchProblem(groupId, memberId, memberEpoch);
  if (refused !== null) return failure(groupId, refused);
  if (topics === null) {
    const fetched = broker.groups.fetchOffsets(groupId, null, requireStable);
    if (typeof fetched === 'string') return failure(groupId, fetched);
    return { groupId, topics: grouped(broker, fetched, byId) };
  }
  const answers: TopicAnswer[] = [];
  for (const { name, topicId, partitionIndexes } of topics) {
    const known = byId ? broker.controller.image.topicById(topicId)?.name : name;
    if (known === undefined) {
      const partitions = partitionIndexes.map((index) =>
        nothing(index, errorCodes.UNKNOWN_TOPIC_ID),
      );
      answers.push({ name, topicId, partitions });
      continue;
    }
    const asked = partitionIndexes.map(
      (partition): TopicPartition => ({ topic: known, partition }),
    );
    const fetched = broker.groups.fetchOffsets(groupId, asked, requireStable);
    if (typeof fetched === 'string') return failure(groupId, fetched);
    answers.push({ name, topicId, partitions: fetched.map(partitionAnswer) });
  }
  return { groupId, topics: answers };
}

/** By topic. A topic that is no more has no id to be answered with. */
function grouped(
  { controller }: BrokerServices,
  fetched: readonly FetchedOffset[],
  byId: boolean,
): TopicAnswer[] {
  const topics = new Map<string, PartitionAnswer[]>();
  for (const one of fetched) {
    const partitions = topics.get(one.topic);
    if (partitions === undefined) topics.set(one.topic, [partitionAnswer(one)]);
    else partitions.push(partitionAnswer(one));
  }
  const answers: TopicAnswer[] = [];
  for (const [name, partitions] of topics) {
    const topicId = controller.image.topic(name)?.id;
    if (byId && topicId === undefined) continue;
    answers.push({ name, topicId: topicId ?? UUID_ZERO, partitions });
  }
  return answers;
}

function partitionAnswer({ partition, error, committed }: FetchedOffset): PartitionAnswer {
  if (committed === undefined) return nothing(partition, errorCodes[error]);
  return {
    partitionIndex: partition,
    committedOffset: committed.offset,
    committedLeaderEpoch: committed.leaderEpoch,
    metadata: committed.metadata,
    errorCode: errorCodes[error],
  };
}

function nothing(partitionIndex: number, errorCode: number): PartitionAnswer {
  return {
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode,
  };
}

function failure(groupId: string, error: ErrorName): GroupAnswer {
  return { groupId, topics: [], errorCode: errorCodes[error] };
}

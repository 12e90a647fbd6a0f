/**
 * Fetch 4-17: topic ids from 13, sessions from 7 (fetch-sessions.ts), delayed until `minBytes` are
 * there or `maxWaitMs` are over (delayed-operations.ts). The reading itself is in fetch-attempt.ts.
 *
 * Followers do not fetch from this broker: a request with a replica id is refused.
 */

import { errorCodes } from '../../protocol/error-codes.js';
import type { RequestOf } from '../../protocol/infer.js';
import { fetch } from '../../protocol/messages/01-fetch.js';
import { type FetchAnswer, FetchAttempt } from '../fetch-attempt.js';
import type { FetchPartition, FetchPlan, FetchSessionRequest } from '../fetch-sessions.js';
import { handler, type RequestContext } from '../handler.js';
import { ANONYMOUS } from '../quotas/client-quotas.js';

type FetchRequest = RequestOf<typeof fetch>;

/** Longest wait, whatever a client asks for: its own timeout has long passed. */
const MAX_WAIT_MS = 300_000;

const NONE_FORGOTTEN: FetchSessionRequest['forgotten'] = [];

export const fetchHandler = handler({
  message: fetch,
  versions: { min: 4, max: 17 },
  notes: 'Consumers only: requests with a replica id are refused. No follower fetching (rackId).',
  handle(context, request) {
    const { version, broker } = context;
    if (replicaIdOf(version, request) >= 0) return refuseReplica(version, request);
    const usesTopicIds = version >= 13;
    const plan = broker.fetchSessions.plan({
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      usesTopicIds,
      partitions: partitionsOf(request, usesTopicIds),
      forgotten: forgottenOf(request, usesTopicIds),
    });
    if ('error' in plan) return { errorCode: errorCodes[plan.error], responses: [] };
    return answer(context, request, plan, usesTopicIds);
  },
});

function answer(
  { broker, connection, clientId }: RequestContext,
  request: FetchRequest,
  plan: FetchPlan,
  usesTopicIds: boolean,
): FetchAnswer | Promise<FetchAnswer> {
  const maxBytes = Math.max(
    0,
    Math.min(
      request.maxBytes,
      broker.config.values['fetch.max.bytes'],
      broker.quotas.fetchBytesMax({ user: ANONYMOUS, clientId }),
    ),
  );
  const attempt = new FetchAttempt({
    broker,
    plan,
    usesTopicIds,
    maxBytes,
    minBytes: Math.min(request.minBytes, maxBytes),
    isolation: request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted',
  });
  const maxWaitMs = Math.min(request.maxWaitMs, MAX_WAIT_MS);
  if (maxWaitMs <= 0) return attempt.readLooked();
  const ready = attempt.readIfReady();
  if (ready !== undefined) return ready;
  return broker.delayedFetches.wait({
    maxWaitMs,
    signal: connection.signal,
    watch: (wake) => attempt.watch(wake),
    tryComplete: () => attempt.readIfReady(),
    expire: () => attempt.read(),
  });
}

function replicaIdOf(version: number, request: FetchRequest): number {
  return version >= 15 ? request.replicaState.replicaId : request.replicaId;
}

function partitionsOf(request: FetchRequest, usesTopicIds: boolean): FetchPartition[] {
  const partitions: FetchPartition[] = [];
  for (const { topic, topicId, partitions: asked } of request.topics) {
    for (const { partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch } of asked) {
      partitions.push({
        topic: usesTopicIds ? topicId : topic,
        partition,
        fetchOffset,
        maxBytes: partitionMaxBytes,
        currentLeaderEpoch,
        toldHighWatermark: -1,
        toldLogStartOffset: -1,
      });
    }
  }
  return partitions;
}

function forgottenOf(
  { forgottenTopicsData }: FetchRequest,
  usesTopicIds: boolean,
): FetchSessionRequest['forgotten'] {
  if (forgottenTopicsData.length === 0) return NONE_FORGOTTEN;
  return forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => ({ topic: usesTopicIds ? topicId : topic, partition })),
  );
}

function refuseReplica(version: number, request: FetchRequest): FetchAnswer {
  const errorCode = errorCodes.TOPIC_AUTHORIZATION_FAILED;
  return {
    errorCode: version >= 7 ? errorCodes.CLUSTER_AUTHORIZATION_FAILED : errorCodes.NONE,
    responses: request.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition }) => ({
        partitionIndex: partition,
        errorCode,
        highWatermark: -1,
        abortedTransactions: null,
        records: [],
      })),
    })),
  };
}

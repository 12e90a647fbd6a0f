/**
 * Produce 3-13: every partition's batch goes to its log; the log validates, assigns offsets and
 * writes at the end of the tick. All appends of a request are made before the first await, because the
 * records may lie in the connection's read buffer; those that have to wait are copied.
 *
 * acks 1 and -1 are the same while there is one replica: min.insync.replicas counts for no more than the
 * replicas of the topic, in Kafka too. acks 0 has no response; if something failed the connection is
 * closed, which is all that the producer can be told.
 *
 * Transactional batches are admitted by the transaction coordinator first (transactional-produce.ts):
 * nothing else of the request is appended before them, so that the batches of a producer stay in order.
 *
 * Versions 0-2 are advertised for old clients (librdkafka before 2.11.1 switches compression off
 * without them) and answered with UNSUPPORTED_VERSION, as Kafka 4 does: 00-produce-unsupported.ts.
 */

import type { AppendResult } from '../../log/results.js';
import { errorCodes } from '../../protocol/error-codes.js';
import type { ElementOf, RequestOf, ResponseInput } from '../../protocol/infer.js';
import { produce } from '../../protocol/messages/00-produce.js';
import { codecIdOf } from '../../record/batch-view.js';
import { HEADER_SIZE } from '../../record/layout.js';
import { DISCONNECT, handler, type RequestContext } from '../handler.js';
import { leaderEpochOf, logOf, topicOf, unknownTopicError } from '../partitions.js';
import {
  admitTransaction,
  isTransactionalBatch,
  type ProduceLeave,
} from '../transactional-produce.js';

type ProduceRequest = RequestOf<typeof produce>;
type TopicRequest = ElementOf<ProduceRequest['topicData']>;
type PartitionRequest = ElementOf<TopicRequest['partitionData']>;
type TopicResponse = ElementOf<ResponseInput<typeof produce>['responses']>;
type PartitionResponse = ElementOf<TopicResponse['partitionResponses']>;

const ZSTD = 4;
/** First version in which a producer may send zstd. */
const ZSTD_VERSION_MIN = 7;

export const produceHandler = handler({
  message: produce,
  versions: { min: 3, max: 13 },
  notes: '',
  handle(context, request) {
    const { acks } = request;
    if (acks !== 0 && acks !== 1 && acks !== -1) {
      return refuseAll(request, errorCodes.INVALID_REQUIRED_ACKS);
    }
    const leave = admitTransaction(context, request);
    if (typeof leave === 'number') return refuseAll(request, leave);
    if (!('then' in leave)) return appendAll(context, request, leave);
    const kept = context.owned ? request : withOwnRecords(request);
    return leave.then((admitted) => appendAll({ ...context, owned: true }, kept, admitted));
  },
});

/** The appends are made before it first waits. */
async function appendAll(
  context: RequestContext,
  request: ProduceRequest,
  leave: ProduceLeave,
): Promise<ResponseInput<typeof produce> | null | typeof DISCONNECT> {
  const topics = request.topicData.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitions: appendTopic(context, topic, leave),
  }));
  const responses: TopicResponse[] = [];
  for (const { name, topicId, partitions } of topics) {
    responses.push({ name, topicId, partitionResponses: await Promise.all(partitions) });
  }
  return answer(request, responses);
}

function refuseAll(request: ProduceRequest, errorCode: number) {
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => failure(index, errorCode)),
  }));
  return answer(request, responses);
}

function answer({ acks }: ProduceRequest, responses: readonly TopicResponse[]) {
  if (acks !== 0) return { responses };
  const failed = responses.some(({ partitionResponses }) =>
    partitionResponses.some(({ errorCode }) => errorCode !== errorCodes.NONE),
  );
  return failed ? DISCONNECT : null;
}

function withOwnRecords(request: ProduceRequest): ProduceRequest {
  const topicData = request.topicData.map((topic) => ({
    ...topic,
    partitionData: topic.partitionData.map(({ index, records }) => ({
      index,
      records: records === null ? null : new Uint8Array(records),
    })),
  }));
  return { ...request, topicData };
}

/** Synchronous: the appends are made when it returns, though not yet written. */
function appendTopic(
  context: RequestContext,
  { name, topicId, partitionData }: TopicRequest,
  leave: ProduceLeave,
): (PartitionResponse | Promise<PartitionResponse>)[] {
  const byId = context.version >= 13;
  const topic = topicOf(context.broker, byId ? topicId : name, byId);
  if (topic === undefined) {
    return partitionData.map(({ index }) => failure(index, unknownTopicError(byId)));
  }
  if (topic.internal) {
    return partitionData.map(({ index }) => failure(index, errorCodes.INVALID_TOPIC_EXCEPTION));
  }
  return partitionData.map((partition) => {
    const log = logOf(context.broker, topic, partition.index);
    if (typeof log === 'number') return failure(partition.index, log);
    const { records } = partition;
    const problem = recordsProblem(context.version, partition);
    if (problem !== null || records === null) {
      return problem ?? failure(partition.index, errorCodes.INVALID_RECORD);
    }
    const isTransactional = isTransactionalBatch(records);
    if (isTransactional) {
      const refused = leave.refusalOf(topic.name, partition.index);
      if (refused !== null) return failure(partition.index, refused.errorCode, refused.message);
    }
    return log
      .append(records, {
        leaderEpoch: leaderEpochOf(log),
        owned: context.owned,
        transactional: isTransactional,
        beginsAtZero: isTransactional && leave.beginsAtZero,
      })
      .then((result) => appended(partition.index, result));
  });
}

/** What depends on the version of the request, and so is not the log's business. */
function recordsProblem(version: number, partition: PartitionRequest): PartitionResponse | null {
  const { index, records } = partition;
  if (records === null || records.length < HEADER_SIZE) {
    return failure(index, errorCodes.INVALID_RECORD, 'there is no record batch');
  }
  if (version < ZSTD_VERSION_MIN && codecIdOf(records, 0) === ZSTD) {
    const text = `zstd needs Produce ${ZSTD_VERSION_MIN} or later`;
    return failure(index, errorCodes.UNSUPPORTED_COMPRESSION_TYPE, text);
  }
  return null;
}

function appended(index: number, result: AppendResult): PartitionResponse {
  if (result.ok) {
    return {
      index,
      errorCode: errorCodes.NONE,
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTimeMs,
      logStartOffset: result.logStartOffset,
    };
  }
  return {
    index,
    errorCode: errorCodes[result.error],
    baseOffset: -1,
    logStartOffset: result.logStartOffset,
    recordErrors: result.recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    })),
    errorMessage: result.message,
  };
}

function failure(index: number, errorCode: number, errorMessage: string | null = null) {
  return { index, errorCode, baseOffset: -1, errorMessage } satisfies PartitionResponse;
}

/**
 * Does to one request what the rules that fired say: each action goes around the next one, the handler
 * is innermost.
 *
 *     actions [delay 50 ms, close after]:   wait > (handle > close)
 */

import type { Chunk } from '../base/chunk.js';
import type { Clock } from '../base/clock.js';
import { releaseAnswer } from '../broker/dispatcher.js';
import type { HandlerAnswer } from '../broker/handler.js';
import type { Exchange, Handle } from '../broker/interceptor.js';
import type { CloseSignal } from '../net/close-signal.js';
import { errorMessage, errorName } from '../protocol/error-codes.js';
import { produce } from '../protocol/messages/00-produce.js';
import { fetch } from '../protocol/messages/01-fetch.js';
import type { Api } from '../protocol/schema.js';
import { type AnswerError, errorAnswer, hasElementErrors, mergeAnswers } from './error-answer.js';
import { codeOf } from './error-name.js';
import { topicNamesOf } from './exchange-names.js';
import type { FaultAction, FaultRule } from './fault-rule.js';
import {
  type Body,
  type InScope,
  inScope,
  isBody,
  partitionOf,
  splitRequest,
  topicOf,
} from './request-shape.js';

export interface FiredFault {
  readonly rule: FaultRule;
  readonly action: FaultAction;
}

export interface FaultHost {
  readonly clock: Clock;
  readonly restart: () => Promise<void>;
  readonly kill: () => void;
}

type Answer = HandlerAnswer<Api>;

export async function applyFaults(
  exchange: Exchange,
  handle: Handle,
  faults: readonly FiredFault[],
  host: FaultHost,
): Promise<Answer> {
  // Nothing of the frame is left after a wait, and a handler may write into the records.
  const body = copyBytes(exchange.body) as Body;
  const kept: Exchange = { ...exchange, body };
  const around = async (index: number, inner: Body): Promise<Answer> => {
    const fault = faults[index];
    if (fault === undefined) return handle(inner, true);
    const next = (changed: Body = inner) => around(index + 1, changed);
    return applyFault({ ...kept, body: inner }, next, fault, host);
  };
  return around(0, body);
}

export type Next = (body?: Body) => Promise<Answer>;

async function applyFault(
  exchange: Exchange,
  next: Next,
  { rule, action }: FiredFault,
  host: FaultHost,
): Promise<Answer> {
  const { connection } = exchange.context;
  if (typeof action === 'object') {
    if ('error' in action) return answerError(exchange, next, rule, errorOf(action));
    if ('delayMs' in action) return delay(exchange, next, action, host.clock);
    if ('throttleMs' in action) {
      const answer = await next();
      if (!isBody(answer)) return answer;
      connection.throttle(action.throttleMs);
      return { ...answer, throttleTimeMs: action.throttleMs } as Answer;
    }
    return next();
  }
  switch (action) {
    case 'drop-response':
      releaseAnswer(await next());
      return null;
    case 'close-before':
      connection.destroy();
      return null;
    case 'close-after':
      releaseAnswer(await next());
      connection.destroy();
      return null;
    case 'duplicate': {
      // The handler may write into the records of the first.
      releaseAnswer(await next(copyBytes(exchange.body) as Body));
      return next();
    }
    case 'corrupt':
      return corrupt(exchange, next, rule);
    case 'restart':
      // Closing waits for requests in flight, so this one is not to wait for it.
      void host.restart().catch(() => {});
      connection.destroy();
      return null;
    case 'kill':
      host.kill();
      return null;
    default:
      return next();
  }
}

function errorOf(action: { readonly error: string | number; readonly message?: string }) {
  const code = codeOf(action.error) ?? -1;
  const name = errorName(code);
  return {
    code,
    message: action.message ?? (name === undefined ? 'planned' : errorMessage(name)),
  };
}

async function delay(
  { context }: Exchange,
  next: Next,
  { delayMs, when }: { readonly delayMs: number; readonly when?: 'before' | 'after' },
  clock: Clock,
): Promise<Answer> {
  const { signal } = context.connection;
  if (when === 'after') {
    const answer = await next();
    await passed(clock, delayMs, signal);
    return answer;
  }
  await passed(clock, delayMs, signal);
  return next();
}

/** Settles after so long, or when the connection of `signal` begins to close. */
export function passed(clock: Clock, delayMs: number, signal?: CloseSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      timer.cancel();
      closing?.end();
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    const closing = signal?.subscribe(done);
  });
}

async function answerError(
  exchange: Exchange,
  next: Next,
  rule: FaultRule,
  error: AnswerError,
): Promise<Answer> {
  const { message, body, context } = exchange;
  if (message.key === produce.key && body.acks === 0) {
    // There is no answer to put it in: Kafka closes the connection.
    context.connection.destroy();
    return null;
  }
  const { topic, partition } = rule;
  if (topic !== undefined)
    return answerPartly(exchange, next, inScope({ topic, partition }), error);
  const whole = FETCH_ERRORS.has(errorName(error.code) ?? '') && context.version >= 7;
  if (message.key !== fetch.key)
    return errorAnswer(message, context.version, body, error) as Answer;
  if (!whole) return answerPartly(exchange, next, () => true, error);
  return { errorCode: error.code, sessionId: 0, responses: [] } as unknown as Answer;
}

/**
 * Answers the error for the partitions in the scope, and has the handler do the rest. Of an API whose
 * answers have no errors of topics the whole request fails.
 */
export async function answerPartly(
  exchange: Exchange,
  next: Next,
  scope: InScope,
  error: AnswerError,
): Promise<Answer> {
  const { message, body, context } = exchange;
  const { version } = context;
  if (message.key === fetch.key) return fetchError(exchange, next, scope, error);
  if (!hasElementErrors(message, version))
    return errorAnswer(message, version, body, error) as Answer;
  const { matched, rest } = splitRequest(body, scope, topicNamesOf(exchange));
  if (matched === null) return next();
  const errors = errorAnswer(message, version, matched, error, { topLevel: false });
  if (rest === null) return errors as Answer;
  const answer = await next(rest);
  return isBody(answer) ? (mergeAnswers(answer, errors) as Answer) : answer;
}

/** Errors of a fetch as a whole; the others are told for partitions. */
const FETCH_ERRORS: ReadonlySet<string> = new Set([
  ...['FETCH_SESSION_ID_NOT_FOUND', 'INVALID_FETCH_SESSION_EPOCH', 'FETCH_SESSION_TOPIC_ID_ERROR'],
  ...['INCONSISTENT_CLUSTER_ID', 'CLUSTER_AUTHORIZATION_FAILED', 'UNSUPPORTED_VERSION'],
  ...['INVALID_REQUEST', 'UNKNOWN_SERVER_ERROR'],
]);

/**
 * A fetch is read even so, at once, so that its session goes on; then the partitions in question are
 * taken out of the answer. They may be those of the session, which the request does not name.
 */
async function fetchError(
  exchange: Exchange,
  next: Next,
  scope: InScope,
  error: AnswerError,
): Promise<Answer> {
  const { message, body, context } = exchange;
  const { version } = context;
  const nameOf = topicNamesOf(exchange);
  const answer = await next({ ...body, maxWaitMs: 0 });
  if (!isBody(answer) || (answer.errorCode ?? 0) !== 0) return answer;

  const asked = new Map<string, Map<number, Body>>();
  const ask = (key: string, partition: number): void => {
    const name = version >= 13 ? nameOf(key) : key;
    if (!scope(name ?? null, partition)) return;
    const known = asked.get(key) ?? new Map<number, Body>();
    asked.set(key, known.set(partition, { partition }));
  };
  const key = version >= 13 ? 'topicId' : 'topic';
  for (const topic of body.topics as readonly Body[]) {
    for (const one of topic.partitions as readonly Body[])
      ask(topic[key] as string, partitionOf(one));
  }
  if ((body.sessionEpoch as number) > 0) {
    const { fetchSessions } = context.broker;
    for (const one of fetchSessions.partitionsOf(body.sessionId as number)) {
      ask(one.topic, one.partition);
    }
  }

  const kept: Body[] = [];
  for (const topic of answer.responses as readonly Body[]) {
    const name = topicOf(topic, nameOf);
    const partitions = (topic.partitions as readonly Body[]).filter((one) => {
      if (!scope(name, partitionOf(one))) return true;
      releaseAnswer(one);
      return false;
    });
    if (partitions.length > 0) kept.push({ ...topic, partitions });
  }
  const topics = [...asked].map(([id, partitions]) => ({
    [key]: id,
    partitions: [...partitions.values()],
  }));
  const errors = errorAnswer(message, version, { topics }, error, { topLevel: false });
  return mergeAnswers({ ...answer, responses: kept }, errors) as Answer;
}

/** Flips a bit in what the partitions in question carry: of the request, or of a fetch's answer. */
async function corrupt(exchange: Exchange, next: Next, rule: FaultRule): Promise<Answer> {
  const nameOf = topicNamesOf(exchange);
  const { topic: only, partition: onlyPartition } = rule;
  const scope: InScope =
    only === undefined ? () => true : inScope({ topic: only, partition: onlyPartition });
  const flipped = (topics: unknown, inner: string): unknown =>
    (topics as readonly Body[]).map((topic) => ({
      ...topic,
      [inner]: (topic[inner] as readonly Body[]).map((partition) =>
        scope(topicOf(topic, nameOf), partitionOf(partition))
          ? { ...partition, records: flipBit(partition.records as Records) }
          : partition,
      ),
    }));
  if (exchange.message.key === produce.key) {
    const { body } = exchange;
    return next({ ...body, topicData: flipped(body.topicData, 'partitionData') });
  }
  const answer = await next();
  if (!isBody(answer) || answer.responses === undefined) return answer;
  return { ...answer, responses: flipped(answer.responses, 'partitions') } as unknown as Answer;
}

type Records = Chunk | readonly Chunk[] | null | undefined;

/** A copy with the lowest bit of the last byte flipped; file slices are read and released. */
function flipBit(records: Records): Uint8Array | null {
  if (records === null || records === undefined) return null;
  const bytes = bytesOf(records);
  const last = bytes.length - 1;
  if (last >= 0) bytes[last] = (bytes[last] as number) ^ 1;
  return bytes;
}

function bytesOf(records: Chunk | readonly Chunk[]): Uint8Array {
  const chunks = Array.isArray(records) ? (records as readonly Chunk[]) : [records as Chunk];
  const parts = chunks.map((chunk) => {
    if (chunk instanceof Uint8Array) return chunk;
    try {
      const part = new Uint8Array(chunk.length);
      return part.subarray(0, chunk.copyTo(part, 0, 0, chunk.length));
    } finally {
      chunk.release();
    }
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** A deep copy, bytes included. */
export function copyBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copyBytes);
  if (!isBody(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyBytes(inner)]));
}

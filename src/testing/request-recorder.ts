/**
 * RequestRecorder: keeps every request and response decoded, in the broker's thread. Memory is bounded:
 * the oldest are let go and counted.
 *
 * Invariant: `#kept` is in the order of `sequence`; `#weight` is the sum of their weights.
 */

import { type Clock, systemClock } from '../base/clock.js';
import { MillraceError } from '../base/errors.js';
import type { HandlerAnswer } from '../broker/handler.js';
import type { Exchange } from '../broker/interceptor.js';
import { nearestName } from '../broker/nearest-name.js';
import { errorCodes, errorName } from '../protocol/error-codes.js';
import type { Api } from '../protocol/schema.js';
import { exchangeNames, sessionTopics } from './exchange-names.js';
import { apiKeyOf } from './fault-rule.js';
import { plainBody } from './plain-body.js';
import {
  matchesRequest,
  type RecordedRequest,
  type RecordedSession,
  type RequestMatch,
} from './recorded.js';
import { isBody } from './request-shape.js';

export interface RecorderSettings {
  /** Requests that are kept at a time. Default 10,000. */
  readonly limit?: number;
  /** Keeps records and bytes too, in base64, not only their sizes. Default false. */
  readonly records?: boolean;
}

const LIMIT = 10_000;
/** Values of all bodies together, about 64 bytes each. */
const WEIGHT_MAX = 1_000_000;

interface Kept {
  recorded: RecordedRequest;
  weight: number;
  /** Let go before its answer came. */
  isGone: boolean;
}

interface Waiting {
  readonly match: RequestMatch;
  readonly check: () => void;
}

export class RequestRecorder {
  readonly #clock: Clock;
  #startMs: number;
  #limit = LIMIT;
  #whole = false;
  #kept: Kept[] = [];
  #weight = 0;
  #droppedCount = 0;
  #lastSequence = 0;
  #connections = new Map<number, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
  }

  /** The function that it answers is called once, with what the handler and the faults made of it. */
  begin(exchange: Exchange, node: number): (answer: Answer | Error, faults: string[]) => void {
    const { context, message, correlationId } = exchange;
    const { connection, version, clientId } = context;
    const { body, weight } = plainBody(message.request.fields, exchange.body, {
      version,
      whole: this.#whole,
    });
    const { topics, groups, transactionalIds } = exchangeNames(exchange);
    const kept: Kept = {
      weight,
      isGone: false,
      recorded: {
        sequence: ++this.#lastSequence,
        connection: this.#connectionOf(connection.id),
        node,
        api: message.name,
        apiKey: message.key,
        version,
        correlationId,
        clientId,
        startMs: this.#sinceMs(),
        durationMs: null,
        outcome: 'pending',
        request: body,
        response: null,
        errors: [],
        topics: [...topics, ...sessionTopics(exchange)],
        groups,
        transactionalIds,
        faults: [],
      },
    };
    this.#kept.push(kept);
    this.#weight += weight;
    this.#trim();
    for (const waiting of [...this.#waiting]) waiting.check();
    return (answer, faults) => this.#end(kept, exchange, answer, faults);
  }

  #end(kept: Kept, exchange: Exchange, answer: Answer | Error, faults: string[]): void {
    const { message, context } = exchange;
    const answered = isBody(answer) && !(answer instanceof Error);
    const plain = answered
      ? plainBody(message.response.fields, answer as never, {
          version: context.version,
          whole: this.#whole,
        })
      : null;
    const gone = context.connection.signal.aborted && !answered;
    kept.recorded = {
      ...kept.recorded,
      durationMs: this.#sinceMs() - kept.recorded.startMs,
      outcome: answered ? 'answered' : answer === null && !gone ? 'no-response' : 'closed',
      response: plain?.body ?? null,
      errors: plain === null ? [] : errorsIn(plain.body),
      faults,
    };
    if (plain !== null && !kept.isGone) {
      kept.weight += plain.weight;
      this.#weight += plain.weight;
      this.#trim();
    }
    for (const waiting of [...this.#waiting]) waiting.check();
  }

  read(match: RequestMatch = {}): RecordedSession {
    checkMatch(match);
    const requests = this.#kept.map(({ recorded }) => recorded);
    return {
      requests: requests.filter((request) => matchesRequest(match, request)),
      droppedCount: this.#droppedCount,
    };
  }

  /** Forgets what was recorded; time and connections are counted anew. */
  clear(): void {
    for (const kept of this.#kept) kept.isGone = true;
    this.#kept = [];
    this.#weight = 0;
    this.#droppedCount = 0;
    this.#startMs = this.#clock.monotonicMs();
    this.#connections = new Map();
  }

  configure({ limit = this.#limit, records = this.#whole }: RecorderSettings): void {
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new MillraceError(`limit is ${limit}, not a whole number`, { code: 'INVALID_MATCH' });
    }
    this.#limit = limit;
    this.#whole = records;
    this.#trim();
  }

  /** Resolves with true when so many match, with false when `timeoutMs` of real time are over. */
  async waitFor(match: RequestMatch, count: number, timeoutMs: number): Promise<boolean> {
    checkMatch(match);
    const enough = (): boolean => this.read(match).requests.length >= count;
    if (enough()) return true;
    return new Promise((resolve) => {
      const end = (found: boolean): void => {
        timer.cancel();
        this.#waiting.delete(waiting);
        resolve(found);
      };
      const waiting: Waiting = { match, check: () => enough() && end(true) };
      const timer = systemClock.setTimer(timeoutMs, () => end(false));
      this.#waiting.add(waiting);
    });
  }

  #sinceMs(): number {
    return this.#clock.monotonicMs() - this.#startMs;
  }

  #connectionOf(id: number): number {
    const known = this.#connections.get(id) ?? this.#connections.size + 1;
    this.#connections.set(id, known);
    return known;
  }

  #trim(): void {
    let count = 0;
    const surplus = (): boolean =>
      this.#kept.length - count > this.#limit ||
      (this.#weight > WEIGHT_MAX && count < this.#kept.length);
    while (surplus()) this.#weight -= (this.#kept[count++] as Kept).weight;
    if (count === 0) return;
    for (const kept of this.#kept.splice(0, count)) kept.isGone = true;
    this.#droppedCount += count;
  }
}

type Answer = HandlerAnswer<Api>;

/** Throws INVALID_MATCH with a suggestion for a name that is not known. */
export function checkMatch({ api, error, topic, partition }: RequestMatch): void {
  if (api !== undefined) apiKeyOf(api);
  if (partition !== undefined && topic === undefined) {
    throw new MillraceError('a match with a partition needs a topic too', {
      code: 'INVALID_MATCH',
    });
  }
  if (error === undefined || Object.hasOwn(errorCodes, error)) return;
  const nearest = nearestName(error, Object.keys(errorCodes));
  const hint = nearest === null ? '' : `; did you mean ${nearest}?`;
  throw new MillraceError(`no such error: ${error}${hint}`, { code: 'INVALID_MATCH' });
}

function errorsIn(value: unknown): string[] {
  const found = new Set<string>();
  const visit = (inner: unknown): void => {
    if (Array.isArray(inner)) for (const one of inner) visit(one);
    else if (isBody(inner)) {
      for (const [name, one] of Object.entries(inner)) {
        if (typeof one !== 'number') visit(one);
        else if (one !== 0 && /^(partitionErrorCode|errorCode|topicConfigErrorCode)$/.test(name)) {
          found.add(errorName(one) ?? String(one));
        }
      }
    }
  };
  visit(value);
  return [...found];
}

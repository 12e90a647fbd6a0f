/** `broker.requests`: the test's side of the recorder, with assertions that show what was sent. */

import { AssertionError } from 'node:assert';
import { durationMs } from './duration.js';
import {
  comparableSession,
  describeMatch,
  explainSession,
  matchesRequest,
  type RecordedRequest,
  type RecordedSession,
  type RequestMatch,
} from './recorded.js';
import type { Remote } from './remote.js';
import type { Duration } from './types.js';

/** What the recorder beside the dispatcher takes (request-recorder.ts). */
export interface RecorderPart {
  read(match?: RequestMatch): RecordedSession;
  clear(): void;
  configure(settings: { readonly limit?: number; readonly records?: boolean }): void;
  waitFor(match: RequestMatch, count: number, timeoutMs: number): Promise<boolean>;
}

/** Requests that a failed assertion shows. */
const SHOWN_MAX = 60;
const WAIT_MS = 10_000;

/** A session that was taken from the broker; it does not change any more. */
export class Session implements RecordedSession {
  readonly requests: readonly RecordedRequest[];
  readonly droppedCount: number;

  constructor({ requests, droppedCount }: RecordedSession) {
    this.requests = requests;
    this.droppedCount = droppedCount;
  }

  /** A sequence table, a line for each request. */
  explain(): string {
    return explainSession(this);
  }

  /** Without the port: what two runs with one seed and a virtual clock have in common. */
  comparable(): Session {
    return new Session(comparableSession(this));
  }

  toJSON(): RecordedSession {
    return { requests: this.requests, droppedCount: this.droppedCount };
  }
}

/** Each method rejects with an AssertionError that shows the session. */
export interface RequestExpectation {
  /** Exactly so many were sent. */
  times(count: number): Promise<readonly RecordedRequest[]>;
  atLeast(count: number): Promise<readonly RecordedRequest[]>;
  toHaveBeenSent(): Promise<readonly RecordedRequest[]>;
  never(): Promise<void>;
  /** One was sent, later one of the next, and so on; others may be between them. */
  inOrder(...next: readonly RequestMatch[]): Promise<readonly RecordedRequest[]>;
}

export class Requests {
  readonly #recorder: Remote<RecorderPart>;

  constructor(recorder: Remote<RecorderPart>) {
    this.#recorder = recorder;
  }

  /** What was recorded so far, of all or of those that match. */
  async session(match: RequestMatch = {}): Promise<Session> {
    return new Session(await this.#recorder.read(match));
  }

  async all(match: RequestMatch = {}): Promise<readonly RecordedRequest[]> {
    return (await this.#recorder.read(match)).requests;
  }

  /** The session as a sequence table. */
  async explain(match: RequestMatch = {}): Promise<string> {
    return (await this.session(match)).explain();
  }

  /** Forgets what was recorded. */
  async clear(): Promise<void> {
    await this.#recorder.clear();
  }

  /** How much is kept: `limit` requests (default 10,000), with `records` their bytes too. */
  async configure(settings: {
    readonly limit?: number;
    readonly records?: boolean;
  }): Promise<void> {
    await this.#recorder.configure(settings);
  }

  /** Resolves when `count` (default 1) that match have come, those already recorded included. */
  async waitFor(
    match: RequestMatch,
    options: { readonly count?: number; readonly timeout?: Duration } = {},
  ): Promise<readonly RecordedRequest[]> {
    const { count = 1, timeout = WAIT_MS } = options;
    const found = await this.#recorder.waitFor(match, count, durationMs(timeout));
    const session = await this.session();
    if (!found) {
      fail(`waited for ${count} requests ${describeMatch(match)}`, match, session, count);
    }
    return session.requests.filter((request) => matchesRequest(match, request));
  }

  expect(match: RequestMatch): RequestExpectation {
    const sent = async (
      right: (count: number) => boolean,
      wanted: string,
      expected: unknown,
    ): Promise<readonly RecordedRequest[]> => {
      // By the part: it knows the names of all APIs and errors.
      const { requests } = await this.#recorder.read(match);
      if (right(requests.length)) return requests;
      return fail(
        `expected ${wanted} ${describeMatch(match)}`,
        match,
        await this.session(),
        expected,
      );
    };
    return {
      times: (count) => sent((n) => n === count, `${count} requests`, count),
      atLeast: (count) => sent((n) => n >= count, `at least ${count} requests`, count),
      toHaveBeenSent: () => sent((n) => n > 0, 'a request', 1),
      never: async () => {
        await sent((n) => n === 0, 'no request', 0);
      },
      inOrder: (...next) => this.#inOrder([match, ...next]),
    };
  }

  async #inOrder(matches: readonly RequestMatch[]): Promise<readonly RecordedRequest[]> {
    for (const match of matches) await this.#recorder.read(match);
    const session = await this.session();
    const found: RecordedRequest[] = [];
    for (const request of session.requests) {
      const match = matches[found.length];
      if (match === undefined) break;
      if (matchesRequest(match, request)) found.push(request);
    }
    const missing = matches[found.length];
    if (missing === undefined) return found;
    const order = matches.map(describeMatch).join(', then ');
    return fail(
      `expected in this order: ${order}; number ${found.length + 1} did not come`,
      missing,
      session,
      matches,
    );
  }
}

function fail(message: string, match: RequestMatch, session: Session, expected: unknown): never {
  const marked = (request: RecordedRequest): boolean => matchesRequest(match, request);
  const count = session.requests.filter(marked).length;
  const shown = session.requests.slice(-SHOWN_MAX);
  const left = session.requests.length - shown.length;
  const table = explainSession(
    { requests: shown, droppedCount: session.droppedCount + left },
    marked,
  );
  throw new AssertionError({
    message: `${message}, saw ${count}\n${table}`,
    actual: count,
    expected,
    operator: 'requests',
  });
}

/**
 * Incremental fetch sessions (KIP-227): a client names its partitions once, later sends only what
 * changed, and is answered only about partitions that have news.
 *
 *     request (session id, epoch)     meaning
 *     (0, -1)                         no session: every partition is named and answered
 *     (0, 0)                          the same, and please open a session
 *     (N, 0)                          drop session N, then as (0, 0)
 *     (N, -1)                         drop session N, then as (0, -1)
 *     (N, e > 0)                      incremental; e must be the epoch the session expects next
 *
 * Sessions live in a cache of bounded slots. A client that is not given one (id 0 in the answer) goes
 * on with full fetches. This file knows no logs: the Fetch handler reads, the session remembers.
 */

import type { Clock } from '../base/clock.js';
import type { Random } from '../base/random.js';

export const FINAL_EPOCH = -1;
export const INITIAL_EPOCH = 0;
const EPOCH_MAX = 2 ** 31 - 1;

/** A session that was not used, or not older than this, may be evicted for a new or a bigger one. */
export const SESSION_EVICTION_MS = 120_000;

/** A client with more partitions than this in one session goes on with full fetches. */
export const SESSION_PARTITIONS_MAX = 100_000;

/** One partition as the client last described it, and what it was last told. */
export interface FetchPartition {
  /** Topic id (requests from version 13) or name: whichever the session's requests use. */
  readonly topic: string;
  readonly partition: number;
  fetchOffset: number;
  maxBytes: number;
  currentLeaderEpoch: number;
  /** What the client heard last; -1 before the first answer and after an error. */
  toldHighWatermark: number;
  toldLogStartOffset: number;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly usesTopicIds: boolean;
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly { readonly topic: string; readonly partition: number }[];
}

export type FetchSessionError =
  | 'FETCH_SESSION_ID_NOT_FOUND'
  | 'INVALID_FETCH_SESSION_EPOCH'
  | 'FETCH_SESSION_TOPIC_ID_ERROR';

/** What one request is to fetch, and how it is to be answered. */
export interface FetchPlan {
  /** 0: no session. */
  readonly sessionId: number;
  /** Whether partitions without news are left out of the answer. */
  readonly incremental: boolean;
  /** In the order in which they are to be read. */
  readonly partitions: readonly FetchPartition[];
  /** Null without a session. */
  readonly session: FetchSession | null;
}

export class FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  lastUsedMs: number;
  /** The epoch that the next incremental request must carry. */
  epoch = 1;
  readonly #partitions = new Map<string, FetchPartition>();

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id;
    this.usesTopicIds = usesTopicIds;
    this.createdMs = nowMs;
    this.lastUsedMs = nowMs;
  }

  get size(): number {
    return this.#partitions.size;
  }

  /** In the order in which they are to be read: those answered longest ago first. */
  partitions(): FetchPartition[] {
    return [...this.#partitions.values()];
  }

  /** Adds partitions, or takes over new offsets and limits of known ones. */
  update(partitions: readonly FetchPartition[]): void {
    for (const partition of partitions) {
      const key = keyOf(partition);
      const known = this.#partitions.get(key);
      if (known === undefined) {
        this.#partitions.set(key, partition);
      } else {
        known.fetchOffset = partition.fetchOffset;
        known.maxBytes = partition.maxBytes;
        known.currentLeaderEpoch = partition.currentLeaderEpoch;
      }
    }
  }

  forget(partitions: FetchSessionRequest['forgotten']): void {
    for (const partition of partitions) this.#partitions.delete(keyOf(partition));
  }

  /**
   * Whether an incremental answer must name `partition`; remembers what it is told. One that gets
   * records goes to the end of the order, so that busy partitions do not starve the others.
   */
  tell(
    partition: FetchPartition,
    news: {
      readonly failed: boolean;
      readonly recordsSize: number;
      readonly highWatermark: number;
      readonly logStartOffset: number;
    },
  ): boolean {
    const changed =
      news.failed ||
      news.recordsSize > 0 ||
      news.highWatermark !== partition.toldHighWatermark ||
      news.logStartOffset !== partition.toldLogStartOffset;
    // After an error the next success is news even if nothing moved.
    partition.toldHighWatermark = news.failed ? -1 : news.highWatermark;
    partition.toldLogStartOffset = news.logStartOffset;
    if (news.recordsSize > 0) {
      const key = keyOf(partition);
      if (this.#partitions.delete(key)) this.#partitions.set(key, partition);
    }
    return changed;
  }
}

export class FetchSessionCache {
  readonly #slotsMax: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** In order of last use, the least recent first. */
  readonly #sessions = new Map<number, FetchSession>();

  constructor(options: { slotsMax: number; clock: Clock; random: Random }) {
    this.#slotsMax = options.slotsMax;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** What a session fetches; empty if there is none of that id. */
  partitionsOf(sessionId: number): readonly FetchPartition[] {
    return this.#sessions.get(sessionId)?.partitions() ?? [];
  }

  /** Decides what `request` fetches and how it is answered; opens, moves on or drops its session. */
  plan(request: FetchSessionRequest): FetchPlan | { readonly error: FetchSessionError } {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (sessionId !== 0) this.#sessions.delete(sessionId);
      const { partitions } = request;
      const session = sessionEpoch === FINAL_EPOCH ? null : this.#open(request);
      return { sessionId: session?.id ?? 0, incremental: false, partitions, session };
    }
    return this.#continue(request);
  }

  #continue(request: FetchSessionRequest): FetchPlan | { readonly error: FetchSessionError } {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) return { error: 'FETCH_SESSION_ID_NOT_FOUND' };
    if (session.usesTopicIds !== request.usesTopicIds) {
      return { error: 'FETCH_SESSION_TOPIC_ID_ERROR' };
    }
    if (session.epoch !== request.sessionEpoch) return { error: 'INVALID_FETCH_SESSION_EPOCH' };
    session.update(request.partitions);
    session.forget(request.forgotten);
    if (session.size > SESSION_PARTITIONS_MAX) {
      this.#sessions.delete(session.id);
      return { error: 'FETCH_SESSION_ID_NOT_FOUND' };
    }
    if (session.size === 0) {
      this.#sessions.delete(session.id);
      return { sessionId: 0, incremental: false, partitions: [], session: null };
    }
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1;
    session.lastUsedMs = this.#clock.monotonicMs();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    return {
      sessionId: session.id,
      incremental: true,
      partitions: session.partitions(),
      session,
    };
  }

  #open(request: FetchSessionRequest): FetchSession | null {
    const nowMs = this.#clock.monotonicMs();
    const size = new Set(request.partitions.map(keyOf)).size;
    if (size === 0 || size > SESSION_PARTITIONS_MAX) return null;
    if (!this.#makeRoom(size, nowMs)) return null;
    const session = new FetchSession(this.#newId(), request.usesTopicIds, nowMs);
    session.update(request.partitions);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** A free slot, or one of a session that was left alone, or of an older one that is smaller. */
  #makeRoom(size: number, nowMs: number): boolean {
    if (this.#sessions.size < this.#slotsMax) return true;
    let smallest: FetchSession | null = null;
    for (const session of this.#sessions.values()) {
      // The first in this order is the one left alone for longest.
      if (nowMs - session.lastUsedMs > SESSION_EVICTION_MS) {
        return this.#sessions.delete(session.id);
      }
      const old = nowMs - session.createdMs > SESSION_EVICTION_MS;
      if (old && (smallest === null || session.size < smallest.size)) smallest = session;
    }
    if (smallest === null || smallest.size >= size) return false;
    return this.#sessions.delete(smallest.id);
  }

  #newId(): number {
    for (;;) {
      const id = 1 + this.#random.below(EPOCH_MAX);
      if (!this.#sessions.has(id)) return id;
    }
  }
}

function keyOf(partition: { readonly topic: string; readonly partition: number }): string {
  return `${partition.topic}/${partition.partition}`;
}

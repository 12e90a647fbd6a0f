/**
 * The coordinator of transactional ids: takes requests to the pure decisions (decisions.ts), writes what
 * they decide to `__transaction_state`, answers once that is acknowledged, and ends transactions on
 * their partitions.
 *
 *     EndTxn > decide > Prepare written > answered > markers on every partition > Complete written
 *                              |                              |
 *           crash before: ongoing, times out     crash after: the markers are written again at the start
 *
 * One change of an id at a time: from the decision until its record is acknowledged, and from Prepare
 * to Complete, the id is busy. Then requests that start a transaction wait a little for it, since
 * that is what follows every commit; the others are told CONCURRENT_TRANSACTIONS.
 *
 * A state that is not in the log is never answered from. What is written and not acknowledged (a crash,
 * an I/O error) counts at the next start if it got there, as an answer that a client did not hear.
 */

import { type Clock, setCheckTimer, type Timer } from '../../base/clock.js';
import { MillraceError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ReplayedRecord, StateReplay, StateTopic } from '../state-topic.js';
import {
  type AddRequest,
  completed,
  type Decision,
  decideAdd,
  decideEnd,
  decideInit,
  type EndRequest,
  fenced,
  type InitRequest,
  type TransactionError,
  verifyPartition,
} from './decisions.js';
import { type MarkerWriter, writeMarkers } from './marker-writer.js';
import type { TopicPartition } from './partition-set.js';
import {
  bumpsEpoch,
  canExpire,
  isPrepared,
  type TransactionMetadata,
  type TransactionStateName,
} from './transaction-metadata.js';
import {
  decodeTransactionKey,
  decodeTransactionValue,
  encodeTransactionKey,
  encodeTransactionValue,
} from './transaction-record.js';

export type { AddRequest, EndRequest, InitRequest, TransactionError } from './decisions.js';

export interface TransactionSettings {
  /** transaction.max.timeout.ms */
  readonly timeoutMsMax: number;
  /** transaction.abort.timed.out.transaction.cleanup.interval.ms */
  readonly abortCheckIntervalMs: number;
  /** transactional.id.expiration.ms */
  readonly idExpirationMs: number;
  /** transaction.remove.expired.transaction.cleanup.interval.ms */
  readonly idExpirationCheckIntervalMs: number;
  /** add.partitions.to.txn.retry.backoff.max.ms: how long a start waits for the end before it. */
  readonly startWaitMsMax: number;
}

export interface TransactionCoordinatorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: TransactionSettings;
  /** Makes `__transaction_state`, not yet open. */
  readonly stateTopic: (replay: StateReplay) => StateTopic;
  /** An id that nobody has or had. Rejects with a MillraceError if there is none now. */
  readonly takeProducerId: () => Promise<number>;
  /** Ends a transaction on one partition, and on what is kept of it besides the log. */
  readonly writeMarker: MarkerWriter;
  /** Leader epoch of a partition of `__transaction_state`. */
  readonly coordinatorEpoch: (partition: number) => number;
}

export interface ProducerAnswer {
  readonly error: TransactionError | 'NONE';
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** What a partition answers a request that was admitted, or not. */
export type Admission = (topic: string, partition: number) => TransactionError | 'NONE';

export interface TransactionFilter {
  readonly producerIds: ReadonlySet<number>;
  readonly states: ReadonlySet<string>;
  /** Only those that began longer ago; negative: all. */
  readonly durationMs: number;
  readonly matches: (transactionalId: string) => boolean;
}

/** Most transactional ids at a time; those not used for a week make room. */
const TRANSACTIONAL_IDS_MAX = 2 ** 20;

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;

class Entry {
  readonly transactionalId: string;
  /** Null until its first record is acknowledged. */
  metadata: TransactionMetadata | null;
  /** A change is under way. */
  busy = false;
  /** Called when it is not busy any more. */
  waiting: (() => void)[] = [];
  /** The last of the requests that wait for their turn to start or join a transaction. */
  admissions: Promise<Admission> | null = null;

  constructor(transactionalId: string, metadata: TransactionMetadata | null) {
    this.transactionalId = transactionalId;
    this.metadata = metadata;
  }
}

export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions;
  readonly #topic: StateTopic;
  readonly #entries = new Map<string, Entry>();
  readonly #timers = new Set<Timer>();
  readonly #completions = new Set<Promise<void>>();
  #closed = false;

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
    this.#topic = options.stateTopic({
      record: (_partition, record) => this.#replay(record),
      endTransaction: () => {},
    });
  }

  /** Replays the state. Once, before the first request. Never rejects. */
  async open(): Promise<void> {
    await this.#topic.open();
  }

  /** Goes on with what was prepared before the last end, and looks for timeouts from now on. */
  start(): void {
    const { settings } = this.#options;
    for (const entry of this.#entries.values()) {
      if (entry.metadata !== null && isPrepared(entry.metadata)) this.#complete(entry);
    }
    this.#repeat(settings.abortCheckIntervalMs, () => this.#abortTimedOut());
    this.#repeat(settings.idExpirationCheckIntervalMs, () => this.#removeExpired());
  }

  /** Ends the timers, and waits for markers that are being written. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    for (const { waiting } of this.#entries.values()) for (const wake of waiting.splice(0)) wake();
    await Promise.all(this.#completions);
  }

  /** Has `__transaction_state` made, if it is not there; NONE when it is. */
  async ensureTopic(): Promise<'COORDINATOR_NOT_AVAILABLE' | 'NONE'> {
    return (await this.#topic.ensure()) === null ? 'NONE' : 'COORDINATOR_NOT_AVAILABLE';
  }

  /** The partition of `__transaction_state` that has the id. */
  partitionFor(transactionalId: string): number {
    return this.#topic.partitionFor(transactionalId);
  }

  /** InitProducerId with a transactional id. */
  async initProducerId(request: InitRequest): Promise<ProducerAnswer> {
    const { transactionalId, timeoutMs } = request;
    if (transactionalId === '') return failed('INVALID_REQUEST');
    if (!(timeoutMs > 0 && timeoutMs <= this.#options.settings.timeoutMsMax)) {
      return failed('INVALID_TRANSACTION_TIMEOUT');
    }
    const answer = await this.#decide(transactionalId, (metadata, context) =>
      decideInit(metadata, request, context),
    );
    if (answer.error !== 'NONE') return failed(answer.error);
    if (answer.fenced) return failed('CONCURRENT_TRANSACTIONS');
    return { error: 'NONE', ...identityOf(answer.metadata) };
  }

  /** EndTxn: answered when the end is certain; the markers follow. */
  async endTransaction(request: EndRequest): Promise<ProducerAnswer> {
    const { transactionalId } = request;
    if (transactionalId === '') return failed('INVALID_REQUEST');
    if (!this.#entries.has(transactionalId)) return failed('INVALID_PRODUCER_ID_MAPPING');
    const answer = await this.#decide(transactionalId, (metadata, context) =>
      decideEnd(metadata, request, context),
    );
    if (answer.error !== 'NONE') return failed(answer.error);
    const { metadata } = answer;
    const end = isPrepared(metadata) ? completed(metadata, metadata.lastUpdateMs) : metadata;
    return { error: 'NONE', ...identityOf(end) };
  }

  /** AddPartitionsToTxn and AddOffsetsToTxn: all the partitions are in the transaction, or none is. */
  async addPartitions(request: AddRequest): Promise<TransactionError | 'NONE'> {
    if (request.transactionalId === '') return 'INVALID_REQUEST';
    const admission = await this.#admit(request, (entry) => this.#addNow(entry, request));
    return admission('', -1);
  }

  /** Whether partitions are in the transaction of a producer; for brokers that ask (verifyOnly). */
  verify(request: AddRequest): Admission {
    const metadata = this.#entries.get(request.transactionalId)?.metadata ?? null;
    return (topic, partition) => verifyPartition(metadata, request, topic, partition);
  }

  /**
   * Before records of a producer are appended: of a client of version 2 the partitions join the
   * transaction, of an older one they must have joined. Answers at once if nothing has to be written
   * or waited for. Answers of one transactional id come in the order of the calls, so that appends
   * made in `then` of each are in that order too.
   */
  admit(request: AddRequest): Admission | Promise<Admission> {
    if (request.transactionalId === '') return () => 'INVALID_REQUEST';
    return this.#admit(request, (entry) =>
      bumpsEpoch(request.clientVersion)
        ? this.#addNow(entry, request)
        : this.#verifyNow(entry, request),
    );
  }

  /** Null: there is no such id. */
  describe(transactionalId: string): TransactionMetadata | null {
    return this.#entries.get(transactionalId)?.metadata ?? null;
  }

  list({ producerIds, states, durationMs, matches }: TransactionFilter): TransactionMetadata[] {
    const nowMs = this.#options.clock.nowMs();
    const found: TransactionMetadata[] = [];
    for (const { metadata } of this.#entries.values()) {
      if (metadata === null) continue;
      if (producerIds.size > 0 && !producerIds.has(metadata.producerId)) continue;
      if (states.size > 0 && !states.has(metadata.state)) continue;
      if (durationMs >= 0 && nowMs - metadata.startMs <= durationMs) continue;
      if (matches(metadata.transactionalId)) found.push(metadata);
    }
    return found;
  }

  /** Transactional ids by state. */
  counts(): Map<TransactionStateName, number> {
    const counts = new Map<TransactionStateName, number>();
    for (const { metadata } of this.#entries.values()) {
      if (metadata !== null) counts.set(metadata.state, (counts.get(metadata.state) ?? 0) + 1);
    }
    return counts;
  }

  #replay({ key, value }: ReplayedRecord): void {
    const transactionalId = decodeTransactionKey(key);
    if (value === null) {
      this.#entries.delete(transactionalId);
      return;
    }
    const metadata = decodeTransactionValue(transactionalId, value);
    this.#entries.set(transactionalId, new Entry(transactionalId, metadata));
  }

  /** Takes a decision to the log. */
  async #decide(
    transactionalId: string,
    decide: (
      metadata: TransactionMetadata | null,
      context: { readonly nowMs: number; readonly newProducerId: number | null },
    ) => Decision,
  ): Promise<Written> {
    if (this.#topic.problemOf(this.partitionFor(transactionalId)) !== null) {
      return { error: 'COORDINATOR_NOT_AVAILABLE' };
    }
    let newProducerId: number | null = null;
    for (;;) {
      const entry = this.#entries.get(transactionalId) ?? new Entry(transactionalId, null);
      if (entry.busy) return { error: 'CONCURRENT_TRANSACTIONS' };
      const decision = decide(entry.metadata, {
        nowMs: this.#options.clock.nowMs(),
        newProducerId,
      });
      if (decision.do === 'take-producer-id') {
        newProducerId = await this.#takeProducerId();
        if (newProducerId === null) return { error: 'COORDINATOR_NOT_AVAILABLE' };
        continue;
      }
      if (decision.do === 'answer') {
        const { error } = decision;
        if (error !== 'NONE' || entry.metadata === null) {
          return { error: error === 'NONE' ? 'COORDINATOR_NOT_AVAILABLE' : error };
        }
        return { error, metadata: entry.metadata, fenced: false };
      }
      const error = await this.#write(entry, decision.next);
      if (error !== 'NONE') return { error };
      return { error, metadata: decision.next, fenced: decision.do === 'fence' };
    }
  }

  async #takeProducerId(): Promise<number | null> {
    try {
      return await this.#options.takeProducerId();
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#options.logger.error('cannot take new producer ids', { cause: error.message });
      return null;
    }
  }

  /** The next state counts when it resolves to NONE; a prepared one is then being completed. */
  async #write(entry: Entry, next: TransactionMetadata): Promise<TransactionError | 'NONE'> {
    if (!this.#entries.has(entry.transactionalId)) {
      if (this.#entries.size >= TRANSACTIONAL_IDS_MAX) return 'COORDINATOR_NOT_AVAILABLE';
      this.#entries.set(entry.transactionalId, entry);
    }
    entry.busy = true;
    const error = await this.#append(entry, next);
    if (error === 'NONE') entry.metadata = next;
    if (error === 'NONE' && isPrepared(next)) {
      this.#complete(entry);
      return error;
    }
    if (entry.metadata === null) this.#entries.delete(entry.transactionalId);
    this.#release(entry);
    return error;
  }

  async #append(
    entry: Entry,
    next: TransactionMetadata | null,
  ): Promise<'COORDINATOR_NOT_AVAILABLE' | 'UNKNOWN_SERVER_ERROR' | 'NONE'> {
    const { transactionalId } = entry;
    const key = encodeTransactionKey(transactionalId);
    const value = next === null ? null : encodeTransactionValue(next);
    const result = await this.#topic.append(this.partitionFor(transactionalId), [{ key, value }]);
    if (result.ok) return 'NONE';
    this.#options.logger.error('the state of a transactional id cannot be written', {
      transactionalId,
      error: result.error,
      cause: result.message,
    });
    // The client must not ask again for ever, as it does where the coordinator may come back.
    return result.error === 'MESSAGE_TOO_LARGE'
      ? 'UNKNOWN_SERVER_ERROR'
      : 'COORDINATOR_NOT_AVAILABLE';
  }

  #release(entry: Entry): void {
    entry.busy = false;
    for (const wake of entry.waiting.splice(0)) wake();
  }

  #admit(
    request: AddRequest,
    now: (entry: Entry) => Admission | TransactionMetadata | 'wait',
  ): Admission | Promise<Admission> {
    const { transactionalId } = request;
    const entry = this.#entries.get(transactionalId);
    if (entry === undefined) return () => 'INVALID_PRODUCER_ID_MAPPING';
    const before = entry.admissions;
    if (before === null) {
      const answer = now(entry);
      if (typeof answer === 'function') return answer;
    }
    const admitted = this.#admitInTurn(entry, now, before);
    entry.admissions = admitted;
    void admitted.then(() => {
      if (entry.admissions === admitted) entry.admissions = null;
    });
    return admitted;
  }

  async #admitInTurn(
    entry: Entry,
    now: (entry: Entry) => Admission | TransactionMetadata | 'wait',
    before: Promise<Admission> | null,
  ): Promise<Admission> {
    const { clock, settings } = this.#options;
    await before;
    const deadlineMs = clock.monotonicMs() + settings.startWaitMsMax;
    for (;;) {
      const answer = now(entry);
      if (typeof answer === 'function') return answer;
      if (answer === 'wait') {
        const leftMs = deadlineMs - clock.monotonicMs();
        if (leftMs <= 0 || this.#closed) return () => 'CONCURRENT_TRANSACTIONS';
        await this.#settled(entry, leftMs);
        continue;
      }
      const error = await this.#write(entry, answer);
      return () => error;
    }
  }

  #addNow(entry: Entry, request: AddRequest): Admission | TransactionMetadata | 'wait' {
    if (entry.busy) return 'wait';
    const nowMs = this.#options.clock.nowMs();
    const decision = decideAdd(entry.metadata, request, { nowMs, newProducerId: null });
    if (decision.do === 'write') return decision.next;
    const error = decision.do === 'answer' ? decision.error : 'CONCURRENT_TRANSACTIONS';
    return () => error;
  }

  /**
   * What is being written changes nothing here: the batch goes before the markers in any case. The
   * answer is of the moment in which it is asked, so that none goes after them.
   */
  #verifyNow(entry: Entry, request: AddRequest): Admission | 'wait' {
    if (entry.metadata !== null && isPrepared(entry.metadata)) return 'wait';
    return (topic, partition) => verifyPartition(entry.metadata, request, topic, partition);
  }

  /** Resolves when the id is not busy any more, or after `ms`. */
  #settled(entry: Entry, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        resolve();
      };
      const timer = this.#options.clock.setTimer(ms, () => {
        entry.waiting = entry.waiting.filter((other) => other !== wake);
        resolve();
      });
      entry.waiting.push(wake);
    });
  }

  /** Writes the markers of a prepared transaction, then that it is complete; goes on until it is. */
  #complete(entry: Entry): void {
    entry.busy = true;
    const completion = this.#writeEnd(entry).finally(() => this.#completions.delete(completion));
    this.#completions.add(completion);
  }

  async #writeEnd(entry: Entry): Promise<void> {
    const { clock, logger, writeMarker, coordinatorEpoch } = this.#options;
    const { transactionalId, metadata } = entry;
    if (metadata === null) return;
    const epoch = coordinatorEpoch(this.partitionFor(transactionalId));
    let left: readonly TopicPartition[] | null = null;
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
      left = await writeMarkers({
        metadata,
        coordinatorEpoch: epoch,
        only: left,
        writeMarker,
        logger,
      });
      if (left.length === 0) {
        const next = completed(metadata, clock.nowMs());
        if ((await this.#append(entry, next)) === 'NONE') {
          entry.metadata = next;
          this.#release(entry);
          return;
        }
      }
      // What is left is done at the next start.
      if (this.#closed) return;
      await this.#settled(entry, waitMs);
      if (this.#closed) return;
    }
  }

  #repeat(intervalMs: number, task: () => void): void {
    const timer = setCheckTimer(this.#options.clock, intervalMs, () => {
      this.#timers.delete(timer);
      if (this.#closed) return;
      task();
      this.#repeat(intervalMs, task);
    });
    this.#timers.add(timer);
  }

  #abortTimedOut(): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.nowMs();
    for (const entry of this.#entries.values()) {
      const { metadata } = entry;
      if (entry.busy || metadata?.state !== 'Ongoing') continue;
      if (metadata.startMs + metadata.timeoutMs >= nowMs) continue;
      const { transactionalId, timeoutMs } = metadata;
      logger.info('aborting a transaction after its timeout', { transactionalId, timeoutMs });
      // What fails is logged, and tried again at the next check.
      void this.#write(entry, fenced(metadata, nowMs));
    }
  }

  #removeExpired(): void {
    const { clock, settings } = this.#options;
    const lastUpdateMsMax = clock.nowMs() - settings.idExpirationMs;
    for (const entry of this.#entries.values()) {
      const { metadata } = entry;
      if (entry.busy || metadata === null || !canExpire(metadata)) continue;
      if (metadata.lastUpdateMs > lastUpdateMsMax) continue;
      void this.#remove(entry);
    }
  }

  async #remove(entry: Entry): Promise<void> {
    entry.busy = true;
    if ((await this.#append(entry, null)) === 'NONE') {
      entry.metadata = null;
      this.#entries.delete(entry.transactionalId);
    }
    this.#release(entry);
  }
}

type Written =
  | { readonly error: TransactionError }
  | { readonly error: 'NONE'; readonly metadata: TransactionMetadata; readonly fenced: boolean };

function identityOf({ producerId, producerEpoch }: TransactionMetadata): {
  producerId: number;
  producerEpoch: number;
} {
  return { producerId, producerEpoch };
}

function failed(error: TransactionError): ProducerAnswer {
  return { error, producerId: -1, producerEpoch: -1 };
}

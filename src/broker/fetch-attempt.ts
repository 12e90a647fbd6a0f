/**
 * One Fetch request, read as often as it takes: measured, waited for, read and answered.
 *
 * A read gives every partition of the plan its share, in the plan's order, until `maxBytes` are used
 * up; the first batch found is whole, however large. Slices go into the answer and from there to the
 * response writer, which releases them. Until then they are ours: an attempt that is not good enough
 * lets its slices go again.
 *
 * Bytes of an earlier run that leave for the first time are looked at before, off this thread; a read of
 * them answers nothing until then, and the attempt waits for it as for an append.
 *
 * While it waits, only partitions that moved are measured anew: a request for a thousand partitions
 * costs one look per append, not a thousand.
 */

import { releaseChunks } from '../base/chunk.js';
import type { Subscription } from '../base/subscribers.js';
import type { PartitionLog } from '../log/partition-log.js';
import type { IsolationLevel, ReadResult } from '../log/results.js';
import { errorCodes } from '../protocol/error-codes.js';
import type { ElementOf, ResponseInput } from '../protocol/infer.js';
import type { fetch } from '../protocol/messages/01-fetch.js';
import type { FetchPartition, FetchPlan } from './fetch-sessions.js';
import type { BrokerServices } from './handler.js';
import { leaderEpochError, logOf, topicOf, unknownTopicError } from './partitions.js';

export type FetchAnswer = ResponseInput<typeof fetch>;
type TopicAnswer = ElementOf<FetchAnswer['responses']>;
type PartitionAnswer = ElementOf<TopicAnswer['partitions']>;

export interface FetchAttemptOptions {
  readonly broker: BrokerServices;
  readonly plan: FetchPlan;
  readonly usesTopicIds: boolean;
  readonly maxBytes: number;
  /** At most `maxBytes`. */
  readonly minBytes: number;
  readonly isolation: IsolationLevel;
}

export class FetchAttempt {
  readonly #options: FetchAttemptOptions;
  /** What each partition had when it was last looked at, in bytes. */
  readonly #available: number[];
  /** Indexes of partitions that moved since. Made when one does: most fetches never wait. */
  #moved: Set<number> | null = null;
  #availableSum = 0;
  /** Looks that the last measure or read has met, and the partitions they are for. */
  #looking: Map<number, Promise<void>> | null = null;
  #wake: (() => void) | null = null;
  #measured = false;

  constructor(options: FetchAttemptOptions) {
    this.#options = options;
    this.#available = new Array<number>(options.plan.partitions.length).fill(0);
  }

  /** The answer, if there is enough for one now: enough bytes, an error, or nothing to wait for. */
  readIfReady(): FetchAnswer | undefined {
    if (this.#options.plan.partitions.length === 0) return this.read();
    if (!this.#measured) {
      // A consumer that has caught up asks again and again: nothing is read or made for that.
      if (this.#options.minBytes > 0 && this.#hasNothing()) {
        this.#measured = true;
        return undefined;
      }
      // Nearly every other fetch finds enough at once: what was read is the answer, and is read once.
      const answers = this.#readPartitions();
      if (isEnough(answers, this.#options.minBytes)) return this.#answer(answers);
      release(answers);
    }
    return this.#measure() ? this.read() : undefined;
  }

  /** The answer with what there is. */
  read(): FetchAnswer {
    return this.#answer(this.#readPartitions());
  }

  /** As `read`, once all that has to be looked at was. */
  readLooked(): FetchAnswer | Promise<FetchAnswer> {
    const answers = this.#readPartitions();
    if (this.#looking === null || this.#looking.size === 0) return this.#answer(answers);
    release(answers);
    return Promise.all(this.#looking.values()).then(() => this.readLooked());
  }

  #answer(answers: readonly PartitionAnswer[]): FetchAnswer {
    const { plan, usesTopicIds } = this.#options;
    const [first] = plan.partitions;
    if (first !== undefined && answers.length === 1) {
      const responses = this.#isNews(first, answers[0] as PartitionAnswer)
        ? [topicAnswer(first.topic, usesTopicIds, answers)]
        : [];
      return { errorCode: errorCodes.NONE, sessionId: plan.sessionId, responses };
    }
    const byTopic = new Map<string, PartitionAnswer[]>();
    for (let i = 0; i < answers.length; i++) {
      const answer = answers[i] as PartitionAnswer;
      const partition = plan.partitions[i] as FetchPartition;
      if (!this.#isNews(partition, answer)) continue;
      const partitions = byTopic.get(partition.topic);
      if (partitions === undefined) byTopic.set(partition.topic, [answer]);
      else partitions.push(answer);
    }
    const responses: TopicAnswer[] = [];
    for (const [topic, partitions] of byTopic) {
      responses.push(topicAnswer(topic, usesTopicIds, partitions));
    }
    return { errorCode: errorCodes.NONE, sessionId: plan.sessionId, responses };
  }

  /** Calls `wake` when a partition of the plan has new records. Answers a function that ends that. */
  watch(wake: () => void): () => void {
    const subscriptions: Subscription[] = [];
    const { partitions } = this.#options.plan;
    const onMove = (i: number): void => {
      this.#noteMoved(i);
      wake();
    };
    for (let i = 0; i < partitions.length; i++) {
      const log = this.#find(partitions[i] as FetchPartition);
      if (typeof log !== 'number') subscriptions.push(log.subscribe(onMove, i));
    }
    this.#wake = wake;
    return () => {
      this.#wake = null;
      for (const subscription of subscriptions) subscription.end();
    };
  }

  /** Every partition is read to its end, and none has an error to tell. */
  #hasNothing(): boolean {
    const { plan, isolation } = this.#options;
    for (const partition of plan.partitions) {
      const log = this.#find(partition);
      if (typeof log === 'number' || !log.endsAt(partition.fetchOffset, isolation)) return false;
    }
    return true;
  }

  /** Whether the request is to be answered now. Looks only at what moved since the last time. */
  #measure(): boolean {
    const { plan, minBytes } = this.#options;
    const indexes = this.#measured ? [...(this.#moved ?? [])] : plan.partitions.keys();
    this.#measured = true;
    this.#moved?.clear();
    for (const i of indexes) {
      const size = this.#sizeOf(i, plan.partitions[i] as FetchPartition);
      if (size < 0) return true;
      this.#availableSum += size - (this.#available[i] as number);
      this.#available[i] = size;
    }
    return this.#availableSum >= minBytes;
  }

  /** Bytes that a read of this partition alone would give, -1 for an error. */
  #sizeOf(i: number, partition: FetchPartition): number {
    const log = this.#find(partition);
    if (typeof log === 'number') return -1;
    const result = this.#readLog(log, partition, this.#options.maxBytes, true);
    this.#noteLook(i, result);
    if (!result.ok) return -1;
    const size = result.slice?.length ?? 0;
    result.slice?.release();
    return size;
  }

  #readPartitions(): PartitionAnswer[] {
    const answers: PartitionAnswer[] = [];
    let rest = this.#options.maxBytes;
    let found = false;
    try {
      const { isolation, plan } = this.#options;
      const { partitions } = plan;
      for (let i = 0; i < partitions.length; i++) {
        const partition = partitions[i] as FetchPartition;
        const log = this.#find(partition);
        if (typeof log === 'number') {
          this.#looking?.delete(i);
          answers.push(failure(partition.partition, log));
          continue;
        }
        if (log.endsAt(partition.fetchOffset, isolation)) {
          this.#looking?.delete(i);
          answers.push(nothing(partition.partition, log, isolation));
          continue;
        }
        const result = this.#readLog(log, partition, rest, !found);
        this.#noteLook(i, result);
        if (!result.ok) {
          answers.push(failure(partition.partition, errorCodes[result.error]));
          continue;
        }
        answers.push(success(partition.partition, result));
        if (result.slice === null) continue;
        found = true;
        rest = Math.max(0, rest - result.slice.length);
      }
    } catch (error) {
      release(answers);
      throw error;
    }
    return answers;
  }

  #noteLook(i: number, result: ReadResult): void {
    const looking = result.ok ? result.looking : null;
    if (looking === null) {
      this.#looking?.delete(i);
      return;
    }
    this.#looking ??= new Map();
    if (this.#looking.get(i) === looking) return;
    this.#looking.set(i, looking);
    void looking.then(() => {
      this.#noteMoved(i);
      this.#wake?.();
    });
  }

  #noteMoved(i: number): void {
    this.#moved ??= new Set();
    this.#moved.add(i);
  }

  #readLog(
    log: PartitionLog,
    partition: FetchPartition,
    maxBytes: number,
    minOneMessage: boolean,
  ): ReadResult {
    return log.read(partition.fetchOffset, {
      maxBytes: Math.max(0, Math.min(maxBytes, partition.maxBytes)),
      minOneMessage,
      isolation: this.#options.isolation,
      mayWait: true,
    });
  }

  /** The partition's log, or the error code that answers. */
  #find(partition: FetchPartition): PartitionLog | number {
    const { broker, usesTopicIds } = this.#options;
    const topic = topicOf(broker, partition.topic, usesTopicIds);
    if (topic === undefined) return unknownTopicError(usesTopicIds);
    const log = logOf(broker, topic, partition.partition);
    if (typeof log === 'number') return log;
    if (partition.fetchOffset < 0) return errorCodes.OFFSET_OUT_OF_RANGE;
    return leaderEpochError(log, partition.currentLeaderEpoch) || log;
  }

  /** Whether the answer has to name this partition; the session remembers what it tells. */
  #isNews(partition: FetchPartition, answer: PartitionAnswer): boolean {
    const { session, incremental } = this.#options.plan;
    if (session === null) return true;
    const { records } = answer;
    const changed = session.tell(partition, {
      failed: answer.errorCode !== errorCodes.NONE,
      recordsSize: Array.isArray(records) ? records.length : 0,
      highWatermark: answer.highWatermark,
      logStartOffset: answer.logStartOffset ?? -1,
    });
    return changed || !incremental;
  }
}

function topicAnswer(
  topic: string,
  usesTopicIds: boolean,
  partitions: readonly PartitionAnswer[],
): TopicAnswer {
  return usesTopicIds ? { topicId: topic, partitions } : { topic, partitions };
}

function nothing(
  partitionIndex: number,
  { highWatermark, lastStableOffset, logStartOffset }: PartitionLog,
  isolation: IsolationLevel,
): PartitionAnswer {
  return {
    partitionIndex,
    errorCode: errorCodes.NONE,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions: isolation === 'read_committed' ? [] : null,
    // An empty list, not null: some clients take null records for a malformed answer.
    records: [],
  };
}

function success(partitionIndex: number, result: ReadResult & { ok: true }): PartitionAnswer {
  return {
    partitionIndex,
    errorCode: errorCodes.NONE,
    highWatermark: result.highWatermark,
    lastStableOffset: result.lastStableOffset,
    logStartOffset: result.logStartOffset,
    abortedTransactions: result.abortedTransactions,
    records: result.slice === null ? [] : [result.slice],
  };
}

/** Enough bytes, or an error. Less may still be enough for `#measure`, which looks at each alone. */
function isEnough(answers: readonly PartitionAnswer[], minBytes: number): boolean {
  let size = 0;
  for (const { errorCode, records } of answers) {
    if (errorCode !== errorCodes.NONE) return true;
    if (!Array.isArray(records)) continue;
    for (const slice of records) size += slice.length;
  }
  return size >= minBytes;
}

function release(answers: readonly PartitionAnswer[]): void {
  for (const { records } of answers) if (Array.isArray(records)) releaseChunks(records);
}

function failure(partitionIndex: number, errorCode: number): PartitionAnswer {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    records: [],
  };
}

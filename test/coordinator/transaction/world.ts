/**
 * A transaction coordinator in a world of its own: a state topic in memory, partitions that remember
 * their markers, a clock that is moved by hand, and an end that may come after any effect.
 */

import { ManualClock } from '#src/base/clock.js';
import { MillraceError } from '#src/base/errors.js';
import { silentLogger } from '#src/base/logger.js';
import type { StateRecord, StateReplay, StateTopic } from '#src/coordinator/state-topic.js';
import type { MarkerOutcome, PartitionMarker } from '#src/coordinator/transaction/marker-writer.js';
import { partitionSet } from '#src/coordinator/transaction/partition-set.js';
import {
  type AddRequest,
  TransactionCoordinator,
  type TransactionSettings,
} from '#src/coordinator/transaction/transaction-coordinator.js';
import type { TransactionMetadata } from '#src/coordinator/transaction/transaction-metadata.js';
import {
  encodeTransactionKey,
  encodeTransactionValue,
} from '#src/coordinator/transaction/transaction-record.js';

export const settings: TransactionSettings = {
  timeoutMsMax: 900_000,
  abortCheckIntervalMs: 10_000,
  idExpirationMs: 604_800_000,
  idExpirationCheckIntervalMs: 3_600_000,
  startWaitMsMax: 100,
};

export class World {
  readonly clock = new ManualClock();
  /** What is in `__transaction_state`. */
  readonly records: StateRecord[] = [];
  /** What is in the partitions, as `topic-partition commit|abort epoch`. */
  readonly markers: string[] = [];
  /** Effects until the process is killed: nothing happens any more then, and nothing is answered. */
  effectsLeft = Number.POSITIVE_INFINITY;
  /** Appends to the state topic fail with this. */
  stateError: 'KAFKA_STORAGE_ERROR' | 'MESSAGE_TOO_LARGE' | null = null;
  /** What each partition answers to a marker. */
  outcomeOf: (marker: PartitionMarker) => MarkerOutcome = () => 'done';
  /** Negative: there is none now. */
  nextProducerId = 1000;
  #held: (() => void)[] | null = null;

  /** Puts a transactional id into the state topic that has had this many epochs. */
  seed(producerId: number, producerEpoch: number): void {
    const metadata: TransactionMetadata = {
      transactionalId: 'tx',
      producerId,
      previousProducerId: producerId,
      nextProducerId: -1,
      producerEpoch,
      lastProducerEpoch: -1,
      timeoutMs: 60_000,
      state: 'CompleteCommit',
      partitions: new Map(),
      startMs: this.clock.nowMs(),
      lastUpdateMs: this.clock.nowMs(),
      clientVersion: 2,
    };
    const key = encodeTransactionKey('tx');
    this.records.push({ key, value: encodeTransactionValue(metadata) });
  }

  /** A process that starts on what the one before left. */
  async start(): Promise<TransactionCoordinator> {
    this.effectsLeft = Number.POSITIVE_INFINITY;
    const coordinator = new TransactionCoordinator({
      clock: this.clock,
      logger: silentLogger,
      settings,
      stateTopic: (replay) => this.#stateTopic(replay),
      takeProducerId: async () => {
        if (this.nextProducerId >= 0) return this.nextProducerId++;
        throw new MillraceError('test', { code: 'IO_ERROR' });
      },
      writeMarker: async (marker) => {
        await this.#effect();
        const outcome = this.outcomeOf(marker);
        const { topic, partition, commit, producerEpoch } = marker;
        const text = `${topic}-${partition} ${commit ? 'commit' : 'abort'} ${producerEpoch}`;
        if (outcome === 'done') this.markers.push(text);
        return outcome;
      },
      coordinatorEpoch: () => 0,
    });
    await coordinator.open();
    coordinator.start();
    return coordinator;
  }

  /** From now on effects wait until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }

  async #effect(): Promise<void> {
    const held = this.#held;
    if (held !== null) await new Promise<void>((resolve) => held.push(resolve));
    await Promise.resolve();
    // Killed: it never returns.
    if (this.effectsLeft === 0) await new Promise<never>(() => {});
    this.effectsLeft--;
  }

  #stateTopic(replay: StateReplay): StateTopic {
    const topic = {
      open: async () => {
        this.records.forEach(({ key, value }, offset) => {
          const nobody = { producerId: -1, producerEpoch: -1 };
          replay.record(0, { offset, timestampMs: 0, key, value, ...nobody });
        });
      },
      ensure: () => Promise.resolve(null),
      partitionFor: () => 0,
      problemOf: () => null,
      append: async (_partition: number, records: readonly StateRecord[]) => {
        await this.#effect();
        if (this.stateError !== null) return { ok: false, error: this.stateError, message: 'test' };
        this.records.push(...records);
        return { ok: true, firstOffset: 0, lastOffset: 0 };
      },
    };
    return topic as unknown as StateTopic;
  }
}

/** Lets everything go on that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

export function add(
  { producerId, producerEpoch }: { producerId: number; producerEpoch: number },
  partitions: readonly number[],
  clientVersion = 2,
): AddRequest {
  return {
    transactionalId: 'tx',
    producerId,
    producerEpoch,
    partitions: partitionSet(partitions.map((partition) => ({ topic: 'a', partition }))),
    clientVersion,
  };
}

export function end(
  { producerId, producerEpoch }: { producerId: number; producerEpoch: number },
  commit: boolean,
  clientVersion = 2,
) {
  return { transactionalId: 'tx', producerId, producerEpoch, commit, clientVersion };
}

export const init = { transactionalId: 'tx', timeoutMs: 60_000, expected: null };

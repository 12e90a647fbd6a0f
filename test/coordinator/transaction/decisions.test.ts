import t from 'tap';
import {
  type Decision,
  decideAdd,
  decideEnd,
  decideInit,
} from '#src/coordinator/transaction/decisions.js';
import { partitionSet } from '#src/coordinator/transaction/partition-set.js';
import type {
  TransactionMetadata,
  TransactionStateName,
} from '#src/coordinator/transaction/transaction-metadata.js';

const states = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
] as const;

const EPOCH = 5;
const partitions = partitionSet([{ topic: 'a', partition: 0 }]);

function metadataIn(state: TransactionStateName, producerEpoch = EPOCH): TransactionMetadata {
  return {
    transactionalId: 'tx',
    producerId: 7,
    previousProducerId: 7,
    nextProducerId: -1,
    producerEpoch,
    lastProducerEpoch: -1,
    timeoutMs: 1000,
    state,
    partitions: state === 'Empty' || state.startsWith('Complete') ? new Map() : partitions,
    startMs: 1,
    lastUpdateMs: 1,
    clientVersion: 2,
  };
}

const context = { nowMs: 2, newProducerId: null };

function end(state: TransactionStateName, epoch: number, commit: boolean, clientVersion: number) {
  const request = { transactionalId: 'tx', producerId: 7, producerEpoch: epoch };
  return decideEnd(metadataIn(state), { ...request, commit, clientVersion }, context);
}

function text(decision: Decision): string {
  if (decision.do === 'answer') return decision.error;
  if (decision.do === 'take-producer-id') return decision.do;
  return `${decision.next.state}@${decision.next.producerEpoch}`;
}

t.test('EndTxn in every state, by the epoch before, this one and the next: as Kafka 4.2', (t) => {
  const table = (clientVersion: number) =>
    states.map((state) => {
      const answers = [EPOCH - 1, EPOCH, EPOCH + 1].flatMap((epoch) =>
        [true, false].map((commit) => text(end(state, epoch, commit, clientVersion))),
      );
      return `${state}: ${answers.join(' ')}`;
    });
  const [F, I, C] = ['PRODUCER_FENCED', 'INVALID_TXN_STATE', 'CONCURRENT_TRANSACTIONS'];
  t.same(table(2), [
    `Empty: ${F} ${F} ${I} PrepareAbort@6 ${F} ${F}`,
    `Ongoing: ${F} ${F} PrepareCommit@6 PrepareAbort@6 ${F} ${F}`,
    `PrepareCommit: ${C} ${I} ${F} ${F} ${F} ${F}`,
    `PrepareAbort: ${I} ${C} ${F} ${F} ${F} ${F}`,
    `CompleteCommit: NONE ${I} ${I} PrepareAbort@6 ${F} ${F}`,
    `CompleteAbort: ${I} NONE ${I} PrepareAbort@6 ${F} ${F}`,
  ]);
  t.same(table(0), [
    `Empty: ${F} ${F} ${I} ${I} ${F} ${F}`,
    `Ongoing: ${F} ${F} PrepareCommit@5 PrepareAbort@5 ${F} ${F}`,
    `PrepareCommit: ${F} ${F} ${C} ${I} ${F} ${F}`,
    `PrepareAbort: ${F} ${F} ${I} ${C} ${F} ${F}`,
    `CompleteCommit: ${F} ${F} NONE ${I} ${F} ${F}`,
    `CompleteAbort: ${F} ${F} ${I} NONE ${F} ${F}`,
  ]);
  t.end();
});

t.test('AddPartitionsToTxn and InitProducerId in every state', (t) => {
  const add = (state: TransactionStateName, producerEpoch: number) => {
    const request = { transactionalId: 'tx', producerId: 7, producerEpoch, clientVersion: 2 };
    return text(decideAdd(metadataIn(state), { ...request, partitions }, context));
  };
  t.same(
    states.map((state) => add(state, EPOCH)),
    [
      ...['Ongoing@5', 'NONE', 'CONCURRENT_TRANSACTIONS', 'CONCURRENT_TRANSACTIONS'],
      ...['Ongoing@5', 'Ongoing@5'],
    ],
  );
  for (const epoch of [EPOCH - 1, EPOCH + 1]) {
    t.same([...new Set(states.map((state) => add(state, epoch)))], ['PRODUCER_FENCED']);
  }
  const init = (state: TransactionStateName, expected: number | null) => {
    const producer = expected === null ? null : { producerId: 7, producerEpoch: expected };
    const request = { transactionalId: 'tx', timeoutMs: 1, expected: producer };
    return text(decideInit(metadataIn(state), request, context));
  };
  const prepared = 'CONCURRENT_TRANSACTIONS';
  for (const expected of [null, EPOCH]) {
    t.same(
      states.map((state) => init(state, expected)),
      ['Empty@6', 'PrepareAbort@6', prepared, prepared, 'Empty@6', 'Empty@6'],
    );
  }
  t.equal(init('Empty', EPOCH - 1), 'PRODUCER_FENCED');
  t.equal(init('CompleteCommit', EPOCH + 1), 'PRODUCER_FENCED');
  t.end();
});

t.test('no request makes an epoch that a producer may not have, or takes one back', (t) => {
  let written = 0;
  for (const state of states) {
    for (const epoch of [0, 1, EPOCH, 32_765, 32_766]) {
      const metadata = metadataIn(state, epoch);
      for (const newProducerId of [null, 9]) {
        const now = { nowMs: 2, newProducerId };
        const producer = { transactionalId: 'tx', producerId: 7, producerEpoch: epoch };
        const decisions = [
          decideInit(metadata, { transactionalId: 'tx', timeoutMs: 1, expected: null }, now),
          decideInit(metadata, { transactionalId: 'tx', timeoutMs: 1, expected: producer }, now),
          decideAdd(metadata, { ...producer, partitions, clientVersion: 2 }, now),
          ...[0, 2].flatMap((clientVersion) =>
            [true, false].map((commit) =>
              decideEnd(metadata, { ...producer, commit, clientVersion }, now),
            ),
          ),
        ];
        for (const decision of decisions) {
          if (decision.do === 'answer' || decision.do === 'take-producer-id') continue;
          written++;
          const { next } = decision;
          // 32767 is for markers alone: a new producer, or the next transaction, has another id.
          const isMarker = next.state === 'PrepareAbort' || next.state === 'PrepareCommit';
          t.ok(next.producerEpoch <= (isMarker ? 32_767 : 32_766), text(decision));
          t.ok(next.producerId !== 7 || next.producerEpoch >= epoch, text(decision));
          if (next.producerId !== 7) t.equal(next.producerEpoch, 0);
        }
      }
    }
  }
  t.ok(written > 100);
  t.end();
});

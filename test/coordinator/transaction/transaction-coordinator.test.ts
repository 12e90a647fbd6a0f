import t from 'tap';
import type { TransactionCoordinator } from '#src/coordinator/transaction/transaction-coordinator.js';
import { add, end, init, settings, settle, World } from './world.js';

const stateOf = (coordinator: TransactionCoordinator) => coordinator.describe('tx')?.state;

for (const clientVersion of [0, 2]) {
  const epochAfter = clientVersion === 2 ? 1 : 0;

  t.test(
    `version ${clientVersion}: killed after any effect, a transaction ends whole`,
    async (t) => {
      const outcomes = new Set<string>();
      for (let effects = 0; effects <= 6; effects++) {
        const world = new World();
        let coordinator = await world.start();
        world.effectsLeft = effects;
        let answered = false;
        void (async () => {
          const producer = await coordinator.initProducerId(init);
          await coordinator.addPartitions(add(producer, [0, 1], clientVersion));
          await coordinator.endTransaction(end(producer, true, clientVersion));
          answered = true;
        })();
        await settle();
        coordinator = await world.start();
        await settle();
        const state = stateOf(coordinator);
        outcomes.add(String(state));
        if (answered) t.equal(state, 'CompleteCommit', `${effects}: what was answered is so`);
        // A transaction that was not prepared is aborted after its timeout.
        world.clock.advance(init.timeoutMs + settings.abortCheckIntervalMs);
        await settle();
        const ends = new Set(world.markers);
        if (state === 'CompleteCommit') {
          t.same([...ends].sort(), [`a-0 commit ${epochAfter}`, `a-1 commit ${epochAfter}`]);
        } else if (state === 'Ongoing') {
          t.same([...ends].sort(), ['a-0 abort 1', 'a-1 abort 1']);
          t.equal(stateOf(coordinator), 'CompleteAbort');
        } else {
          t.equal(ends.size, 0, `${effects}: ${state}`);
        }
        await coordinator.close();
      }
      t.same([...outcomes], ['undefined', 'Empty', 'Ongoing', 'CompleteCommit']);
    },
  );
}

t.test('killed after any effect, epochs of a producer never go back', async (t) => {
  for (let effects = 0; effects <= 12; effects++) {
    const world = new World();
    const seen: number[] = [];
    for (let life = 0; life < 3; life++) {
      const coordinator = await world.start();
      world.effectsLeft = effects;
      void (async () => {
        let producer = await coordinator.initProducerId(init);
        for (let i = 0; i < 2 && producer.error === 'NONE'; i++) {
          seen.push(producer.producerEpoch);
          await coordinator.addPartitions(add(producer, [i]));
          producer = await coordinator.endTransaction(end(producer, i === 0));
        }
      })();
      await settle();
    }
    t.same(
      seen,
      [...new Set(seen)].sort((a, b) => a - b),
      `${effects} effects`,
    );
  }
});

t.test('a timeout aborts, fences the producer, and lets the next one start', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  t.equal(await coordinator.addPartitions(add(producer, [0])), 'NONE');
  world.clock.advance(init.timeoutMs);
  await settle();
  t.equal(stateOf(coordinator), 'Ongoing', 'not a moment before');
  world.clock.advance(settings.abortCheckIntervalMs);
  await settle();
  t.equal(stateOf(coordinator), 'CompleteAbort');
  t.same(world.markers, ['a-0 abort 1']);
  t.equal(await coordinator.addPartitions(add(producer, [0])), 'PRODUCER_FENCED');
  t.equal((await coordinator.endTransaction(end(producer, true))).error, 'INVALID_TXN_STATE');
  // As Kafka 4.2: an abort of what was aborted meanwhile is a repeat, and tells the epoch to go on with.
  const goesOn = await coordinator.endTransaction(end(producer, false));
  t.match(goesOn, { error: 'NONE', producerEpoch: 1 });
  t.equal(await coordinator.addPartitions(add(goesOn, [0])), 'NONE');
  t.equal((await coordinator.endTransaction(end(producer, false))).error, 'PRODUCER_FENCED');
  t.equal((await coordinator.endTransaction(end(producer, true))).error, 'PRODUCER_FENCED');
  t.equal(stateOf(coordinator), 'Ongoing');
  await coordinator.close();
});

t.test('version 0: a producer whose transaction timed out is fenced for good', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  await coordinator.addPartitions(add(producer, [0], 0));
  world.clock.advance(init.timeoutMs + settings.abortCheckIntervalMs);
  await settle();
  for (const commit of [true, false]) {
    const { error } = await coordinator.endTransaction(end(producer, commit, 0));
    t.equal(error, 'PRODUCER_FENCED');
  }
  await coordinator.close();
});

t.test('used-up epochs: the end of the transaction gives a new producer id', async (t) => {
  const world = new World();
  const last = { producerId: 7, producerEpoch: 32_766 };
  world.seed(last.producerId, last.producerEpoch);
  let coordinator = await world.start();
  t.equal(await coordinator.addPartitions(add(last, [0])), 'NONE');
  world.effectsLeft = 1;
  const producer = await coordinator.endTransaction(end(last, true));
  t.match(producer, { error: 'NONE', producerId: 1000, producerEpoch: 0 });
  // Killed between Prepare and Complete: the marker has the old id, the producer the new one.
  coordinator = await world.start();
  await settle();
  t.same(world.markers, ['a-0 commit 32767']);
  t.match(coordinator.describe('tx'), { ...identity(producer), state: 'CompleteCommit' });
  t.match(await coordinator.endTransaction(end(last, true)), producer, 'a repeat');
  t.equal(await coordinator.addPartitions(add(producer, [1])), 'NONE');
  await coordinator.close();
});

t.test('used-up epochs: a new producer gets another producer id', async (t) => {
  const world = new World();
  world.seed(7, 32_765);
  const coordinator = await world.start();
  const last = await coordinator.initProducerId(init);
  t.match(last, { producerId: 7, producerEpoch: 32_766 });
  const producer = await coordinator.initProducerId({ ...init, expected: identity(last) });
  t.match(producer, { error: 'NONE', producerId: 1000, producerEpoch: 0 });
  // A repeat of that request, whose answer was lost.
  t.match(await coordinator.initProducerId({ ...init, expected: identity(last) }), producer);
  const wrong = { producerId: 7, producerEpoch: 17 };
  t.equal(
    (await coordinator.initProducerId({ ...init, expected: wrong })).error,
    'PRODUCER_FENCED',
  );
  await coordinator.close();
});

t.test('used-up epochs: a zombie is still fenced', async (t) => {
  const world = new World();
  world.seed(7, 32_766);
  const coordinator = await world.start();
  const zombie = { producerId: 7, producerEpoch: 32_766 };
  t.equal(await coordinator.addPartitions(add(zombie, [0])), 'NONE');
  t.equal((await coordinator.initProducerId(init)).error, 'CONCURRENT_TRANSACTIONS');
  await settle();
  t.same(world.markers, ['a-0 abort 32767']);
  t.match(await coordinator.initProducerId(init), { producerId: 1000, producerEpoch: 0 });
  t.equal(await coordinator.addPartitions(add(zombie, [0])), 'INVALID_PRODUCER_ID_MAPPING');
  await coordinator.close();
});

const identity = ({
  producerId,
  producerEpoch,
}: {
  producerId: number;
  producerEpoch: number;
}) => ({
  producerId,
  producerEpoch,
});

t.test('requests meet a transaction that is being ended', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  await coordinator.addPartitions(add(producer, [0]));
  world.outcomeOf = () => 'again';
  const next = await coordinator.endTransaction(end(producer, true));
  await settle();
  t.equal(stateOf(coordinator), 'PrepareCommit');
  t.equal((await coordinator.initProducerId(init)).error, 'CONCURRENT_TRANSACTIONS');
  t.equal((await coordinator.endTransaction(end(producer, true))).error, 'CONCURRENT_TRANSACTIONS');
  const late = coordinator.addPartitions(add(next, [1]));
  await settle();
  world.clock.advance(settings.startWaitMsMax);
  t.equal(await late, 'CONCURRENT_TRANSACTIONS', 'it does not wait for ever');
  await settle();
  world.outcomeOf = () => 'done';
  world.clock.advance(10_000);
  const patient = coordinator.addPartitions(add(next, [1]));
  t.equal(await patient, 'NONE', 'it waits for the marker that is being written');
  t.same(world.markers, ['a-0 commit 1'], 'a marker that could not be written is written later');
  await coordinator.close();
});

t.test('partitions that are left are tried again, the others are not', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  await coordinator.addPartitions(add(producer, [0, 1, 2]));
  world.outcomeOf = ({ partition }) => (partition === 1 ? 'again' : 'done');
  await coordinator.endTransaction(end(producer, true));
  for (let i = 0; i < 4; i++) {
    await settle();
    world.clock.advance(10_000);
  }
  t.same(world.markers, ['a-0 commit 1', 'a-2 commit 1']);
  t.equal(stateOf(coordinator), 'PrepareCommit');
  await coordinator.close();
  // The next process does not know which were written, and writes all: a repeat is harmless.
  world.outcomeOf = () => 'done';
  const again = await world.start();
  await settle();
  t.same(world.markers.slice(2), ['a-0 commit 1', 'a-1 commit 1', 'a-2 commit 1']);
  t.equal(stateOf(again), 'CompleteCommit');
  await again.close();
});

t.test('a marker of version 2 says that it must be above the epoch of its records', async (t) => {
  for (const clientVersion of [0, 2]) {
    const world = new World();
    const seen: boolean[] = [];
    world.outcomeOf = ({ epochRises }) => {
      seen.push(epochRises);
      return 'done';
    };
    const coordinator = await world.start();
    const producer = await coordinator.initProducerId(init);
    await coordinator.addPartitions(add(producer, [0], clientVersion));
    await coordinator.endTransaction(end(producer, true, clientVersion));
    await settle();
    t.same(seen, [clientVersion === 2]);
    await coordinator.close();
  }
});

t.test('what cannot be written is not answered as done', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  world.stateError = 'KAFKA_STORAGE_ERROR';
  const unavailable = 'COORDINATOR_NOT_AVAILABLE';
  t.equal((await coordinator.initProducerId(init)).error, unavailable);
  t.equal(coordinator.describe('tx'), null);
  world.stateError = null;
  const producer = await coordinator.initProducerId(init);
  world.stateError = 'KAFKA_STORAGE_ERROR';
  t.equal(await coordinator.addPartitions(add(producer, [0])), unavailable);
  world.stateError = 'MESSAGE_TOO_LARGE';
  t.equal(await coordinator.addPartitions(add(producer, [0])), 'UNKNOWN_SERVER_ERROR');
  t.equal(stateOf(coordinator), 'Empty');
  world.stateError = null;
  t.equal(await coordinator.addPartitions(add(producer, [0])), 'NONE');
  world.stateError = 'KAFKA_STORAGE_ERROR';
  t.equal((await coordinator.endTransaction(end(producer, true))).error, unavailable);
  t.equal(stateOf(coordinator), 'Ongoing');
  t.same(world.markers, []);
  world.stateError = null;
  t.equal((await coordinator.endTransaction(end(producer, true))).error, 'NONE');
  await settle();
  t.same(world.markers, ['a-0 commit 1']);
  await coordinator.close();
});

t.test('two new producers of one id at once: one of them is told to come again', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const answers = await Promise.all([
    coordinator.initProducerId(init),
    coordinator.initProducerId(init),
  ]);
  t.same(answers.map(({ error }) => error).sort(), ['CONCURRENT_TRANSACTIONS', 'NONE']);
  await coordinator.close();
});

t.test('a producer id that cannot be taken is an answer', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  world.nextProducerId = -1;
  t.equal((await coordinator.initProducerId(init)).error, 'COORDINATOR_NOT_AVAILABLE');
  world.nextProducerId = 5;
  t.match(await coordinator.initProducerId(init), { error: 'NONE', producerId: 5 });
  await coordinator.close();
});

t.test(
  'an id that nobody uses is forgotten, and one with an open transaction is not',
  async (t) => {
    const world = new World();
    let coordinator = await world.start();
    const producer = await coordinator.initProducerId({
      ...init,
      timeoutMs: settings.timeoutMsMax,
    });
    await coordinator.addPartitions(add(producer, [0]));
    await coordinator.initProducerId({ ...init, transactionalId: 'idle' });
    world.clock.advance(settings.idExpirationMs - 1);
    await settle();
    t.ok(coordinator.describe('idle'), 'not a moment before');
    world.clock.advance(settings.idExpirationCheckIntervalMs);
    await settle();
    t.equal(coordinator.describe('idle'), null);
    t.equal(stateOf(coordinator), 'CompleteAbort', 'aborted in the meantime, and so used');
    coordinator = await world.start();
    t.equal(coordinator.describe('idle'), null, 'also after a start');
    t.match(await coordinator.initProducerId({ ...init, transactionalId: 'idle' }), {
      error: 'NONE',
      producerEpoch: 0,
    });
    await coordinator.close();
  },
);

t.test('admissions of one producer come in the order of their calls', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  const order: number[] = [];
  world.hold();
  const asked = [];
  for (let i = 0; i < 5; i++) {
    const admission = coordinator.admit(add(producer, [i % 2]));
    asked.push(Promise.resolve(admission).then((answer) => order.push(i) && answer('a', i % 2)));
  }
  await settle();
  t.same(order, []);
  world.release();
  t.same(await Promise.all(asked), new Array(5).fill('NONE'));
  t.same(order, [0, 1, 2, 3, 4]);
  t.type(coordinator.admit(add(producer, [0, 1])), 'function', 'in the transaction: at once');
  await coordinator.close();
});

t.test('close lets markers end that are on their way, and holds up for nothing else', async (t) => {
  const world = new World();
  const coordinator = await world.start();
  const producer = await coordinator.initProducerId(init);
  await coordinator.addPartitions(add(producer, [0]));
  await coordinator.endTransaction(end(producer, true));
  await coordinator.close();
  t.same(world.markers, ['a-0 commit 1']);
  t.equal(stateOf(coordinator), 'CompleteCommit');
  await coordinator.close();
  t.equal(world.clock.timerCount, 0);
});

import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { DelayedOperations } from '#src/broker/delayed-operations.js';
import { CloseSignal } from '#src/net/close-signal.js';

interface Probe {
  wake: () => void;
  ready: string | undefined;
  unwatched: number;
  tries: number;
}

function setUp(countMax = 10) {
  const clock = new ManualClock();
  const operations = new DelayedOperations({ clock, countMax });
  const controller = new CloseSignal();
  const probe: Probe = { wake: () => {}, ready: undefined, unwatched: 0, tries: 0 };
  const wait = (maxWaitMs = 100): Promise<string> =>
    operations.wait({
      maxWaitMs,
      signal: controller,
      watch: (wake) => {
        probe.wake = wake;
        return () => {
          probe.unwatched++;
        };
      },
      tryComplete: () => {
        probe.tries++;
        return probe.ready;
      },
      expire: () => 'expired',
    });
  return { clock, operations, controller, probe, wait };
}

t.test('an operation ends when its condition holds at a wake', async (t) => {
  const { operations, probe, wait, clock } = setUp();
  const result = wait();
  probe.wake();
  await Promise.resolve();
  t.equal(probe.tries, 1);
  t.equal(operations.count, 1, 'not ready: it goes on waiting');
  probe.ready = 'done';
  probe.wake();
  t.equal(await result, 'done');
  t.equal(operations.count, 0);
  t.equal(probe.unwatched, 1);
  t.equal(clock.timerCount, 0, 'its timer is gone');
});

t.test('wakes of one turn are tried once', async (t) => {
  const { probe, wait, clock } = setUp();
  const result = wait();
  for (let i = 0; i < 5; i++) probe.wake();
  await Promise.resolve();
  t.equal(probe.tries, 1);
  clock.advance(100);
  await result;
});

t.test('it expires when its time is over, not before', async (t) => {
  const { clock, operations, wait } = setUp();
  const result = wait(100);
  clock.advance(99);
  t.equal(operations.count, 1);
  clock.advance(1);
  t.equal(await result, 'expired');
  t.equal(operations.count, 0);
});

t.test('it expires at once when the connection begins to close', async (t) => {
  const { clock, controller, operations, probe, wait } = setUp();
  const result = wait();
  controller.abort();
  t.equal(await result, 'expired');
  t.equal(operations.count, 0);
  t.equal(probe.unwatched, 1);
  t.equal(clock.timerCount, 0);
  t.equal(await wait(), 'expired', 'and so does one that comes after');
});

t.test('one beyond the bound does not wait', async (t) => {
  const { clock, wait } = setUp(1);
  const first = wait();
  t.equal(await wait(), 'expired');
  clock.advance(100);
  await first;
});

t.test('closing expires what waits, and nothing waits after it', async (t) => {
  const { operations, wait } = setUp();
  const waiting = [wait(), wait()];
  operations.close();
  t.same(await Promise.all(waiting), ['expired', 'expired']);
  t.equal(await wait(), 'expired');
});

t.test('a throw in the condition rejects and takes the operation away', async (t) => {
  const clock = new ManualClock();
  const operations = new DelayedOperations({ clock, countMax: 1 });
  let wake = (): void => {};
  const result = operations.wait({
    maxWaitMs: 100,
    signal: new CloseSignal(),
    watch: (given) => {
      wake = given;
      return () => {};
    },
    tryComplete: () => {
      throw new Error('broken');
    },
    expire: () => 'expired',
  });
  wake();
  await t.rejects(result, { message: 'broken' });
  t.equal(operations.count, 0);
});

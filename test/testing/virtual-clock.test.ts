import { MessageChannel } from 'node:worker_threads';
import t from 'tap';
import { setCheckTimer } from '#src/base/clock.js';
import { VirtualClock } from '#src/testing/virtual-clock.js';

t.test('what a timer began is over before the next one runs', async (t) => {
  const seen: string[] = [];
  let pending: (() => void)[] = [];
  const settled = async (): Promise<void> => {
    for (const finish of pending.splice(0)) finish();
  };
  const clock = new VirtualClock(1000, settled);
  for (const ms of [30, 10, 20]) {
    clock.setTimer(ms, () => {
      seen.push(`begun ${clock.nowMs()}`);
      pending.push(() => seen.push(`over ${clock.nowMs()}`));
    });
  }
  pending = [() => seen.push('over what was there')];
  t.equal(await clock.advance(25), 1025);
  t.same(seen, ['over what was there', 'begun 1010', 'over 1010', 'begun 1020', 'over 1020']);
  t.equal(clock.monotonicMs(), 25);
  t.equal(clock.timerCount, 1);
});

t.test('advances are one after the other', async (t) => {
  const clock = new VirtualClock(0, async () => {});
  const seen: number[] = [];
  clock.setTimer(15, () => seen.push(clock.nowMs()));
  t.same(await Promise.all([clock.advance(10), clock.advance(10)]), [10, 20]);
  t.same(seen, [15]);
  clock.setTimer(1, () => {
    throw new Error('a timer failed');
  });
  await t.rejects(clock.advance(5), { message: 'a timer failed' });
  t.equal(await clock.advance(5), 26);
});

t.test('a timer without a delay needs no advance', async (t) => {
  const clock = new VirtualClock(0, async () => {});
  const seen: string[] = [];
  clock.setTimer(1, () => seen.push('later'));
  await new Promise<void>((resolve) => {
    clock.setTimer(0, () => {
      seen.push('now');
      clock.setTimer(0, resolve);
    });
  });
  t.same(seen, ['now']);
});

t.test('checks run so often in an advance, and at its end', async (t) => {
  const clock = new VirtualClock(0, async () => {});
  const checked: number[] = [];
  const repeat = (intervalMs: number, into: number[]): void => {
    setCheckTimer(clock, intervalMs, () => {
      into.push(clock.nowMs());
      repeat(intervalMs, into);
    });
  };
  repeat(10, checked);
  const week = 7 * 86_400_000;
  await clock.advance(week);
  t.equal(checked[0], 10, 'the one that was set before comes in time');
  t.equal(checked.at(-1), week);
  t.equal(checked.length, 17);
  await clock.advance(10);
  t.equal(checked.at(-1), week + 10);
  const slow: number[] = [];
  repeat(4 * 86_400_000, slow);
  const from = clock.nowMs();
  await clock.advance(week);
  t.same(slow, [from + 4 * 86_400_000], 'those that are rarer come in time');
});

t.test('a clock that runs follows the time outside, until it stands again', async (t) => {
  const clock = new VirtualClock(1_000_000, async () => {});
  // Its timers do not keep a process alive, as a broker for tests does not.
  const { port1: held } = new MessageChannel();
  held.on('message', () => {});
  t.teardown(() => held.close());
  const due = new Promise<void>((resolve) => clock.setTimer(20, resolve));
  clock.resume();
  clock.resume();
  await due;
  const stoodMs = await clock.pause();
  t.ok(stoodMs >= 1_000_020);
  t.ok(Number.isInteger(stoodMs));
  t.equal(await clock.pause(), stoodMs);
  t.equal(await clock.advance(5), stoodMs + 5);
  clock.resume();
  clock.resume();
  await new Promise<void>((resolve) => clock.setTimer(10, resolve));
  t.ok((await clock.pause()) >= stoodMs + 15);
});

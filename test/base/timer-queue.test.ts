import t from 'tap';
import { ManualClock, setCheckTimer } from '#src/base/clock.js';
import { seededRandom } from '#src/base/random.js';
import { atTickEnd, isTickIdle, yieldToLoop } from '#src/base/tick.js';
import { TimerQueue } from '#src/base/timer-queue.js';

t.test('timers come by due time, then as they were set, whatever was cancelled', (t) => {
  const seed = 7;
  const random = seededRandom(seed);
  for (let round = 0; round < 50; round++) {
    const queue = new TimerQueue();
    const model: { due: number; id: number; timer: ReturnType<TimerQueue['add']> }[] = [];
    const ran: number[] = [];
    const wanted: number[] = [];
    for (let id = 0; id < 300; id++) {
      const action = random.below(10);
      if (action < 5) {
        const due = random.below(40);
        model.push({ due, id, timer: queue.add(due, () => ran.push(id)) });
      } else if (action < 9 && model.length > 0) {
        const [gone] = model.splice(random.below(model.length), 1);
        if (gone !== undefined) queue.cancel(gone.timer);
      } else {
        const next = model.toSorted((a, b) => a.due - b.due || a.id - b.id)[0];
        if (next !== undefined) {
          wanted.push(next.id);
          model.splice(model.indexOf(next), 1);
        }
        queue.take()?.();
      }
    }
    const rest = model.toSorted((a, b) => a.due - b.due || a.id - b.id);
    t.equal(queue.count, rest.length, `seed ${seed}`);
    t.equal(queue.nextDueMs, rest[0]?.due ?? null);
    for (let run = queue.take(); run !== null; run = queue.take()) run();
    t.same(ran, [...wanted, ...rest.map(({ id }) => id)], `seed ${seed}`);
  }
  t.end();
});

t.test('a timer that is cancelled while it runs, or twice, counts once', (t) => {
  const queue = new TimerQueue();
  const timer = queue.add(1, () => queue.cancel(timer));
  queue.take()?.();
  queue.cancel(timer);
  t.equal(queue.count, 0);
  t.equal(queue.take(), null);
  t.end();
});

t.test('a manual clock runs one timer at a time, at its time', (t) => {
  const clock = new ManualClock(1000);
  const seen: string[] = [];
  setCheckTimer(clock, 20, () => seen.push(`b ${clock.monotonicMs()} ${clock.nowMs()}`));
  clock.setTimer(10, () => clock.setTimer(5, () => seen.push(`a ${clock.monotonicMs()}`)));
  t.equal(clock.nextDueMs, 10);
  t.ok(clock.runNext(30));
  t.ok(clock.runNext(30));
  t.ok(clock.runNext(30));
  t.notOk(clock.runNext(30));
  t.same(seen, ['a 15', 'b 20 1020']);
  t.equal(clock.monotonicMs(), 20);
  t.end();
});

t.test(
  'the tick is idle when nothing waits for its end and no work is between two steps',
  async (t) => {
    t.ok(isTickIdle());
    const yielded = yieldToLoop();
    t.notOk(isTickIdle());
    await yielded;
    t.ok(isTickIdle());
    const sent = new Promise<void>((resolve) => atTickEnd('send', resolve));
    t.notOk(isTickIdle());
    await sent;
    t.ok(isTickIdle());
  },
);

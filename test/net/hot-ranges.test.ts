import t from 'tap';
import { ManualClock } from '#src/base/clock.js';
import { HOT_MS_MAX } from '#src/base/limits.js';
import { HotRanges } from '#src/net/hot-ranges.js';

t.test('a range that was marked is hot, its neighbours are not', async (t) => {
  const hot = new HotRanges(new ManualClock());
  hot.mark(3, 100, 200);
  t.ok(hot.covers(3, 100, 200));
  t.ok(hot.covers(3, 150, 160));
  t.notOk(hot.covers(3, 99, 200));
  t.notOk(hot.covers(3, 100, 201));
  t.notOk(hot.covers(4, 100, 200));
});

t.test('touching ranges grow together, a distant one takes the place', async (t) => {
  const hot = new HotRanges(new ManualClock());
  hot.mark(3, 100, 200);
  hot.mark(3, 200, 300);
  hot.mark(3, 50, 100);
  t.ok(hot.covers(3, 50, 300));
  hot.mark(3, 1000, 1100);
  t.ok(hot.covers(3, 1000, 1100));
  t.notOk(hot.covers(3, 100, 200));
});

t.test('heat has an age: that of the oldest part', async (t) => {
  const clock = new ManualClock();
  const hot = new HotRanges(clock);
  hot.mark(3, 0, 100);
  clock.advance(HOT_MS_MAX);
  hot.mark(3, 100, 200);
  t.ok(hot.covers(3, 0, 200));
  clock.advance(1);
  t.notOk(hot.covers(3, 0, 100));
  t.notOk(hot.covers(3, 150, 200));
  hot.mark(3, 200, 300);
  t.ok(hot.covers(3, 200, 300));
  t.notOk(hot.covers(3, 100, 200), 'what is old is forgotten with the next mark');
});

t.test('it remembers a bounded number of files', async (t) => {
  const hot = new HotRanges(new ManualClock());
  for (let fd = 0; fd < 5_000; fd++) hot.mark(fd, 0, 1);
  let remembered = 0;
  for (let fd = 0; fd < 5_000; fd++) if (hot.covers(fd, 0, 1)) remembered++;
  t.ok(remembered > 0 && remembered <= 1_024);
});

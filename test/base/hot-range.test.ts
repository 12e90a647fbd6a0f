import t from 'tap';
import { HotRange } from '#src/base/hot-range.js';
import { HOT_MS_MAX } from '#src/base/limits.js';

t.test('a range that was marked is hot, its neighbours are not', async (t) => {
  const hot = new HotRange();
  t.notOk(hot.covers(0, 0, 0), 'nothing is at first');
  hot.mark(100, 200, 0);
  t.ok(hot.covers(100, 200, 0));
  t.ok(hot.covers(150, 160, 0));
  t.notOk(hot.covers(99, 200, 0));
  t.notOk(hot.covers(100, 201, 0));
});

t.test('touching ranges grow together, a distant one takes the place', async (t) => {
  const hot = new HotRange();
  hot.mark(100, 200, 0);
  hot.mark(200, 300, 0);
  hot.mark(50, 100, 0);
  t.ok(hot.covers(50, 300, 0));
  hot.mark(1000, 1100, 0);
  t.ok(hot.covers(1000, 1100, 0));
  t.notOk(hot.covers(100, 200, 0));
});

t.test('heat has an age: that of the oldest part', async (t) => {
  const hot = new HotRange();
  hot.mark(0, 100, 0);
  let nowMs = HOT_MS_MAX;
  hot.mark(100, 200, nowMs);
  t.ok(hot.covers(0, 200, nowMs));
  nowMs++;
  t.notOk(hot.covers(0, 100, nowMs));
  t.notOk(hot.covers(150, 200, nowMs));
  hot.mark(200, 300, nowMs);
  t.ok(hot.covers(200, 300, nowMs));
  t.notOk(hot.covers(100, 200, nowMs), 'what is old is forgotten with the next mark');
});

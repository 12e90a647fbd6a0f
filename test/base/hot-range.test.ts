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

t.test('of what is forgotten in the middle the end stays', (t) => {
  const left = (start: number, end: number): boolean[] => {
    const range = new HotRange();
    range.mark(100, 200, 0);
    range.forget(start, end);
    return [range.covers(100, 120, 0), range.covers(140, 150, 0), range.covers(180, 200, 0)];
  };
  t.same(left(0, 100), [true, true, true], 'beside it');
  t.same(left(200, 300), [true, true, true]);
  t.same(left(0, 120), [false, true, true]);
  t.same(left(130, 160), [false, false, true]);
  t.same(left(160, 300), [true, true, false]);
  t.same(left(0, 300), [false, false, false]);
  t.end();
});

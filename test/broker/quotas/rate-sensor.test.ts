import t from 'tap';
import { RateSensor } from '#src/broker/quotas/rate-sensor.js';
import { TokenBucket } from '#src/broker/quotas/token-bucket.js';

const windows = { count: 11, sizeMs: 1000 };

t.test('a burst of what the windows allow is free, beyond it the wait pays the rate', async (t) => {
  const sensor = new RateSensor(windows);
  t.equal(sensor.throttleMs(100, 0), 0, 'nothing recorded');
  sensor.record(1000, 0);
  t.equal(sensor.throttleMs(100, 0), 0, '1000 in 10 s is 100 a second');
  sensor.record(500, 0);
  t.equal(sensor.throttleMs(100, 0), 5000, '1500 at 100 a second take 15 s, 10 are covered');
  t.equal(sensor.throttleMs(100, 4000), 5000, 'the windows ahead count as waited for');
  t.ok(sensor.throttleMs(100, 10_500) < 5000);
  t.equal(sensor.throttleMs(100, 11_000), 0, 'the window is over for good');
});

t.test('a steady use of the quota is never throttled, more of it in the long run is', async (t) => {
  const steady = new RateSensor(windows);
  const greedy = new RateSensor(windows);
  let nowMs = 0;
  let sent = 0;
  for (let second = 0; second < 100; second++) {
    steady.record(90, second * 1000);
    if (steady.throttleMs(100, second * 1000) > 0) t.fail(`throttled after ${second} s`);
  }
  while (nowMs < 200_000) {
    greedy.record(300, nowMs);
    sent += 300;
    nowMs += 10 + greedy.throttleMs(100, nowMs);
  }
  t.ok(sent > 15_000 && sent < 26_000, `${sent} in 200 s, 100 a second allowed`);
});

t.test('a bucket gives its burst, then makes debt wait', async (t) => {
  const bucket = new TokenBucket(20, 0);
  bucket.take(20, 2, 20, 0);
  t.equal(bucket.throttleMs(2, 20, 0), 0);
  bucket.take(6, 2, 20, 0);
  t.equal(bucket.throttleMs(2, 20, 0), 3000);
  t.equal(bucket.throttleMs(2, 20, 2000), 1000);
  t.equal(bucket.throttleMs(2, 20, 3000), 0);
  bucket.take(0, 2, 20, 1_000_000);
  bucket.take(21, 2, 20, 1_000_000);
  t.equal(bucket.throttleMs(2, 20, 1_000_000), 500, 'never more than the burst');
});

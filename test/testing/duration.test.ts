import t from 'tap';
import { durationMs } from '#src/testing/duration.js';

t.test('durations are milliseconds or text', (t) => {
  const cases: readonly [number | string, number][] = [
    [0, 0],
    [1500, 1500],
    ['250ms', 250],
    ['1.5s', 1500],
    [0.4, 0],
    ['0.5ms', 1],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    [' 1d 12h30m ', 131_400_000],
  ];
  for (const [text, ms] of cases) t.equal(durationMs(text), ms, String(text));
  for (const wrong of ['', '7', '7 days', 'd', '-1s', -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => durationMs(wrong), { code: 'INVALID_DURATION' }, String(wrong));
  }
  t.end();
});

import t from 'tap';
import { flameGraph, topFunctions } from '../../bench/harness/profile.js';
import { Progress } from '../../bench/harness/progress.js';
import { runSuite } from '../../bench/harness/run-suite.js';
import { judge, median, ratios, spread } from '../../bench/harness/statistics.js';
import type { Round, Suite } from '../../bench/harness/suite.js';
import { table } from '../../bench/harness/table.js';

function round(number: number, a: number, b: number, kept = true): Round {
  return { number, foreignCpu: 0, kept, measurements: { a: { value: a }, b: { value: b } } };
}

t.test('medians, and ratios of the same round', (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.ok(Number.isNaN(median([])));
  t.same(spread([2, 1, 3]), { median: 2, min: 1, max: 3 });
  // The machine was twice as slow in the second round, and foreign in the third.
  const rounds = [round(1, 10, 5), round(2, 5, 2.5), round(3, 1, 100, false)];
  t.same(ratios(rounds, 'a', 'b', 'value'), [2, 2]);
  t.same(ratios(rounds, 'a', 'none', 'value'), []);
  t.end();
});

t.test('targets are held against the baseline, another case or the figure itself', (t) => {
  const cases = [
    { name: 'a', unit: 'GB/s', better: 'higher' as const, baseline: 'b' },
    { name: 'b', unit: 'GB/s', better: 'higher' as const },
  ];
  const rounds = [round(1, 10, 5), round(2, 30, 15)];
  const verdicts = judge(
    [
      { id: 'own', case: 'a', atLeast: 2 },
      { id: 'other', case: 'b', against: 'a', atMost: 0.4 },
      { id: 'figure', case: 'a', against: null, atLeast: 21 },
      { id: 'absent', case: 'c', atLeast: 1 },
    ],
    { cases, rounds },
  );
  t.same(
    verdicts.map(({ id, reached, ok }) => [id, reached, ok]),
    [
      ['own', 2, true],
      ['other', 0.5, false],
      ['figure', 20, false],
    ],
  );
  t.end();
});

t.test('a suite runs forwards and backwards, drops the warm-up and says what failed', async (t) => {
  const calls: string[] = [];
  let closed = 0;
  const suite: Suite = {
    ...{ name: 'made-up', title: 'Made up', question: 'Does it run?' },
    parameters: { size: { default: '7', doc: 'a number' } },
    targets: [{ id: 'T', case: 'a', atLeast: 1.5 }],
    open(context) {
      t.equal(context.number('size'), 8);
      context.note('a note');
      const one = (name: string, value: number, baseline?: string) => ({
        ...{ name, unit: 'x/s', better: 'higher' as const },
        ...(baseline === undefined ? {} : { baseline }),
        run(round: number) {
          calls.push(`${name}${round}`);
          if (name === 'bad') return Promise.reject(new Error('as made up'));
          return Promise.resolve({ value, more: { p99Ms: value * 2 } });
        },
      });
      return Promise.resolve({
        cases: [one('b', 10), one('a', 20, 'b'), one('bad', 1), one('left out', 1)],
        close: () => Promise.resolve(void closed++),
      });
    },
  };
  const result = await runSuite(suite, {
    ...{ rounds: 2, repeatsMax: 0, only: ['a', 'bad'], parameters: { size: '8' } },
    progress: new Progress(),
  });
  t.same(calls, ['b0', 'a0', 'bad0', 'a1', 'b1', 'b2', 'a2']);
  t.equal(closed, 1);
  t.match(result.failures['bad'], /as made up/);
  t.equal(result.rounds.length, 2);
  t.match(result.verdicts, [{ id: 'T', reached: 2, ok: true }]);
  t.match(result.notes.join(), /a note/);
  const text = table(result);
  t.match(text, /^a +20\.0 +20\.0 +20\.0 +x\/s +2\.00x/m);
  t.match(text, /FAILED bad/);
});

t.test('a profile becomes a list of functions and a flame graph', (t) => {
  const frame = (functionName: string) => ({
    functionName,
    url: 'file:///x/y/z.js',
    lineNumber: 4,
  });
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(root)'), children: [2, 3] },
      { id: 2, callFrame: frame('work<1>'), children: [4] },
      { id: 3, callFrame: frame('(idle)') },
      { id: 4, callFrame: frame('inner') },
    ],
    samples: [2, 4, 4, 3],
    timeDeltas: [100, 100, 200, 9000],
  };
  t.same(topFunctions(profile), ['  75.0 %  inner y/z.js:5', '  25.0 %  work<1> y/z.js:5']);
  const svg = flameGraph(profile);
  t.match(svg, /<title>work&lt;1&gt; y\/z\.js:5: 100\.0 %<\/title>/);
  t.match(svg, /<title>inner y\/z\.js:5: 75\.0 %<\/title>/);
  t.notMatch(svg, /idle/);
  t.end();
});

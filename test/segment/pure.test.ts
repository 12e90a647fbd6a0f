/** The parts of a segment that decide and do not act: names, roll, verdicts, the list. */

import t from 'tap';
import { offset } from '#src/base/offset.js';
import { FILE_KINDS, FILE_STATES, formatFileName, parseFileName } from '#src/segment/names.js';
import { judgeDamage } from '#src/segment/recovery.js';
import { type RollInput, rollReason } from '#src/segment/roll-policy.js';
import { SegmentList } from '#src/segment/segment-list.js';

t.test('names are written and read back; what is no segment file is null', (t) => {
  t.equal(formatFileName(offset(4096), 'log'), '00000000000000004096.log');
  t.equal(formatFileName(offset(0), 'index', 'deleted'), '00000000000000000000.index.deleted');
  for (const baseOffset of [0, 1, 4096, Number.MAX_SAFE_INTEGER].map(offset)) {
    for (const kind of FILE_KINDS) {
      for (const state of ['live', ...FILE_STATES] as const) {
        const name = formatFileName(baseOffset, kind, state);
        t.same(parseFileName(name), { baseOffset, kind, state }, name);
      }
    }
  }
  for (const name of [
    '',
    '.log',
    '0.log',
    '00000000000000004096',
    '00000000000000004096.',
    '00000000000000004096.logs',
    '00000000000000004096.log.',
    '00000000000000004096.log.live',
    '00000000000000004096.log.old',
    '00000000000000004096.log.deleted.swap',
    '0000000000000000409x.log',
    '-0000000000000004096.log',
    '000000000000000004096.log',
    '99999999999999999999.log',
    'leader-epoch-checkpoint',
    'partition.metadata',
    '.lock',
  ]) {
    t.equal(parseFileName(name), null, name);
  }
  t.end();
});

const roll: RollInput = {
  size: 600,
  appendSize: 400,
  relativeOffset: 10,
  firstTimestampMs: 5000,
  appendTimestampMs: 6000,
  createdMs: 100,
  nowMs: 200,
  indexFull: false,
  segmentBytes: 1000,
  segmentMs: 1000,
  jitterMs: 0,
};

t.test('rolls for each cause exactly from its bound on', (t) => {
  const cases: [string, Partial<RollInput>, string | null][] = [
    ['at every bound', {}, null],
    ['a byte more', { appendSize: 401 }, 'size'],
    ['a batch larger than a segment, into an empty one', { size: 0, appendSize: 5000 }, null],
    ['a millisecond more', { appendTimestampMs: 6001 }, 'time'],
    ['the clock does not count where there are timestamps', { nowMs: 1e15 }, null],
    ['an older timestamp', { appendTimestampMs: 1 }, null],
    ['jitter makes it earlier', { jitterMs: 1 }, 'time'],
    ['without timestamps, by the clock', { firstTimestampMs: -1, nowMs: 1101 }, 'time'],
    ['without timestamps, not yet', { firstTimestampMs: -1, nowMs: 1100 }, null],
    ['an empty segment is not old', { size: 0, appendTimestampMs: 1e15 }, null],
    ['a full index', { indexFull: true }, 'index full'],
    ['an empty segment with a full index', { size: 0, indexFull: true }, null],
    ['the largest relative offset', { relativeOffset: 2 ** 31 - 1 }, null],
    ['one more', { relativeOffset: 2 ** 31 }, 'relative offset'],
    ['one more, empty', { size: 0, relativeOffset: 2 ** 31 }, 'relative offset'],
    ['no bound on time', { segmentMs: Number.MAX_SAFE_INTEGER, appendTimestampMs: 1e15 }, null],
  ];
  for (const [name, change, expected] of cases) {
    t.equal(rollReason({ ...roll, ...change }), expected, name);
  }
  t.end();
});

t.test('only a torn tail is cut: every row of the table', (t) => {
  const booleans = [false, true];
  const cut: unknown[] = [];
  for (const follower of ['valid', 'none', 'unclear'] as const) {
    for (const broken of booleans) {
      for (const lastSegment of booleans) {
        for (const beyondRecoveryPoint of booleans) {
          const facts = { follower, broken, lastSegment, beyondRecoveryPoint };
          const verdict = judgeDamage(facts);
          if (verdict === 'cut') cut.push(facts);
          else t.equal(verdict, follower === 'valid' ? 'skip' : 'keep-tail', JSON.stringify(facts));
        }
      }
    }
  }
  t.same(cut, [{ follower: 'none', broken: true, lastSegment: true, beyondRecoveryPoint: true }]);
  t.end();
});

t.test('the list finds by offset what a linear search finds, for every small list', (t) => {
  let looked = 0;
  for (let bits = 0; bits < 256; bits++) {
    const bases = [0, 1, 2, 3, 4, 5, 6, 7].filter((base) => (bits & (1 << base)) !== 0);
    const items = bases.map((baseOffset) => ({ baseOffset }));
    for (const order of [items, items.toReversed()]) {
      const list = new SegmentList<{ baseOffset: number }>();
      for (const item of order) list.add(item);
      for (let at = 0; at < 9; at++) {
        looked++;
        const floor = items.findLast((item) => item.baseOffset <= at) ?? null;
        const higher = items.find((item) => item.baseOffset > at) ?? null;
        if (list.floor(at) !== floor || list.higher(at) !== higher) t.fail(`${bases} ${at}`);
      }
      t.same([...list], items);
      if (list.first !== (items[0] ?? null) || list.last !== (items.at(-1) ?? null)) t.fail();
      for (const item of items) {
        if (!list.remove(item) || list.remove(item)) t.fail(`remove ${item.baseOffset}`);
      }
      t.equal(list.count, 0);
    }
  }
  t.ok(looked > 4000);
  const list = new SegmentList<{ baseOffset: number }>();
  list.add({ baseOffset: 1 });
  t.throws(() => list.add({ baseOffset: 1 }), /two segments/);
  t.end();
});
